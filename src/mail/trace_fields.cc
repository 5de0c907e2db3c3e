#include "mail/trace_fields.h"

#include "base/text.h"
#include "mail/header_fields.h"
#include "observable/observable.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace mailreeve::mail {
namespace {

constexpr size_t kMaxWordBytes = 1000;

std::string Word(std::string_view text) { return ToValidUtf8(CutUtf8(text, kMaxWordBytes)); }

void AddHost(std::string_view token, size_t max, std::vector<std::string>& hosts) {
  while (!token.empty() && (token.back() == '.' || token.back() == ':')) token.remove_suffix(1);
  if (token.size() < 3 || token.size() > 260 || hosts.size() >= max) return;
  const size_t kind = token.find_first_of(".:");
  if (kind == std::string_view::npos) return;
  if (AsciiEqualFold(token.substr(0, 5), "IPv6:")) token.remove_prefix(5);
  auto host = observable::CanonicalAddress(token);
  if (!host) host = observable::CanonicalDomain(token);
  if (!host) return;
  if (std::find(hosts.begin(), hosts.end(), *host) == hosts.end())
    hosts.push_back(*std::move(host));
}

// `value` unfolded, with comments taken out; quoted strings kept.
std::string WithoutComments(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '\\' && (quoted || depth > 0) && i + 1 < s.size()) {
      if (depth == 0) out.append(s.substr(i, 2));
      ++i;
    } else if (depth == 0 && c == '"') {
      quoted = !quoted;
      out.push_back(c);
    } else if (!quoted && c == '(') {
      ++depth;
      if (depth == 1) out.push_back(' ');
    } else if (!quoted && c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      out.push_back(c);
    }
  }
  return out;
}

std::vector<std::string_view> Words(std::string_view s) {
  std::vector<std::string_view> out;
  size_t pos = 0;
  while (out.size() < 200) {
    pos = s.find_first_not_of(" \t", pos);
    if (pos == std::string_view::npos) return out;
    size_t end = pos;
    bool quoted = false;
    while (end < s.size() && (quoted || (s[end] != ' ' && s[end] != '\t'))) {
      if (s[end] == '"') quoted = !quoted;
      ++end;
    }
    out.push_back(s.substr(pos, end - pos));
    pos = end;
  }
  return out;
}

int Month(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
  if (word.size() < 3) return 0;
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (AsciiEqualFold(word.substr(0, 3), kMonths[i])) return static_cast<int>(i) + 1;
  }
  return 0;
}

// Decimal digits only, at most `max_digits`.
std::optional<int> Digits(std::string_view word, size_t max_digits) {
  if (word.empty() || word.size() > max_digits) return std::nullopt;
  int value = 0;
  for (const char c : word) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

struct ZoneName {
  std::string_view name;
  int minutes;
};
constexpr std::array kZones = {
    ZoneName{"EST", -300}, ZoneName{"EDT", -240}, ZoneName{"CST", -360}, ZoneName{"CDT", -300},
    ZoneName{"MST", -420}, ZoneName{"MDT", -360}, ZoneName{"PST", -480}, ZoneName{"PDT", -420},
    ZoneName{"CET", 60},   ZoneName{"CEST", 120}, ZoneName{"BST", 60},   ZoneName{"JST", 540},
};

}  // namespace

std::optional<Time> ReadDate(std::string_view value) {
  const std::string text = WithoutComments(Unfold(value.substr(0, 500)));
  int day = 0, month = 0, year = -1, hour = -1, minute = 0, second = 0, zone = 0;
  // "Tue,13-Jan-2026": commas and dashes between letters and digits separate too.
  std::string s(text);
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == ',') s[i] = ' ';
    if (s[i] == '-' && i > 0 && s[i - 1] != ' ' && hour < 0 &&
        std::count(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(i), ':') == 0) {
      s[i] = ' ';
    }
  }
  for (std::string_view word : Words(s)) {
    if (word.find(':') != std::string_view::npos && hour < 0) {
      // hh:mm[:ss[.fraction]][+zone]
      const size_t sign = word.find_first_of("+-");
      if (sign != std::string_view::npos) {
        const std::string_view z = word.substr(sign + 1);
        if (const auto n = Digits(z, 4); n && z.size() == 4 && *n / 100 <= 23 && *n % 100 <= 59) {
          zone = (*n / 100 * 60 + *n % 100) * (word[sign] == '-' ? -1 : 1);
        }
        word = word.substr(0, sign);
      }
      const auto parts = Split(word, ':');
      if (parts.size() < 2) return std::nullopt;  // the colon stood behind the sign
      const auto h = Digits(parts[0], 2), m = Digits(parts[1], 2);
      if (!h || !m) return std::nullopt;
      hour = *h;
      minute = *m;
      if (parts.size() > 2) second = Digits(parts[2].substr(0, parts[2].find('.')), 2).value_or(0);
      continue;
    }
    if (const int m = Month(word); m != 0 && month == 0) {
      month = m;
      continue;
    }
    if (const auto n = Digits(word, 4)) {
      if (day == 0 && word.size() <= 2 && *n >= 1 && *n <= 31) {
        day = *n;
      } else if (year < 0) {
        year = *n;
        if (word.size() == 2) year += *n < 50 ? 2000 : 1900;
        if (word.size() == 3) year += 1900;
      }
      continue;
    }
    if (hour >= 0 && (word[0] == '+' || word[0] == '-')) {
      const auto n = Digits(word.substr(1), 4);
      if (n && word.size() == 5 && *n / 100 <= 23 && *n % 100 <= 59) {
        zone = (*n / 100 * 60 + *n % 100) * (word[0] == '-' ? -1 : 1);
      }
      continue;
    }
    for (const ZoneName& z : kZones) {
      if (hour >= 0 && AsciiEqualFold(word, z.name)) zone = z.minutes;
    }
  }
  if (second == 60) second = 59;  // a leap second has no place in our time
  if (day == 0 || month == 0 || year < 1 || year > 9999 || hour < 0 || hour > 23 || minute > 59 ||
      second > 59) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute - zone) + std::chrono::seconds(second);
}

