#include "json/json.h"

#include <algorithm>
#include <cmath>

namespace mailreeve::json {
namespace {

std::string Kind(const value& v) {
  switch (v.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return "a boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
    case boost::json::kind::double_:
      return "a number";
    case boost::json::kind::string:
      return "a string";
    case boost::json::kind::array:
      return "an array";
    case boost::json::kind::object:
      return "an object";
  }
  return "unknown";
}

tl::unexpected<Error> Wrong(std::string_view path, std::string_view wanted, const value& got) {
  return Fail(Code::kInvalid, (path.empty() ? std::string("the document") : std::string(path)) +
                                  ": must be " + std::string(wanted) + ", is " + Kind(got));
}

tl::unexpected<Error> Missing(std::string_view path, std::string_view key) {
  return Fail(Code::kInvalid, Join(path, key) + ": is required");
}

const value* Find(const object& from, std::string_view key) {
  const value* found = from.if_contains(key);
  return found != nullptr && found->is_null() ? nullptr : found;
}

// "1e400" is read as infinity, which no JSON text can say. The depth is bounded by the parser.
bool IsFinite(const value& v) {
  if (v.is_double()) return std::isfinite(v.get_double());
  if (v.is_array()) return std::all_of(v.get_array().begin(), v.get_array().end(), IsFinite);
  if (v.is_object()) {
    return std::all_of(v.get_object().begin(), v.get_object().end(),
                       [](const auto& item) { return IsFinite(item.value()); });
  }
  return true;
}

size_t MembersOf(const value& v) {
  size_t count = 0;
  if (v.is_array()) {
    for (const value& item : v.get_array()) count += MembersOf(item);
  } else if (v.is_object()) {
    count = v.get_object().size();
    for (const auto& item : v.get_object()) count += MembersOf(item.value());
  }
  return count;
}

// Members written in valid JSON text: each has one colon outside of strings. More of them than the
// parsed value has means that keys came twice.
size_t MembersWritten(std::string_view text) {
  size_t count = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == ':') {
      ++count;
    }
  }
  return count;
}

void WritePretty(std::string& out, const value& v, size_t indent) {
  if (v.is_object() && !v.get_object().empty()) {
    out += "{\n";
    bool first = true;
    for (const auto& [key, item] : v.get_object()) {
      if (!first) out += ",\n";
      first = false;
      out.append(indent + 2, ' ');
      out += boost::json::serialize(boost::json::string(key)) + ": ";
      WritePretty(out, item, indent + 2);
    }
    out += "\n";
    out.append(indent, ' ');
    out += "}";
  } else if (v.is_array() && !v.get_array().empty()) {
    out += "[\n";
    bool first = true;
    for (const auto& item : v.get_array()) {
      if (!first) out += ",\n";
      first = false;
      out.append(indent + 2, ' ');
      WritePretty(out, item, indent + 2);
    }
    out += "\n";
    out.append(indent, ' ');
    out += "]";
  } else {
    out += boost::json::serialize(v);
  }
}

}  // namespace

Result<value> Parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.max_bytes) {
    return Fail(Code::kLimited, "JSON document of " + std::to_string(text.size()) +
                                    " bytes; at most " + std::to_string(limits.max_bytes) +
                                    " are taken");
  }
  boost::json::parse_options options;
  options.max_depth = limits.max_depth;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code error;
  const size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error && text.substr(read).find_first_not_of(" \t\r\n") != std::string_view::npos) {
    return Fail(Code::kInvalid,
                "not JSON: text after the document at byte " + std::to_string(read));
  }
  if (!error) parser.finish(error);
  if (error == boost::json::error::too_deep) {
    return Fail(Code::kLimited, "JSON nested deeper than " + std::to_string(limits.max_depth));
  }
  if (error) {
    return Fail(Code::kInvalid,
                "not JSON: " + error.message() + " near byte " + std::to_string(read));
  }
  value parsed = parser.release();
  if (!IsFinite(parsed)) return Fail(Code::kInvalid, "a number is out of range");
  if (limits.refuse_duplicate_keys && MembersWritten(text) != MembersOf(parsed))
    return Fail(Code::kInvalid, "a key is given twice in one object");
  return parsed;
}

std::string Serialize(const value& json) { return boost::json::serialize(json); }

std::string SerializePretty(const value& json) {
  std::string out;
  WritePretty(out, json, 0);
  return out;
}

std::string Join(std::string_view path, std::string_view key) {
  if (path.empty()) return std::string(key);
  return std::string(path) + "." + std::string(key);
}

Result<const object*> AsObject(const value& from, std::string_view path) {
  if (!from.is_object()) return Wrong(path, "an object", from);
  return &from.get_object();
}

Result<const array*> AsArray(const value& from, std::string_view path) {
  if (!from.is_array()) return Wrong(path, "an array", from);
  return &from.get_array();
}

Result<std::string> AsString(const value& from, std::string_view path) {
  if (!from.is_string()) return Wrong(path, "a string", from);
  return std::string(from.get_string());
}

Result<std::string> RequireString(const object& from, std::string_view key, std::string_view path) {
  const value* found = Find(from, key);
  if (found == nullptr) return Missing(path, key);
  return AsString(*found, Join(path, key));
}

Result<std::string> OptionalString(const object& from, std::string_view key, std::string otherwise,
                                   std::string_view path) {
  const value* found = Find(from, key);
  if (found == nullptr) return otherwise;
  return AsString(*found, Join(path, key));
}

Result<int64_t> RequireInteger(const object& from, std::string_view key, std::string_view path) {
  const value* found = Find(from, key);
  if (found == nullptr) return Missing(path, key);
  boost::system::error_code error;
  const auto number = found->to_number<int64_t>(error);
  if (error) return Wrong(Join(path, key), "a whole number", *found);
  return number;
}

Result<int64_t> OptionalInteger(const object& from, std::string_view key, int64_t otherwise,
                                std::string_view path) {
  if (Find(from, key) == nullptr) return otherwise;
  return RequireInteger(from, key, path);
}

Result<bool> OptionalBool(const object& from, std::string_view key, bool otherwise,
                          std::string_view path) {
  const value* found = Find(from, key);
  if (found == nullptr) return otherwise;
  if (!found->is_bool()) return Wrong(Join(path, key), "true or false", *found);
  return found->get_bool();
}

Result<std::vector<std::string>> OptionalStrings(const object& from, std::string_view key,
                                                 std::string_view path) {
  std::vector<std::string> out;
  const value* found = Find(from, key);
  if (found == nullptr) return out;
  const std::string here = Join(path, key);
  TRY(const array* items, AsArray(*found, here));
  for (size_t i = 0; i < items->size(); ++i) {
    TRY(std::string text, AsString((*items)[i], here + "[" + std::to_string(i) + "]"));
    out.push_back(std::move(text));
  }
  return out;
}

Result<void> RefuseUnknownKeys(const object& from, std::initializer_list<std::string_view> known,
                               std::string_view path) {
  for (const auto& [key, item] : from) {
    if (std::find(known.begin(), known.end(), std::string_view(key)) == known.end()) {
      return Fail(Code::kInvalid, Join(path, key) + ": is not a known field");
    }
  }
  return {};
}

}  // namespace mailreeve::json
