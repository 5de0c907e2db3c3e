#include "response/modules/form.h"

#include "base/text.h"
#include "http/client.h"
#include "outbound/outbound.h"
#include "response/modules/module.h"

#include <algorithm>
#include <array>
#include <span>

namespace mailreeve::response::modules {
namespace {

constexpr size_t kMaxTitle = 1024, kMaxText = 64 * 1024, kMaxLogo = 512 * 1024;
constexpr size_t kMaxItems = 200, kMaxSettingBytes = 64 * 1024;

enum class Kind { kText, kBool, kInteger, kTexts, kObjects, kObject, kSpec, kLogo };

struct Rule {
  std::string_view key;
  Kind kind;
  bool required = false;
  size_t max = kMaxText;
  // Of kObjects: members that each must have and may have, separated by spaces.
  std::string_view required_members = {}, other_members = {};
};

constexpr auto kTypeRules = std::to_array<Rule>({
    {"title", Kind::kText, true, kMaxTitle},
    {"default_name", Kind::kText, true, kMaxTitle},
    {"short_description", Kind::kText},
    {"description", Kind::kText},
    {"tips", Kind::kText},
    {"logo", Kind::kLogo, false, kMaxLogo},
    {"logo_dark", Kind::kLogo, false, kMaxLogo},
    {"enabled", Kind::kBool},
    {"flags", Kind::kTexts},
    {"capabilities", Kind::kObjects, false, kMaxText, "id description"},
    {"product_categories", Kind::kObjects, false, kMaxText, "id description"},
    {"external_references", Kind::kObjects, false, kMaxText, "", "label link external_id class"},
    {"configuration_spec", Kind::kSpec},
    {"properties", Kind::kObject},
    {"integration", Kind::kObject},
    {"integration_id", Kind::kText, false, kMaxTitle},
    {"max_nb_instances", Kind::kInteger},
    {"parent_id", Kind::kText, false, kMaxTitle},
    {"app_link", Kind::kText, false, 2048},
    {"app_link_meta", Kind::kObject},
    {"disable_automatic_health_check", Kind::kBool},
    {"former_title", Kind::kText, false, kMaxTitle},
    {"ocsf-product-uid", Kind::kText, false, kMaxTitle},
});

constexpr auto kInstanceRules = std::to_array<Rule>({
    {"name", Kind::kText, true, kMaxTitle},
    {"module_type_id", Kind::kText, true, 100},
    {"visibility", Kind::kText, true, 10},
    {"enabled", Kind::kBool},
    {"parent_id", Kind::kText, false, 100},
    {"settings", Kind::kObject},
    {"external_references", Kind::kObjects, false, kMaxText, "label", "link external_id class"},
});

constexpr auto kIntegrationRules = std::to_array<Rule>({
    {"title", Kind::kText, true, kMaxTitle},
    {"description", Kind::kText},
    {"short_description", Kind::kText},
    {"tips", Kind::kText},
    {"module_type_id", Kind::kText, false, 100},
    {"flags", Kind::kTexts},
    {"enabled", Kind::kBool},
    {"logo", Kind::kLogo, false, kMaxLogo},
    {"external_references", Kind::kObjects, false, kMaxText, "", "label link external_id class"},
});

// What a server sets, tolerated so that an exported record can be sent back.
constexpr std::string_view kServerKeys[] = {"id",         "org_id",     "user_id", "client_id",
                                            "created_at", "updated_at", "record",  "visibility"};

constexpr std::string_view kFieldTypes[] = {"string",  "password", "api_key", "integer", "boolean",
                                            "options", "device",   "file",    "remote"};

bool IsOneOf(std::string_view text, std::span<const std::string_view> of) {
  return std::find(of.begin(), of.end(), text) != of.end();
}
bool HasWord(std::string_view words, std::string_view word) {
  for (const std::string_view piece : Split(words, ' ')) {
    if (piece == word) return true;
  }
  return false;
}

std::string Says(std::string_view path, std::string_view reason) {
  return std::string(path) + ": " + std::string(reason);
}
std::string TooLong(std::string_view path, size_t max) {
  return Says(path, "is longer than " + std::to_string(max) + " bytes");
}

void CheckObjects(const json::value& value, const Rule& rule, const std::string& path,
                  Problems& out) {
  if (!value.is_array()) return out.push_back(Says(path, "must be a list of objects"));
  if (value.get_array().size() > kMaxItems) return out.push_back(Says(path, "has too many items"));
  size_t index = 0;
  for (const json::value& item : value.get_array()) {
    const std::string at = path + "[" + std::to_string(index++) + "]";
    if (!item.is_object()) {
      out.push_back(Says(at, "must be an object"));
      continue;
    }
    for (const std::string_view key : Split(rule.required_members, ' ')) {
      if (!key.empty() && !item.get_object().contains(key)) {
        out.push_back(Says(json::Join(at, key), "missing-required-key"));
      }
    }
    for (const auto& member : item.get_object()) {
      const std::string here = json::Join(at, member.key());
      if (!HasWord(rule.required_members, member.key()) &&
          !HasWord(rule.other_members, member.key())) {
        out.push_back(Says(here, "disallowed-key"));
      } else if (!member.value().is_string()) {
        out.push_back(Says(here, "must be text"));
      } else if (member.value().get_string().size() > rule.max) {
        out.push_back(TooLong(here, rule.max));
      }
    }
  }
}

void CheckSpec(const json::value& value, const std::string& path, Problems& out) {
  if (!value.is_array()) return out.push_back(Says(path, "must be a list of fields"));
  if (value.get_array().size() > kMaxItems) return out.push_back(Says(path, "has too many fields"));
  std::vector<std::string> keys;
  size_t index = 0;
  for (const json::value& item : value.get_array()) {
    const std::string at = path + "[" + std::to_string(index++) + "]";
    const json::object* field = item.if_object();
    if (field == nullptr) {
      out.push_back(Says(at, "must be an object"));
      continue;
    }
    for (const std::string_view key : {"key", "type", "label"}) {
      if (!field->contains(key)) out.push_back(Says(json::Join(at, key), "missing-required-key"));
    }
    for (const auto& member : *field) {
      const std::string_view key = member.key();
      const std::string here = json::Join(at, key);
      const json::value& what = member.value();
      if (key == "key" || key == "type" || key == "label" || key == "tooltip" || key == "group" ||
          key == "subtype") {
        if (!what.is_string()) {
          out.push_back(Says(here, "must be text"));
        } else if (what.get_string().size() > kMaxText) {
          out.push_back(TooLong(here, kMaxText));
        } else if (key == "key" && what.get_string().empty()) {
          out.push_back(Says(here, "must not be empty"));
        }
      } else if (key == "required" || key == "strict-options" || key == "beta") {
        if (!what.is_bool()) out.push_back(Says(here, "must be true or false"));
      } else if (key == "options") {
        CheckObjects(what, {"options", Kind::kObjects, false, kMaxText, "value label"}, here, out);
      } else if (key == "default_value") {
        if (what.is_object() || what.is_array()) out.push_back(Says(here, "must be one value"));
      } else {
        out.push_back(Says(here, "disallowed-key"));
      }
    }
    if (const json::value* type = field->if_contains("type");
        type != nullptr && type->is_string() && !IsOneOf(type->get_string(), kFieldTypes)) {
      out.push_back(Says(json::Join(at, "type"),
                         "must be string, password, api_key, integer, boolean, options, device, "
                         "file or remote"));
    }
    if (const json::value* key = field->if_contains("key"); key != nullptr && key->is_string()) {
      const std::string name(key->get_string());
      if (std::find(keys.begin(), keys.end(), name) != keys.end()) {
        out.push_back(Says(json::Join(at, "key"), "is the key of another field too"));
      }
      keys.push_back(name);
    }
  }
}

// Images only: a data URI of another type could run in who opens it.
bool IsImage(std::string_view uri) {
  for (const std::string_view type : {"png", "jpeg", "gif", "webp", "svg+xml"}) {
    const std::string start = "data:image/" + std::string(type);
    if (uri.starts_with(start) &&
        (uri.substr(start.size()).starts_with(";") || uri.substr(start.size()).starts_with(","))) {
      return true;
    }
  }
  return false;
}

void CheckValue(const json::value& value, const Rule& rule, Problems& out) {
  const std::string path(rule.key);
  switch (rule.kind) {
    case Kind::kText:
    case Kind::kLogo:
      if (!value.is_string()) return out.push_back(Says(path, "must be text"));
      if (value.get_string().size() > rule.max) return out.push_back(TooLong(path, rule.max));
      if (rule.required && TrimSpace(value.get_string()).empty()) {
        return out.push_back(Says(path, "must not be empty"));
      }
      if (rule.kind == Kind::kLogo && !value.get_string().empty() && !IsImage(value.get_string())) {
        return out.push_back(
            Says(path, "must be a data URI of a PNG, JPEG, GIF, WebP or SVG image"));
      }
      return;
    case Kind::kBool:
      if (!value.is_bool()) out.push_back(Says(path, "must be true or false"));
      return;
    case Kind::kInteger:
      if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > 1000000) {
        out.push_back(Says(path, "must be a whole number from 0 to 1000000"));
      }
      return;
    case Kind::kTexts:
      if (!value.is_array()) return out.push_back(Says(path, "must be a list of texts"));
      if (value.get_array().size() > kMaxItems) out.push_back(Says(path, "has too many items"));
      for (const json::value& item : value.get_array()) {
        if (!item.is_string() || item.get_string().size() > kMaxTitle) {
          return out.push_back(Says(path, "must be a list of short texts"));
        }
      }
      return;
    case Kind::kObjects:
      return CheckObjects(value, rule, path, out);
    case Kind::kObject:
      if (!value.is_object()) return out.push_back(Says(path, "must be an object"));
      if (json::Serialize(value).size() > 4 * kMaxSettingBytes) {
        out.push_back(TooLong(path, 4 * kMaxSettingBytes));
      }
      return;
    case Kind::kSpec:
      return CheckSpec(value, path, out);
  }
}

Problems Check(const json::object& body, std::span<const Rule> rules, bool partial,
               bool drops_server_keys) {
  Problems out;
  for (const Rule& rule : rules) {
    const json::value* value = body.if_contains(rule.key);
    if (value == nullptr) {
      if (rule.required && !partial) out.push_back(Says(rule.key, "missing-required-key"));
    } else if (value->is_null()) {
      if (rule.required || !partial) out.push_back(Says(rule.key, "must not be null"));
    } else {
      CheckValue(*value, rule, out);
    }
  }
  for (const auto& member : body) {
    const bool known = std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
      return rule.key == std::string_view(member.key());
    });
    if (!known && !(drops_server_keys && IsOneOf(member.key(), kServerKeys))) {
      out.push_back(Says(CutUtf8(member.key(), 100), "disallowed-key"));
    }
  }
  return out;
}

