#include "gateway/rest/parameters.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::gateway::rest {
namespace {

constexpr size_t kMaxShown = 80;  // bytes of a value in an error text

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string Quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : CutUtf8(value, kMaxShown))
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out + "'";
}

}  // namespace

std::optional<std::string> Parameters::Text(std::string_view name) const {
  for (auto at = pairs_->rbegin(); at != pairs_->rend(); ++at) {
    if (at->first != name) continue;
    const std::string_view value = TrimSpace(at->second);
    if (value.empty()) return std::nullopt;
    return std::string(value);
  }
  return std::nullopt;
}

std::vector<std::string> Parameters::List(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : *pairs_) {
    if (key != name) continue;
    for (const std::string_view piece : Split(value, ',')) {
      if (const auto trimmed = TrimSpace(piece); !trimmed.empty()) out.emplace_back(trimmed);
    }
  }
  return out;
}

std::vector<std::string> Parameters::Words(std::string_view name) const {
  std::vector<std::string> out;
  const auto text = Text(name);
  if (!text) return out;
  for (const std::string_view piece : Split(*text, ',')) {
    if (const auto trimmed = TrimSpace(piece); !trimmed.empty()) out.push_back(AsciiLower(trimmed));
  }
  return out;
}

Result<std::optional<uint64_t>> Parameters::Number(std::string_view name) const {
  const auto text = Text(name);
  if (!text) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) {
    return Fail(Code::kInvalid,
                std::string(name) + " must be a whole number, not " + Quoted(*text) + ".");
  }
  return value;
}

Result<bool> Parameters::Flag(std::string_view name) const {
  const auto text = Text(name);
  if (!text) return false;
  const std::string word = AsciiLower(*text);
  if (word == "true" || word == "1" || word == "yes") return true;
  if (word == "false" || word == "0" || word == "no") return false;
  return Fail(Code::kInvalid,
              std::string(name) + " must be true or false, not " + Quoted(*text) + ".");
}

std::string TidyDate(std::string_view text) {
  std::string out(TrimSpace(text));
  const size_t t = out.find_first_of("Tt");
  if (t == std::string::npos || out.size() > 64) return out;
  // Only a zone is after a blank: '+' was sent bare and decoded.
  if (const size_t blank = out.find(' ', t); blank != std::string::npos) out[blank] = '+';
  size_t zone = out.find_first_of("Zz+-", t);
  if (zone == std::string::npos) {
    zone = out.size();
    out += 'Z';
  }
  // "T10:00" and "T10" want for seconds.
  const size_t clock = zone - t - 1;
  if (clock == 5) out.insert(zone, ":00");
  if (clock == 2) out.insert(zone, ":00:00");
  zone = out.find_first_of("Zz+-", t);
  if (out[zone] == 'z') out[zone] = 'Z';
  if (out[t] == 't') out[t] = 'T';
  // "+0000"
  if (out[zone] != 'Z' && out.size() == zone + 5 &&
      std::all_of(out.begin() + static_cast<std::ptrdiff_t>(zone) + 1, out.end(), IsDigit))
    out.insert(zone + 3, ":");
  return out;
}

Result<Time> ReadDate(std::string_view name, std::string_view text) {
  auto time = ParseTime(TidyDate(text));
  if (!time) {
    return Fail(Code::kInvalid, std::string(name) + " must be a date such as " +
                                    "2024-05-01T10:00:00.000Z, not " + Quoted(text) + ".");
  }
  return time;
}

Result<std::optional<Span>> ReadSpan(const Parameters& parameters, bool required) {
  const auto start = parameters.Text("startDate"), end = parameters.Text("endDate");
  if (!start && !end && !required) return std::nullopt;
  if (!start || !end) return Fail(Code::kInvalid, "startDate and endDate must both be given.");
  Span span;
  TRY(span.from, ReadDate("startDate", *start));
  TRY(span.until, ReadDate("endDate", *end));
  for (const Time time : {span.from, span.until}) {
    if (time.time_since_epoch() % std::chrono::minutes(1) != Duration::zero()) {
      return Fail(Code::kNotFound,
                  "startDate and endDate attribute supports only 00 seconds and 000 microseconds.");
    }
  }
  if (span.from >= span.until) return Fail(Code::kInvalid, "startDate must be before endDate.");
  return span;
}

Result<Paging> ReadPaging(const Parameters& parameters, size_t default_limit, size_t max_limit) {
  Paging paging{0, default_limit};
  TRY(const std::optional<uint64_t> offset, parameters.Number("offset"));
  TRY(const std::optional<uint64_t> limit, parameters.Number("limit"));
  if (offset) paging.offset = std::min<uint64_t>(*offset, UINT32_MAX);
  if (limit) paging.limit = static_cast<size_t>(std::min<uint64_t>(*limit, max_limit));
  return paging;
}

}  // namespace mailreeve::gateway::rest
