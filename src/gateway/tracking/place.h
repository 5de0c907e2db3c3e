#pragma once

#include "base/result.h"
#include "base/time.h"
#include "mail/message_record.h"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace mailreeve::gateway::tracking {

// The place of a message in the order of answers: by received, then mid.
struct Place {
  int64_t received = INT64_MAX;
  uint64_t mid = UINT64_MAX;
  auto operator<=>(const Place&) const = default;
};
inline Place PlaceOf(const mail::MessageRecord& record) {
  return {ToEpochMicros(record.received), record.mid};
}

// Opaque text for the place after a page, and back. kInvalid: not one that CursorOf gave.
std::string CursorOf(const Place& place);
Result<Place> ParseCursor(std::string_view cursor);

}  // namespace mailreeve::gateway::tracking
