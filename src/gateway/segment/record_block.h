#pragma once

#include "base/result.h"
#include "mail/message_record.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// A block of tracked message records as columns: one frame with all numbers, and one for each class
// of text, in which each different text of the block stands once. docs/tracking-format.md
// section 3.
//
// Pure functions; thread-safe. Errors: kCorrupt for anything that Encode did not make; records come
// out whole or not at all.
namespace mailreeve::gateway::segment {

enum class Frame : uint8_t {
  kStructure,  // numbers, and which text stands where
  kSubjects,
  kAddresses,  // envelope, header addresses and display names
  kNames,      // of attached files
  kUrls,       // and domains
  kIds,        // message ids
  kRest,
  kHashes,
};
inline constexpr size_t kFrames = 8;
using Frames = std::array<std::string, kFrames>;

// Text that the frames of a segment have in common; each may be empty. Prepared once, then safe
// from any thread.
class Dictionaries {
 public:
  Dictionaries();
  explicit Dictionaries(Frames texts, int level);
  Dictionaries(Dictionaries&&) noexcept;
  Dictionaries& operator=(Dictionaries&&) noexcept;
  ~Dictionaries();
  const Frames& texts() const;

  struct Prepared;
  const Prepared& prepared() const { return *prepared_; }

 private:
  std::unique_ptr<Prepared> prepared_;
};
// Learns them from columns of sample blocks; each at most `max_bytes`.
Frames Train(std::span<const Frames> samples, size_t max_bytes);

// The columns, not compressed.
Frames Transpose(std::span<const mail::MessageRecord> records);
// zstd frames. Hashes stay as they are.
Frames Compress(const Frames& columns, const Dictionaries& dictionaries, int level);
Result<std::string> Decompress(Frame frame, std::string_view bytes,
                               const Dictionaries& dictionaries, size_t max_bytes);

// The rows for which `wanted` is true, in order, of the first `rows` of the block.
Result<std::vector<mail::MessageRecord>> ReadRows(const Frames& columns, uint32_t rows,
                                                  const std::function<bool(uint32_t)>& wanted);
struct RowPlace {
  Time received;
  uint64_t mid = 0;
};
// Of all rows, from the structure column alone.
Result<std::vector<RowPlace>> ReadPlaces(std::string_view structure, uint32_t rows);
// The different texts of a class; they point into `column`.
Result<std::vector<std::string_view>> TextsOf(std::string_view column);

}  // namespace mailreeve::gateway::segment
