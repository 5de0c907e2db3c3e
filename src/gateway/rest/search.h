#pragma once

#include "base/time.h"
#include "gateway/rest/filter.h"
#include "gateway/tracking/store.h"

#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

// Searches by offset over a store that pages by cursor. Where the pages of a search ended is
// remembered for a while, so that a client that asks for page after page reads each message once
// and sees each once, while new ones come in; a page 0 begins anew.
//
// Threads: one executor. Ownership: store and clock outlive it. Errors: those of the store.
namespace mailreeve::gateway::rest {

struct SearchLimits {
  size_t max_examined = 100000;  // messages one call looks at
  size_t max_searches = 256;     // that are remembered
  size_t max_places = 1000;      // of one search
  std::chrono::seconds memory{900};
};

struct Found {
  std::vector<mail::MessageRecord> records;
  // False: `why` tells what could not be looked at.
  bool complete = true;
  std::string why;
};

class Search {
 public:
  Search(tracking::Store& store, const Clock& clock, SearchLimits limits)
      : store_(store), clock_(clock), limits_(limits) {}

  // `name` stands for the filter: equal names, equal filters.
  io::Task<Result<Found>> Run(std::string name, Filter filter, Paging paging);

 private:
  struct Place {
    std::string cursor;  // of the store's page
    // The last record of it that was handed out: what follows in the store's order comes next. By
    // name and not by number, since new mail stands before it on the first page.
    std::optional<std::pair<Time, mail::Mid>> after;
    bool end = false;
  };
  struct Remembered {
    std::map<uint64_t, Place> places;  // by offset
    Time used;
    std::list<std::string>::iterator order;
  };
  Remembered& Remember(const std::string& name, bool anew);

  tracking::Store& store_;
  const Clock& clock_;
  const SearchLimits limits_;
  std::list<std::string> order_;  // longest unused first
  std::unordered_map<std::string, Remembered> searches_;
};

}  // namespace mailreeve::gateway::rest
