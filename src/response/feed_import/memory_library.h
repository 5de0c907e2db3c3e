#pragma once

#include "response/feed_import/library.h"

#include <map>
#include <string>

// A Library in memory, for tests. Threads: one.
namespace mailreeve::response::feed_import {

class MemoryLibrary final : public Library {
 public:
  struct Kept {
    std::string set;
    int64_t generation;
    json::object document;
  };

  io::Task<Result<void>> Put(std::string set, int64_t generation,
                             std::vector<json::object> documents) override {
    if (fail) co_return Fail(Code::kUnavailable, "the store is away");
    largest_batch = std::max(largest_batch, documents.size());
    for (auto& document : documents) {
      const std::string id(std::string_view(document.at("id").as_string()));
      kept[id] = {set, generation, std::move(document)};
    }
    co_return Result<void>{};
  }
  io::Task<Result<uint64_t>> RemoveOlder(std::string set, int64_t generation) override {
    co_return std::erase_if(kept, [&](const auto& each) {
      return each.second.set == set && each.second.generation < generation;
    });
  }
  io::Task<Result<uint64_t>> Remove(std::string, std::vector<ctim::ShortId> ids) override {
    uint64_t count = 0;
    for (const auto& id : ids) count += kept.erase(id.text());
    co_return count;
  }

  std::map<std::string, Kept> kept;
  size_t largest_batch = 0;
  bool fail = false;
};

}  // namespace mailreeve::response::feed_import
