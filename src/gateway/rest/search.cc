#include "gateway/rest/search.h"

#include <algorithm>

namespace mailreeve::gateway::rest {
namespace {

constexpr size_t kMinStep = 50, kMaxStep = 500;  // records the store is asked for at once

}  // namespace

Search::Remembered& Search::Remember(const std::string& name, bool anew) {
  const Time now = clock_.Now();
  auto found = searches_.find(name);
  if (found == searches_.end()) {
    if (searches_.size() >= limits_.max_searches) {
      searches_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(name);
    found = searches_.emplace(name, Remembered{{}, now, std::prev(order_.end())}).first;
  } else {
    order_.splice(order_.end(), order_, found->second.order);
  }
  Remembered& search = found->second;
  if (anew || now - search.used > limits_.memory || search.places.size() > limits_.max_places) {
    search.places.clear();
  }
  search.used = now;
  return search;
}

io::Task<Result<Found>> Search::Run(std::string name, Filter filter, Paging paging) {
  Found found;
  if (filter.nothing || paging.limit == 0) co_return found;
  Place place;
  uint64_t position = 0;  // how many that fit come before `place`
  {
    Remembered& search = Remember(name, paging.offset == 0);
    auto at = search.places.upper_bound(paging.offset);
    if (at != search.places.begin()) {
      --at;
      position = at->first;
      place = at->second;
    }
  }
  size_t examined = 0;
  bool stopped = false;
  while (!place.end && !stopped) {
    tracking::Query query = filter.query;
    query.cursor = place.cursor;
    const uint64_t to_pass = paging.offset > position ? paging.offset - position : 0;
    query.limit = std::clamp<size_t>(
        static_cast<size_t>(std::min<uint64_t>(to_pass, kMaxStep)) + 2 * paging.limit, kMinStep,
        kMaxStep);
    CO_TRY(tracking::Page page, co_await store_.Search(std::move(query)));
    if (!page.coverage.complete && found.complete) {
      found.complete = false;
      found.why = page.coverage.why;
    }
    std::optional<std::pair<Time, mail::Mid>> last = place.after;
    for (mail::MessageRecord& record : page.records) {
      ++examined;
      const std::pair<Time, mail::Mid> here(record.received, record.mid);
      if ((place.after && here >= *place.after) || !filter.Fits(record)) continue;
      if (position < paging.offset) {
        ++position;
        last = here;
        continue;
      }
      if (found.records.size() == paging.limit) {
        stopped = true;
        break;
      }
      ++position;
      last = here;
      found.records.push_back(std::move(record));
    }
    if (stopped) {
      place.after = last;
    } else {
      // What new mail pushed onto the next page is still behind `last`.
      place = {page.next_cursor, last, page.next_cursor.empty()};
      if (found.records.size() == paging.limit) stopped = true;
    }
    if (!stopped && !place.end && examined >= limits_.max_examined) {
      found.complete = false;
      found.why = "looked at " + std::to_string(examined) +
                  " messages, the most that one request may; narrow the dates or the conditions, "
                  "or ask for the following offsets";
      break;
    }
  }
  // `position` is now the offset that follows what was handed out or passed over.
  Remembered& search = Remember(name, false);
  search.places[position] = place;
  co_return found;
}

}  // namespace mailreeve::gateway::rest
