#include "ctim/validate.h"

#include "base/check.h"
#include "base/text.h"
#include "base/time.h"
#include "ctim/ids.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace mailreeve::ctim {
namespace {

constexpr const char* kMissing = "missing-required-key";
constexpr const char* kDisallowed = "disallowed-key";
constexpr size_t kMaxEchoBytes = 60;      // of a wrong value in an error
constexpr size_t kMaxEchoWords = 12;      // of a vocabulary in an error
constexpr size_t kMaxEchoValues = 20000;  // a larger document is not sent back with its errors
constexpr std::array<std::string_view, 5> kDispositions = {"Clean", "Malicious", "Suspicious",
                                                           "Common", "Unknown"};

// Where a value stands; made into text only when something is wrong there.
struct Path {
  const Path* up = nullptr;
  std::string_view key;
  size_t index = 0;

  std::string text() const {
    if (up == nullptr) return std::string(key);
    std::string out = up->text();
    if (key.empty()) return out + "[" + std::to_string(index) + "]";
    return out.empty() ? std::string(key) : out + "." + std::string(key);
  }
};

std::string Quoted(std::string_view text) {
  return json::Serialize(json::value(json::value(CutUtf8(text, kMaxEchoBytes))));
}

std::string Echo(const json::value& value) {
  if (value.is_null()) return "nil";
  if (value.is_object()) return "a-map";
  if (value.is_array()) return "a-list";
  if (value.is_string()) return Quoted(value.get_string());
  return json::Serialize(value);
}

json::value Not(std::string_view predicate, const json::value& value) {
  return json::value(fmt::format("(not ({} {}))", predicate, Echo(value)));
}

json::value NotOneOf(const Vocabulary& words, const json::value& value) {
  if (words.words.size() == 1)
    return json::value(fmt::format("(not (= {} {}))", Quoted(words.words[0]), Echo(value)));
  std::string list;
  size_t told = 0;
  for (const auto& word : words.set) {
    if (told == kMaxEchoWords) {
      list += " …";
      break;
    }
    if (told++ > 0) list += ' ';
    list += Quoted(word);
  }
  return json::value(fmt::format("(not (#{{{}}} {}))", list, Echo(value)));
}

size_t CountChars(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

std::string_view CutChars(std::string_view text, size_t max_chars) {
  size_t pos = 0;
  for (; pos < text.size(); ++pos) {
    const bool starts = (static_cast<unsigned char>(text[pos]) & 0xc0) != 0x80;
    if (starts && max_chars-- == 0) break;
  }
  return text.substr(0, pos);
}

bool IsWord(std::string_view text) {
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
    if (!good) return false;
  }
  return !text.empty();
}

bool IsVersion(std::string_view text) {
  if (text.size() > 64) return false;
  const auto words = Split(text, '.');
  return words.size() == 3 && IsWord(words[0]) && IsWord(words[1]) && IsWord(words[2]);
}

// RFC 3986 characters, or beyond ASCII; what a URI reader would stumble over is refused.
bool IsUriReference(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c <= 0x20 || c == 0x7f) return false;
    if (std::string_view("\"<>\\^`{|}").find(text[i]) != std::string_view::npos) return false;
    if (c != '%') continue;
    const auto hex = [&](size_t at) {
      return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
    };
    if (!hex(i + 1) || !hex(i + 2)) return false;
  }
  return true;
}

bool InModelYears(Time time) {
  using namespace std::chrono;
  static constexpr Time kFirst{sys_days{year{1970} / 1 / 1}};
  static constexpr Time kAfter{sys_days{year{2526} / 1 / 1}};
  return time >= kFirst && time < kAfter;
}

std::optional<int64_t> WholeNumber(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64() && value.get_uint64() <= INT64_MAX)
    return static_cast<int64_t>(value.get_uint64());
  if (!value.is_double()) return std::nullopt;
  const double number = value.get_double();
  if (!std::isfinite(number) || std::trunc(number) != number || std::abs(number) > 9e15)
    return std::nullopt;
  return static_cast<int64_t>(number);
}

