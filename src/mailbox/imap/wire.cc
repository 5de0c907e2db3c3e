#include "mailbox/imap/wire.h"

#include "base/bytes.h"
#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace mailreeve::mailbox::imap {
namespace {

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

bool IsStatusName(std::string_view name) {
  return name == "OK" || name == "NO" || name == "BAD" || name == "BYE" || name == "PREAUTH";
}

std::optional<uint32_t> ToNumber(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

class Parser {
 public:
  Parser(std::string_view bytes, const WireLimits& limits) : bytes_(bytes), limits_(limits) {}

  Result<Response> Whole() {
    Response out;
    if (bytes_ == "+" || bytes_.starts_with("+ ")) {
      out.kind = Response::Kind::kContinuation;
      out.text = bytes_.size() > 2 ? std::string(bytes_.substr(2)) : "";
      return out;
    }
    std::string_view first = Word();
    if (first.empty()) return Bad("a response must begin with a tag");
    if (first != "*") {
      out.kind = Response::Kind::kTagged;
      out.tag = std::string(first);
    }
    TRY_VOID(Space());
    std::string_view word = Word();
    if (out.kind == Response::Kind::kUntagged) {
      if (const auto number = ToNumber(word)) {
        out.number = number;
        TRY_VOID(Space());
        word = Word();
      }
    }
    if (word.empty()) return Bad("a response must have a name");
    out.name = Upper(word);
    if (out.is_status()) {
      TRY_VOID(Status(out));
      return out;
    }
    if (out.kind == Response::Kind::kTagged) return Bad("a tagged response must be OK, NO or BAD");
    while (at_ < bytes_.size()) {
      TRY_VOID(Space());
      // Some servers end "* SEARCH " with a space.
      if (at_ == bytes_.size()) break;
      TRY(Node node, One(0));
      out.items.push_back(std::move(node));
    }
    return out;
  }

 private:
  tl::unexpected<Error> Bad(std::string_view what) const {
    return Fail(Code::kInvalid,
                "not an IMAP response at byte " + std::to_string(at_) + ": " + std::string(what));
  }

  std::string_view Word() {
    const size_t start = at_;
    while (at_ < bytes_.size() && static_cast<unsigned char>(bytes_[at_]) > ' ' &&
           bytes_[at_] != '(' && bytes_[at_] != ')' && bytes_[at_] != '"' && bytes_[at_] != '{') {
      ++at_;
    }
    return bytes_.substr(start, at_ - start);
  }

  Result<void> Space() {
    if (at_ >= bytes_.size() || bytes_[at_] != ' ') return Bad("a space must stand here");
    ++at_;
    return {};
  }

  Result<void> Status(Response& out) {
    if (at_ < bytes_.size() && bytes_[at_] == ' ') ++at_;
    if (at_ < bytes_.size() && bytes_[at_] == '[') {
      const size_t close = bytes_.find(']', at_);
      if (close == std::string_view::npos) return Bad("the response code does not end");
      out.code = std::string(bytes_.substr(at_ + 1, close - at_ - 1));
      at_ = close + 1;
      if (at_ < bytes_.size() && bytes_[at_] == ' ') ++at_;
    }
    out.text = std::string(bytes_.substr(at_));
    return {};
  }

  Result<Node> One(size_t depth) {
    if (++nodes_ > limits_.max_nodes) {
      return Fail(Code::kLimited,
                  "IMAP response with more than " + std::to_string(limits_.max_nodes) + " items");
    }
    const char c = bytes_[at_];
    if (c == '(') return List(depth);
    if (c == '"') return Quoted();
    if (c == '{' || (c == '~' && at_ + 1 < bytes_.size() && bytes_[at_ + 1] == '{'))
      return Literal();
    return Atom();
  }

  Result<Node> List(size_t depth) {
    if (depth >= limits_.max_depth) {
      return Fail(Code::kLimited,
                  "IMAP response nested deeper than " + std::to_string(limits_.max_depth));
    }
    Node out{.kind = Node::Kind::kList};
    ++at_;
    while (true) {
      if (at_ >= bytes_.size()) return Bad("the list does not end");
      if (bytes_[at_] == ')') {
        ++at_;
        return out;
      }
      if (!out.items.empty()) {
        // Between lists the space is optional: envelopes put addresses side by side.
        if (bytes_[at_] == ' ') {
          ++at_;
        } else if (bytes_[at_] != '(') {
          return Bad("a space must stand here");
        }
        if (at_ >= bytes_.size()) return Bad("the list does not end");
        if (bytes_[at_] == ')') return Bad("an item must stand here");
      }
      TRY(Node node, One(depth + 1));
      out.items.push_back(std::move(node));
    }
  }

  Result<Node> Quoted() {
    Node out{.kind = Node::Kind::kString};
    for (++at_; at_ < bytes_.size(); ++at_) {
      char c = bytes_[at_];
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c == '\\') {
        if (++at_ >= bytes_.size()) break;
        c = bytes_[at_];
      }
      if (c == '\r' || c == '\n' || c == '\0') return Bad("a line end in a quoted string");
      out.text.push_back(c);
    }
    return Bad("the quoted string does not end");
  }

  Result<Node> Literal() {
    if (bytes_[at_] == '~') ++at_;
    const size_t close = bytes_.find('}', at_);
    if (close == std::string_view::npos) return Bad("the literal's length does not end");
    const auto size = ToNumber(bytes_.substr(at_ + 1, close - at_ - 1));
    if (!size) return Bad("the literal's length is no number");
    if (bytes_.substr(close + 1, 2) != "\r\n") return Bad("a literal must follow on a new line");
    at_ = close + 3;
    if (*size > bytes_.size() - at_) return Bad("the literal is shorter than announced");
    Node out{.kind = Node::Kind::kString, .text = std::string(bytes_.substr(at_, *size))};
    at_ += *size;
    return out;
  }

  // Also "BODY[HEADER.FIELDS (MESSAGE-ID)]<0>" and flags such as \Seen and \*.
  Result<Node> Atom() {
    const size_t start = at_;
    bool in_section = false;
    for (; at_ < bytes_.size(); ++at_) {
      const auto c = static_cast<unsigned char>(bytes_[at_]);
      if (c < ' ' || c == 0x7f) return Bad("a control character");
      if (in_section) {
        if (c == ']') in_section = false;
        continue;
      }
      if (c == '[') {
        in_section = true;
        continue;
      }
      if (c == ' ' || c == '(' || c == ')' || c == '"' || c == '{') break;
    }
    if (at_ == start || in_section) return Bad("an item must stand here");
    std::string text(bytes_.substr(start, at_ - start));
    if (AsciiEqualFold(text, "NIL")) text = "NIL";
    return Node{.kind = Node::Kind::kAtom, .text = std::move(text)};
  }

  std::string_view bytes_;
  WireLimits limits_;
  size_t at_ = 0;
  size_t nodes_ = 0;
};

}  // namespace

