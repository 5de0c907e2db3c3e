#include "relay/body.h"

#include "base/text.h"

#include <set>

namespace mailreeve::relay {
namespace {

std::string Quoted(std::string_view text) {
  std::string out(CutUtf8(text, 100));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\'') c = '?';
  }
  return "'" + out + "'";
}

tl::unexpected<Error> Wrong(size_t index, std::string_view key, std::string_view what) {
  return Fail(Code::kInvalid, "{" + std::to_string(index) + ": {" + Quoted(key) + ": ['" +
                                  std::string(what) + "']}}");
}

}  // namespace

Result<AskedObservables> ReadObservables(const json::value& body, const BodyLimits& limits) {
  if (!body.is_array()) return Fail(Code::kInvalid, "{'_schema': ['Invalid input type.']}");
  const json::array& items = body.get_array();
  if (items.size() > limits.max_observables) {
    return Fail(Code::kInvalid, "{'_schema': ['At most " + std::to_string(limits.max_observables) +
                                    " observables are taken.']}");
  }
  AskedObservables out;
  std::set<std::pair<observable::Type, std::string>> seen;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_object()) return Wrong(i, "_schema", "Invalid input type.");
    const json::object& item = items[i].get_object();
    for (const auto& [key, value] : item) {
      if (key != "type" && key != "value") return Wrong(i, key, "Unknown field.");
    }
    std::string texts[2];
    for (const int part : {0, 1}) {
      const char* key = part == 0 ? "type" : "value";
      const json::value* found = item.if_contains(key);
      if (found == nullptr) return Wrong(i, key, "Missing data for required field.");
      if (!found->is_string()) return Wrong(i, key, "Not a valid string.");
      texts[part] = std::string(found->get_string());
      if (TrimSpace(texts[part]).empty()) return Wrong(i, key, "Field may not be blank.");
      if (texts[part].size() > limits.max_value_bytes)
        return Wrong(i, key, "Longer than maximum length.");
    }
    auto type = observable::TypeFromName(TrimSpace(texts[0]));
    if (!type) continue;
    AskedObservable asked;
    asked.given = {*type, texts[1]};
    auto canonical = observable::Canonical(*type, texts[1]);
    if (!canonical && *type == observable::Type::kIp) {
      canonical = observable::Canonical(observable::Type::kIpv6, texts[1]);
      type = observable::Type::kIpv6;
    }
    if (!canonical) {
      out.unreadable.push_back(std::string(observable::TypeName(asked.given.type)) + ":" +
                               std::string(CutUtf8(texts[1], 100)));
      continue;
    }
    if (*type == observable::Type::kIp && canonical->find(':') != std::string::npos)
      type = observable::Type::kIpv6;
    asked.canonical = {*type, *std::move(canonical)};
    if (seen.emplace(asked.canonical.type, asked.canonical.value).second)
      out.asked.push_back(std::move(asked));
  }
  return out;
}

}  // namespace mailreeve::relay
