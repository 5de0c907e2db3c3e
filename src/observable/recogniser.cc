#include "base/text.h"
#include "observable/chars.h"
#include "observable/host.h"
#include "observable/observable.h"
#include "observable/refang.h"
#include "observable/url_span.h"

#include <array>
#include <unordered_set>

namespace mailreeve::observable {
namespace {

using std::string_view;

constexpr size_t kMaxLocal = 256;   // of an address in free text
constexpr size_t kMaxDomain = 512;  // bytes, U-labels included
constexpr size_t kMaxAngle = 998;   // a line of RFC 5322
constexpr size_t kMaxWordBack = 24;

// Types that are found by their shape wherever they stand.
constexpr std::array<string_view, 9> kShaped = {"domain", "email", "ip",     "ipv6", "mac_address",
                                                "md5",    "sha1",  "sha256", "url"};
// Types whose values have blanks.
constexpr std::array<string_view, 13> kSpacious = {"certificate_common_name",
                                                   "certificate_issuer",
                                                   "email_subject",
                                                   "file_name",
                                                   "file_path",
                                                   "mutex",
                                                   "ngfw_name",
                                                   "process_args",
                                                   "process_path",
                                                   "registry_key",
                                                   "registry_name",
                                                   "registry_path",
                                                   "user_agent"};

template <size_t N>
bool In(const std::array<string_view, N>& list, string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Words that make a following "1.2.3.4" a version.
constexpr std::array<string_view, 15> kVersionWords = {
    "version",  "versions", "ver", "v",     "vers", "release", "rel", "build",
    "firmware", "revision", "rev", "patch", "版本", "版本号",  "版"};
// Words that make a following ambiguous name a domain.
constexpr std::array<string_view, 16> kDomainWords = {
    "domain", "domains", "host", "hosts", "hostname", "fqdn", "site", "website",
    "dns",    "server",  "域名", "网站",  "主机",     "站点", "网址", "域"};

// Endings that are file types first, and top-level domains by accident.
constexpr std::array<string_view, 4> kFileTlds = {"zip", "mov", "cab", "foo"};
// Country codes that are file types: a name with one label before them is taken for a file.
constexpr std::array<string_view, 9> kFileCountries = {"py", "sh", "rs", "md", "ps",
                                                       "so", "pm", "mk", "st"};
// Endings that are more often domains; only the usual names of files are taken for files.
constexpr std::array<string_view, 10> kMixedTlds = {"pl",  "in",  "ai", "cc", "am",
                                                    "pub", "app", "ml", "ms", "id"};
constexpr std::array<string_view, 30> kFileStems = {
    "readme",  "index",    "setup",     "install",    "main",     "test",
    "tests",   "build",    "configure", "config",     "update",   "script",
    "run",     "makefile", "changelog", "license",    "utils",    "contributing",
    "default", "common",   "app",       "server",     "client",   "init",
    "util",    "helper",   "module",    "cmakelists", "document", "archive"};
// Names of programming, and of products that contain a dot.
constexpr std::array<string_view, 16> kCodeRoots = {
    "self",   "this",    "std",    "os",   "sys",   "math",   "string", "document",
    "window", "console", "system", "java", "javax", "object", "np",     "pd"};
constexpr std::array<string_view, 6> kProducts = {"ASP.NET", "VB.NET",    "ADO.NET",
                                                  "ML.NET",  "Paint.NET", "foo.bar"};
constexpr std::array<string_view, 10> kPlainTlds = {"com", "net", "org",  "edu", "gov",
                                                    "mil", "int", "info", "biz", "xyz"};
constexpr std::array<string_view, 10> kUnits = {"am", "pm", "in", "st", "cm",
                                                "mm", "km", "kg", "ml", "gb"};
// "icon@2x.png" is no address.
constexpr std::array<string_view, 14> kPictures = {"png",  "jpg",  "jpeg", "gif", "svg",
                                                   "webp", "bmp",  "ico",  "js",  "css",
                                                   "map",  "html", "htm",  "tgz"};

bool IsWordPoint(char32_t c) {
  return !IsSpace(c) && !IsWidePunctuation(c) && !IsInvisible(c) && !IsControl(c) && c != 0xFFFD;
}

// What a word is made of; an apostrophe is decided apart.
bool IsWordByte(char c) { return IsAlnum(c) || c == '.' || c == '-' || c == '_' || c == ':'; }

class Recogniser {
 public:
  explicit Recogniser(const RecogniserLimits& limits) : limits_(limits) {}

  Recognised Run(string_view text) {
    if (text.size() > limits_.max_text_bytes) {
      out_.cut = true;
      text = CutUtf8(text, limits_.max_text_bytes);
    }
    const std::string valid = ToValidUtf8(text);
    text = valid;
    // Lines with a label that tells what they hold are read by it; the rest between them is free
    // text.
    size_t free = 0;
    for (size_t line = 0; line < text.size();) {
      const size_t end = std::min(text.find('\n', line), text.size());
      if (Labelled(text.substr(line, end - line), [&] { Free(text.substr(free, line - free)); })) {
        free = std::min(end + 1, text.size());
      }
      line = end + 1;
    }
    if (free < text.size()) Free(text.substr(free));
    return std::move(out_);
  }

 private:
  void Emit(Type type, string_view value) {
    if (out_.observables.size() >= limits_.max_found) {
      out_.cut = true;
      return;
    }
    const auto canonical = Canonical(type, value);
    if (!canonical) return;
    std::string key(1, static_cast<char>(type));
    key += *canonical;
    if (!seen_.insert(std::move(key)).second) return;
    out_.observables.push_back({type, std::string(value)});
  }

  // "Subject: …", "Message-ID: …", "Attachment: …". Calls `before` (what stands in front of the
  // line comes first) and answers true when the line was one.
  template <class Before>
  bool Labelled(string_view line, const Before& before) {
    line = TrimSpace(line);
    while (!line.empty() && string_view("> *-").find(line.front()) != string_view::npos)
      line.remove_prefix(1);
    size_t colon = line.substr(0, 24).find(':'), width = 1;
    const size_t wide = line.substr(0, 24).find("：");
    if (wide < colon) colon = wide, width = 3;
    if (colon == string_view::npos) return false;
    const std::string label = AsciiLower(TrimSpace(line.substr(0, colon)));
    string_view value = TrimSpace(line.substr(colon + width));
    static constexpr std::array<string_view, 6> kSubject = {"subject",  "主题",     "主題",
                                                            "邮件主题", "郵件主題", "标题"};
    static constexpr std::array<string_view, 5> kMessage = {"message-id", "messageid", "message id",
                                                            "in-reply-to", "references"};
    static constexpr std::array<string_view, 8> kFile = {
        "file", "filename", "file name", "file-name", "attachment", "附件", "文件名", "檔案名稱"};
    if (value.empty()) return false;
    if (In(kSubject, label)) {
      before();
      if (value.size() > 1 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      Emit(Type::kEmailSubject, TrimSpace(value));
      return true;
    }
    if (In(kMessage, label)) {
      before();
      bool any = false;
      for (size_t open = value.find('<'); open != string_view::npos;) {
        const size_t close = value.find('>', open);
        if (close == string_view::npos) break;
        Emit(Type::kEmailMessageid, value.substr(open, close - open + 1));
        any = true;
        open = value.find('<', close);
      }
      if (!any) {
        const string_view first = value.substr(0, value.find_first_of(" \t"));
        if (first.find('@') != string_view::npos) Emit(Type::kEmailMessageid, first);
      }
      return true;
    }
    if (In(kFile, label)) {
      if (value.size() > 1 && (value.front() == '"' || value.front() == '\'') &&
          value.back() == value.front()) {
        value = value.substr(1, value.size() - 2);
      }
      const size_t dot = value.rfind('.');
      if (dot == string_view::npos || dot == 0 || value.size() - dot < 2 ||
          value.size() - dot > 11 || value.size() > 512 || value.find("://") != string_view::npos) {
        return false;
      }
      for (const char c : value.substr(dot + 1)) {
        if (!IsAlnum(c)) return false;
      }
      before();
      Emit(Type::kFileName, value);
      return true;
    }
    return Named(label, value, before);
  }

  // "hostname: mx1", "process_args: a b": the name of a type that has no shape of its own.
  template <class Before>
  bool Named(std::string label, string_view value, const Before& before) {
    std::replace_if(
        label.begin(), label.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
    const auto type = TypeFromName(label);
    if (!type || In(kShaped, TypeName(*type))) return false;
    const bool quoted = value.size() > 2 && (value.front() == '"' || value.front() == '\'') &&
                        value.back() == value.front();
    if (quoted) value = value.substr(1, value.size() - 2);
    // "User: please call back" names nobody.
    if (!quoted && !In(kSpacious, TypeName(*type)) &&
        value.find_first_of(" \t") != string_view::npos) {
      return false;
    }
    before();
    Emit(*type, value);
    return true;
  }

  void Free(string_view written) {
    clean_ = Refang(written);
    const string_view text = clean_.text;
    // URLs first, since they may hold every other delimiter; then what stands between them.
    size_t done = 0;
    for (size_t colon = text.find(':'); colon != string_view::npos;) {
      const auto span = UrlAtColon(text, colon, done);
      if (!span) {
        colon = text.find(':', colon + 1);
        continue;
      }
      Between(text, done, span->begin);
      Emit(Type::kUrl, text.substr(span->begin, span->end - span->begin));
      // A name without scheme and its path may have gone on over the beginning of this one.
      done = std::max(done, span->end);
      colon = text.find(':', done);
    }
    Between(text, done, text.size());
  }

  // Text without URLs that have a scheme: [begin, end).
  void Between(string_view text, size_t begin, size_t end) {
    const string_view part = text.substr(0, end);
    for (size_t at = begin; at < end;) {
      const char c = part[at];
      if (c == '<') {
        if (const size_t after = Angle(part, at)) {
          at = after;
          continue;
        }
        ++at;
        continue;
      }
      if (!IsChunkAt(part, at, begin)) {
        Skip(part, at);
        continue;
      }
      const size_t start = at;
      while (at < end && IsChunkAt(part, at, begin)) Skip(part, at);
      at = Chunk(part, start, at);
    }
  }

  static void Skip(string_view text, size_t& at) {
    if (IsHigh(text[at])) {
      NextCodePoint(text, at);
    } else {
      ++at;
    }
  }

  // Chunks hold what an address, a word or a path without scheme can be made of.
  static bool IsChunkAt(string_view text, size_t at, size_t begin) {
    const char c = text[at];
    if (IsHigh(c)) {
      size_t next = at;
      return IsWordPoint(NextCodePoint(text, next));
    }
    if (c == '\'') {
      // O'Brien, but not Python's 'a','b', u'a' or b'a'.
      if (at == begin || at + 1 >= text.size() || !IsAlnum(text[at - 1]) || !IsAlnum(text[at + 1]))
        return false;
      const bool single = at < begin + 2 || !IsAlnum(text[at - 2]);
      return !(single && string_view("ubrUBR").find(text[at - 1]) != string_view::npos);
    }
    return IsWordByte(c) || string_view("@/=%+&#!*?$^~").find(c) != string_view::npos;
  }

  // "<…>": a Message-ID, or nothing special (0).
  size_t Angle(string_view text, size_t open) {
    size_t at = open + 1, sign = string_view::npos;
    for (; at < text.size() && at - open <= kMaxAngle; ++at) {
      const char c = text[at];
      if (c == '>') break;
      if (static_cast<unsigned char>(c) <= 0x20 || c == '<' || c == '"' || c == ',' || c == ';' ||
          IsHigh(c))
        return 0;
      if (c == '@') {
        if (sign != string_view::npos) return 0;
        sign = at;
      }
    }
    if (at >= text.size() || text[at] != '>' || sign == string_view::npos || sign == open + 1 ||
        sign + 1 == at)
      return 0;
    const string_view local = text.substr(open + 1, sign - open - 1),
                      domain = text.substr(sign + 1, at - sign - 1);
    if (local.find("//") != string_view::npos ||
        (local.size() > 7 && AsciiEqualFold(local.substr(0, 7), "mailto:"))) {
      return 0;
    }
    const auto name = CanonicalDomain(domain);
    const bool mailbox_domain = name && HasPublicSuffix(*name);
    static constexpr std::array<string_view, 6> kIdLabels = {
        "message-id", "messageid", "msgid", "msg-id", "references", "in-reply-to"};
    if (mailbox_domain && !In(kIdLabels, WordBefore(text, open)) &&
        (AfterName(text, open) || !MachineMade(local))) {
      return 0;
    }
    Emit(Type::kEmailMessageid, text.substr(open, at - open + 1));
    return at + 1;
  }

  // "Some Name <a@b>", "From: <a@b>", "to=<a@b>": an address.
  static bool AfterName(string_view text, size_t open) {
    size_t at = open;
    while (at > 0 && text[at - 1] == ' ' && open - at < kMaxWordBack) --at;
    if (at == 0) return false;
    const char before = text[at - 1];
    if (IsAlnum(before) || IsHigh(before) || before == '"' || before == ')' || before == '.')
      return true;
    if (before != ':' && before != '=') return false;
    static constexpr std::array<string_view, 14> kAddressLabels = {
        "from",    "to",   "cc",   "bcc",       "sender",       "reply-to", "return-path",
        "orig_to", "rcpt", "mail", "errors-to", "delivered-to", "收件人",   "发件人"};
    return In(kAddressLabels, WordBefore(text, open));
  }

  // Programs write Message-IDs, people have mailboxes: many digits, signs mailboxes lack, or length
  // with digits. An address with another one inside (VERP, SRS, BATV) is a mailbox all the same.
  static bool MachineMade(string_view local) {
    for (const string_view bounce : {"srs0", "srs1", "prvs=", "bounce"}) {
      if (local.size() > bounce.size() && AsciiEqualFold(local.substr(0, bounce.size()), bounce))
        return false;
    }
    const size_t equals = local.find('=');
    if (equals != string_view::npos && local.find('.', equals) != string_view::npos &&
        local.find('+') != string_view::npos) {
      return false;
    }
    const auto digits = static_cast<size_t>(std::count_if(local.begin(), local.end(), IsDigit));
    return digits >= 8 || local.find('$') != string_view::npos ||
           local.find('/') != string_view::npos || local.find(':') != string_view::npos ||
           equals != string_view::npos || (local.size() >= 20 && digits >= 4);
  }

  // The word in front of `at`, lower case, signs like ":" "=" "(" and spaces between them passed
  // over.
  static std::string WordBefore(string_view text, size_t at) {
    const size_t stop = at > kMaxWordBack ? at - kMaxWordBack : 0;
    size_t end = at;
    while (end > stop && string_view(" \t:=#(\"'<[").find(text[end - 1]) != string_view::npos)
      --end;
    while (end > stop && end >= 3 && text.substr(end - 3, 3) == "：") end -= 3;
    if (end > stop && text[end - 1] == '.') --end;  // "ver. 1.2.3.4"
    size_t begin = end;
    if (end > stop && IsHigh(text[end - 1])) {
      while (begin > stop && IsHigh(text[begin - 1])) --begin;
    } else {
      while (begin > stop &&
             (IsAlnum(text[begin - 1]) || text[begin - 1] == '-' || text[begin - 1] == '_'))
        --begin;
    }
    return AsciiLower(text.substr(begin, end - begin));
  }

  template <size_t N>
  static bool FollowsWord(string_view text, size_t at, const std::array<string_view, N>& words) {
    const std::string word = WordBefore(text, at);
    if (word.empty()) return false;
    if (In(words, word)) return true;
    // Chinese has no spaces: "的域名".
    for (const string_view one : words) {
      if (IsHigh(one.front()) && string_view(word).ends_with(one)) return true;
    }
    return false;
  }

  // [begin, end) of `text`: addresses, and the words between them. Answers where to go on: behind
  // `end` when a path without scheme went on.
  size_t Chunk(string_view text, size_t begin, size_t end) {
    size_t done = begin;
    for (size_t sign = text.substr(0, end).find('@', begin); sign != string_view::npos;) {
      size_t first = 0, last = 0;
      if (Address(text, sign, done, end, first, last)) {
        done = Words(text, done, first);
        if (first >= done) Emit(Type::kEmail, text.substr(first, last - first));
        done = std::max(done, last);
      } else {
        // "user@" of something else: what is before is no word of its own ("git@1.2" and the like
        // are rare).
        done = std::max(done, Words(text, done, sign));
        done = std::max(done, sign + 1);
      }
      if (done >= end) return done;
      sign = text.substr(0, end).find('@', done);
    }
    return std::max(Words(text, done, end), end);
  }

  // An address around text[sign] within [begin, end).
  static bool Address(string_view text, size_t sign, size_t begin, size_t end, size_t& first,
                      size_t& last) {
    first = sign;
    while (first > begin && sign - first < kMaxLocal) {
      const char c = text[first - 1];
      if (!IsAlnum(c) && string_view("._-+'&%~$!#*=").find(c) == string_view::npos) break;
      --first;
    }
    if (first == sign) {
      // SMTPUTF8: a local part of other letters, when nothing ASCII is there.
      while (first > begin && IsHigh(text[first - 1]) && sign - first < kMaxLocal) --first;
      while (first < sign && (static_cast<unsigned char>(text[first]) & 0xC0) == 0x80) ++first;
    } else if (first > begin && IsHigh(text[first - 1])) {
      // "josé" goes on in Latin letters; Chinese text in front of an address does not belong to it.
      size_t more = first;
      while (more > begin && sign - more < kMaxLocal &&
             (IsHigh(text[more - 1]) || IsAlnum(text[more - 1])))
        --more;
      while (more < first && (static_cast<unsigned char>(text[more]) & 0xC0) == 0x80) ++more;
      size_t from = more;
      for (size_t i = more; i < first;) {
        if (IsCjk(NextCodePoint(text, i))) from = i;
      }
      first = std::min(from, first);
    }
    // "email=a@b": the value. An '=' behind a '+' or '-' is part of a bounce address.
    const string_view local = text.substr(first, sign - first);
    if (const size_t equals = local.rfind('='); equals != string_view::npos) {
      if (local.substr(0, equals).find_first_of("+-") == string_view::npos) first += equals + 1;
    }
    while (first < sign && string_view(".-'&*!#=~$%").find(text[first]) != string_view::npos)
      ++first;
    if (first == sign) return false;

    last = sign + 1;
    bool ascii = false, high = false;
    while (last < end && last - sign < kMaxDomain) {
      const char c = text[last];
      if (IsHigh(c)) {
        size_t next = last;
        const char32_t point = NextCodePoint(text, next);
        if (ascii && IsCjk(point)) break;
        last = next;
        high = true;
        continue;
      }
      if (!IsAlnum(c) && c != '-' && c != '.') break;
      if (c == '.') {
        ascii = false;
      } else {
        ascii = true;
      }
      ++last;
    }
    while (last > sign + 1 && (text[last - 1] == '.' || text[last - 1] == '-')) --last;
    const auto domain = CanonicalDomain(text.substr(sign + 1, last - sign - 1));
    if (!domain) return false;
    const string_view top = string_view(*domain).substr(domain->rfind('.') + 1);
    if (In(kPictures, top)) return false;
    if (HasPublicSuffix(*domain)) return true;
    if (high || top.size() < 2) return false;
    return std::all_of(top.begin(), top.end(), IsAlpha);
  }

  size_t Words(string_view text, size_t begin, size_t end) {
    size_t at = begin;
    while (at < end) {
      if (!IsWordByte(text[at]) && !IsHigh(text[at])) {
        ++at;
        continue;
      }
      const size_t start = at;
      bool high = false;
      // Between a CJK character and an ASCII letter there is a border, since CJK text has no
      // spaces.
      char kind = 0;
      while (at < end) {
        if (IsHigh(text[at])) {
          size_t next = at;
          const char now = IsCjk(NextCodePoint(text, next)) ? 'c' : 'a';
          if (kind != 0 && kind != now) break;
          kind = now;
          high = true;
          at = next;
        } else if (IsWordByte(text[at])) {
          const char now = IsAlnum(text[at]) ? 'a' : 0;
          if (kind == 'c' && now == 'a') break;
          kind = now;
          ++at;
        } else {
          break;
        }
      }
      at = std::max(at, Word(text, start, at, end, high));
    }
    return at;
  }

  // One run of word characters. Answers where to go on.
  size_t Word(string_view text, size_t begin, size_t end, size_t limit, bool high) {
    const string_view word = text.substr(begin, end - begin);
    const auto colons = std::count(word.begin(), word.end(), ':');
    if (!high && word.size() >= 14 && word.size() <= 64 && Mac(text, begin, end)) return end;
    if (!high && colons >= 2 && Ipv6(text, begin, end)) return end;
    for (size_t at = begin; at < end;) {
      const size_t stop = std::min(text.substr(0, end).find(':', at), end);
      const size_t after = Plain(text, at, stop, limit);
      if (after > stop) return after;
      at = stop + 1;
    }
    return end;
  }

  bool Mac(string_view text, size_t begin, size_t end) {
    while (end > begin && (text[end - 1] == '.' || text[end - 1] == ':' || text[end - 1] == '-'))
      --end;
    size_t start = begin;
    // "mac:00-11-22-33-44-55"
    if (end - begin > 17 && text[end - 18] == ':') start = end - 17;
    if (end - start != 17 && end - start != 14) return false;
    const string_view value = text.substr(start, end - start);
    if (!Canonical(Type::kMacAddress, value)) return false;
    Emit(Type::kMacAddress, value);
    return true;
  }

  bool Ipv6(string_view text, size_t begin, size_t end) {
    while (end > begin && text[end - 1] == '.') --end;
    if (end > begin + 2 && text[end - 1] == ':' && text[end - 2] != ':') --end;
    // "ip:2001:db8::1"
    size_t label = begin;
    while (label < end && (IsAlnum(text[label]) || text[label] == '_' || text[label] == '-'))
      ++label;
    for (const size_t start : {begin, label + 1}) {
      if (start >= end || end - start > 45) continue;
      const string_view value = text.substr(start, end - start);
      if (!CanonicalIpv6(value)) continue;
      // "ab::cd" is a name of programming more often than an address.
      const bool digit = std::any_of(value.begin(), value.end(), IsDigit);
      if (!digit && std::count(value.begin(), value.end(), ':') < 4) continue;
      Emit(Type::kIpv6, value);
      return true;
    }
    return false;
  }

  // [begin, end): no colon in it. Answers `end`, or more when a path went on.
  size_t Plain(string_view text, size_t begin, size_t end, size_t limit) {
    // "wait...example.com": more than one dot is no part of a name.
    for (size_t at = begin; at < end;) {
      size_t stop = std::min(text.substr(0, end).find("..", at), end);
      const size_t after = Name(text, at, stop, limit);
      if (after > stop) return after;
      while (stop < end && text[stop] == '.') ++stop;
      at = std::max(stop, at + 1);
    }
    return end;
  }

  size_t Name(string_view text, size_t begin, size_t end, size_t limit) {
    const size_t stop = end;
    while (begin < end && string_view(".-_").find(text[begin]) != string_view::npos) ++begin;
    while (begin < end && string_view(".-_").find(text[end - 1]) != string_view::npos) --end;
    const string_view word = text.substr(begin, end - begin);
    if (word.empty() || word.size() > kMaxDomain) return stop;
    if (word == "MID" || (AsciiEqualFold(word, "mid") && end < limit && text[end] != ' ')) {
      Mid(text, end);
      return stop;
    }
    if (word.size() == 32 || word.size() == 40 || word.size() == 64) {
      if (std::all_of(word.begin(), word.end(), IsHex) &&
          std::any_of(word.begin(), word.end(), IsAlpha)) {
        Emit(word.size() == 32 ? Type::kMd5 : (word.size() == 40 ? Type::kSha1 : Type::kSha256),
             word);
        return stop;
      }
    }
    if (word.find('.') == string_view::npos) return stop;
    if (std::all_of(word.begin(), word.end(),
                    [](char c) { return IsDigit(c) || c == '.' || c == '-'; })) {
      return Numbers(text, begin, end, stop);
    }
    if (!IsDomain(text, begin, end)) return stop;
    if (const size_t path = PathAfter(text, end, true)) {
      const size_t tail = UrlTail(text, path, begin > 0 ? text[begin - 1] : ' ');
      if (tail > path + 1) {
        // Also when it is too long to be kept: nothing of it is looked at again.
        Emit(Type::kUrl, text.substr(begin, tail - begin));
        return std::max(tail, stop);
      }
    }
    Emit(Type::kDomain, word);
    return stop;
  }

  // "1.2.3.4", also as a range "1.2.3.4-1.2.3.9".
  size_t Numbers(string_view text, size_t begin, size_t end, size_t stop) {
    for (size_t at = begin; at <= end;) {
      const size_t part = std::min(text.substr(0, end).find('-', at), end);
      const string_view value = text.substr(at, part - at);
      if (StrictIpv4(value) && !IsVersion(text, at)) {
        const size_t path = part == end ? PathAfter(text, end, false) : 0;
        const size_t tail = path ? UrlTail(text, path, at > 0 ? text[at - 1] : ' ') : 0;
        if (path && tail > path + 1) {
          Emit(Type::kUrl, text.substr(at, tail - at));
          return std::max(tail, stop);
        }
        Emit(Type::kIp, value);
      }
      at = part + 1;
    }
    return stop;
  }

  static bool IsVersion(string_view text, size_t at) {
    // "Chrome/90.0.4430.93"
    if (at >= 2 && text[at - 1] == '/' && IsAlpha(text[at - 2])) return true;
    return FollowsWord(text, at, kVersionWords);
  }

  // Where the path after a name (and ":port") begins; 0 when there is none worth the name.
  static size_t PathAfter(string_view text, size_t at, bool digits) {
    if (at < text.size() && text[at] == ':') {
      size_t port = at + 1;
      while (port < text.size() && IsDigit(text[port]) && port - at <= 5) ++port;
      if (port == at + 1) return 0;
      at = port;
    }
    if (at + 1 >= text.size() || text[at] != '/') return 0;
    const char first = text[at + 1];
    return IsAlpha(first) || first == '~' || first == '?' || first == '_' || first == '%' ||
                   (digits && IsDigit(first))
               ? at
               : 0;
  }

  // MID 52, MID: 52, MID #52; "mid=52".
  void Mid(string_view text, size_t at) {
    size_t gap = 0;
    while (at < text.size() && gap < 3 && string_view(" :#=").find(text[at]) != string_view::npos)
      ++at, ++gap;
    size_t end = at;
    while (end < text.size() && IsDigit(text[end]) && end - at < 20) ++end;
    if (gap == 0 || end == at) return;
    if (end < text.size() && (IsAlnum(text[end]) || text[end] == '_')) return;
    if (end + 1 < text.size() && text[end] == '.' && IsDigit(text[end + 1])) return;
    Emit(Type::kCiscoMid, text.substr(at, end - at));
  }

  bool IsDomain(string_view text, size_t begin, size_t end) const {
    const string_view word = text.substr(begin, end - begin);
    const auto labels = Split(word, '.');
    for (const string_view label : labels) {
      if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    }
    const auto name = CanonicalDomain(word);
    if (!name || !HasPublicSuffix(*name)) return false;
    for (const string_view label : {labels[labels.size() - 1], labels[labels.size() - 2]}) {
      if (label.find('_') != string_view::npos) return false;
    }
    if (clean_.HasDot(begin, end)) return true;  // nobody defangs a file name
    const std::string stem = AsciiLower(labels.front());
    const std::string top = AsciiLower(labels.back());
    if (stem == "www" && labels.size() > 2) return true;
    if (FollowsWord(text, begin, kDomainWords)) return true;
    if (In(kProducts, word)) return false;
    const char before = begin > 0 ? text[begin - 1] : ' ';
    if (before == '\\') return false;  // the end of a Windows path
    if (In(kFileTlds, top)) return false;
    if (labels.size() == 2) {
      if (In(kFileCountries, top)) return false;
      if (In(kMixedTlds, top) && In(kFileStems, stem)) return false;
      if (In(kCodeRoots, stem)) return false;
      if (In(kUnits, top) && std::all_of(stem.begin(), stem.end(), IsDigit)) return false;
      // "finished.It was": a sentence without its space.
      const string_view tld = labels.back();
      if (tld[0] >= 'A' && tld[0] <= 'Z' && tld.size() > 1 && tld[1] >= 'a' && tld[1] <= 'z' &&
          std::any_of(labels[0].begin() + 1, labels[0].end(),
                      [](char c) { return c >= 'a' && c <= 'z'; })) {
        return false;
      }
    }
    // "object.read(x)"
    if (end < text.size() && text[end] == '(' && top.size() > 2 && !In(kPlainTlds, top))
      return false;
    return true;
  }

  const RecogniserLimits& limits_;
  Recognised out_;
  Refanged clean_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

Recognised Recognise(string_view text, const RecogniserLimits& limits) {
  return Recogniser(limits).Run(text);
}

}  // namespace mailreeve::observable
