#pragma once

#include "gateway/tracking/store.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

// What the store was given and what it answered: which records and events it must hold, which it
// may hold, and that it holds nothing else.
namespace mailreeve::simulator {

enum class Fate : uint8_t {
  kInDoubt,       // the store did not acknowledge it: whole or absent
  kAcknowledged,  // must be there
};

struct KnownEvent {
  mail::Event event;
  Fate fate = Fate::kInDoubt;
  uint64_t given = 1;  // times
};

struct KnownRecord {
  mail::MessageRecord record;  // as first given, with the events of then
  Fate fate = Fate::kInDoubt;
  std::vector<KnownEvent> later;  // as given, in that order
  bool may_expire = false;        // retention may have dropped it
};

class Model {
 public:
  std::map<mail::Mid, KnownRecord>& records() { return records_; }
  const std::map<mail::Mid, KnownRecord>& records() const { return records_; }

  // Ids that NextMid and NextIcid gave; false: one was given before.
  bool Given(mail::Mid mid) { return mids_.insert(mid).second; }
  bool GivenIcid(mail::Icid icid) { return icids_.insert(icid).second; }

  // Empty when `found` may be what the store holds of it; else what is wrong.
  std::string Compare(const mail::MessageRecord& found) const;

 private:
  std::map<mail::Mid, KnownRecord> records_;
  std::set<mail::Mid> mids_;
  std::set<mail::Icid> icids_;
};

// Whether a message as it is read fits a query, looked at in the plainest way. Knows any_of,
// all_of, subject and sender conditions, direction, queue id, event, mid and times.
// `shown`: its observables.
bool Fits(const mail::MessageRecord& record, const std::vector<observable::Observable>& shown,
          const gateway::tracking::Query& query);

}  // namespace mailreeve::simulator