void CheckChoice(const json::object& in, std::string_view key, std::string_view path,
                 std::span<const std::string_view> choices, Problems& out) {
  const json::value* value = in.if_contains(key);
  if (value == nullptr || value->is_null()) return;
  if (value->is_string() && IsOneOf(value->get_string(), choices)) return;
  std::string sentence = "must be one of";
  for (const std::string_view choice : choices) sentence += " " + std::string(choice);
  out.push_back(Says(json::Join(path, key), sentence));
}

// The keys that the relay protocol gives a meaning, in a type's properties and in settings.
void CheckRelayKeys(const json::object& in, std::string_view path,
                    const http::AddressPolicy& policy, Problems& out) {
  if (const json::value* url = in.if_contains("url"); url != nullptr && !url->is_null()) {
    const std::string at = json::Join(path, "url");
    if (!url->is_string()) {
      out.push_back(Says(at, "must be text"));
    } else if (auto checked = outbound::CheckUrl(std::string(url->get_string()), policy);
               !checked) {
      out.push_back(Says(at, checked.error().message));
    }
  }
  if (const json::value* apis = in.if_contains("supported-apis");
      apis != nullptr && !apis->is_null()) {
    const bool good = apis->is_array() && apis->get_array().size() <= kMaxItems &&
                      std::all_of(apis->get_array().begin(), apis->get_array().end(),
                                  [](const json::value& item) { return item.is_string(); });
    if (!good) out.push_back(Says(json::Join(path, "supported-apis"), "must be a list of texts"));
  }
  constexpr std::string_view kAuth[] = {"none", "authorization-header", "bearer", "basic",
                                        "configuration-token"};
  constexpr std::string_view kAlgorithms[] = {"RS256", "HS256"};
  CheckChoice(in, "auth-type", path, kAuth, out);
  CheckChoice(in, "configuration-token-alg", path, kAlgorithms, out);
}

