#pragma once

#include "mail/charsets.h"

#include <string>
#include <string_view>
#include <vector>

// Content-Type and Content-Disposition: the value, and every reading of its parameters where mail
// programs differ (RFC 2045 section 5.1, RFC 2231; H05, M01, M02). Linear time. Threads: as the
// Charsets given.
namespace mailreeve::mail {

struct ParameterList {
  std::string value;  // lower case, comments and white space taken out: "text/plain", "attachment"
  struct Parameter {
    std::string name;   // lower case, with its '*' parts: "filename*0*"
    std::string value;  // unquoted; raw bytes
    bool quoted = false;
  };
  std::vector<Parameter> parameters;
  bool cut = false;  // more than kMaxParameters

  static constexpr size_t kMaxParameters = 200;

  // The first parameter called exactly `name`; empty when there is none.
  std::string_view First(std::string_view name) const;
  // Every different value of it.
  std::vector<std::string> All(std::string_view name) const;
};

ParameterList ParseParameters(std::string_view field_value);

struct NameReadings {
  std::vector<std::string> names;  // valid UTF-8, unique, not empty
  std::vector<std::string> oddities;
};
// What `name` ("filename", "name") may be: plain, RFC 2047 inside, extended, continued in order of
// number and of appearance, up to the first blank.
NameReadings ReadNames(const ParameterList& list, std::string_view name, Charsets& charsets,
                       size_t max_name_length);

}  // namespace mailreeve::mail
