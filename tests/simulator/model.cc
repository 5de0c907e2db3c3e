#include "simulator/model.h"

#include "gateway/tracking/fold.h"
#include "gateway/tracking/observables_of.h"

#include <algorithm>

namespace mailreeve::simulator {

namespace tracking = gateway::tracking;

std::string Model::Compare(const mail::MessageRecord& found) const {
  const std::string who = "MID " + std::to_string(found.mid);
  const auto at = records_.find(found.mid);
  if (at == records_.end()) return who + " was never given to the store";
  const KnownRecord& known = at->second;
  mail::MessageRecord bare = found;
  bare.events = known.record.events;
  if (bare != known.record) return who + " is not what was given";
  if (!std::is_sorted(found.events.begin(), found.events.end(),
                      [](const auto& a, const auto& b) { return a.time < b.time; })) {
    return who + " has events out of order";
  }
  std::vector<mail::Event> rest = found.events;
  const auto take = [&rest](const mail::Event& event) {
    const auto here = std::find(rest.begin(), rest.end(), event);
    if (here == rest.end()) return false;
    rest.erase(here);
    return true;
  };
  for (const auto& event : known.record.events) {
    if (!take(event)) return who + " lacks an event it was given with";
  }
  for (const auto& later : known.later) {
    if (!take(later.event) && later.fate == Fate::kAcknowledged)
      return who + " lacks the acknowledged event '" + later.event.detail + "'";
  }
  if (!rest.empty()) return who + " has an event too many: '" + rest.front().detail + "'";
  return "";
}

bool Fits(const mail::MessageRecord& record, const std::vector<observable::Observable>& shown,
          const tracking::Query& query) {
  const auto shows = [&shown](const observable::Observable& one) {
    return std::find(shown.begin(), shown.end(), one) != shown.end();
  };
  if (!query.any_of.empty() && std::none_of(query.any_of.begin(), query.any_of.end(), shows))
    return false;
  if (!std::all_of(query.all_of.begin(), query.all_of.end(), shows)) return false;
  if (query.mid && record.mid != *query.mid) return false;
  if (query.direction && record.direction != *query.direction) return false;
  if (!query.queue_id.empty() && record.queue_id != query.queue_id) return false;
  if (query.from && record.received < *query.from) return false;
  if (query.until && record.received >= *query.until) return false;
  if (query.event && std::none_of(record.events.begin(), record.events.end(),
                                  [&](const auto& event) { return event.kind == *query.event; })) {
    return false;
  }
  if (query.subject &&
      tracking::FoldText(record.inspection.subject).find(tracking::FoldText(*query.subject)) ==
          std::string::npos) {
    return false;
  }
  if (!query.sender.empty()) {
    const auto senders = tracking::SendersOf(record);
    if (std::find(senders.begin(), senders.end(), query.sender) == senders.end()) return false;
  }
  return true;
}

}  // namespace mailreeve::simulator
