#include "response/module_store/store.h"

namespace mailreeve::response::module_store {
namespace {

constexpr std::string_view kColumns =
    "id, kind, org_id, user_id, client_id, parent_id, visibility, enabled, document, sealed, "
    "revision, created_at, updated_at";

std::string ContextOf(std::string_view kind, std::string_view id) {
  return std::string(kind) + " " + std::string(id);
}

std::optional<Kind> KindOf(std::string_view name) {
  for (const Kind kind : {Kind::kType, Kind::kPatch, Kind::kInstance, Kind::kIntegration}) {
    if (KindName(kind) == name) return kind;
  }
  return std::nullopt;
}

Result<json::object> ReadObject(std::string_view text, const std::string& id) {
  auto value = json::Parse(text);
  if (!value || !value->is_object()) {
    return Fail(Code::kCorrupt, "the stored module record " + id + " is no JSON object");
  }
  return std::move(value->get_object());
}

}  // namespace

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kType:
      return "module-type";
    case Kind::kPatch:
      return "module-type-patch";
    case Kind::kInstance:
      return "module-instance";
    case Kind::kIntegration:
      return "integration";
  }
  return "module-instance";
}

Result<Store> Store::Open(sql::Database database, crypto::SealingKeys keys) {
  TRY_VOID(database.Migrate("modules", sql::MigrationsOf("modules")));
  return Store(std::move(database), std::move(keys));
}

Result<void> Store::NoteChange() {
  TRY(auto update,
      database_.Prepare("UPDATE module_change SET counter = counter + 1 WHERE id = 1"));
  TRY_VOID(update.Run());
  return {};
}

Result<int64_t> Store::Changes() {
  TRY(auto select, database_.Prepare("SELECT counter FROM module_change WHERE id = 1"));
  TRY(const bool there, select.Step());
  if (!there) return Fail(Code::kCorrupt, "the table module_change is empty");
  return select.Integer(0);
}

Result<void> Store::Insert(const Record& record) {
  TRY(const std::string sealed,
      keys_.Seal(json::Serialize(record.secret), ContextOf(KindName(record.kind), record.id)));
  TRY(auto insert, database_.Prepare("INSERT INTO module_record (" + std::string(kColumns) +
                                     ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
                                     "?13)"));
  TRY_VOID(insert.Bind(1, record.id)
               .Bind(2, KindName(record.kind))
               .Bind(3, record.org_id)
               .Bind(4, record.user_id)
               .Bind(5, record.client_id)
               .Bind(6, record.parent_id)
               .Bind(7, record.visibility)
               .Bind(8, int64_t{record.enabled})
               .Bind(9, json::Serialize(record.document))
               .Bind(10, sealed)
               .Bind(11, record.revision)
               .Bind(12, ToEpochMicros(record.created))
               .Bind(13, ToEpochMicros(record.updated))
               .Run());
  return NoteChange();
}

Result<void> Store::Update(Record& record) {
  TRY(const std::string sealed,
      keys_.Seal(json::Serialize(record.secret), ContextOf(KindName(record.kind), record.id)));
  TRY(auto update,
      database_.Prepare("UPDATE module_record SET parent_id = ?3, visibility = ?4, enabled = ?5, "
                        "document = ?6, sealed = ?7, updated_at = ?8, revision = revision + 1 "
                        "WHERE id = ?1 AND revision = ?2"));
  TRY(const int64_t changed, update.Bind(1, record.id)
                                 .Bind(2, record.revision)
                                 .Bind(3, record.parent_id)
                                 .Bind(4, record.visibility)
                                 .Bind(5, int64_t{record.enabled})
                                 .Bind(6, json::Serialize(record.document))
                                 .Bind(7, sealed)
                                 .Bind(8, ToEpochMicros(record.updated))
                                 .Run());
  if (changed == 0) {
    return Fail(Code::kConflict, "somebody else changed or removed it meanwhile; read it again");
  }
  ++record.revision;
  return NoteChange();
}