class Checker {
 public:
  Checker(const ValidateOptions& options, Validation& out) : options_(options), out_(out) {}

  json::value Root(const Entity& entity, json::value& document) {
    const Path path;
    return EntityValue(entity, document, path, true);
  }
  json::value Root(const ObjectShape& shape, json::value& document) {
    const Path path;
    return Object(shape, nullptr, document, path, options_.partial);
  }
  size_t values() const { return values_; }

 private:
  const ValidateLimits& limits() const { return options_.limits; }

  bool Full() const { return errors_ >= limits().max_errors; }
  json::value Wrong(json::value error) {
    ++errors_;
    return error;
  }
  void Rule(const Path& path, std::string message, SpecError::Kind kind = SpecError::Kind::kRule) {
    if (Full()) return;
    ++errors_;
    out_.spec.push_back({path.text(), std::move(message), kind});
  }
  // False once the document holds too much: nothing more is looked at.
  bool Count(const Path& path) {
    if (++values_ <= limits().max_values) return true;
    if (values_ == limits().max_values + 1) {
      out_.spec.push_back({path.text(), fmt::format("the document holds more than {} values",
                                                    limits().max_values)});
    }
    return false;
  }

  json::value EntityValue(const Entity& entity, json::value& value, const Path& path, bool root) {
    const bool was_open = open_;
    open_ |= entity.open;
    const Entity* const was = entity_;
    entity_ = &entity;
    const bool partial = partial_ || (root && options_.partial);
    json::value errors = Object(entity.shape, &entity, value, path, partial);
    if (root && !errors.is_string() && value.is_object() && entity.envelope)
      errors = RootKeys(value.get_object(), std::move(errors));
    entity_ = was;
    open_ = was_open;
    return errors;
  }

  json::value RootKeys(const json::object& document, json::value errors) {
    const auto require = [&](std::string_view key) {
      if (document.contains(key)) return;
      if (errors.is_null()) errors = json::object();
      errors.get_object().emplace(key, Wrong(kMissing));
    };
    if (options_.needs_id || options_.stored) require("id");
    if (options_.stored) {
      require("type");
      require("schema_version");
    }
    return errors;
  }

  json::value Object(const ObjectShape& shape, const Entity* entity, json::value& value,
                     const Path& path, bool partial) {
    if (!value.is_object()) return Wrong(Not("map?", value));
    json::object& object = value.get_object();
    json::object errors;
    const bool was_partial = partial_;
    partial_ = partial;
    std::vector<const Field*> renamed;
    std::vector<std::string> nulls;
    for (auto& member : object) {
      if (Full()) break;
      const std::string_view key = member.key();
      const Path here{&path, key};
      if (!Count(here)) break;
      const Field* field = shape.Find(key);
      if (field == nullptr) {
        if (options_.lenient || open_) {
          ++out_.remarks;
          Free(member.value(), here, 1);
        } else {
          errors.emplace(CutUtf8(key, kMaxEchoBytes), Wrong(kDisallowed));
        }
        continue;
      }
      if (options_.lenient && member.value().is_null()) {
        nulls.emplace_back(key);
        continue;
      }
      json::value error = Value(field->shape, member.value(), here);
      if (!error.is_null())
        errors.emplace(key, std::move(error));
      else if (!field->shape.becomes.empty())
        renamed.push_back(field);
    }
    for (const auto& key : nulls) object.erase(key);
    for (const Field* field : renamed) {
      json::value old = std::move(object.at(field->name));
      object.erase(field->name);
      if (!object.contains(field->shape.becomes))
        object[field->shape.becomes] = json::array{std::move(old)};
    }
    if (!partial) {
      for (const Field& field : shape.fields) {
        if (field.required && !Full() && !object.contains(field.name))
          errors.emplace(field.name, Wrong(kMissing));
      }
    }
    partial_ = was_partial;
    Rules(shape, entity, object, errors, path);
    if (errors.empty()) return nullptr;
    return errors;
  }

