#include "codec.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/wire.h"
#include "gateway/tracking/fold.h"
#include "gateway/tracking/observables_of.h"

#include <zstd.h>

#include <algorithm>

namespace mailreeve::bench::sqlite {
namespace {

using observable::Type;

// Roles share the number space of observables: no canonical address has a line feed in it.
int64_t RolePosting(std::string_view role, std::string_view address) {
  std::string key(role);
  key += '\n';
  key += address;
  return static_cast<int64_t>(observable::Fingerprint(Type::kEmail, key));
}

constexpr uint64_t kCursorVersion = 1;

}  // namespace

std::string Compress(std::string_view bytes, int level) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  CHECK(context != nullptr);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size());
  ZSTD_freeCCtx(context);
  CHECK(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

Result<std::string> Decompress(std::string_view frame, size_t max_bytes) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > max_bytes) {
    return Fail(Code::kCorrupt, "stored record: not a frame of ours");
  }
  std::string out(size, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) != 0 || got != size) {
    return Fail(Code::kCorrupt,
                std::string("stored record: ") +
                    (ZSTD_isError(got) != 0 ? ZSTD_getErrorName(got) : "length differs"));
  }
  return out;
}

int64_t PostingOf(const observable::Observable& canonical) {
  return static_cast<int64_t>(observable::Fingerprint(canonical.type, canonical.value));
}
int64_t SenderPosting(std::string_view address) { return RolePosting("sender", address); }
int64_t RecipientPosting(std::string_view address) { return RolePosting("recipient", address); }

std::vector<int64_t> PostingsOf(const mail::MessageRecord& record) {
  std::vector<int64_t> out;
  for (const auto& found : ObservablesOf(record)) out.push_back(PostingOf(found));
  for (const auto& address : SendersOf(record)) out.push_back(SenderPosting(address));
  for (const auto& address : RecipientsOf(record)) out.push_back(RecipientPosting(address));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string SubjectColumn(const mail::MessageRecord& record) {
  std::string out = "\n" + FoldText(record.inspection.subject) + "\n";
  for (const auto& subject : record.inspection.other_subjects) out += FoldText(subject) + "\n";
  return out;
}

bool SubjectFits(std::string_view column, Query::TextMatch match, std::string_view folded) {
  switch (match) {
    case Query::TextMatch::kContains:
      return column.find(folded) != std::string_view::npos;
    case Query::TextMatch::kBeginsWith:
      return column.find("\n" + std::string(folded)) != std::string_view::npos;
    case Query::TextMatch::kIs:
      return column.find("\n" + std::string(folded) + "\n") != std::string_view::npos;
    case Query::TextMatch::kIsEmpty:
      return column.starts_with("\n\n");
  }
  return false;
}

std::string CursorOf(const Place& place) {
  WireWriter out;
  out.Number(kCursorVersion);
  out.Signed(place.received);
  out.Signed(place.mid);
  return Base64UrlEncode(out.bytes());
}

Result<Place> ParseCursor(std::string_view cursor) {
  const auto wrong = [] {
    return Fail(Code::kInvalid, "cursor: not one that this store handed out");
  };
  if (cursor.size() > 64) return wrong();
  auto bytes = Base64Decode(cursor);
  if (!bytes) return wrong();
  WireReader in(*bytes);
  const uint64_t version = in.Number();
  Place place;
  place.received = in.Signed();
  place.mid = in.Signed();
  if (!in.Finish("cursor") || version != kCursorVersion) return wrong();
  return place;
}

}  // namespace mailreeve::bench::sqlite