std::string_view TextOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}
bool FlagOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

bool IsWholeNumber(const json::value& value) {
  if (value.is_int64() || value.is_uint64()) return true;
  if (!value.is_string()) return false;
  const std::string_view text = value.get_string();
  return !text.empty() && text.size() <= 18 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}
bool IsYesOrNo(const json::value& value) {
  return value.is_bool() ||
         (value.is_string() && (value.get_string() == "true" || value.get_string() == "false"));
}

}  // namespace

Problems CheckType(const json::object& body, bool partial, const http::AddressPolicy& policy) {
  Problems out = Check(body, kTypeRules, partial, true);
  if (const json::value* properties = body.if_contains("properties");
      properties != nullptr && properties->is_object()) {
    CheckRelayKeys(properties->get_object(), "properties", policy, out);
  }
  return out;
}

Problems CheckInstance(const json::object& body, bool partial) {
  Problems out = Check(body, kInstanceRules, partial, false);
  constexpr std::string_view kVisibilities[] = {"user", "org", "global"};
  CheckChoice(body, "visibility", "", kVisibilities, out);
  return out;
}

Problems CheckIntegration(const json::object& body, bool partial) {
  return Check(body, kIntegrationRules, partial, true);
}

Problems CheckSettings(const json::object& settings, const json::array& spec, bool is_relay,
                       const http::AddressPolicy& policy) {
  Problems out;
  for (const json::value& item : spec) {
    const json::object* field = item.if_object();
    if (field == nullptr) continue;
    const std::string_view key = TextOf(*field, "key"), type = TextOf(*field, "type");
    const std::string path = json::Join("settings", key);
    const json::value* value = settings.if_contains(key);
    const bool is_empty = value == nullptr || value->is_null() ||
                          (value->is_string() && TrimSpace(value->get_string()).empty());
    if (is_empty) {
      if (FlagOf(*field, "required") && !field->contains("default_value")) {
        out.push_back(Says(path, "missing-required-key"));
      }
      continue;
    }
    if (type == "integer") {
      if (!IsWholeNumber(*value)) out.push_back(Says(path, "must be a whole number"));
    } else if (type == "boolean") {
      if (!IsYesOrNo(*value)) out.push_back(Says(path, "must be true or false"));
    } else if (!value->is_string()) {
      out.push_back(Says(path, "must be text"));
    } else if (type == "options" && FlagOf(*field, "strict-options")) {
      bool found = false;
      if (const json::value* options = field->if_contains("options");
          options != nullptr && options->is_array()) {
        for (const json::value& option : options->get_array()) {
          found = found || (option.is_object() &&
                            TextOf(option.get_object(), "value") == value->get_string());
        }
      }
      if (!found) out.push_back(Says(path, "is not one of the options"));
    }
  }
  for (const auto& member : settings) {
    if (member.key().size() > kMaxTitle ||
        json::Serialize(member.value()).size() > kMaxSettingBytes) {
      out.push_back(TooLong(json::Join("settings", CutUtf8(member.key(), 100)), kMaxSettingBytes));
    }
  }
  if (is_relay) CheckRelayKeys(settings, "settings", policy, out);
  return out;
}