  // What holds between fields. Looks only at fields that are of their type.
  void Rules(const ObjectShape& shape, const Entity* entity, json::object& object,
             const json::object& errors, const Path& path) {
    if (shape.name == "ObservedTime" || shape.name == "ValidTime") {
      const std::string_view start = Text(object, errors, "start_time");
      const std::string_view end = Text(object, errors, "end_time");
      // Both are in the same form by now, so they compare as texts.
      if (!start.empty() && !end.empty() && end < start)
        Rule(path, "start_time must not be after end_time");
    } else if (shape.name == "KillChainPhase") {
      const std::string_view phase = Text(object, errors, "phase_name");
      if (Text(object, errors, "kill_chain_name") == "lockheed-martin-cyber-kill-chain" &&
          !phase.empty() && !TheModel().Words("kill_chain_phase")->Has(phase)) {
        Rule(path, "phase_name is no phase of the kill chain: " + Quoted(phase));
      }
    } else if (shape.name == "SightingDataTable" && options_.strict) {
      const json::value* columns = object.if_contains("columns");
      const json::value* rows = object.if_contains("rows");
      if (columns == nullptr || rows == nullptr || !errors.empty()) return;
      for (const auto& row : rows->get_array()) {
        if (row.get_array().size() == columns->get_array().size()) continue;
        Rule(path, "a row does not fit the columns");
        break;
      }
    }
    if (entity != nullptr && shape.Find("disposition") != nullptr)
      Disposition(*entity, object, errors, path);
  }

