#include "mail/charsets.h"

#include "base/text.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace mailreeve::mail {
namespace {

struct Alias {
  std::string_view name, use;
};
// Labels that stand for a larger set in practice (WHATWG Encoding Standard, section 4.2), and old
// spellings.
constexpr std::array kAliases = {
    Alias{"gb2312", "gb18030"},
    Alias{"gb_2312-80", "gb18030"},
    Alias{"gbk", "gb18030"},
    Alias{"x-gbk", "gb18030"},
    Alias{"cp936", "gb18030"},
    Alias{"iso-8859-1", "windows-1252"},
    Alias{"iso8859-1", "windows-1252"},
    Alias{"iso_8859-1", "windows-1252"},
    Alias{"latin1", "windows-1252"},
    Alias{"x-user-defined", "windows-1252"},
    Alias{"iso-8859-8-i", "iso-8859-8"},
    Alias{"iso-8859-8-e", "iso-8859-8"},
    Alias{"iso-8859-9", "windows-1254"},
    Alias{"iso-8859-11", "windows-874"},
    Alias{"windows-874", "cp874"},
    Alias{"ks_c_5601-1987", "cp949"},
    Alias{"ks_c_5601", "cp949"},
    Alias{"euc-kr", "cp949"},
    Alias{"shift_jis", "cp932"},
    Alias{"shift-jis", "cp932"},
    Alias{"x-sjis", "cp932"},
    Alias{"sjis", "cp932"},
    Alias{"windows-31j", "cp932"},
    Alias{"big5", "big5-hkscs"},
    Alias{"unicode-1-1-utf-7", "utf-7"},
    Alias{"macintosh", "macintosh"},
    Alias{"x-mac-roman", "macintosh"},
};

// Empty when no charset can have this name. iconv reads '/' and ',' in names as its own options.
std::string Normal(std::string_view charset) {
  charset = TrimSpace(charset);
  if (const size_t star = charset.find('*'); star != std::string_view::npos) {
    charset = charset.substr(0, star);  // RFC 2231 section 5: a language follows
  }
  while (!charset.empty() && (charset.front() == '"' || charset.front() == '\'')) {
    charset.remove_prefix(1);
  }
  while (!charset.empty() && (charset.back() == '"' || charset.back() == '\'')) {
    charset.remove_suffix(1);
  }
  if (charset.empty() || charset.size() > 40) return {};
  std::string name = AsciiLower(charset);
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                      c == '.' || c == ':' || c == '(' || c == ')' || c == '+';
    if (!fine) return {};
  }
  for (const Alias& alias : kAliases) {
    if (alias.name == name) return std::string(alias.use);
  }
  return name;
}

bool IsUtf8Name(std::string_view name) {
  return name == "utf-8" || name == "utf8" || name == "unicode-1-1-utf-8" || name == "utf-8mb4";
}
bool IsAsciiName(std::string_view name) {
  return name == "us-ascii" || name == "ascii" || name == "ansi_x3.4-1968" || name == "646" ||
         name == "iso646-us";
}
bool IsAscii(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(),
                      [](char c) { return static_cast<signed char>(c) <= 0; });
}
// Sets in which ASCII bytes can mean something else.
bool IsStateful(std::string_view name) {
  return name.starts_with("utf-7") || name.starts_with("utf-16") || name.starts_with("utf-32") ||
         name.starts_with("iso-2022") || name.starts_with("ucs") || name.starts_with("hz") ||
         name.starts_with("ebcdic") || name.starts_with("ibm") || name.starts_with("cp") ||
         name.starts_with("unicode") || name.starts_with("iso-10646") || name.starts_with("utf7") ||
         name.starts_with("utf16") || name.starts_with("utf32") || name.starts_with("csiso");
}

// True when the bytes above 0x7f come in pairs of the GB 2312 Chinese zone: what raw Chinese mail
// looks like.
bool LooksLikeGb(std::string_view bytes) {
  size_t pairs = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0x80) continue;
    if (i + 1 >= bytes.size()) return false;
    const auto trail = static_cast<unsigned char>(bytes[i + 1]);
    if (lead < 0xa1 || lead > 0xf7 || trail < 0xa1 || trail == 0xff) return false;
    ++pairs;
    ++i;
  }
  return pairs >= 2;
}

}  // namespace

struct Charsets::Impl {
  struct Converter {
    std::string name;
    iconv_t handle;
  };
  std::vector<Converter> open;
  std::vector<iconv_t> warm;
  std::set<std::string> unknown;

  ~Impl() {
    for (const auto& c : open) iconv_close(c.handle);
    for (const auto& c : warm) iconv_close(c);
  }

