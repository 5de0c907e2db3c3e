#pragma once

#include "gateway/segment/segment.h"
#include "gateway/tracking/core.h"
#include "gateway/tracking/fingerprints.h"
#include "gateway/tracking/place.h"
#include "gateway/tracking/store.h"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

// A query made ready: what the index can rule out, and what only the record can confirm. Internal
// to this folder. Threads: one.
namespace mailreeve::gateway::tracking {

struct Plan {
  // One of these fingerprints must be held; groups are joined by "and".
  struct Group {
    std::vector<uint64_t> fingerprints;  // sorted, unique
    std::vector<mail::Mid> mids;         // or one of these messages, which the index does not name
    bool of_events = false;              // event tokens: later events can add to them
  };
  std::vector<Group> groups;
  // Folded text that a trigram filter can look for.
  struct Text {
    TextCondition condition;  // value folded
    std::optional<segment::TextIndex> index;
  };
  std::vector<Text> texts;
  std::optional<mail::Mid> mid;
  std::optional<mail::Icid> icid;
  Place below;  // answers come before it
  int64_t from = INT64_MIN, until = INT64_MAX;
  // The groups and the time span say it all: rows can be counted without reading records.
  bool index_decides = true;

  static Result<Plan> Make(const Query& query, const CoreOptions& options);
  // All conditions but the cursor, on a record with all its events.
  bool Fits(const mail::MessageRecord& record) const;
  bool InTime(int64_t received) const { return received >= from && received < until; }
  // Nothing can fit.
  bool nothing = false;

 private:
  // The record must show one of these.
  struct Shown {
    std::unordered_map<uint64_t, observable::Observable> values;  // by fingerprint
  };
  std::vector<Shown> shown_;
  std::string sender_, recipient_, client_address_, client_network_, queue_id_;
  std::optional<mail::Direction> direction_;
  std::vector<mail::Direction> directions_;
  std::vector<std::vector<TextCondition>> any_text_;  // values folded
  std::vector<mail::EventKind> events_;
  std::optional<mail::EventKind> event_;
  std::vector<std::string> statuses_;
  std::vector<int> dispositions_;
};

}  // namespace mailreeve::gateway::tracking