  static std::string_view Text(const json::object& object, const json::object& errors,
                               std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr || !value->is_string() || errors.contains(key)) return {};
    return value->get_string();
  }

  void Disposition(const Entity& entity, json::object& object, const json::object& errors,
                   const Path& path) {
    if (errors.contains("disposition") || errors.contains("disposition_name")) return;
    const json::value* number = object.if_contains("disposition");
    const std::string_view name = Text(object, errors, "disposition_name");
    if (number == nullptr && name.empty()) return;
    if (number == nullptr) {
      if (const int64_t known = DispositionNumber(name); known != 0) object["disposition"] = known;
      return;
    }
    const std::string_view expected = DispositionWord(number->get_int64());
    if (name.empty() || (options_.lenient && name != expected)) {
      object["disposition_name"] = expected;
    } else if (name != expected) {
      Rule(path, "Mismatched disposition and dispositon_name for " + entity.type,
           SpecError::Kind::kMismatch);
    }
  }

  json::value Value(const Shape& shape, json::value& value, const Path& path) {
    switch (shape.kind) {
      case Kind::kText:
      case Kind::kRef:
      case Kind::kUri:
      case Kind::kId:
      case Kind::kOpenWords:
        return TextValue(shape, value, path);
      case Kind::kVersion:
        if (!value.is_string()) return Wrong(Not("string?", value));
        if (!options_.lenient && !IsVersion(value.get_string()))
          return Wrong(Not("version?", value));
        return nullptr;
      case Kind::kTypeName:
        if (value.is_string() && value.get_string() == entity_->type) return nullptr;
        return Wrong(
            json::value(fmt::format("(not (= {} {}))", Quoted(entity_->type), Echo(value))));
      case Kind::kTime:
        return TimeValue(value, path);
      case Kind::kInteger:
      case Kind::kNumbers:
        return Integer(shape, value, path);
      case Kind::kNumber:
        return Number(shape, value, path);
      case Kind::kBoolean:
        return value.is_bool() ? json::value() : Wrong(Not("boolean?", value));
      case Kind::kScalar:
        return value.is_object() || value.is_array() || value.is_null()
                   ? Wrong(Not("scalar?", value))
                   : json::value();
      case Kind::kAny:
        Free(value, path, 1);
        return nullptr;
      case Kind::kMap:
        return Map(shape, value, path);
      case Kind::kList:
        return List(shape, value, path);
      case Kind::kWords:
        return Words(shape, value);
      case Kind::kObject:
        return Object(*shape.object, nullptr, value, path, partial_ || shape.partial);
      case Kind::kEntity: {
        const bool was = partial_;
        partial_ |= shape.partial;
        json::value error = EntityValue(*shape.entity, value, path, false);
        partial_ = was;
        return error;
      }
      case Kind::kUnion:
        return Union(shape, value, path);
    }
    return nullptr;
  }

  json::value TextValue(const Shape& shape, json::value& value, const Path& path) {
    if (!value.is_string()) return Wrong(Not("string?", value));
    const std::string_view text = value.get_string();
    const size_t max_chars = shape.max_chars != 0 ? shape.max_chars : limits().max_text_bytes;
    // Bytes are at least as many as characters: most texts are not counted.
    if (text.size() > max_chars && CountChars(text) > max_chars) {
      if (options_.lenient && shape.kind != Kind::kId) {
        ++out_.remarks;
        value = std::string(CutChars(text, max_chars));
      } else {
        Rule(path, fmt::format("must be at most {} characters long", max_chars));
      }
      return nullptr;
    }
    if (options_.lenient) return nullptr;
    if (shape.kind == Kind::kUri && !IsUriReference(text)) {
      Rule(path, "is not a URI: " + Quoted(text));
    } else if (shape.kind == Kind::kId && !IsAnyId(text)) {
      Rule(path,
           "is not an id such as type-<uuid>, its long form, or transient:…: " + Quoted(text));
    } else if (shape.kind == Kind::kOpenWords && options_.strict && !shape.words->Has(text)) {
      return Wrong(NotOneOf(*shape.words, value));
    }
    return nullptr;
  }

  json::value TimeValue(json::value& value, const Path& path) {
    if (!value.is_string()) return Wrong(Not("inst?", value));
    const auto time = ParseTime(value.get_string());
    if (!time) return Wrong(Not("inst?", value));
    if (!InModelYears(*time)) {
      Rule(path, "must lie within the years 1970 to 2525");
      return nullptr;
    }
    value = FormatTime(*time);
    return nullptr;
  }

  json::value Integer(const Shape& shape, json::value& value, const Path& path) {
    const auto number = WholeNumber(value);
    if (!number) return Wrong(Not("integer?", value));
    if (shape.kind == Kind::kNumbers) {
      for (const int64_t each : shape.numbers) {
        if (each != *number) continue;
        value = *number;
        return nullptr;
      }
      return Wrong(
          json::value(fmt::format("(not (#{{{}}} {}))", fmt::join(shape.numbers, " "), *number)));
    }
    value = *number;
    Range(shape, static_cast<double>(*number), path);
    return nullptr;
  }

  json::value Number(const Shape& shape, json::value& value, const Path& path) {
    if (!value.is_number()) return Wrong(Not("number?", value));
    if (value.is_double() && !std::isfinite(value.get_double()))
      return Wrong(json::value("(not (number? infinite))"));
    Range(shape, value.to_number<double>(), path);
    return nullptr;
  }

  void Range(const Shape& shape, double number, const Path& path) {
    if (options_.lenient) return;
    if (shape.min && number < static_cast<double>(*shape.min))
      Rule(path, fmt::format("must be at least {}", *shape.min));
    if (shape.max && number > static_cast<double>(*shape.max))
      Rule(path, fmt::format("must be at most {}", *shape.max));
  }

  json::value Words(const Shape& shape, json::value& value) {
    if (!value.is_string()) return Wrong(NotOneOf(*shape.words, value));
    if (shape.words->Has(value.get_string())) return nullptr;
    const bool fixed = shape.words->name == "observable_type" || shape.words->words.size() == 1;
    if (options_.lenient && !fixed) {
      ++out_.remarks;
      return nullptr;
    }
    return Wrong(NotOneOf(*shape.words, value));
  }

  json::value Map(const Shape& shape, json::value& value, const Path& path) {
    if (!value.is_object()) return Wrong(Not("map?", value));
    json::object errors;
    for (auto& member : value.get_object()) {
      const Path here{&path, member.key()};
      if (Full() || !Count(here)) break;
      if (!shape.item) {
        Free(member.value(), here, 1);
        continue;
      }
      Shape item = *shape.item;
      item.min = shape.min;
      item.max = shape.max;
      json::value error = Value(item, member.value(), here);
      if (!error.is_null()) errors.emplace(CutUtf8(member.key(), kMaxEchoBytes), std::move(error));
    }
    if (errors.empty()) return nullptr;
    return errors;
  }

  json::value List(const Shape& shape, json::value& value, const Path& path) {
    if (!value.is_array()) return Wrong(Not("sequential?", value));
    json::array& list = value.get_array();
    json::array errors;
    for (size_t i = 0; i < list.size(); ++i) {
      const Path here{&path, {}, i};
      if (Full() || !Count(here)) break;
      json::value error = Value(*shape.item, list[i], here);
      if (error.is_null()) continue;
      errors.resize(i);  // positions without error are null
      errors.push_back(std::move(error));
    }
    if (errors.empty()) return nullptr;
    errors.resize(list.size());
    return errors;
  }

  json::value Union(const Shape& shape, json::value& value, const Path& path) {
    if (!value.is_object()) return Wrong(Not("map?", value));
    json::object& object = value.get_object();
    const json::value* by = object.if_contains(shape.by);
    if (by != nullptr && by->is_string()) {
      const auto choice = shape.choices.find(std::string_view(by->get_string()));
      if (choice != shape.choices.end())
        return Object(*choice->second, nullptr, value, path, partial_);
    }
    if (options_.lenient) {
      ++out_.remarks;
      Free(value, path, 1);
      return nullptr;
    }
    return json::object{
        {shape.by, Wrong(by == nullptr ? json::value(kMissing) : NotOneOf(*shape.words, *by))}};
  }

  // A part without a description: only its depth, its size and its numbers are looked at.
  void Free(const json::value& value, const Path& path, size_t depth) {
    if (Full()) return;
    if (depth > limits().max_depth) {
      Rule(path, fmt::format("is nested more than {} deep", limits().max_depth));
      return;
    }
    if (const auto* object = value.if_object()) {
      for (const auto& member : *object) {
        const Path here{&path, member.key()};
        if (Full() || !Count(here)) return;
        Free(member.value(), here, depth + 1);
      }
    } else if (const auto* array = value.if_array()) {
      for (size_t i = 0; i < array->size(); ++i) {
        const Path here{&path, {}, i};
        if (Full() || !Count(here)) return;
        Free((*array)[i], here, depth + 1);
      }
    } else if (value.is_double() && !std::isfinite(value.get_double())) {
      Rule(path, "is not a finite number");
    } else if (value.is_string() && value.get_string().size() > limits().max_text_bytes) {
      Rule(path, fmt::format("must be at most {} bytes long", limits().max_text_bytes));
    }
  }

  const ValidateOptions& options_;
  Validation& out_;
  const Entity* entity_ = nullptr;
  bool open_ = false;
  bool partial_ = false;
  size_t errors_ = 0;
  size_t values_ = 0;
};

