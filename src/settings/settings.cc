#include "settings/settings.h"

#include "base/check.h"
#include "io/file.h"
#include "settings/builtin.h"

#include <algorithm>

namespace mailreeve::settings {
namespace {

Result<Type> TypeFromName(std::string_view name) {
  if (name == "bool") return Type::kBool;
  if (name == "integer") return Type::kInteger;
  if (name == "text") return Type::kText;
  if (name == "choice") return Type::kChoice;
  if (name == "text_list") return Type::kTextList;
  return Fail(Code::kInvalid, "type must be bool, integer, text, choice or text_list, not '" +
                                  std::string(name) + "'");
}

Result<Setting> ReadSetting(const json::object& from) {
  Setting out;
  TRY(out.name, json::RequireString(from, "name"));
  const auto here = [&](Error error) { return Fail(std::move(error).Note("setting " + out.name)); };
  auto read = [&]() -> Result<void> {
    TRY_VOID(json::RefuseUnknownKeys(from, {"name", "program", "type", "unit", "default", "min",
                                            "max", "max_length", "choices", "text"}));
    TRY(out.program, json::RequireString(from, "program"));
    if (out.program != "gateway" && out.program != "response") {
      return Fail(Code::kInvalid, "program must be gateway or response");
    }
    TRY(const std::string type, json::RequireString(from, "type"));
    TRY(out.type, TypeFromName(type));
    TRY(out.unit, json::OptionalString(from, "unit", ""));
    TRY(out.min, json::OptionalInteger(from, "min", 0));
    TRY(out.max, json::OptionalInteger(from, "max", out.type == Type::kInteger ? -1 : 0));
    if (out.type == Type::kInteger && out.max < out.min)
      return Fail(Code::kInvalid, "needs min and max");
    TRY(const int64_t length, json::OptionalInteger(from, "max_length", 1024));
    out.max_length = static_cast<size_t>(length);
    TRY(out.choices, json::OptionalStrings(from, "choices"));
    if (out.type == Type::kChoice && out.choices.empty())
      return Fail(Code::kInvalid, "needs choices");
    const json::value* fallback = from.if_contains("default");
    if (fallback == nullptr) return Fail(Code::kInvalid, "needs a default");
    out.default_value = *fallback;
    const json::value* text = from.if_contains("text");
    if (text == nullptr || !text->is_object())
      return Fail(Code::kInvalid, "needs text in en and zh-CN");
    TRY(out.text_en, json::RequireString(text->get_object(), "en", "text"));
    TRY(out.text_zh, json::RequireString(text->get_object(), "zh-CN", "text"));
    return {};
  };
  if (auto done = read(); !done) return here(std::move(done).error());
  return out;
}

Result<void> CheckValue(const Setting& setting, const json::value& value) {
  const auto wrong = [&](const std::string& allowed) {
    return Fail(Code::kInvalid, setting.name + ": " + json::Serialize(value) +
                                    " is not allowed; it must be " + allowed);
  };
  const auto text_fits = [&](const json::value& v) {
    return v.is_string() && v.get_string().size() <= setting.max_length;
  };
  switch (setting.type) {
    case Type::kBool:
      if (!value.is_bool()) return wrong("true or false");
      break;
    case Type::kInteger: {
      boost::system::error_code error;
      const auto number = value.to_number<int64_t>(error);
      if (error || number < setting.min || number > setting.max) {
        return wrong("a whole number from " + std::to_string(setting.min) + " to " +
                     std::to_string(setting.max) +
                     (setting.unit.empty() ? "" : " (" + setting.unit + ")"));
      }
      break;
    }
    case Type::kText:
      if (!text_fits(value))
        return wrong("text of at most " + std::to_string(setting.max_length) + " bytes");
      break;
    case Type::kChoice: {
      std::string all;
      for (const auto& choice : setting.choices) {
        if (value.is_string() && value.get_string() == choice) return {};
        all += (all.empty() ? "" : ", ") + choice;
      }
      return wrong("one of: " + all);
    }
    case Type::kTextList:
      if (!value.is_array()) return wrong("a list of texts");
      for (const auto& item : value.get_array()) {
        if (!text_fits(item))
          return wrong("a list of texts of at most " + std::to_string(setting.max_length) +
                       " bytes");
      }
      break;
  }
  return {};
}

}  // namespace

Result<Schema> Schema::Parse(const std::vector<std::string_view>& documents) {
  Schema schema;
  for (const std::string_view text : documents) {
    TRY(const json::value document, json::Parse(text));
    TRY(const json::object* root, json::AsObject(document, ""));
    const json::value* list = root->if_contains("settings");
    if (list == nullptr) return Fail(Code::kInvalid, "settings: is required");
    TRY(const json::array* items, json::AsArray(*list, "settings"));
    for (const json::value& item : *items) {
      TRY(const json::object* from, json::AsObject(item, "settings[]"));
      TRY(Setting setting, ReadSetting(*from));
      if (schema.Find(setting.name) != nullptr) {
        return Fail(Code::kInvalid, "setting " + setting.name + " is there twice");
      }
      if (auto fits = CheckValue(setting, setting.default_value); !fits) {
        return Fail(std::move(fits).error().Note("the default"));
      }
      schema.settings_.push_back(std::move(setting));
    }
  }
  return schema;
}

const Schema& Schema::Builtin() {
  static const Schema schema = [] {
    auto parsed = Parse(BuiltinDocuments());
    if (!parsed) std::fprintf(stderr, "schema/settings: %s\n", parsed.error().ToString().c_str());
    CHECK(parsed.has_value());
    return *std::move(parsed);
  }();
  return schema;
}

const Setting* Schema::Find(std::string_view name) const {
  const auto found = std::find_if(settings_.begin(), settings_.end(),
                                  [&](const Setting& s) { return s.name == name; });
  return found == settings_.end() ? nullptr : &*found;
}

Result<void> Schema::Check(std::string_view name, const json::value& value) const {
  const Setting* setting = Find(name);
  if (setting == nullptr)
    return Fail(Code::kInvalid, std::string(name) + ": is not a known setting");
  return CheckValue(*setting, value);
}

std::shared_ptr<const Snapshot> Snapshot::Defaults(const Schema& schema, std::string_view program) {
  auto snapshot = std::make_shared<Snapshot>();
  for (const Setting& setting : schema.settings()) {
    if (setting.program == program) snapshot->values_[setting.name] = setting.default_value;
  }
  return snapshot;
}

Result<std::shared_ptr<const Snapshot>> Snapshot::FromJson(const Schema& schema,
                                                           std::string_view program,
                                                           const json::value& document) {
  TRY(const json::object* root, json::AsObject(document, ""));
  TRY_VOID(json::RefuseUnknownKeys(*root, {"revision", "values"}));
  auto snapshot = std::make_shared<Snapshot>(*Defaults(schema, program));
  TRY(snapshot->revision_, json::OptionalInteger(*root, "revision", 0));
  const json::value* values = root->if_contains("values");
  if (values == nullptr) return snapshot;
  TRY(const json::object* given, json::AsObject(*values, "values"));
  std::string errors;
  for (const auto& [name, value] : *given) {
    auto fits = schema.Check(name, value);
    const Setting* setting = schema.Find(name);
    if (fits && setting->program != program) {
      fits = Fail(Code::kInvalid, setting->name + ": is a setting of " + setting->program +
                                      ", not of " + std::string(program));
    }
    if (!fits) {
      errors += (errors.empty() ? "" : "\n") + fits.error().message;
      continue;
    }
    snapshot->values_[name] = value;
  }
  if (!errors.empty()) return Fail(Code::kInvalid, errors);
  return snapshot;
}

const json::value& Snapshot::At(std::string_view name) const {
  const json::value* found = values_.if_contains(name);
  if (found == nullptr)
    std::fprintf(stderr, "no such setting: %.*s\n", static_cast<int>(name.size()), name.data());
  CHECK(found != nullptr);
  return *found;
}

bool Snapshot::Bool(std::string_view name) const { return At(name).as_bool(); }
int64_t Snapshot::Integer(std::string_view name) const { return At(name).to_number<int64_t>(); }
std::string Snapshot::Text(std::string_view name) const {
  return std::string(At(name).as_string());
}

std::vector<std::string> Snapshot::TextList(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& item : At(name).as_array()) out.emplace_back(item.as_string());
  return out;
}

Result<std::shared_ptr<const Snapshot>> LoadSnapshot(const std::string& path,
                                                     std::string_view program) {
  constexpr size_t kMaxBytes = 4 << 20;
  if (path.empty()) return Snapshot::Defaults(Schema::Builtin(), program);
  TRY(const std::string text, io::ReadFile(path, kMaxBytes));
  auto document = json::Parse(text);
  if (!document) return Fail(std::move(document).error().Note("settings file " + path));
  auto snapshot = Snapshot::FromJson(Schema::Builtin(), program, *document);
  if (!snapshot) return Fail(std::move(snapshot).error().Note("settings file " + path));
  return snapshot;
}

json::object Snapshot::ToJson() const { return {{"revision", revision_}, {"values", values_}}; }

}  // namespace mailreeve::settings
