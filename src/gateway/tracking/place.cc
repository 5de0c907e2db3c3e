#include "gateway/tracking/place.h"

#include "base/bytes.h"
#include "base/wire.h"

namespace mailreeve::gateway::tracking {
namespace {
constexpr uint64_t kCursorVersion = 2;
}

std::string CursorOf(const Place& place) {
  WireWriter out;
  out.Number(kCursorVersion);
  out.Signed(place.received);
  out.Number(place.mid);
  return Base64UrlEncode(out.bytes());
}

Result<Place> ParseCursor(std::string_view cursor) {
  const auto wrong = [] {
    return Fail(Code::kInvalid, "cursor: not one that this store handed out");
  };
  if (cursor.size() > 64) return wrong();
  const auto bytes = Base64Decode(cursor);
  if (!bytes) return wrong();
  WireReader in(*bytes);
  const uint64_t version = in.Number();
  Place place;
  place.received = in.Signed();
  place.mid = in.Number();
  if (!in.Finish("cursor") || version != kCursorVersion) return wrong();
  return place;
}

}  // namespace mailreeve::gateway::tracking
