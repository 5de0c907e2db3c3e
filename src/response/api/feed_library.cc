#include "response/api/feed_library.h"

#include "response/intel/import.h"

namespace mailreeve::response::api {

io::Task<Result<void>> FeedLibrary::Put(std::string set, int64_t generation,
                                        std::vector<json::object> documents) {
  CO_TRY(const intel::ImportCounts counts, co_await store_.Write([&](intel::Tables& tables) {
    return intel::Import(tables, set, generation, documents);
  }));
  (void)counts;
  co_return Result<void>();
}

io::Task<Result<uint64_t>> FeedLibrary::RemoveOlder(std::string set, int64_t generation) {
  // Some at a time, so that other writers get their turn.
  constexpr int64_t kAtOnce = 500;
  uint64_t removed = 0;
  while (true) {
    CO_TRY(const int64_t some, co_await store_.Write([&](intel::Tables& tables) {
      return intel::RemoveOlder(tables, set, generation, kAtOnce);
    }));
    removed += static_cast<uint64_t>(some);
    if (some < kAtOnce) co_return removed;
  }
}

io::Task<Result<uint64_t>> FeedLibrary::Remove(std::string set, std::vector<ctim::ShortId> ids) {
  std::vector<std::string> texts;
  for (const ctim::ShortId& id : ids) texts.push_back(id.text());
  CO_TRY(const int64_t removed, co_await store_.Write([&](intel::Tables& tables) {
    return intel::RemoveIds(tables, set, texts);
  }));
  co_return static_cast<uint64_t>(removed);
}

}  // namespace mailreeve::response::api
