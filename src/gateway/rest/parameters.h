#pragma once

#include "base/result.h"
#include "base/time.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Decoded query parameters as clients of message tracking send them. Pure values; not thread-safe.
// Errors: kInvalid (HTTP 400) and, for dates that are not whole minutes, kNotFound (404); the text
// is the message for the client. Source: gateway-api.md 1.1, 1.3, 1.4.
namespace mailreeve::gateway::rest {

class Parameters {
 public:
  explicit Parameters(const std::vector<std::pair<std::string, std::string>>& pairs)
      : pairs_(&pairs) {}

  // The last value of that name, trimmed; nothing when absent or empty. A name is not a list by
  // being repeated.
  std::optional<std::string> Text(std::string_view name) const;
  // Every value of that name, split at commas, trimmed, without empty ones.
  std::vector<std::string> List(std::string_view name) const;
  // The last value of that name split at commas, lower case.
  std::vector<std::string> Words(std::string_view name) const;
  Result<std::optional<uint64_t>> Number(std::string_view name) const;
  // Absent, empty, "false" and "0" are false.
  Result<bool> Flag(std::string_view name) const;

 private:
  const std::vector<std::pair<std::string, std::string>>* pairs_;
};

// "2024-05-01T10:00:00.000Z" and what clients make of it: no fraction, no seconds, no zone (UTC), a
// zone without colon, a blank where '+' was decoded.
Result<Time> ReadDate(std::string_view name, std::string_view text);
// The same text in the form that ParseTime reads.
std::string TidyDate(std::string_view text);

struct Span {
  Time from, until;
};
// Of startDate and endDate: both, or none when they are optional; whole minutes, the first before
// the second.
Result<std::optional<Span>> ReadSpan(const Parameters& parameters, bool required);

struct Paging {
  uint64_t offset = 0;
  size_t limit = 0;
};
Result<Paging> ReadPaging(const Parameters& parameters, size_t default_limit, size_t max_limit);

}  // namespace mailreeve::gateway::rest
