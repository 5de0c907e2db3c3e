#include "mail/html_links.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mailreeve::mail {
namespace {

using std::string_view;

constexpr size_t kNone = string_view::npos;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Entity {
  string_view name;
  char32_t code;
};
// Those that stand in URLs, and the invisible ones that split words.
constexpr std::array kEntities = {
    Entity{"amp", '&'},     Entity{"lt", '<'},        Entity{"gt", '>'},
    Entity{"quot", '"'},    Entity{"apos", '\''},     Entity{"nbsp", 0xa0},
    Entity{"colon", ':'},   Entity{"sol", '/'},       Entity{"period", '.'},
    Entity{"commat", '@'},  Entity{"lpar", '('},      Entity{"rpar", ')'},
    Entity{"Tab", '\t'},    Entity{"NewLine", '\n'},  Entity{"shy", 0xad},
    Entity{"zwj", 0x200d},  Entity{"zwnj", 0x200c},   Entity{"num", '#'},
    Entity{"quest", '?'},   Entity{"equals", '='},    Entity{"lowbar", '_'},
    Entity{"percnt", '%'},  Entity{"bsol", '\\'},     Entity{"comma", ','},
    Entity{"semi", ';'},    Entity{"excl", '!'},      Entity{"dollar", '$'},
    Entity{"ast", '*'},     Entity{"plus", '+'},      Entity{"lsqb", '['},
    Entity{"rsqb", ']'},    Entity{"hyphen", 0x2010}, Entity{"ensp", 0x2002},
    Entity{"emsp", 0x2003}, Entity{"thinsp", 0x2009}, Entity{"copy", 0xa9},
    Entity{"AMP", '&'},     Entity{"LT", '<'},        Entity{"GT", '>'},
};

// Decodes a reference at `pos`, where '&' stands; returns where it ends, or `pos` when it is none.
size_t DecodeEntity(string_view s, size_t pos, std::string& out) {
  size_t i = pos + 1;
  if (i < s.size() && s[i] == '#') {
    ++i;
    const bool hex = i < s.size() && (s[i] == 'x' || s[i] == 'X');
    if (hex) ++i;
    uint32_t code = 0;
    const size_t first = i;
    for (; i < s.size() && i < first + 10; ++i) {
      const char c = AsciiLower(s[i]);
      int digit = -1;
      if (c >= '0' && c <= '9') digit = c - '0';
      if (hex && c >= 'a' && c <= 'f') digit = c - 'a' + 10;
      if (digit < 0) break;
      code = code > 0x110000 ? code : code * (hex ? 16 : 10) + static_cast<uint32_t>(digit);
    }
    if (i == first) return pos;
    if (i < s.size() && s[i] == ';') ++i;
    if (code == 0) code = 0xfffd;
    AppendUtf8(out, code);
    return i;
  }
  size_t end = i;
  while (end < s.size() && end < i + 9 && IsLetter(s[end])) ++end;
  const string_view name = s.substr(i, end - i);
  for (const Entity& e : kEntities) {
    if (e.name != name) continue;
    // Without its ';' only the old names count, as in browsers.
    const bool closed = end < s.size() && s[end] == ';';
    if (!closed && e.name != "amp" && e.name != "lt" && e.name != "gt" && e.name != "quot" &&
        e.name != "nbsp") {
      return pos;
    }
    AppendUtf8(out, e.code);
    return closed ? end + 1 : end;
  }
  return pos;
}

void AppendDecoded(string_view s, std::string& out) {
  size_t pos = 0;
  while (pos < s.size()) {
    const auto* found = static_cast<const char*>(std::memchr(s.data() + pos, '&', s.size() - pos));
    if (found == nullptr) {
      out.append(s.substr(pos));
      return;
    }
    const size_t at = static_cast<size_t>(found - s.data());
    out.append(s.substr(pos, at - pos));
    const size_t end = DecodeEntity(s, at, out);
    if (end == at) {
      out.push_back('&');
      pos = at + 1;
    } else {
      pos = end;
    }
  }
}

string_view TrimControls(string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

bool StartsFold(string_view text, string_view prefix) {
  return text.size() >= prefix.size() && AsciiEqualFold(text.substr(0, prefix.size()), prefix);
}

bool IsUrlAttribute(string_view name) {
  static constexpr std::array<string_view, 17> kNames = {
      "href",     "src",        "action",   "formaction", "background", "data",
      "poster",   "cite",       "longdesc", "lowsrc",     "dynsrc",     "ping",
      "manifest", "xlink:href", "codebase", "classid",    "profile"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool EndsLine(string_view tag) {
  static constexpr std::array<string_view, 28> kTags = {
      "p",   "br",   "div",   "td",     "tr",     "li",   "th",   "table",     "h1", "h2",
      "h3",  "h4",   "h5",    "h6",     "hr",     "ul",   "ol",   "dd",        "dt", "dl",
      "pre", "body", "title", "option", "center", "form", "head", "blockquote"};
  return std::find(kTags.begin(), kTags.end(), tag) != kTags.end();
}

class Scanner {
 public:
  Scanner(string_view html, const HtmlLimits& limits, size_t nesting, HtmlLinks& out)
      : s_(html), limits_(limits), nesting_(nesting), out_(out) {}

  void Run() {
    size_t pos = 0;
    while (pos < s_.size()) {
      const auto* found =
          static_cast<const char*>(std::memchr(s_.data() + pos, '<', s_.size() - pos));
      const size_t open = found == nullptr ? s_.size() : static_cast<size_t>(found - s_.data());
      AppendDecoded(s_.substr(pos, open - pos), out_.text);
      if (found == nullptr) return;
      pos = Markup(open);
    }
  }

 private:
  char At(size_t i) const { return i < s_.size() ? s_[i] : '\0'; }

  // `pos` is at '<'; returns where text goes on.
  size_t Markup(size_t pos) {
    const char next = At(pos + 1);
    if (next == '!') {
      if (s_.substr(pos, 4) == "<!--") {
        // Outlook shows what stands in its conditional comments.
        if (s_.substr(pos, 7) == "<!--[if" || !comments_close_) return pos + 4;
        const size_t end = s_.find("-->", pos + 2);
        if (end == kNone) {
          comments_close_ = false;
          return pos + 4;
        }
        return end + 3;
      }
      return SkipTo('>', pos + 2);
    }
    if (next == '?') return SkipTo('>', pos + 2);
    if (next != '/' && !IsLetter(next)) {
      out_.text.push_back('<');
      return pos + 1;
    }
    size_t i = pos + (next == '/' ? 2 : 1);
    char name_bytes[24];
    size_t length = 0;
    while (i < s_.size() && !IsSpace(s_[i]) && s_[i] != '>' && s_[i] != '/') {
      if (length < sizeof name_bytes) name_bytes[length++] = AsciiLower(s_[i]);
      ++i;
    }
    const string_view tag(name_bytes, length);
    if (EndsLine(tag) && (out_.text.empty() || out_.text.back() != '\n')) out_.text.push_back('\n');
    refresh_ = false;
    content_.clear();
    i = Attributes(tag, i);
    if (tag == "meta" && refresh_) Refresh();
    if (next == '/') return i;
    if (tag == "script") {
      out_.has_script = true;
      const size_t end = RawTextEnd(i, "</script", scripts_close_);
      out_.scripts.append(s_.substr(i, end - i));
      out_.scripts.push_back('\n');
      return end;
    }
    if (tag == "style") {
      const size_t end = RawTextEnd(i, "</style", styles_close_);
      Style(s_.substr(i, end - i));
      return end;
    }
    if (tag == "form") out_.has_form = true;
    return i;
  }

  size_t SkipTo(char c, size_t pos) {
    const size_t end = s_.find(c, pos);
    return end == kNone ? s_.size() : end + 1;
  }

  size_t RawTextEnd(size_t pos, string_view close, bool& closes) {
    if (!closes) return pos;
    for (size_t at = s_.find('<', pos); at != kNone; at = s_.find('<', at + 1)) {
      if (StartsFold(s_.substr(at), close)) return at;
    }
    closes = false;  // read on as if the element were not there
    return pos;
  }

  size_t Attributes(string_view tag, size_t i) {
    while (i < s_.size()) {
      const char c = s_[i];
      if (c == '>') return i + 1;
      if (IsSpace(c) || c == '/') {
        ++i;
        continue;
      }
      if (c == '<') return i;  // a tag that was never closed
      char name_bytes[24];
      size_t length = 0;
      const size_t name_start = i;
      while (i < s_.size() && !IsSpace(s_[i]) && s_[i] != '=' && s_[i] != '>' && s_[i] != '/') {
        if (length < sizeof name_bytes) name_bytes[length++] = AsciiLower(s_[i]);
        ++i;
      }
      if (i == name_start) {  // a stray '='
        ++i;
        continue;
      }
      const string_view name(name_bytes, length);
      size_t j = i;
      while (j < s_.size() && IsSpace(s_[j])) ++j;
      if (At(j) != '=') continue;
      i = j + 1;
      while (i < s_.size() && IsSpace(s_[i])) ++i;
      string_view value;
      const char quote = At(i);
      bool& closes = quote == '"' ? double_close_ : single_close_;
      size_t end = kNone;
      if ((quote == '"' || quote == '\'') && closes) {
        end = s_.find(quote, i + 1);
        if (end == kNone) closes = false;
      }
      if (end != kNone) {
        value = s_.substr(i + 1, end - i - 1);
        i = end + 1;
      } else {
        if (quote == '"' || quote == '\'') ++i;
        const size_t start = i;
        while (i < s_.size() && !IsSpace(s_[i]) && s_[i] != '>') ++i;
        value = s_.substr(start, i - start);
      }
      Attribute(tag, name, value);
    }
    return i;
  }

  void Attribute(string_view tag, string_view name, string_view raw) {
    if (raw.empty()) return;
    if (raw.size() > limits_.max_attribute_length) {
      // Large data: URLs are pictures; anything else that long is not followed by a browser either.
      if (StartsFold(TrimControls(raw.substr(0, 64)), "data:")) {
        out_.has_data_url = true;
      } else if (name == "srcdoc") {
        Nested(raw);
      } else {
        out_.cut = true;
      }
      return;
    }
    if (name == "style") {
      if (raw.find("url") != kNone || raw.find("URL") != kNone || raw.find('\\') != kNone ||
          raw.find('&') != kNone) {
        Style(DecodeEntities(raw));
      }
      return;
    }
    if (name == "srcset" || name == "imagesrcset") {
      const std::string value = DecodeEntities(raw);
      size_t pos = 0;
      while (pos < value.size()) {
        pos = value.find_first_not_of(" \t\r\n,", pos);
        if (pos == std::string::npos) return;
        size_t end = value.find_first_of(" \t\r\n", pos);
        if (end == std::string::npos) end = value.size();
        Link(string_view(value).substr(pos, end - pos), false);
        const size_t comma = value.find(',', end);
        if (comma == std::string::npos) return;
        pos = comma + 1;
      }
      return;
    }
    if (name == "srcdoc") {
      Nested(raw);
      return;
    }
    if (tag == "meta") {
      if (name == "http-equiv") refresh_ = refresh_ || AsciiEqualFold(TrimControls(raw), "refresh");
      if (name == "content") content_ = DecodeEntities(raw);
      return;
    }
    if (tag == "base" && name == "href") {
      std::string value = Cleaned(raw);
      if (out_.base.empty()) out_.base = value;
      Push(std::move(value), false);
      return;
    }
    if (IsUrlAttribute(name)) {
      Link(DecodeEntities(raw), false);
      return;
    }
    // Scripts and later clicks use others too ("data-src", "value").
    const string_view trimmed = TrimControls(raw);
    if (StartsFold(trimmed, "http") || trimmed.starts_with("&#")) {
      std::string value = DecodeEntities(trimmed);
      if (StartsFold(value, "http://") || StartsFold(value, "https://")) Link(value, false);
    }
  }

  void Nested(string_view raw) {
    if (nesting_ >= limits_.max_nested_documents) {
      out_.cut = true;
      return;
    }
    const std::string document = DecodeEntities(raw);
    Scanner(document, limits_, nesting_ + 1, out_).Run();
  }

  // "5; url='http://…'"
  void Refresh() {
    out_.has_refresh = true;
    const std::string lower = AsciiLower(content_);
    const size_t at = lower.find("url");
    if (at == std::string::npos) return;
    string_view rest = string_view(content_).substr(at + 3);
    rest = TrimControls(rest);
    if (!rest.empty() && rest[0] == '=') rest = TrimControls(rest.substr(1));
    if (!rest.empty() && (rest[0] == '"' || rest[0] == '\'')) {
      const char quote = rest[0];
      rest.remove_prefix(1);
      rest = rest.substr(0, rest.find(quote));
    }
    Link(rest, false);
  }

  // url( … ) and @import "…", with CSS escapes.
  void Style(string_view css) {
    std::string plain;
    if (css.find('\\') != kNone) {
      for (size_t i = 0; i < css.size(); ++i) {
        if (css[i] != '\\') {
          plain.push_back(css[i]);
          continue;
        }
        uint32_t code = 0;
        size_t j = i + 1;
        for (; j < css.size() && j < i + 7; ++j) {
          const char c = AsciiLower(css[j]);
          if (c >= '0' && c <= '9') {
            code = code * 16 + static_cast<uint32_t>(c - '0');
          } else if (c >= 'a' && c <= 'f') {
            code = code * 16 + static_cast<uint32_t>(c - 'a' + 10);
          } else {
            break;
          }
        }
        if (j == i + 1) {
          if (j < css.size()) plain.push_back(css[j]);
          i = j;
          continue;
        }
        AppendUtf8(plain, code == 0 ? 0xfffd : code);
        if (j < css.size() && IsSpace(css[j])) ++j;
        i = j - 1;
      }
      css = plain;
    }
    for (size_t pos = css.find('('); pos != kNone; pos = css.find('(', pos + 1)) {
      if (pos < 3 || !AsciiEqualFold(css.substr(pos - 3, 3), "url")) continue;
      size_t start = pos + 1;
      while (start < css.size() && IsSpace(css[start])) ++start;
      const char quote = start < css.size() ? css[start] : '\0';
      const bool quoted = quote == '"' || quote == '\'';
      if (quoted) ++start;
      // A URL that does not end within the longest allowed is none; looking further for each would
      // be quadratic.
      const string_view window = css.substr(start, limits_.max_attribute_length);
      const size_t end = quoted ? window.find(quote) : window.find_first_of(") \t\r\n");
      if (end == kNone) {
        if (css.size() - start > limits_.max_attribute_length) out_.cut = true;
        if (++open_urls_ > 16) return;
        continue;
      }
      Link(window.substr(0, end), true);
      pos = start + end;
    }
    for (size_t pos = css.find("@import"); pos != kNone; pos = css.find("@import", pos + 7)) {
      const string_view rest = TrimControls(css.substr(pos + 7, limits_.max_attribute_length));
      if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) continue;
      const size_t end = rest.find(rest[0], 1);
      if (end != kNone) {
        Link(rest.substr(1, end - 1), true);
      } else if (++open_urls_ > 16) {
        return;
      }
    }
  }

  std::string Cleaned(string_view raw) const {
    const std::string decoded = DecodeEntities(raw);
    const string_view trimmed = TrimControls(decoded);
    std::string out;
    out.reserve(trimmed.size());
    for (const char c : trimmed) {
      if (c != '\t' && c != '\n' && c != '\r') out.push_back(c);
    }
    return out;
  }

  // `value` has its entities decoded.
  void Link(string_view value, bool in_style) {
    value = TrimControls(value);
    std::string out;
    out.reserve(value.size());
    for (const char c : value) {
      if (c != '\t' && c != '\n' && c != '\r') out.push_back(c);
    }
    Push(std::move(out), in_style);
  }

  void Push(std::string url, bool in_style) {
    if (url.empty() || url[0] == '#') return;
    if (StartsFold(url, "javascript:") || StartsFold(url, "vbscript:")) {
      out_.has_javascript_url = true;
      return;
    }
    if (StartsFold(url, "data:")) {
      out_.has_data_url = true;
      return;
    }
    if (StartsFold(url, "cid:")) return;
    if (out_.links.size() >= limits_.max_links) {
      out_.cut = true;
      return;
    }
    out_.links.push_back({std::move(url), in_style});
  }

  string_view s_;
  const HtmlLimits& limits_;
  size_t nesting_;
  HtmlLinks& out_;
  // Each turns false when no such end follows any more, so that no scan to the end is done twice.
  bool comments_close_ = true, scripts_close_ = true, styles_close_ = true;
  bool double_close_ = true, single_close_ = true;
  bool refresh_ = false;
  std::string content_;
  int open_urls_ = 0;
};

}  // namespace

std::string DecodeEntities(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  AppendDecoded(text, out);
  return out;
}

void ScanHtml(std::string_view html, const HtmlLimits& limits, HtmlLinks& out) {
  out.text.reserve(out.text.size() + html.size() / 2);
  Scanner(html, limits, 0, out).Run();
}

std::string ResolveUrl(std::string_view base, std::string_view url) {
  const size_t scheme_end = base.find("://");
  if (scheme_end == kNone || url.empty()) return {};
  const string_view scheme = base.substr(0, scheme_end);
  if (!AsciiEqualFold(scheme, "http") && !AsciiEqualFold(scheme, "https")) return {};
  if (url.starts_with("//") || url.starts_with("\\\\")) {
    return std::string(scheme) + "://" + std::string(url.substr(2));
  }
  size_t path = base.find_first_of("/\\?#", scheme_end + 3);
  if (path == kNone) path = base.size();
  const std::string origin(base.substr(0, path));
  if (url[0] == '/' || url[0] == '\\') return origin + std::string(url);
  string_view folder = base.substr(path);
  folder = folder.substr(0, folder.find_first_of("?#"));
  if (url[0] == '?')
    return origin + (folder.empty() ? "/" : std::string(folder)) + std::string(url);
  const size_t slash = folder.find_last_of('/');
  folder = slash == kNone ? string_view("/") : folder.substr(0, slash + 1);
  return origin + std::string(folder) + std::string(url);
}

}  // namespace mailreeve::mail
