#pragma once

#include "ctim/ids.h"
#include "io/asio.h"
#include "json/json.h"

#include <cstdint>
#include <string>
#include <vector>

// Where documents of feeds go: the global store, which nobody else writes.
//
// Threads: one executor. Ownership: outlives its calls. Errors: of the store.
namespace mailreeve::response::feed_import {

class Library {
 public:
  virtual ~Library() = default;
  // Each document takes the place of the one of its id, of which `created` stays, and is of
  // `generation` from now on. `set` is a feed, or a part of one that comes and goes as a whole.
  virtual io::Task<Result<void>> Put(std::string set, int64_t generation,
                                     std::vector<json::object> documents) = 0;
  // Removes what is of an earlier generation; how many.
  virtual io::Task<Result<uint64_t>> RemoveOlder(std::string set, int64_t generation) = 0;
  // Those that are not there are passed over; how many there were.
  virtual io::Task<Result<uint64_t>> Remove(std::string set, std::vector<ctim::ShortId> ids) = 0;
};

}  // namespace mailreeve::response::feed_import
