#pragma once

#include "base/result.h"
#include "json/json.h"
#include "mail/message_record.h"

#include <string_view>

// A tracked message as JSON, without loss: how history is moved between machines
// (docs/history-import.md). Fields that are empty or 0 are left out. Bytes that are not UTF-8 stand
// in base64 under the field's name with "_base64" behind it; times that ISO 8601 cannot say as
// microseconds since 1970.
//
// Pure functions; thread-safe. Errors: kInvalid with the path of what is wrong
// ("recipients[2].rid: …"); unknown fields are refused.
namespace mailreeve::gateway::tracking {

inline constexpr uint64_t kRecordJsonVersion = 1;

json::object RecordToJson(const mail::MessageRecord& record);
Result<mail::MessageRecord> RecordFromJson(const json::value& from);
// One line.
Result<mail::MessageRecord> RecordFromLine(std::string_view line);

}  // namespace mailreeve::gateway::tracking
