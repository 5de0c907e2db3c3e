#include "response/intel/access.h"

#include "response/intel/fields.h"

namespace mailreeve::response::intel {
namespace {

std::string_view TextAt(const json::object& document, std::string_view key) {
  const json::value* value = document.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

bool ListHas(const json::object& document, std::string_view key, std::string_view word) {
  if (word.empty()) return false;
  const json::value* value = document.if_contains(key);
  if (value == nullptr || !value->is_array()) return false;
  for (const json::value& item : value->get_array()) {
    if (item.is_string() && item.get_string() == word) return true;
  }
  return false;
}

// A record without a word for it is shown as little as one that is red.
int LevelOf(const json::object& document) {
  const int level = TlpLevel(TextAt(document, "tlp"));
  return level < 0 ? 3 : level;
}

}  // namespace

bool MayWrite(const json::object& document, const Asker& asker) {
  const bool same_group = ListHas(document, "groups", asker.org);
  if (same_group && !asker.login.empty() && TextAt(document, "owner") == asker.login) return true;
  if (ListHas(document, "authorized_users", asker.login) ||
      ListHas(document, "authorized_groups", asker.org))
    return true;
  return same_group && LevelOf(document) < 3;
}

bool MayRead(const json::object& document, const Asker& asker, Visibility visibility) {
  return MayWrite(document, asker) ||
         (visibility == Visibility::kEveryone && LevelOf(document) <= 1);
}

}  // namespace mailreeve::response::intel