bool Response::is_status() const { return !number && IsStatusName(name); }

std::string Response::code_name() const {
  return Upper(std::string_view(code).substr(0, code.find(' ')));
}

Result<Response> ParseResponse(std::string_view bytes, const WireLimits& limits) {
  return Parser(bytes, limits).Whole();
}

std::optional<uint64_t> AnnouncedLiteral(std::string_view whole, std::string_view line) {
  if (!line.ends_with('}')) return std::nullopt;
  const size_t open = line.rfind('{');
  if (open == std::string_view::npos) return std::nullopt;
  if (whole.starts_with('+')) return std::nullopt;
  const size_t space = whole.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view rest = whole.substr(space + 1);
  if (IsStatusName(Upper(rest.substr(0, rest.find_first_of(" \r\n"))))) return std::nullopt;
  const auto size = ToNumber(line.substr(open + 1, line.size() - open - 2));
  if (!size) return std::nullopt;
  return *size;
}

Command& Command::Words(std::string_view words) {
  if (pieces_.back().is_literal) pieces_.push_back({});
  pieces_.back().bytes += words;
  return *this;
}

Command& Command::Argument(std::string_view value) {
  if (value.find('\0') != std::string_view::npos) {
    spoilt_ = true;
    return *this;
  }
  const bool quotable = value.size() <= 1000 && std::all_of(value.begin(), value.end(), [](char c) {
                          return c >= ' ' && c <= '~';
                        });
  if (!quotable) {
    pieces_.push_back({std::string(value), true});
    return *this;
  }
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return Words(quoted);
}