void ReadReceivedHosts(std::string_view value, size_t max, std::vector<std::string>& hosts) {
  const std::string text = Unfold(value.substr(0, 8192));
  // In "from" and "by" parts every word may be a host, comments included ("(helo=a) (b
  // [192.0.2.1])").
  bool in_hosts = false;
  size_t depth = 0;
  size_t pos = 0;
  while (pos < text.size() && hosts.size() < max) {
    const char c = text[pos];
    if (c == '(') ++depth;
    if (c == ')' && depth > 0) --depth;
    if (c == ';' && depth == 0) return;  // the date follows
    if (std::string_view(" \t()[]<>,;\"'={}").find(c) != std::string_view::npos) {
      ++pos;
      continue;
    }
    size_t end = text.find_first_of(" \t()[]<>,;\"'={}", pos);
    if (end == std::string::npos) end = text.size();
    const std::string_view word = std::string_view(text).substr(pos, end - pos);
    if (depth == 0 && (AsciiEqualFold(word, "from") || AsciiEqualFold(word, "by"))) {
      in_hosts = true;
    } else if (depth == 0 && (AsciiEqualFold(word, "with") || AsciiEqualFold(word, "id") ||
                              AsciiEqualFold(word, "for") || AsciiEqualFold(word, "via"))) {
      in_hosts = false;
    } else if (in_hosts) {
      const size_t at = word.rfind('@');
      AddHost(at == std::string_view::npos ? word : word.substr(at + 1), max, hosts);
    }
    pos = end;
  }
}

bool ReadAuthenticationResults(std::string_view value, size_t max,
                               std::vector<AuthenticationResult>& results) {
  const std::string text = WithoutComments(Unfold(value));
  std::string authserv_id;
  bool first = true;
  size_t pos = 0;
  while (pos <= text.size()) {
    size_t end = pos;
    bool quoted = false;
    while (end < text.size() && (quoted || text[end] != ';')) {
      if (text[end] == '"') quoted = !quoted;
      ++end;
    }
    const auto words = Words(std::string_view(text).substr(pos, end - pos));
    pos = end + 1;
    if (first) {
      first = false;
      if (words.empty()) continue;
      if (words[0].find('=') == std::string_view::npos) {
        authserv_id = Word(words[0]);
        continue;
      }
    }
    if (words.empty()) continue;
    // "spf = pass" and "dkim=pass header.d=…"; "none" alone says that there is no result.
    size_t next = 1;
    std::string method(words[0]);
    std::string outcome;
    if (const size_t equals = method.find('='); equals != std::string::npos) {
      outcome = method.substr(equals + 1);
      method.resize(equals);
    } else if (words.size() > 1 && words[1].starts_with("=")) {
      outcome = words[1].substr(1);
      next = 2;
    }
    if (outcome.empty() && next < words.size() && method != "none") outcome = words[next++];
    if (outcome.empty()) continue;
    if (results.size() >= max) return false;
    AuthenticationResult result;
    result.authserv_id = authserv_id;
    result.method = AsciiLower(Word(method.substr(0, method.find('/'))));
    result.result = AsciiLower(Word(outcome));
    for (; next < words.size(); ++next) {
      if (!result.property.empty()) result.property.push_back(' ');
      result.property += Word(words[next]);
    }
    results.push_back(std::move(result));
  }
  return true;
}

bool ReadReceivedSpf(std::string_view value, size_t max,
                     std::vector<AuthenticationResult>& results) {
  const std::string text = WithoutComments(Unfold(value));
  const auto words = Words(text);
  if (words.empty()) return true;
  if (results.size() >= max) return false;
  AuthenticationResult result;
  result.method = "spf";
  result.result = AsciiLower(Word(words[0]));
  for (size_t i = 1; i < words.size(); ++i) {
    std::string_view word = words[i];
    while (!word.empty() && word.back() == ';') word.remove_suffix(1);
    if (AsciiEqualFold(word.substr(0, 9), "receiver=")) result.authserv_id = Word(word.substr(9));
    if (!result.property.empty()) result.property.push_back(' ');
    result.property += Word(word);
  }
  results.push_back(std::move(result));
  return true;
}

void ReadMessageIds(std::string_view value, size_t max, std::vector<std::string>& ids) {
  const std::string text = Unfold(value);
  size_t pos = 0;
  while (ids.size() < max) {
    const size_t open = text.find('<', pos);
    if (open == std::string::npos) return;
    const size_t close = text.find('>', open);
    if (close == std::string::npos) return;
    pos = close + 1;
    auto id = observable::CanonicalMessageId(std::string_view(text).substr(open, close - open + 1));
    if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*std::move(id));
  }
}

}  // namespace mailreeve::mail
