#pragma once

#include "response/feed_import/library.h"
#include "response/intel/store.h"

namespace mailreeve::response::api {

// The global intelligence store as importers of feeds see it. Threads: the store's callers'.
// Ownership: borrows the store.
class FeedLibrary final : public feed_import::Library {
 public:
  explicit FeedLibrary(intel::Store& store) : store_(store) {}
  io::Task<Result<void>> Put(std::string set, int64_t generation,
                             std::vector<json::object> documents) override;
  io::Task<Result<uint64_t>> RemoveOlder(std::string set, int64_t generation) override;
  io::Task<Result<uint64_t>> Remove(std::string set, std::vector<ctim::ShortId> ids) override;

 private:
  intel::Store& store_;
};

}  // namespace mailreeve::response::api
