#include "observable/chars.h"
#include "observable/observable.h"

#include <algorithm>

namespace mailreeve::observable {
namespace {

constexpr size_t kMaxName = 253, kMaxLabel = 63;

constexpr bool IsLower(char c) { return c >= 'a' && c <= 'z'; }

// A host name of ordinary labels, with a dot, whose last label is letters only: no IDNA, no number.
bool IsPlainName(std::string_view name) {
  if (name.size() > kMaxName) return false;
  size_t start = 0;
  bool dot = false;
  while (true) {
    const size_t end = std::min(name.find('.', start), name.size());
    const std::string_view label = name.substr(start, end - start);
    if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-' ||
        (label.size() >= 4 && label[2] == '-' && label[3] == '-')) {
      return false;
    }
    const bool last = end == name.size();
    for (const char c : label) {
      if (!IsLower(c) && (last || (!IsDigit(c) && c != '-'))) return false;
    }
    if (last) return dot;
    dot = true;
    start = end + 1;
  }
}

bool IsPlainUrl(std::string_view url) {
  size_t start = 0;
  if (url.starts_with("http://")) start = 7;
  if (url.starts_with("https://")) start = 8;
  if (start == 0) return false;
  const size_t slash = url.find('/', start);
  if (slash == std::string_view::npos || !IsPlainName(url.substr(start, slash - start))) {
    return false;
  }
  const std::string_view rest = url.substr(slash);
  bool query = false;
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '?') {
      if (query || i + 1 == rest.size()) return false;
      query = true;
      continue;
    }
    if (c == '/' && i + 1 < rest.size() && rest[i + 1] == '.') return false;
    if (!IsAlnum(c) && c != '/' && c != '-' && c != '.' && c != '_' && c != '=' && c != '&') {
      return false;
    }
  }
  return true;
}

bool IsPlainEmail(std::string_view address) {
  const size_t at = address.find('@');
  if (at == 0 || at == std::string_view::npos) return false;
  for (const char c : address.substr(0, at)) {
    if (!IsLower(c) && !IsDigit(c) && c != '.' && c != '-' && c != '_' && c != '+' && c != '=') {
      return false;
    }
  }
  return IsPlainName(address.substr(at + 1));
}

bool IsPlainMessageId(std::string_view id) {
  if (id.size() < 3 || id.front() != '<' || id.back() != '>') return false;
  const std::string_view inner = id.substr(1, id.size() - 2);
  return std::all_of(inner.begin(), inner.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '<' && c != '>' && c != '(' && c != ')' && c != '\\';
  });
}

// Visible ASCII with single spaces inside.
bool IsPlainText(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  char last = 0;
  for (const char c : text) {
    if (c < ' ' || c >= 0x7f || (c == ' ' && last == ' ')) return false;
    last = c;
  }
  return true;
}

bool IsPlainFileName(std::string_view name) {
  if (!IsPlainText(name) || name.back() == '.') return false;
  return std::none_of(name.begin(), name.end(),
                      [](char c) { return (c >= 'A' && c <= 'Z') || c == '/' || c == '\\'; });
}

bool IsPlainHash(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return IsDigit(c) || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

bool IsPlainCanonical(Type type, std::string_view value) {
  constexpr size_t kMaxPlain = 4096;
  if (value.size() > kMaxPlain) return false;
  switch (type) {
    case Type::kUrl:
      return IsPlainUrl(value);
    case Type::kDomain:
      return IsPlainName(value);
    case Type::kEmail:
      return IsPlainEmail(value);
    case Type::kEmailMessageid:
      return IsPlainMessageId(value);
    case Type::kEmailSubject:
      return IsPlainText(value);
    case Type::kFileName:
      return IsPlainFileName(value);
    case Type::kMd5:
      return IsPlainHash(value, 32);
    case Type::kSha1:
      return IsPlainHash(value, 40);
    case Type::kSha256:
      return IsPlainHash(value, 64);
    default:
      return false;
  }
}

}  // namespace mailreeve::observable
