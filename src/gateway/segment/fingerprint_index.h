#pragma once

#include "base/result.h"
#include "gateway/segment/bits.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The sorted array of fingerprints of a segment, each with the rows that show it. Keys lie in pages
// of Rice-coded differences; rows of a rare key beside it, those of a frequent one in a list of
// their own that can be read from its end. docs/tracking-format.md section 4.
//
// Threads: a builder and a scanner belong to one; a FingerprintIndex is safe from any, as its Read
// is. Errors: kCorrupt names the part and its offset in the section; those of Read.
namespace mailreeve::gateway::segment {

// The high `bits` of a fingerprint are kept as key.
inline uint64_t KeyOf(uint64_t fingerprint, unsigned bits) { return fingerprint >> (64 - bits); }

class FingerprintIndexBuilder {
 public:
  // `sink` takes the section's bytes in order. Rows are below `rows`.
  using Sink = std::function<Result<void>(std::string_view bytes)>;
  FingerprintIndexBuilder(unsigned key_bits, uint32_t rows, Sink sink);

  // Keys in ascending order; rows ascending and unique, at least one.
  Result<void> Add(uint64_t key, std::span<const uint32_t> rows);
  // Gives the directory of pages; the caller keeps it in a section of its own.
  Result<std::string> Finish();
  uint64_t keys() const { return keys_; }
  uint64_t postings() const { return postings_; }

 private:
  struct Entry {
    uint64_t key;
    uint32_t count;
    uint32_t first;        // row of a single, or index into page_rows_
    uint64_t list_offset;  // of a long list
    uint32_t list_size;
  };
  Result<void> Put(std::string_view bytes);
  Result<void> PutList(std::span<const uint32_t> rows, Entry& entry);
  Result<void> FlushPage();

  const unsigned key_bits_;
  const unsigned row_bits_;
  const Sink sink_;
  std::vector<Entry> page_;
  std::vector<uint32_t> page_rows_;
  struct PagePlace {
    uint64_t first_key;
    uint64_t offset;
    uint32_t size;
  };
  std::vector<PagePlace> directory_;
  uint64_t offset_ = 0, keys_ = 0, postings_ = 0;
};

// Where the rows of one key are.
struct Postings {
  uint64_t key = 0;
  uint32_t count = 0;
  std::vector<uint32_t> rows;  // all, ascending, when the list is short
  uint64_t list_offset = 0;    // else of the list
  uint32_t list_size = 0;
};

class FingerprintIndex {
 public:
  // Exactly `size` bytes at an offset of the section.
  using Read = std::function<Result<std::string>(uint64_t offset, size_t size)>;
  static Result<FingerprintIndex> Open(std::string_view directory, uint32_t rows,
                                       uint64_t section_size, Read read);

  unsigned key_bits() const { return key_bits_; }
  Result<std::optional<Postings>> Find(uint64_t key) const;
  // The highest `max` rows below `below`, descending.
  Result<std::vector<uint32_t>> RowsBelow(const Postings& postings, uint32_t below,
                                          size_t max) const;
  Result<std::vector<uint32_t>> AllRows(const Postings& postings) const;  // ascending

  size_t pages() const { return first_keys_.size(); }
  uint64_t page_offset(size_t page) const { return places_[page].offset; }
  // All keys of a page, in order.
  Result<std::vector<Postings>> Page(size_t page) const;
  size_t memory_bytes() const { return first_keys_.size() * 24; }

 private:
  // Calls `take` for each key until it gives false.
  template <class Take>
  Result<void> Walk(size_t page, uint64_t until, Take take) const;

  unsigned key_bits_ = 64;
  unsigned row_bits_ = 32;
  uint32_t rows_ = 0;
  uint64_t section_size_ = 0;
  Read read_;
  std::vector<uint64_t> first_keys_;
  struct Place {
    uint64_t offset;
    uint32_t size;
  };
  std::vector<Place> places_;
};

}  // namespace mailreeve::gateway::segment