  iconv_t Find(const std::string& name) {
    for (size_t i = 0; i < open.size(); ++i) {
      if (open[i].name != name) continue;
      if (i > 0) std::swap(open[i], open[i - 1]);  // the ones in use drift to the front
      return open[i > 0 ? i - 1 : 0].handle;
    }
    const auto none = reinterpret_cast<iconv_t>(-1);
    if (unknown.count(name) != 0) return none;
    const iconv_t handle = iconv_open("UTF-8", name.c_str());
    if (handle == none) {
      if (unknown.size() < 1000) unknown.insert(name);
      return none;
    }
    if (open.size() >= 48) {
      iconv_close(open.back().handle);
      open.pop_back();
    }
    open.push_back({name, handle});
    return handle;
  }
};

Charsets::Charsets() : impl_(std::make_unique<Impl>()) {}
Charsets::~Charsets() = default;

size_t Charsets::Warm() {
  if (!impl_->warm.empty()) return impl_->warm.size();
  std::set<std::string> names = {"UTF-8", "UTF-16", "UTF-32", "UTF-7", "ISO-8859-1"};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib", error)) {
    for (const char* inner : {"gconv", ""}) {
      const auto folder = *inner == 0 ? entry.path() : entry.path() / inner;
      if (folder.filename() != "gconv") continue;
      std::vector<std::filesystem::path> files = {folder / "gconv-modules"};
      std::error_code missing;
      for (const auto& more :
           std::filesystem::directory_iterator(folder / "gconv-modules.d", missing)) {
        files.push_back(more.path());
      }
      for (const auto& path : files) {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) {
          std::istringstream words(line);
          std::string keyword, from, to;
          words >> keyword >> from >> to;
          if (keyword == "module" && to == "INTERNAL") {
            names.insert(from.substr(0, from.find("//")));
          }
        }
      }
    }
  }
  for (const auto& name : names) {
    const iconv_t handle = iconv_open("UTF-8", name.c_str());
    if (handle != reinterpret_cast<iconv_t>(-1)) impl_->warm.push_back(handle);
  }
  return impl_->warm.size();
}

std::string Charsets::ToUtf8(std::string_view bytes, std::string_view charset, Outcome* outcome) {
  Outcome ignored;
  Outcome& result = outcome == nullptr ? ignored : *outcome;
  result = Outcome::kClean;
  const std::string name = Normal(charset);
  if (IsAscii(bytes) && !IsStateful(name) && !name.empty()) {
    if (!IsUtf8Name(name) && !IsAsciiName(name) &&
        impl_->Find(name) == reinterpret_cast<iconv_t>(-1)) {
      result = Outcome::kUnknownCharset;
    }
    return std::string(bytes);
  }
  if (IsUtf8Name(name)) {
    if (IsValidUtf8(bytes) && bytes.find('\0') == std::string_view::npos) return std::string(bytes);
    result = Outcome::kReplaced;
    return ToValidUtf8(bytes);
  }
  if (name.empty() || IsAsciiName(name)) {
    result = name.empty() && !charset.empty() ? Outcome::kUnknownCharset : Outcome::kReplaced;
    return Guess(bytes);
  }
  const iconv_t converter = impl_->Find(name);
  if (converter == reinterpret_cast<iconv_t>(-1)) {
    result = Outcome::kUnknownCharset;
    return Guess(bytes);
  }
  iconv(converter, nullptr, nullptr, nullptr, nullptr);
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2 + 16);
  char buffer[4096];
  char* in = const_cast<char*>(bytes.data());
  size_t left = bytes.size();
  while (true) {
    char* to = buffer;
    size_t room = sizeof buffer;
    const size_t done =
        iconv(converter, left > 0 ? &in : nullptr, left > 0 ? &left : nullptr, &to, &room);
    const int error = errno;
    out.append(buffer, sizeof buffer - room);
    if (done != static_cast<size_t>(-1)) {
      if (left == 0) break;
      continue;
    }
    if (error == E2BIG) continue;
    result = Outcome::kReplaced;
    out += "\xEF\xBF\xBD";
    if (error == EINVAL || left == 0) break;  // cut short at the end
    ++in;
    --left;
  }
  // What comes out of iconv may still hold NUL (UTF-16 text does).
  if (out.find('\0') != std::string::npos || !IsValidUtf8(out)) out = ToValidUtf8(out);
  return out;
}

std::string Charsets::Guess(std::string_view bytes, std::string_view declared) {
  if (IsValidUtf8(bytes)) {
    return bytes.find('\0') == std::string_view::npos ? std::string(bytes) : ToValidUtf8(bytes);
  }
  const std::string name = Normal(declared);
  if (!name.empty() && !IsUtf8Name(name) && !IsAsciiName(name) &&
      impl_->Find(name) != reinterpret_cast<iconv_t>(-1)) {
    return ToUtf8(bytes, name);
  }
  return ToUtf8(bytes, LooksLikeGb(bytes) ? "gb18030" : "windows-1252");
}

}  // namespace mailreeve::mail