bool IsSecretKey(std::string_view key, const json::array& spec) {
  for (const json::value& item : spec) {
    const json::object* field = item.if_object();
    if (field == nullptr || TextOf(*field, "key") != key) continue;
    const std::string_view type = TextOf(*field, "type");
    if (type == "password" || type == "api_key") return true;
  }
  const std::string lower = AsciiLower(key);
  if (lower == "authorization-header" || lower == "token") return true;
  for (const std::string_view end : {"password", "passphrase", "secret", "key", "token"}) {
    if (lower.ends_with(end)) return true;
  }
  return false;
}

json::object Redact(const json::object& values, const json::array& spec) {
  json::object out;
  for (const auto& member : values) {
    const bool is_empty = member.value().is_null() ||
                          (member.value().is_string() && member.value().get_string().empty());
    if (IsSecretKey(member.key(), spec) && !is_empty) {
      out[member.key()] = kMask;
    } else if (member.value().is_object()) {
      out[member.key()] = Redact(member.value().get_object(), spec);
    } else {
      out[member.key()] = member.value();
    }
  }
  return out;
}

void MergePatch(json::object& into, const json::object& patch) {
  for (const auto& member : patch) {
    const json::value& value = member.value();
    if (value.is_null()) {
      into.erase(member.key());
    } else if (value.is_object()) {
      json::value& there = into[member.key()];
      if (!there.is_object()) there = json::object();
      MergePatch(there.get_object(), value.get_object());
    } else if (value.is_string() && std::string_view(value.get_string()) == kMask &&
               into.contains(member.key())) {
      continue;
    } else {
      into[member.key()] = value;
    }
  }
}

Problems RefuseMasks(const json::object& values, std::string_view path) {
  Problems out;
  for (const auto& member : values) {
    const std::string here = json::Join(path, member.key());
    if (member.value().is_string() && std::string_view(member.value().get_string()) == kMask) {
      out.push_back(Says(here, "is the mask that stands for a secret; give the secret itself"));
    } else if (member.value().is_object()) {
      const Problems below = RefuseMasks(member.value().get_object(), here);
      out.insert(out.end(), below.begin(), below.end());
    }
  }
  return out;
}

}  // namespace mailreeve::response::modules
