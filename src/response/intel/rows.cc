#include "response/intel/rows.h"

#include "base/time.h"
#include "observable/observable.h"
#include "response/intel/fields.h"
#include "response/intel_query/match.h"

#include <algorithm>

namespace mailreeve::response::intel {
namespace {

std::string_view TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

int64_t IntegerAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

// What is compared and hashed of an observable.
std::optional<std::pair<observable::Type, std::string>> FormOf(std::string_view type_name,
                                                               std::string_view value) {
  std::optional<observable::Type> type = observable::TypeFromName(type_name);
  if (!type) return std::nullopt;
  Result<std::string> canonical = observable::Canonical(*type, value);
  std::string form = canonical ? *std::move(canonical) : intel_query::FoldCase(value);
  // An address is the same whatever of the two types it was called.
  if (*type == observable::Type::kIp && form.find(':') != std::string::npos)
    type = observable::Type::kIpv6;
  return std::make_pair(*type, std::move(form));
}

// Where entities keep what they are about. Those in relations and targets are beside the point of a
// sighting and are not looked up.
template <class F>
void ForEachObservable(const json::object& document, F visit) {
  const auto one = [&](const json::value& item) {
    if (const json::object* object = item.if_object())
      visit(TextAt(*object, "type"), TextAt(*object, "value"));
  };
  if (const json::value* single = document.if_contains("observable")) one(*single);
  const auto list = [&](const json::object& from) {
    const json::value* items = from.if_contains("observables");
    if (items == nullptr || !items->is_array()) return;
    for (const json::value& item : items->get_array()) one(item);
  };
  list(document);
  if (const json::value* identity = document.if_contains("identity");
      identity != nullptr && identity->is_object())
    list(identity->get_object());
}

void AddEventRows(const json::object& document, Rows& rows) {
  const json::value* value = document.if_contains("entity");
  if (value == nullptr || !value->is_object()) return;
  const int64_t field = FieldCode("event", "about");
  for (const char* key : {"id", "source_ref", "target_ref"}) {
    const std::string_view id = TextAt(value->get_object(), key);
    if (!id.empty()) rows.terms.push_back({field, IndexText("id", id)});
  }
}

}  // namespace

std::optional<int64_t> ObservableCode(std::string_view type, std::string_view value) {
  const auto form = FormOf(type, value);
  if (!form) return std::nullopt;
  return static_cast<int64_t>(observable::Fingerprint(form->first, form->second));
}

bool NamesObservable(const json::object& document, std::string_view type, std::string_view value) {
  const auto wanted = FormOf(type, value);
  bool found = false;
  if (!wanted) return false;
  ForEachObservable(document, [&](std::string_view have_type, std::string_view have_value) {
    if (found) return;
    found = (have_type == type && have_value == value) || FormOf(have_type, have_value) == wanted;
  });
  return found;
}

std::optional<int64_t> MicrosAt(const json::object& document, std::string_view path) {
  const json::object* object = &document;
  while (true) {
    const size_t dot = path.find('.');
    const json::value* value = object->if_contains(path.substr(0, dot));
    if (value == nullptr) return std::nullopt;
    if (dot == std::string_view::npos) {
      if (!value->is_string()) return std::nullopt;
      const Result<Time> time = ParseTime(value->get_string());
      if (!time) return std::nullopt;
      return ToEpochMicros(*time);
    }
    object = value->if_object();
    if (object == nullptr) return std::nullopt;
    path = path.substr(dot + 1);
  }
}

Rows RowsOf(std::string_view type, const json::object& document) {
  Rows rows;
  const EntityFields& fields = *FieldsOf(type);
  for (const std::string& field : fields.indexed) {
    const int64_t code = FieldCode(type, field);
    intel_query::ForEachValue(document, field, [&](const json::value& value) {
      rows.terms.push_back({code, IndexValue(field, value)});
      return true;
    });
  }
  const int64_t words = WordCode(type);
  for (const std::string& field : fields.searched) {
    if (intel_query::IsIdField(field)) continue;
    intel_query::ForEachValue(document, field, [&](const json::value& value) {
      if (!value.is_string()) return true;
      for (std::string& word : intel_query::WordsOf(value.get_string()))
        rows.terms.push_back({words, std::move(word)});
      return true;
    });
  }
  const auto shared = [&](std::string_view key, const char* prefix) {
    intel_query::ForEachValue(document, key, [&](const json::value& value) {
      if (value.is_string())
        rows.terms.push_back({SharedCode(), prefix + std::string(value.get_string())});
      return true;
    });
  };
  shared("authorized_users", "u:");
  shared("authorized_groups", "g:");
  if (type == "event") {
    AddEventRows(document, rows);
  } else {
    ForEachObservable(document, [&](std::string_view name, std::string_view value) {
      if (const auto code = ObservableCode(name, value)) rows.observables.push_back(*code);
    });
  }
  std::sort(rows.terms.begin(), rows.terms.end());
  rows.terms.erase(std::unique(rows.terms.begin(), rows.terms.end()), rows.terms.end());
  std::sort(rows.observables.begin(), rows.observables.end());
  rows.observables.erase(std::unique(rows.observables.begin(), rows.observables.end()),
                         rows.observables.end());
  if (type == "judgement" && !rows.observables.empty()) {
    rows.judgement = JudgementRow{rows.observables.front(), -IntegerAt(document, "priority"),
                                  IntegerAt(document, "disposition"),
                                  MicrosAt(document, "valid_time.start_time").value_or(kNoStart),
                                  MicrosAt(document, "valid_time.end_time").value_or(kNoEnd)};
  }
  if (type == "relationship") {
    rows.relation = RelationRow{std::string(TextAt(document, "relationship_type")),
                                IndexText("id", TextAt(document, "source_ref")),
                                IndexText("id", TextAt(document, "target_ref"))};
  }
  return rows;
}

}  // namespace mailreeve::response::intel
