#include "gateway/counters/bounded.h"
#include "gateway/counters/reader_impl.h"
#include "gateway/counters/table_impl.h"

#include <algorithm>
#include <map>

namespace mailreeve::gateway::counters {
namespace {

// So many keys of the longest kind fit into a frame, and their values too.
constexpr size_t kMostKeys = 100'000;
static_assert(kMostKeys * kMaxKeyBytes <= kMaxFrameKeyBytes && kMostKeys <= kMaxFrameRows);
size_t KeysOfSpan(size_t max_keys, size_t hours) {
  return std::min(kMostKeys, max_keys * std::clamp<size_t>((hours + 23) / 24, 1, 8));
}
size_t KeysOfHour(size_t max_keys) { return std::clamp<size_t>(max_keys / 2, 1, kMostKeys); }
// Of an hour, of keys that are not among those of the span.
size_t OwnKeysOfHour(size_t max_keys) { return max_keys / 16; }

// Cuts an hour: rows that the span keeps too, and a few of its own that came more than once.
FrameWriter::HourBlock CutHour(int64_t hour, Shapes& shapes, const Bounded& rows, size_t max_keys,
                               const Group<uint64_t>& span, const std::vector<bool>& span_keeps) {
  FrameWriter::HourBlock out;
  out.hour = hour;
  const Group<uint64_t>& group = rows.group();
  const std::vector<uint32_t> best = rows.Cut(shapes, KeysOfHour(max_keys), out.bounds);
  out.group.AddValues(shapes, 0, group.At(0).shape, group.ValuesOf(0));
  std::vector<std::pair<uint64_t, uint32_t>> own;
  std::vector<uint32_t> kept;
  const auto drop = [&](uint32_t row) {
    out.bounds.absent =
        std::max(out.bounds.absent, Saturated(group.LargestOf(shapes, row), rows.MissedOf(row)));
  };
  for (const uint32_t row : best) {
    const uint32_t in_span = span.Find(group.At(row).hash);
    if (in_span != Group<uint64_t>::kNone && span_keeps[in_span]) {
      kept.push_back(row);
    } else if (const uint64_t largest = group.LargestOf(shapes, row); largest > 1) {
      own.emplace_back(largest, row);
    } else {
      drop(row);
    }
  }
  std::sort(own.begin(), own.end(), [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : group.KeyOf(a.second) < group.KeyOf(b.second);
  });
  for (size_t i = 0; i < own.size(); ++i) {
    if (i < OwnKeysOfHour(max_keys)) {
      kept.push_back(own[i].second);
    } else {
      drop(own[i].second);
    }
  }
  for (const uint32_t row : kept) {
    const uint32_t to = out.group.Insert(group.At(row).hash, group.KeyOf(row));
    out.group.AddValues(shapes, to, group.At(row).shape, group.ValuesOf(row));
    out.rows.push_back(to);
  }
  return out;
}

// One dimension: the span, and then its hours one after the other (`hours` is emptied on the way).
void WriteDimension(FrameWriter& writer, Shapes& shapes, size_t dimension, const Bounded& span,
                    std::map<int64_t, Bounded>& hours, size_t max_keys) {
  if (hours.empty()) return;
  Bounds bounds;
  const std::vector<uint32_t> kept = span.Cut(shapes, KeysOfSpan(max_keys, hours.size()), bounds);
  std::vector<bool> keeps(span.group().rows() + 1, false);
  for (const uint32_t row : kept) keeps[row] = true;
  std::vector<FrameWriter::HourBlock> blocks;
  blocks.reserve(hours.size());
  for (auto& [hour, rows] : hours) {
    blocks.push_back(CutHour(hour, shapes, rows, max_keys, span.group(), keeps));
    rows = Bounded();
  }
  writer.Dimension(dimension, span.group(), kept, bounds, blocks);
}

template <class V>
void AddGroup(Shapes& shapes, const Group<V>& from, Bounded& to) {
  const Bounds bounds{from.missed(), from.missed()};
  to.Block(bounds);
  to.AddTotals(shapes, from.At(0).shape, from.ValuesOf(0));
  for (uint32_t row = 1; row <= from.rows(); ++row)
    to.Add(shapes, from.KeyOf(row), from.At(row).shape, from.ValuesOf(row), bounds);
}

}  // namespace

std::string Table::Encode(size_t max_keys) const {
  Shapes shapes = impl_->shapes;
  FrameWriter writer(shapes);
  for (size_t dimension = 0; dimension < kDimensions; ++dimension) {
    Bounded span;
    std::map<int64_t, Bounded> hours;
    for (const auto& [hour, counts] : impl_->hours) {
      if (dimension == 0) {
        AddGroup(shapes, counts.all, hours[hour]);
      } else if (const auto& group = counts.by[dimension]) {
        AddGroup(shapes, *group, span);
        AddGroup(shapes, *group, hours[hour]);
      }
    }
    WriteDimension(writer, shapes, dimension, span, hours, max_keys);
  }
  return writer.Finish();
}

Result<std::string> MergeTables(const std::vector<const Reader*>& tables, size_t max_keys) {
  Shapes shapes;
  Decompressor decompress;
  FrameWriter writer(shapes);
  for (size_t dimension = 0; dimension < kDimensions; ++dimension) {
    Bounded span;
    std::map<int64_t, Bounded> hours;
    for (const Reader* table : tables) {
      const Reader::Impl& reader = table->impl();
      const DimensionFrames& frames = reader.directory.dimensions[dimension];
      if (frames.hours.size == 0) continue;
      TRY(const std::string hours_raw, reader.Load(frames.hours, decompress));
      TRY(const std::vector<HourTotals> totals, DecodeHours(hours_raw, shapes));
      std::map<int64_t, Bounds> bounds;
      for (const HourTotals& hour : totals) {
        bounds[hour.hour] = hour.bounds;
        Bounded& to = hours[hour.hour];
        to.Block(hour.bounds);
        to.AddTotals(shapes, hour.shape, hour.values.data());
      }
      if (dimension == 0) continue;
      TRY(const std::string total_raw, reader.Load(frames.total, decompress));
      TRY(const TotalBlock total, DecodeTotal(total_raw, shapes));
      span.Block(total.bounds);
      span.AddTotals(shapes, total.totals_shape, total.totals.data());
      for (const TotalBlock::Row& row : total.rows) {
        span.Add(shapes, total.KeyOf(row), row.shape, total.values.data() + row.values_at,
                 total.bounds);
      }
      for (const Run& run : frames.runs) {
        TRY(const std::string raw, reader.Load(run.frame, decompress));
        TRY(const RunBlock block, DecodeRun(raw, total.rows.size(), shapes));
        for (const RunBlock::Row& row : block.rows) {
          const auto known = bounds.find(row.hour);
          if (known == bounds.end())
            return Fail(Code::kCorrupt, "report counters: rows of an hour that is not there");
          hours[row.hour].Add(shapes, block.KeyOf(row, total), row.shape,
                              block.values.data() + row.values_at, known->second);
        }
      }
    }
    WriteDimension(writer, shapes, dimension, span, hours, max_keys);
  }
  return writer.Finish();
}

}  // namespace mailreeve::gateway::counters