Result<void> Store::Remove(Kind kind, const std::string& id) {
  TRY(auto remove, database_.Prepare("DELETE FROM module_record WHERE id = ?1 AND kind = ?2"));
  TRY(const int64_t removed, remove.Bind(1, id).Bind(2, KindName(kind)).Run());
  if (removed == 0) return Fail(Code::kNotFound, "there is no such " + std::string(KindName(kind)));
  return NoteChange();
}

Result<Record> Store::Read(const sql::Statement& row) const {
  Record record;
  record.id = row.Text(0);
  const std::string kind = row.Text(1);
  if (const auto known = KindOf(kind)) {
    record.kind = *known;
  } else {
    return Fail(Code::kCorrupt, "the stored module record " + record.id + " is of no known kind");
  }
  record.org_id = row.Text(2);
  record.user_id = row.Text(3);
  record.client_id = row.Text(4);
  record.parent_id = row.Text(5);
  record.visibility = row.Text(6);
  record.enabled = row.Integer(7) != 0;
  TRY(record.document, ReadObject(row.Text(8), record.id));
  auto plain = keys_.Open(row.Text(9), ContextOf(kind, record.id));
  if (!plain) return Fail(std::move(plain.error()).Note("module record " + record.id));
  TRY(record.secret, ReadObject(plain->Reveal(), record.id));
  record.revision = row.Integer(10);
  record.created = FromEpochMicros(row.Integer(11));
  record.updated = FromEpochMicros(row.Integer(12));
  return record;
}

Result<Record> Store::Find(Kind kind, const std::string& id) {
  TRY(auto select, database_.Prepare("SELECT " + std::string(kColumns) +
                                     " FROM module_record WHERE id = ?1 AND kind = ?2"));
  TRY(const bool there, select.Bind(1, id).Bind(2, KindName(kind)).Step());
  if (!there) return Fail(Code::kNotFound, "there is no such " + std::string(KindName(kind)));
  return Read(select);
}

Result<std::vector<Record>> Store::List(Kind kind, const std::string& org_id,
                                        const std::string& parent_id) {
  TRY(auto select,
      database_.Prepare("SELECT " + std::string(kColumns) +
                        " FROM module_record WHERE kind = ?1 AND (org_id = ?2 OR visibility = "
                        "'global') AND (?3 = '' OR parent_id = ?3) ORDER BY created_at, id"));
  select.Bind(1, KindName(kind)).Bind(2, org_id).Bind(3, parent_id);
  std::vector<Record> out;
  while (true) {
    TRY(const bool more, select.Step());
    if (!more) return out;
    TRY(Record record, Read(select));
    out.push_back(std::move(record));
  }
}

Result<int64_t> Store::CountOf(Kind kind, const std::string& parent_id, const std::string& org_id) {
  TRY(auto select,
      database_.Prepare("SELECT count(*) FROM module_record WHERE kind = ?1 AND parent_id = ?2 AND "
                        "(?3 = '' OR org_id = ?3)"));
  TRY(const bool there, select.Bind(1, KindName(kind)).Bind(2, parent_id).Bind(3, org_id).Step());
  return there ? select.Integer(0) : 0;
}

Result<int64_t> Store::Reseal() {
  struct Old {
    std::string id, kind, sealed;
  };
  int64_t count = 0;
  TRY_VOID(Transaction([&]() -> Result<void> {
    count = 0;
    std::vector<Old> old;
    {
      TRY(auto select, database_.Prepare("SELECT id, kind, sealed FROM module_record"));
      while (true) {
        TRY(const bool more, select.Step());
        if (!more) break;
        if (!keys_.IsCurrent(select.Text(2))) {
          old.push_back({select.Text(0), select.Text(1), select.Text(2)});
        }
      }
    }
    for (const Old& row : old) {
      TRY(const Secret plain, keys_.Open(row.sealed, ContextOf(row.kind, row.id)));
      TRY(const std::string sealed, keys_.Seal(plain.Reveal(), ContextOf(row.kind, row.id)));
      TRY(auto update, database_.Prepare("UPDATE module_record SET sealed = ?2 WHERE id = ?1"));
      TRY_VOID(update.Bind(1, row.id).Bind(2, sealed).Run());
      ++count;
    }
    return {};
  }));
  return count;
}

}  // namespace mailreeve::response::module_store
