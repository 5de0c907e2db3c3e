#pragma once

#include "base/result.h"

#include <boost/json.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

// JSON by Boost.JSON, with errors that name the path of what is wrong ("observables[3].type: …").
// Pure functions; thread-safe.
namespace mailreeve::json {

using boost::json::array;
using boost::json::object;
using boost::json::value;

struct Limits {
  size_t max_bytes = 16 * 1024 * 1024;
  size_t max_depth = 64;
  // For what strangers send: readers differ in which of two equal keys they take, so that a check
  // and what follows it may see different documents (RFC 8259 section 4).
  bool refuse_duplicate_keys = false;
};

// kInvalid with the offset for bad JSON, invalid UTF-8, lone surrogates, numbers out of range, and
// duplicate keys when they are refused (else the last is kept); kLimited when over a limit.
Result<value> Parse(std::string_view text, const Limits& limits = {});
std::string Serialize(const value& json);
std::string SerializePretty(const value& json);

// Field readers. `path` is where `from` stands, "" at the root.
Result<const object*> AsObject(const value& from, std::string_view path);
Result<const array*> AsArray(const value& from, std::string_view path);
Result<std::string> AsString(const value& from, std::string_view path);
Result<std::string> RequireString(const object& from, std::string_view key,
                                  std::string_view path = "");
// Absent or null: `otherwise`.
Result<std::string> OptionalString(const object& from, std::string_view key, std::string otherwise,
                                   std::string_view path = "");
Result<int64_t> RequireInteger(const object& from, std::string_view key,
                               std::string_view path = "");
Result<int64_t> OptionalInteger(const object& from, std::string_view key, int64_t otherwise,
                                std::string_view path = "");
Result<bool> OptionalBool(const object& from, std::string_view key, bool otherwise,
                          std::string_view path = "");
// Absent: empty.
Result<std::vector<std::string>> OptionalStrings(const object& from, std::string_view key,
                                                 std::string_view path = "");
// kInvalid naming the first key that is not in `known`.
Result<void> RefuseUnknownKeys(const object& from, std::initializer_list<std::string_view> known,
                               std::string_view path = "");
// "a" + "b" -> "a.b"; "" + "b" -> "b".
std::string Join(std::string_view path, std::string_view key);

}  // namespace mailreeve::json
