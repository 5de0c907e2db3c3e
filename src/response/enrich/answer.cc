#include "response/enrich/answer.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <algorithm>
#include <array>

namespace mailreeve::response::enrich {
namespace {

constexpr std::array<std::string_view, 23> kBundleKeys = {"actors",
                                                          "assets",
                                                          "asset_mappings",
                                                          "asset_properties",
                                                          "attack_patterns",
                                                          "campaigns",
                                                          "coas",
                                                          "data_tables",
                                                          "feedbacks",
                                                          "identity_assertions",
                                                          "incidents",
                                                          "indicators",
                                                          "investigations",
                                                          "judgements",
                                                          "malwares",
                                                          "notes",
                                                          "relationships",
                                                          "sightings",
                                                          "target_records",
                                                          "tools",
                                                          "verdicts",
                                                          "vulnerabilities",
                                                          "weaknesses"};

ModuleError Invalid(std::string message, std::string type) {
  return {"invalid answer", std::move(message), std::move(type)};
}

// About as many bytes as the value takes as JSON; stops when over `left`. The parser has bounded
// the depth.
bool FitsIn(const json::value& value, size_t& left) {
  const auto take = [&left](size_t bytes) {
    if (bytes > left) return false;
    left -= bytes;
    return true;
  };
  switch (value.kind()) {
    case boost::json::kind::string:
      return take(value.get_string().size() + 3);
    case boost::json::kind::array:
      if (!take(2)) return false;
      for (const json::value& item : value.get_array()) {
        if (!FitsIn(item, left)) return false;
      }
      return true;
    case boost::json::kind::object:
      if (!take(2)) return false;
      for (const auto& member : value.get_object()) {
        if (!take(member.key().size() + 4) || !FitsIn(member.value(), left)) return false;
      }
      return true;
    default:
      return take(6);
  }
}

std::string Text(const json::object& from, std::string_view key, const AnswerLimits& limits) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(CutUtf8(value->get_string(), limits.max_text_bytes));
}

void ReadErrors(const json::value& from, const AnswerLimits& limits,
                std::vector<ModuleError>& out) {
  if (!from.is_array()) {
    out.push_back(Invalid("the answer's errors are no list", "error"));
    return;
  }
  for (const json::value& item : from.get_array()) {
    if (out.size() >= limits.max_errors) {
      out.push_back(Invalid("the answer has more errors than are shown", "warning"));
      return;
    }
    if (!item.is_object()) {
      out.push_back(Invalid("one of the answer's errors is no object", "error"));
      continue;
    }
    const json::object& object = item.get_object();
    ModuleError error;
    if (std::string code = Text(object, "code", limits); !code.empty())
      error.code = std::move(code);
    error.message = Text(object, "message", limits);
    if (error.message.empty()) error.message = "the module gave no reason";
    const std::string type = Text(object, "type", limits);
    if (type == "error" || type == "warning") error.type = type;
    out.push_back(std::move(error));
  }
}

std::optional<json::value> ReadBundle(json::value& data, bool only_verdicts,
                                      const AnswerLimits& limits,
                                      std::vector<ModuleError>& errors) {
  if (data.is_null()) return json::object();
  if (!data.is_object()) {
    errors.push_back(Invalid("data is no object", "fatal"));
    return std::nullopt;
  }
  json::object bundle;
  size_t unknown = 0;
  for (auto& member : data.get_object()) {
    const std::string key(member.key());
    if (!IsBundleKey(key)) {
      ++unknown;
      continue;
    }
    if (only_verdicts && key != "verdicts") continue;
    json::object* list = member.value().if_object();
    json::array* docs = list == nullptr
                            ? nullptr
                            : (list->if_contains("docs") ? list->at("docs").if_array() : nullptr);
    if (docs == nullptr) {
      errors.push_back(Invalid(key + " is not {count, docs}", "error"));
      continue;
    }
    json::array good;
    size_t bad = 0, cut = 0;
    for (json::value& doc : *docs) {
      if (!doc.is_object()) {
        ++bad;
      } else if (good.size() >= limits.max_documents) {
        ++cut;
      } else {
        good.push_back(std::move(doc));
      }
    }
    if (bad > 0)
      errors.push_back(
          Invalid(key + ": " + std::to_string(bad) + " documents are no objects", "error"));
    if (cut > 0)
      errors.push_back(
          {"too long", key + ": " + std::to_string(cut) + " documents were left out", "warning"});
    json::object kept;
    kept["count"] = good.size();
    kept["docs"] = std::move(good);
    bundle[key] = std::move(kept);
  }
  if (unknown > 0) {
    errors.push_back(Invalid(
        "data has " + std::to_string(unknown) + " unknown parts, which were left out", "warning"));
  }
  return bundle;
}

// A link that a browser may follow: nothing but http and https, and no control characters.
bool IsWebAddress(std::string_view url) {
  const std::string lower = AsciiLower(url.substr(0, 8));
  if (lower.rfind("http://", 0) != 0 && lower.rfind("https://", 0) != 0) return false;
  return std::none_of(url.begin(), url.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

std::optional<json::value> ReadItems(json::value& data, Shape shape, const AnswerLimits& limits,
                                     std::vector<ModuleError>& errors) {
  // Modules with nothing to say answer {} here too.
  if (data.is_null() || (data.is_object() && data.get_object().empty())) return json::array();
  if (!data.is_array()) {
    errors.push_back(Invalid("data is no list", "fatal"));
    return std::nullopt;
  }
  json::array good;
  size_t bad = 0, cut = 0;
  for (json::value& item : data.get_array()) {
    json::object* object = item.if_object();
    if (object == nullptr || Text(*object, "id", limits).empty() ||
        Text(*object, "title", limits).empty()) {
      ++bad;
      continue;
    }
    if (good.size() >= limits.max_documents) {
      ++cut;
      continue;
    }
    json::object kept;
    kept["id"] = Text(*object, "id", limits);
    kept["title"] = Text(*object, "title", limits);
    kept["description"] = Text(*object, "description", limits);
    if (json::value* categories = object->if_contains("categories");
        categories && categories->is_array()) {
      json::array words;
      for (json::value& word : categories->get_array()) {
        if (word.is_string() && words.size() < 50) words.push_back(std::move(word));
      }
      kept["categories"] = std::move(words);
    }
    if (shape == Shape::kRefs) {
      const json::value* url = object->if_contains("url");
      if (url == nullptr || !url->is_string() || url->get_string().size() > 8192 ||
          !IsWebAddress(url->get_string())) {
        ++bad;
        continue;
      }
      kept["url"] = *url;
    } else {
      const json::value* query = object->if_contains("query-params");
      if (query != nullptr && !query->is_null()) {
        if (!query->is_object()) {
          ++bad;
          continue;
        }
        kept["query-params"] = *query;
      }
    }
    good.push_back(std::move(kept));
  }
  if (bad > 0) {
    errors.push_back(Invalid(std::to_string(bad) + (shape == Shape::kRefs ? " links" : " actions") +
                                 " are not as they must be and were left out",
                             "error"));
  }
  if (cut > 0)
    errors.push_back({"too long", std::to_string(cut) + " items were left out", "warning"});
  return good;
}

std::optional<json::value> ReadStatus(json::value& data, Shape shape,
                                      std::vector<ModuleError>& errors) {
  const json::object* object = data.if_object();
  const json::value* status = object == nullptr ? nullptr : object->if_contains("status");
  if (status == nullptr || !status->is_string()) {
    errors.push_back(Invalid("data has no status", "fatal"));
    return std::nullopt;
  }
  const std::string_view word = status->get_string();
  const bool known = shape == Shape::kHealth ? word == "ok" || word == "error" || word == "unknown"
                                             : word == "success" || word == "failure";
  if (!known) {
    errors.push_back(Invalid("status is \"" + std::string(CutUtf8(word, 100)) + "\"", "fatal"));
    return std::nullopt;
  }
  // "quotas" may stand beside it, and nothing else.
  json::object kept{{"status", word}};
  const json::value* quotas = shape == Shape::kHealth ? object->if_contains("quotas") : nullptr;
  if (quotas != nullptr && quotas->is_object()) kept["quotas"] = *quotas;
  if (shape == Shape::kTrigger) return std::move(data);
  return kept;
}

constexpr std::string_view kTransient = "transient:";

// "sighting-" of "transient:sighting-1"; empty when it begins with no type.
std::string_view TypeOf(std::string_view id) {
  id.remove_prefix(kTransient.size());
  size_t end = 0;
  for (size_t i = 0; i < id.size() && i < 40; ++i) {
    const char c = id[i];
    if (c == '-') {
      end = i + 1;
    } else if (c < 'a' || c > 'z') {
      break;
    }
  }
  return id.substr(0, end);
}

std::string Renamed(std::string_view id, std::string_view module) {
  const std::string hash =
      HexEncode(crypto::Sha256(std::string(module) + "\n" + std::string(id)).substr(0, 16));
  return std::string(kTransient) + std::string(TypeOf(id)) + hash.substr(0, 8) + "-" +
         hash.substr(8, 4) + "-" + hash.substr(12, 4) + "-" + hash.substr(16, 4) + "-" +
         hash.substr(20);
}

bool NamesIds(std::string_view key) {
  for (const std::string_view end : {"_ref", "_refs", "_id", "_ids"}) {
    if (key.ends_with(end)) return true;
  }
  return key == "id";
}

void RenameIn(json::value& value, std::string_view module, bool is_id) {
  if (value.is_string()) {
    const std::string_view text = value.get_string();
    if (is_id && text.starts_with(kTransient)) value = Renamed(text, module);
  } else if (value.is_array()) {
    for (json::value& item : value.get_array()) RenameIn(item, module, is_id);
  } else if (value.is_object()) {
    for (auto& member : value.get_object()) {
      RenameIn(member.value(), module, NamesIds(member.key()));
    }
  }
}

}  // namespace

void RenameTransients(json::value& data, std::string_view module_instance_id) {
  RenameIn(data, module_instance_id, false);
}

bool IsBundleKey(std::string_view name) {
  return std::find(kBundleKeys.begin(), kBundleKeys.end(), name) != kBundleKeys.end();
}

Answer ReadAnswer(json::value envelope, Shape shape, const AnswerLimits& limits) {
  Answer answer;
  if (!envelope.is_object()) {
    answer.errors.push_back(Invalid("the answer is no object", "fatal"));
    return answer;
  }
  size_t left = limits.max_bytes;
  if (!FitsIn(envelope, left)) {
    answer.errors.push_back(
        {"too long", "the answer has more than " + std::to_string(limits.max_bytes) + " bytes",
         "fatal"});
    return answer;
  }
  json::object& object = envelope.get_object();
  json::value* data = object.if_contains("data");
  json::value* errors = object.if_contains("errors");
  if (data == nullptr && errors == nullptr) {
    answer.errors.push_back(Invalid("the answer has neither data nor errors", "fatal"));
    return answer;
  }
  if (errors != nullptr && !errors->is_null()) ReadErrors(*errors, limits, answer.errors);
  if (json::value* coverage = object.if_contains("coverage");
      coverage != nullptr && coverage->is_object()) {
    answer.coverage = std::move(coverage->get_object());
  }
  // A list of no errors is no answer either: the module must not fall silent.
  if (data == nullptr && answer.errors.empty()) {
    answer.errors.push_back(Invalid("the answer has neither data nor errors", "fatal"));
  }
  if (data == nullptr || (data->is_null() && !answer.errors.empty())) return answer;
  switch (shape) {
    case Shape::kBundle:
    case Shape::kVerdicts:
      answer.data = ReadBundle(*data, shape == Shape::kVerdicts, limits, answer.errors);
      break;
    case Shape::kRefs:
    case Shape::kActions:
      answer.data = ReadItems(*data, shape, limits, answer.errors);
      break;
    case Shape::kHealth:
    case Shape::kTrigger:
      answer.data = ReadStatus(*data, shape, answer.errors);
      break;
    case Shape::kList:
      if (data->is_array() && data->get_array().size() <= limits.max_documents) {
        answer.data = std::move(*data);
      } else if (data->is_null() || (data->is_object() && data->get_object().empty())) {
        answer.data = json::array();
      } else {
        answer.errors.push_back(Invalid("data is no list, or too long", "fatal"));
      }
      break;
    case Shape::kObject:
      if (data->is_object()) {
        answer.data = std::move(*data);
      } else {
        answer.errors.push_back(Invalid("data is no object", "fatal"));
      }
      break;
  }
  return answer;
}

}  // namespace mailreeve::response::enrich
