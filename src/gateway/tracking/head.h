#pragma once

#include "gateway/counters/counters.h"
#include "gateway/tracking/head_texts.h"
#include "gateway/tracking/plan.h"
#include "mail/message_record.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

// The messages of one journal in memory, until they are sealed into a segment. Internal to this
// folder.
//
// Threads: Add* from one at a time, all else from any beside it. A record's bytes stay where they
// are as long as the head lives.
namespace mailreeve::gateway::tracking {

// In order of time; those of the same time stay as they are.
void SortByTime(std::vector<mail::Event>& events);

class Head {
 public:
  explicit Head(uint64_t journal) : journal_(journal) {}
  uint64_t journal() const { return journal_; }

  struct Added {
    mail::Mid mid = 0;
    mail::Icid icid = 0;
    Time received;
    std::vector<mail::Event> events;  // of the record
    std::string encoded;
    std::vector<uint64_t> fingerprints;
    HeadTexts texts;
  };
  void Add(Added added);
  // Events that came after the record: of a message of this head, or of an earlier unit.
  void AddEvents(mail::Mid mid, std::vector<mail::Event> events);

  uint32_t rows() const;
  size_t later_events() const;
  size_t memory_bytes() const;  // about
  bool Has(mail::Mid mid) const;
  // Received times of the first and last in order; nothing when there are no rows.
  std::optional<std::pair<Place, Place>> Span() const;

  // With the events it got in this head. kNotFound, kCorrupt.
  Result<mail::MessageRecord> Load(mail::Mid mid) const;
  Result<mail::MessageRecord> LoadRow(uint32_t row) const;
  // Of messages of earlier units.
  bool HasLaterEvents(mail::Mid mid) const;
  std::vector<mail::Event> LaterEventsOf(mail::Mid mid) const;

  struct Candidate {
    Place place;
    uint32_t row;
  };
  // Rows that may fit, descending: all that the groups leave, or `max` in order of time when there
  // are no groups. `has_later`: a newer unit has events of the message.
  std::vector<Candidate> Candidates(const Plan& plan, const Place& below, size_t max,
                                    const std::function<bool(mail::Mid)>& has_later) const;
  // Calls `take` for each pair of fingerprint and row.
  void ForFingerprints(const std::function<void(uint64_t fingerprint, uint32_t row)>& take) const;
  std::pair<mail::Mid, Time> WhoIs(uint32_t row) const;

  // ---- Of a head that nothing is added to any more.
  std::vector<mail::Mid> LaterMids() const;  // sorted
  std::vector<uint32_t> RowsInOrder() const;

  counters::Table& counters() { return counters_; }
  // Under the head's lock, since counting goes on beside it.
  void AddCounters(counters::Merger& merger) const;
  void Count(const mail::MessageRecord& record);
  void Count(const mail::MessageRecord& before, const std::vector<mail::Event>& added);

 private:
  struct Row {
    mail::Mid mid;
    mail::Icid icid;
    int64_t received;
    uint32_t kinds;  // bit n: an event of kind n happened
    std::string encoded;
    HeadTexts texts;
    std::vector<mail::Event> later;
  };
  using Pair = std::pair<uint64_t, uint32_t>;
  struct InOrder {
    Place place;
    uint32_t row;
    bool operator<(const InOrder& other) const { return place < other.place; }
  };

  void RowsWith(uint64_t fingerprint, std::vector<uint32_t>& rows) const;

  const uint64_t journal_;
  mutable std::shared_mutex mutex_;
  std::deque<Row> rows_;
  std::unordered_map<mail::Mid, uint32_t> by_mid_;
  std::vector<InOrder> order_;
  std::vector<std::vector<Pair>> runs_;  // sorted
  std::vector<Pair> newest_;             // not sorted yet
  std::unordered_map<mail::Mid, std::vector<mail::Event>> later_;
  size_t later_events_ = 0;
  size_t bytes_ = 0;
  counters::Table counters_;
};

}  // namespace mailreeve::gateway::tracking
