#pragma once

#include "base/result.h"
#include "gateway/tracking/store.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// How the SQLite engine turns records into columns and back. Internal to this folder; pure
// functions.
namespace mailreeve::bench::sqlite {

using namespace gateway::tracking;

// A zstd frame with content size and checksum.
std::string Compress(std::string_view bytes, int level);
// kCorrupt for anything that is not such a frame, or that would be longer than `max_bytes`.
Result<std::string> Decompress(std::string_view frame, size_t max_bytes);

// What the index holds for a message: the fingerprints of ObservablesOf and one for each sender and
// recipient role; sorted, unique.
std::vector<int64_t> PostingsOf(const mail::MessageRecord& record);
int64_t PostingOf(const observable::Observable& canonical);
int64_t SenderPosting(std::string_view address);
int64_t RecipientPosting(std::string_view address);

// The subject column: each subject folded, between line feeds, which folded text has none of.
std::string SubjectColumn(const mail::MessageRecord& record);
bool SubjectFits(std::string_view column, Query::TextMatch match, std::string_view folded);

// The place after a row: results come newest first, by (received, mid).
struct Place {
  int64_t received = INT64_MAX;
  int64_t mid = INT64_MAX;
};
std::string CursorOf(const Place& place);
Result<Place> ParseCursor(std::string_view cursor);

}  // namespace mailreeve::bench::sqlite