std::string FirstError(const json::value& errors, const std::string& path) {
  if (const auto* object = errors.if_object()) {
    for (const auto& member : *object)
      return FirstError(member.value(), json::Join(path, member.key()));
  }
  if (const auto* array = errors.if_array()) {
    for (size_t i = 0; i < array->size(); ++i)
      if (!(*array)[i].is_null())
        return FirstError((*array)[i], path + "[" + std::to_string(i) + "]");
  }
  const std::string text =
      errors.is_string() ? std::string(std::string_view(errors.get_string())) : "is wrong";
  return path.empty() ? text : path + ": " + text;
}

bool IsLarge(const json::value& value, size_t& left) {
  if (left == 0) return true;
  --left;
  if (const auto* object = value.if_object()) {
    for (const auto& member : *object)
      if (IsLarge(member.value(), left)) return true;
  } else if (const auto* array = value.if_array()) {
    for (const auto& each : *array)
      if (IsLarge(each, left)) return true;
  }
  return false;
}

}  // namespace

json::object Validation::Body() const {
  CHECK(!ok());
  if (!errors.is_null()) return {{"errors", errors}};
  size_t left = kMaxEchoValues;
  const bool echo = !IsLarge(document, left);
  for (const auto& each : spec) {
    if (each.kind != SpecError::Kind::kMismatch || !each.path.empty()) continue;
    json::object out{{"error", each.message}};
    if (echo) out[type] = document;
    if (const auto* object = document.if_object())
      if (const auto* id = object->if_contains("id")) out["id"] = *id;
    return out;
  }
  std::string message;
  for (const auto& each : spec) {
    if (!message.empty()) message += "; ";
    if (!each.path.empty()) message += each.path + ": ";
    message += each.message;
  }
  json::object out{{"error", "Spec Validation Client Error"},
                   {"type", "Invalid Entity Error"},
                   {"message", std::move(message)},
                   {"class", "ctim.SpecError"}};
  if (echo) out["entity"] = document;
  return out;
}

