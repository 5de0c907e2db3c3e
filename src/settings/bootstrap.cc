#include "settings/bootstrap.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace mailreeve::settings {

Result<Bootstrap> Bootstrap::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(Code::kNotFound, "cannot read the bootstrap file '" + path + "'");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto parsed = Parse(text, std::filesystem::absolute(path).parent_path().string());
  if (!parsed) return Fail(std::move(parsed).error().Note("bootstrap file " + path));
  parsed->name_ = path;
  return parsed;
}

Result<Bootstrap> Bootstrap::Parse(std::string_view text, std::string folder) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const auto& error = parsed.error();
    return Fail(Code::kInvalid, "line " + std::to_string(error.source().begin.line) + ", column " +
                                    std::to_string(error.source().begin.column) + ": " +
                                    std::string(error.description()));
  }
  Bootstrap out;
  out.folder_ = std::move(folder);
  for (const auto& [table_name, node] : parsed.table()) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      return Fail(Code::kInvalid,
                  "'" + std::string(table_name.str()) + "' stands outside a [table]");
    }
    for (const auto& [key, item] : *table) {
      Value value;
      if (const auto* string = item.as_string()) {
        value.kind = Value::Kind::kText;
        value.text = string->get();
      } else if (const auto* integer = item.as_integer()) {
        value.kind = Value::Kind::kInteger;
        value.integer = integer->get();
      } else if (const auto* array = item.as_array()) {
        value.kind = Value::Kind::kTextList;
        for (const auto& element : *array) {
          if (const auto* element_text = element.as_string()) {
            value.list.push_back(element_text->get());
          } else {
            value.kind = Value::Kind::kOther;
          }
        }
      }
      out.values_[std::string(table_name.str()) + "." + std::string(key.str())] = std::move(value);
    }
  }
  return out;
}

Result<const Bootstrap::Value*> Bootstrap::Find(std::string_view key, Value::Kind kind,
                                                std::string_view wanted) {
  read_.emplace(key);
  const auto found = values_.find(key);
  if (found == values_.end()) return nullptr;
  if (found->second.kind != kind) {
    return Fail(Code::kInvalid,
                name_ + ": " + std::string(key) + " must be " + std::string(wanted));
  }
  return &found->second;
}

std::string Bootstrap::Absolute(std::string path) const {
  if (path.empty() || path.front() == '/') return path;
  return folder_ + "/" + path;
}

Result<std::string> Bootstrap::Text(std::string_view key) {
  TRY(const Value* value, Find(key, Value::Kind::kText, "text in quotes"));
  if (value == nullptr)
    return Fail(Code::kInvalid, name_ + ": " + std::string(key) + " is missing");
  return value->text;
}

Result<std::string> Bootstrap::Text(std::string_view key, std::string otherwise) {
  TRY(const Value* value, Find(key, Value::Kind::kText, "text in quotes"));
  return value == nullptr ? otherwise : value->text;
}

Result<std::string> Bootstrap::Path(std::string_view key) {
  TRY(std::string text, Text(key));
  return Absolute(std::move(text));
}

Result<std::string> Bootstrap::Path(std::string_view key, std::string otherwise) {
  TRY(std::string text, Text(key, std::move(otherwise)));
  return Absolute(std::move(text));
}

Result<std::vector<std::string>> Bootstrap::TextList(std::string_view key,
                                                     std::vector<std::string> otherwise) {
  TRY(const Value* value, Find(key, Value::Kind::kTextList, "a list of texts"));
  return value == nullptr ? otherwise : value->list;
}

Result<int64_t> Bootstrap::Integer(std::string_view key, int64_t otherwise, int64_t min,
                                   int64_t max) {
  TRY(const Value* value, Find(key, Value::Kind::kInteger, "a whole number"));
  if (value == nullptr) return otherwise;
  if (value->integer < min || value->integer > max) {
    return Fail(Code::kInvalid, name_ + ": " + std::string(key) + " must be from " +
                                    std::to_string(min) + " to " + std::to_string(max));
  }
  return value->integer;
}

Result<void> Bootstrap::RefuseUnread() const {
  std::string unknown;
  for (const auto& [key, value] : values_) {
    if (!read_.contains(key)) unknown += (unknown.empty() ? "" : ", ") + key;
  }
  if (unknown.empty()) return {};
  return Fail(Code::kInvalid, name_ + ": unknown keys: " + unknown);
}

}  // namespace mailreeve::settings