std::string EncodeMailboxName(std::string_view utf8) {
  std::string out;
  std::string wide;  // UTF-16BE not written yet
  const auto flush = [&] {
    if (wide.empty()) return;
    std::string coded = Base64Encode(wide);
    while (coded.ends_with('=')) coded.pop_back();
    std::replace(coded.begin(), coded.end(), '/', ',');
    out += "&" + coded + "-";
    wide.clear();
  };
  const auto unit = [&](uint32_t u) {
    wide.push_back(static_cast<char>(u >> 8));
    wide.push_back(static_cast<char>(u & 0xff));
  };
  for (size_t at = 0; at < utf8.size();) {
    const char32_t c = NextCodePoint(utf8, at);
    if (c >= 0x20 && c <= 0x7e) {
      flush();
      out.push_back(static_cast<char>(c));
      if (c == '&') out.push_back('-');
    } else if (c >= 0x10000) {
      unit(0xd800 + ((c - 0x10000) >> 10));
      unit(0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
      unit(c);
    }
  }
  flush();
  return out;
}

Result<std::string> DecodeMailboxName(std::string_view wire) {
  const auto bad = [] { return Fail(Code::kInvalid, "the mailbox name is not modified UTF-7"); };
  std::string out;
  for (size_t at = 0; at < wire.size(); ++at) {
    const char c = wire[at];
    if (c < ' ' || c > '~') return bad();
    if (c != '&') {
      out.push_back(c);
      continue;
    }
    const size_t end = wire.find('-', at);
    if (end == std::string_view::npos) return bad();
    std::string coded(wire.substr(at + 1, end - at - 1));
    at = end;
    if (coded.empty()) {
      out.push_back('&');
      continue;
    }
    std::replace(coded.begin(), coded.end(), ',', '/');
    TRY(const std::string wide, Base64Decode(coded));
    if (wide.size() % 2 != 0) return bad();
    for (size_t i = 0; i < wide.size(); i += 2) {
      const auto unit = [&](size_t from) {
        return static_cast<char32_t>((static_cast<unsigned char>(wide[from]) << 8) |
                                     static_cast<unsigned char>(wide[from + 1]));
      };
      char32_t point = unit(i);
      if (point >= 0xd800 && point < 0xdc00) {
        if (i + 4 > wide.size()) return bad();
        const char32_t low = unit(i + 2);
        if (low < 0xdc00 || low > 0xdfff) return bad();
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        i += 2;
      } else if (point >= 0xdc00 && point <= 0xdfff) {
        return bad();
      }
      AppendUtf8(out, point);
    }
  }
  if (EncodeMailboxName(out) != wire) return bad();
  return out;
}

namespace {
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
}  // namespace

std::string FormatDate(Time time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  char out[32];
  std::snprintf(out, sizeof(out), "%u-%s-%04d", static_cast<unsigned>(day.day()),
                std::string(kMonths[static_cast<unsigned>(day.month()) - 1]).c_str(),
                static_cast<int>(day.year()));
  return out;
}

Result<Time> ParseInternalDate(std::string_view text) {
  const std::string copy(TrimSpace(text));
  unsigned day = 0, hour = 0, minute = 0, second = 0, zone = 0;
  int year = 0, used = 0;
  char month[4] = {}, sign = 0;
  if (copy.size() > 40 ||
      std::sscanf(copy.c_str(), "%2u-%3[A-Za-z]-%4d %2u:%2u:%2u %c%4u%n", &day, month, &year, &hour,
                  &minute, &second, &sign, &zone, &used) != 8 ||
      static_cast<size_t>(used) != copy.size() || (sign != '+' && sign != '-')) {
    return Fail(Code::kInvalid, "not an IMAP date");
  }
  unsigned at = 0;
  while (at < kMonths.size() && !AsciiEqualFold(kMonths[at], month)) ++at;
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(at + 1),
                                         std::chrono::day(day));
  if (!date.ok() || year < 1 || hour > 23 || minute > 59 || second > 60 || zone % 100 > 59) {
    return Fail(Code::kInvalid, "not an IMAP date");
  }
  const auto offset = std::chrono::hours(zone / 100) + std::chrono::minutes(zone % 100);
  Time out = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
             std::chrono::seconds(second);
  return sign == '+' ? out - offset : out + offset;
}

std::string UidSet(const std::vector<uint32_t>& uids) {
  std::vector<uint32_t> sorted = uids;
  std::sort(sorted.begin(), sorted.end());
  std::string out;
  for (size_t i = 0; i < sorted.size();) {
    size_t last = i;
    while (last + 1 < sorted.size() && sorted[last + 1] - sorted[last] <= 1) ++last;
    if (!out.empty()) out.push_back(',');
    out += std::to_string(sorted[i]);
    if (sorted[last] != sorted[i]) out += ":" + std::to_string(sorted[last]);
    i = last + 1;
  }
  return out;
}

}  // namespace mailreeve::mailbox::imap
