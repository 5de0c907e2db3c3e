#pragma once

#include "base/result.h"
#include "gateway/counters/group.h"

#include <zstd.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The encoded form of a table (docs/tracking-format.md, report counters):
//
//   header     magic, sizes and checksum of the directory
//   directory  zstd: span of the table; of each dimension where its frames are
//   frames     zstd each, with an XXH3 checksum in the directory. Of each dimension:
//     total    all rows over the whole span, with their keys in order (not of kAll)
//     hours    the totals of each hour, and what its rows may lack
//     run …    rows of some hours, by number of the row in `total` or of a key of the run's own
//
// A question over the whole span reads one total; runs are read at edges and for series of rows.
namespace mailreeve::gateway::counters {

inline constexpr std::string_view kMagic = "MRCOUNT\x01";
inline constexpr size_t kHeaderBytes = 32;
inline constexpr size_t kMaxDirectoryBytes = 16 << 20;
inline constexpr size_t kMaxFrameBytes = 64 << 20;     // decompressed
inline constexpr size_t kMaxFrameKeyBytes = 64 << 20;  // keys of a frame, unfolded
inline constexpr size_t kMaxFrameRows = 1 << 20;
inline constexpr size_t kMaxFrameShapes = 4096;

// What rows of a block may lack: one that is there, and one that is not.
struct Bounds {
  uint64_t present = 0, absent = 0;
};

struct Frame {
  uint64_t offset = 0;
  uint32_t size = 0, raw_size = 0;
  uint64_t checksum = 0;
};
struct Run {
  int64_t first = 0, last = 0;  // hours
  Frame frame;
};
struct DimensionFrames {
  Frame total, hours;  // size 0: nothing was counted
  std::vector<Run> runs;
};
struct Directory {
  int64_t from = 0, until = 0;  // hours; equal: an empty table
  std::array<DimensionFrames, kDimensions> dimensions;
};

// ---- Decoded blocks. Shapes are numbers of the Shapes they were decoded with.

struct HourTotals {
  int64_t hour = 0;
  Bounds bounds;
  uint32_t shape = 0;
  std::vector<uint64_t> values;
};
struct TotalBlock {
  Bounds bounds;
  uint32_t totals_shape = 0;
  std::vector<uint64_t> totals;
  std::string arena;
  struct Row {
    uint32_t key_at = 0, key_size = 0, shape = 0, values_at = 0;
  };
  std::vector<Row> rows;
  std::vector<uint64_t> values;
  std::string_view KeyOf(const Row& row) const {
    return std::string_view(arena).substr(row.key_at, row.key_size);
  }
};
struct RunBlock {
  std::string arena;
  std::vector<std::pair<uint32_t, uint32_t>> own_keys;  // offset and size in `arena`
  struct Row {
    int64_t hour = 0;
    uint32_t key = 0, shape = 0, values_at = 0;  // key: in the total, and then of own_keys
  };
  std::vector<Row> rows;
  std::vector<uint64_t> values;
  std::string_view KeyOf(const Row& row, const TotalBlock& total) const {
    if (row.key < total.rows.size()) return total.KeyOf(total.rows[row.key]);
    const auto [at, size] = own_keys[row.key - total.rows.size()];
    return std::string_view(arena).substr(at, size);
  }
};

// Takes hours of one dimension in order and makes frames of them.
class FrameWriter {
 public:
  explicit FrameWriter(const Shapes& shapes) : shapes_(shapes) {}

  struct HourBlock {
    int64_t hour = 0;
    Bounds bounds;
    Group<uint64_t> group;       // row 0: totals
    std::vector<uint32_t> rows;  // that are kept
  };
  // `rows` of `total` in order of their keys; hours in order.
  void Dimension(size_t dimension, const Group<uint64_t>& total, const std::vector<uint32_t>& rows,
                 Bounds bounds, const std::vector<HourBlock>& hours);
  std::string Finish();

 private:
  Frame Put(const std::string& raw);
  const Shapes& shapes_;
  Directory directory_;
  bool any_ = false;
  std::string frames_;
};

Result<Directory> DecodeDirectory(std::string_view header, uint64_t table_size,
                                  const std::function<Result<std::string>(uint64_t, size_t)>& read);

// One after the other; keeps zstd's room.
class Decompressor {
 public:
  Decompressor();
  Result<std::string> operator()(std::string_view stored, size_t raw_size);

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
};

// kCorrupt when anything is out of place.
Result<TotalBlock> DecodeTotal(std::string_view raw, Shapes& shapes);
Result<std::vector<HourTotals>> DecodeHours(std::string_view raw, Shapes& shapes);
Result<RunBlock> DecodeRun(std::string_view raw, size_t total_rows, Shapes& shapes);

}  // namespace mailreeve::gateway::counters
