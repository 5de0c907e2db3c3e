#pragma once

#include "base/time.h"
#include "ctim/ids.h"
#include "json/json.h"
#include "observable/observable.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What entries of feeds become. Documents are complete CTIM documents with short ids made of the
// feed's name and what identifies the entry, so that taking a feed again meets the same records.
//
// Threads: values and pure functions. Errors: nullopt for text that is no observable.
//
//   auto entry = feed_formats::ReadObservable("hxxp://bad[.]example/x", "");
//   json::object judgement = feed_formats::JudgementOf({*entry}, terms);
namespace mailreeve::response::feed_formats {

// How a feed is taken: who says it, how sure, for how long.
struct Terms {
  std::string feed;    // [a-z0-9-]: part of ids
  std::string source;  // shown as `source`
  int64_t disposition = 2;
  int64_t priority = 90;
  std::string confidence = "Medium";
  std::string severity = "Medium";
  std::string tlp = "green";
  std::optional<std::chrono::seconds> life;  // how long an entry is valid from now on
  // Organisations that may see amber and red documents too; white and green ones are everyone's.
  std::vector<std::string> share_with;
  Time now;
};

struct Entry {
  observable::Observable observable;
  std::string confidence, reason;  // empty: of the terms; none
  std::optional<Time> from, until;
};

// `type` is CTIM's; empty: told by the text. Re-fangs; the value is canonical. Networks and what
// has no canonical form are nullopt.
std::optional<observable::Observable> ReadObservable(std::string_view text, std::string_view type);

json::object JudgementOf(const Entry& entry, const Terms& terms);

// A short id that is the same for the same feed and key.
ctim::ShortId StableId(const Terms& terms, std::string_view type, std::string_view key);

// The envelope of the global store over a checked document: `owner` "feed:<name>".
json::object Completed(json::object document, const ctim::ShortId& id, const Terms& terms);

// What came of reading.
struct Counts {
  size_t entries = 0;                     // taken
  std::map<std::string, size_t> skipped;  // reason -> how many; at most 100 reasons
  void Skip(std::string reason);
};

}  // namespace mailreeve::response::feed_formats
