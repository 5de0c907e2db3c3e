#pragma once

#include "base/result.h"
#include "json/json.h"

#include <string>
#include <string_view>
#include <vector>

// GraphQL queries as a tree of fields.
//
// Threads: values and pure functions. Errors: kInvalid with line and column, kLimited for a limit.
//
//   TRY(auto fields, ReadQuery("query($t: String!) { actor(id: $t) { title } }", "", {{"t", "x"}},
//   {}));
//   fields[0].name == "actor"; fields[0].arguments.at("id") == "x";
namespace mailreeve::response::graphql {

struct Limits {
  size_t max_bytes = 64 * 1024;
  size_t max_depth = 16;     // of fields, lists and objects
  size_t max_fields = 2000;  // after fragments were put in their places
};

struct Field {
  std::string name;
  std::string alias;          // where it goes in the answer; the name when none is given
  json::object arguments;     // variables replaced; an enum's word is a string
  std::vector<Field> fields;  // empty: none asked
  std::string on_type;        // of the fragment that it stands in; empty: none
};

// The fields of the operation `operation_name`; empty: of the only one. A variable that is not
// given has its default, else null; one of a type with '!' must be given.
Result<std::vector<Field>> ReadQuery(std::string_view query, std::string_view operation_name,
                                     const json::object& variables, const Limits& limits);

}  // namespace mailreeve::response::graphql
