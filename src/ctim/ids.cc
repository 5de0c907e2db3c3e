#include "ctim/ids.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"

namespace mailreeve::ctim {
namespace {

constexpr size_t kMaxIdBytes = 2048;
constexpr size_t kUuidChars = 36;

bool IsUuid(std::string_view text) {
  if (text.size() != kUuidChars) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
  }
  return true;
}

bool IsTypeToken(std::string_view text) {
  if (text.size() < 2 || text[0] < 'a' || text[0] > 'z') return false;
  for (const char c : text)
    if (c != '-' && (c < 'a' || c > 'z')) return false;
  return true;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Percent-decodes once; a broken escape stays as it is.
std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

// Scheme and host in lower case: they compare without case, the prefix does not.
std::string NormalBase(std::string_view base) {
  const size_t scheme = base.find("://");
  if (scheme == std::string_view::npos) return std::string(base);
  size_t path = base.find('/', scheme + 3);
  if (path == std::string_view::npos) path = base.size();
  return AsciiLower(base.substr(0, path)) + std::string(base.substr(path));
}

}  // namespace

std::optional<ShortId> ShortId::Parse(std::string_view text) {
  if (text.size() < kUuidChars + 3 || text.size() > kMaxIdBytes) return std::nullopt;
  const std::string_view uuid = text.substr(text.size() - kUuidChars);
  const std::string_view type = text.substr(0, text.size() - kUuidChars - 1);
  if (text[type.size()] != '-' || !IsUuid(uuid) || !IsTypeToken(type)) return std::nullopt;
  return ShortId{std::string(type), std::string(uuid)};
}

ShortId ShortId::New(std::string_view type) { return {std::string(type), RandomUuid()}; }

bool IsTransientId(std::string_view text) {
  return text.starts_with("transient:") && text.size() <= kMaxIdBytes;
}

std::optional<LongId> LongId::Parse(std::string_view text) {
  if (text.size() > kMaxIdBytes) return std::nullopt;
  const bool web =
      AsciiEqualFold(text.substr(0, 7), "http://") || AsciiEqualFold(text.substr(0, 8), "https://");
  const size_t last = text.rfind('/');
  if (!web || last == std::string_view::npos) return std::nullopt;
  auto id = ShortId::Parse(text.substr(last + 1));
  if (!id) return std::nullopt;
  const std::string tail = "/ctia/" + id->type;
  std::string_view base = text.substr(0, last);
  if (!base.ends_with(tail)) return std::nullopt;
  base.remove_suffix(tail.size());
  if (base.size() <= base.find("://") + 3) return std::nullopt;  // no host
  return LongId{std::string(base), *std::move(id)};
}

bool IsAnyId(std::string_view text) {
  return IsTransientId(text) || ShortId::Parse(text).has_value() || LongId::Parse(text).has_value();
}

IdSpace::IdSpace(std::string base_url) : base_url_(std::move(base_url)) {
  while (base_url_.ends_with('/')) base_url_.pop_back();
}

std::string IdSpace::Long(const ShortId& id) const {
  return base_url_ + "/ctia/" + id.type + "/" + id.text();
}

std::string IdSpace::Long(std::string_view text) const {
  if (const auto id = ShortId::Parse(text)) return Long(*id);
  return std::string(text);
}

Result<ShortId> IdSpace::Read(std::string_view text) const {
  if (text.size() > 3 * kMaxIdBytes) return Fail(Code::kInvalid, "not an id: too long");
  if (auto id = ShortId::Parse(text)) return *std::move(id);
  auto id = LongId::Parse(text);
  if (!id && text.find('%') != std::string_view::npos) {
    const std::string decoded = PercentDecode(text);
    if (auto short_id = ShortId::Parse(decoded)) return *std::move(short_id);
    id = LongId::Parse(decoded);
  }
  if (!id) {
    return Fail(Code::kInvalid,
                "not an id such as sighting-<uuid>: " + std::string(CutUtf8(text, 100)));
  }
  if (NormalBase(id->base) != NormalBase(base_url_))
    return Fail(Code::kInvalid, std::string(kForeignId));
  return std::move(id->id);
}

std::optional<ShortId> IdSpace::Ours(std::string_view text) const {
  auto id = Read(text);
  if (!id) return std::nullopt;
  return *std::move(id);
}

}  // namespace mailreeve::ctim