Error Validation::ToError() const {
  CHECK(!ok());
  if (!errors.is_null()) return {Code::kInvalid, FirstError(errors, "")};
  const SpecError& first = spec.front();
  return {Code::kInvalid, first.path.empty() ? first.message : first.path + ": " + first.message};
}

Validation Validate(const Entity& entity, json::value document, const ValidateOptions& options) {
  Validation out;
  out.type = entity.type;
  out.document = std::move(document);
  Checker checker(options, out);
  out.errors = checker.Root(entity, out.document);
  return out;
}

Validation Validate(std::string_view type, json::value document, const ValidateOptions& options) {
  const Entity* entity = TheModel().ByType(type);
  CHECK(entity != nullptr);
  return Validate(*entity, std::move(document), options);
}

Validation ValidateComponent(std::string_view component, json::value document,
                             const ValidateOptions& options) {
  const auto at = TheModel().components().find(component);
  CHECK(at != TheModel().components().end());
  Validation out;
  out.type = std::string(component);
  out.document = std::move(document);
  Checker checker(options, out);
  out.errors = checker.Root(at->second, out.document);
  return out;
}

Result<void> Check(std::string_view type, const json::value& document,
                   const ValidateOptions& options) {
  const Validation checked = Validate(type, document, options);
  if (!checked.ok()) return Fail(checked.ToError());
  return {};
}

ValidateLimits LimitsFrom(const settings::Snapshot& snapshot) {
  ValidateLimits out;
  out.max_depth = static_cast<size_t>(snapshot.Integer("ctim.max_depth"));
  out.max_values = static_cast<size_t>(snapshot.Integer("ctim.max_values"));
  out.max_text_bytes = static_cast<size_t>(snapshot.Integer("ctim.max_text_bytes"));
  out.max_errors = static_cast<size_t>(snapshot.Integer("ctim.max_errors"));
  return out;
}

std::string_view DispositionWord(int64_t number) {
  if (number < 1 || number > static_cast<int64_t>(kDispositions.size())) return {};
  return kDispositions[static_cast<size_t>(number - 1)];
}

int64_t DispositionNumber(std::string_view word) {
  for (size_t i = 0; i < kDispositions.size(); ++i)
    if (kDispositions[i] == word) return static_cast<int64_t>(i) + 1;
  return 0;
}

}  // namespace mailreeve::ctim
