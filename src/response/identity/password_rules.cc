#include "response/identity/password_rules.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace mailreeve::response::identity {
namespace {

constexpr size_t kMaxBytes = 1024;
constexpr size_t kMaxLineBytes = 128;

// Binary search over lines of a sorted file.
Result<bool> IsInList(const std::string& path, const std::string& hash) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return Fail(Code::kUnavailable, "the list of breached passwords cannot be read: " + path);
  struct Close {
    int fd;
    ~Close() { ::close(fd); }
  } const close{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0) return Fail(Code::kUnavailable, "cannot read " + path);
  // The first line that begins at or after a place.
  const auto line_at = [&](off_t at) -> std::string {
    char buffer[2 * kMaxLineBytes];
    const off_t from = at > 0 ? at - 1 : 0;
    const ssize_t got = ::pread(fd, buffer, sizeof(buffer), from);
    if (got <= 0) return {};
    std::string_view text(buffer, static_cast<size_t>(got));
    if (at > 0) {
      const size_t end = text.find('\n');
      if (end == std::string_view::npos) return {};
      text.remove_prefix(end + 1);
    }
    return std::string(text.substr(0, text.find_first_of("\r\n")));
  };
  off_t low = 0, high = info.st_size;
  while (low < high) {
    const off_t middle = low + (high - low) / 2;
    const std::string line = line_at(middle);
    if (line.empty() || line.substr(0, hash.size()) > hash) {
      high = middle;
    } else if (line.substr(0, hash.size()) == hash) {
      return true;
    } else {
      low = middle + 1;
    }
  }
  return line_at(low).substr(0, hash.size()) == hash;
}

}  // namespace

Result<void> CheckPassword(const PasswordRules& rules, std::string_view password,
                           std::string_view name, std::string_view email) {
  if (!IsValidUtf8(password) || password.size() > kMaxBytes)
    return Fail(Code::kInvalid, "a password is UTF-8 text of at most 1024 bytes");
  size_t characters = 0;
  std::set<char32_t> different;
  for (size_t at = 0; at < password.size(); ++characters)
    different.insert(NextCodePoint(password, at));
  if (characters < rules.min_characters) {
    return Fail(Code::kInvalid,
                "a password has at least " + std::to_string(rules.min_characters) + " characters");
  }
  if (different.size() < 4)
    return Fail(Code::kInvalid, "the password repeats the same few characters");
  const std::string lower = AsciiLower(password);
  const std::string_view local = email.substr(0, email.find('@'));
  for (const std::string_view own : {name, email, local}) {
    if (own.size() >= 4 && lower.find(AsciiLower(own)) != std::string::npos &&
        characters < own.size() + rules.min_characters) {
      return Fail(Code::kInvalid, "the password is little more than the user's name or address");
    }
  }
  if (rules.breached_list_path.empty()) return {};
  std::string hash = HexEncode(crypto::Hash(crypto::HashKind::kSha1, password));
  std::transform(hash.begin(), hash.end(), hash.begin(),
                 [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
  TRY(const bool known, IsInList(rules.breached_list_path, hash));
  if (known) return Fail(Code::kInvalid, "the password is known from a break-in elsewhere");
  return {};
}

}  // namespace mailreeve::response::identity
