#pragma once

#include "response/feed_formats/stix_feed.h"

#include <string>
#include <vector>

// MISP feeds: a manifest that names events, and the events. An event becomes an indicator; each of
// its attributes for detection (to_ids) becomes a judgement that is element-of it.
//
// Threads: pure functions. Errors: kInvalid for what is no manifest or event, kLimited over a
// limit.
//
//   TRY(auto events, feed_formats::ReadManifest(manifest, limits));
//   TRY(auto taken, feed_formats::MispDocuments(event, terms, limits));
namespace mailreeve::response::feed_formats {

struct MispLimits {
  size_t max_events = 100'000;
  size_t max_attributes = 1'000'000;  // of an event, with those of its objects
};

struct MispEvent {
  std::string uuid;       // of the form of a uuid: safe as a file name
  std::string timestamp;  // as written; another text is another version
};

// Entries that are no events are passed over and counted.
Result<std::vector<MispEvent>> ReadManifest(const json::value& manifest, const MispLimits& limits,
                                            Counts& counts);

Result<Documents> MispDocuments(const json::value& event, const Terms& terms,
                                const MispLimits& limits);

}  // namespace mailreeve::response::feed_formats
