#pragma once

#include "base/time.h"
#include "crypto/seal.h"
#include "json/json.h"
#include "sql/database.h"

#include <optional>
#include <string>
#include <vector>

// Types, patches, integrations and instances of modules as stored.
//
// Threads: one at a time; blocking. Ownership: owns its database and keys. Errors: sql/database.h;
// kNotFound, kConflict where said; kCorrupt for a record whose secrets cannot be opened.
//
//   TRY(auto store, Store::Open(std::move(database), std::move(keys)));
//   TRY_VOID(store.Insert(record));
//   TRY(auto mine, store.List(Kind::kInstance, org_id));
namespace mailreeve::response::module_store {

enum class Kind { kType, kPatch, kInstance, kIntegration };
std::string_view KindName(Kind kind);  // as in the routes: "module-type"

struct Record {
  std::string id;
  Kind kind = Kind::kInstance;
  std::string org_id, user_id, client_id;
  std::string parent_id;           // the type of an instance, patch or integration; may be empty
  std::string visibility = "org";  // "user", "org", "global"
  bool enabled = true;
  json::object document;  // what is no secret
  json::object secret;    // what may be
  int64_t revision = 1;   // set by Update
  Time created{}, updated{};
};

class Store {
 public:
  static Result<Store> Open(sql::Database database, crypto::SealingKeys keys);

  // `work` answers a Result<void>; what it wrote is undone on its error.
  template <class F>
  Result<void> Transaction(F work) {
    return database_.Transaction(std::move(work));
  }

  Result<void> Insert(const Record& record);
  // kConflict: the stored record has another revision than `record`, which was read from it.
  Result<void> Update(Record& record);
  Result<void> Remove(Kind kind, const std::string& id);  // kNotFound
  Result<Record> Find(Kind kind, const std::string& id);  // kNotFound
  // The organisation's and those that all see; of `parent_id` only when it is not empty. Oldest
  // first.
  Result<std::vector<Record>> List(Kind kind, const std::string& org_id,
                                   const std::string& parent_id = {});
  // Of every organisation. An empty org_id: all.
  Result<int64_t> CountOf(Kind kind, const std::string& parent_id, const std::string& org_id);
  // Grows with every change, by whichever node.
  Result<int64_t> Changes();

  // Seals anew what older keys sealed. Answers how many records; afterwards no old key is needed.
  Result<int64_t> Reseal();
  crypto::SealingKeys& keys() { return keys_; }

 private:
  Store(sql::Database database, crypto::SealingKeys keys)
      : database_(std::move(database)), keys_(std::move(keys)) {}
  Result<Record> Read(const sql::Statement& row) const;
  Result<void> NoteChange();

  sql::Database database_;
  crypto::SealingKeys keys_;
};

}  // namespace mailreeve::response::module_store
