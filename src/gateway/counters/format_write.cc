#include "base/wire.h"
#include "gateway/counters/cursor.h"
#include "gateway/counters/format.h"

#include <xxhash.h>

#include <algorithm>

namespace mailreeve::gateway::counters {
namespace {

void PutFixed(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// The metrics of the shapes that a frame uses, numbered anew from 0.
class ShapeList {
 public:
  explicit ShapeList(const Shapes& shapes) : shapes_(shapes), number_(shapes.size(), UINT32_MAX) {}
  uint32_t Of(uint32_t shape) {
    if (number_[shape] == UINT32_MAX) {
      number_[shape] = static_cast<uint32_t>(used_.size());
      used_.push_back(shape);
    }
    return number_[shape];
  }
  void Put(std::string& out) const {
    PutNumber(out, used_.size());
    for (const uint32_t shape : used_) {
      const std::vector<Metric>& metrics = shapes_.At(shape);
      PutNumber(out, metrics.size());
      Metric before = 0;
      for (const Metric metric : metrics) {
        PutNumber(out, static_cast<uint64_t>(metric - before));
        before = metric;
      }
    }
  }

 private:
  const Shapes& shapes_;
  std::vector<uint32_t> number_;
  std::vector<uint32_t> used_;
};

// Sorted keys: how much each shares with the one before, and the rest of it.
void PutKeys(std::string& out, const std::vector<std::string_view>& keys) {
  std::string shared, length, text;
  std::string_view before;
  for (const std::string_view key : keys) {
    const auto differ = std::mismatch(key.begin(), key.end(), before.begin(), before.end());
    const size_t same = static_cast<size_t>(differ.first - key.begin());
    PutNumber(shared, same);
    PutNumber(length, key.size() - same);
    text += key.substr(same);
    before = key;
  }
  PutNumber(out, text.size());
  out += shared + length + text;
}

// A run is closed when it has this many rows: about what an answer reads at an edge of its span.
constexpr size_t kRunRows = 4096;

}  // namespace

Frame FrameWriter::Put(const std::string& raw) {
  // Read by programs of the same kind only, so the level is chosen for size: a table is written
  // once.
  constexpr int kLevel = 7;
  std::string stored(ZSTD_compressBound(raw.size()), '\0');
  const size_t size = ZSTD_compress(stored.data(), stored.size(), raw.data(), raw.size(), kLevel);
  stored.resize(ZSTD_isError(size) ? 0 : size);
  Frame out{frames_.size(), static_cast<uint32_t>(stored.size()), static_cast<uint32_t>(raw.size()),
            XXH3_64bits(stored.data(), stored.size())};
  frames_ += stored;
  return out;
}

void FrameWriter::Dimension(size_t dimension, const Group<uint64_t>& total,
                            const std::vector<uint32_t>& rows, Bounds bounds,
                            const std::vector<HourBlock>& hours) {
  if (hours.empty()) return;
  directory_.from = any_ ? std::min(directory_.from, hours.front().hour) : hours.front().hour;
  directory_.until =
      any_ ? std::max(directory_.until, hours.back().hour + 1) : hours.back().hour + 1;
  any_ = true;
  DimensionFrames& out = directory_.dimensions[dimension];

  const auto put_values = [this](std::string& to, const Group<uint64_t>& group, uint32_t row) {
    const size_t count = shapes_.At(group.At(row).shape).size();
    for (size_t i = 0; i < count; ++i) PutNumber(to, group.ValuesOf(row)[i]);
  };
  if (dimension != 0) {
    ShapeList used(shapes_);
    std::string shape_column, values;
    std::vector<std::string_view> keys;
    std::string head;
    PutNumber(head, used.Of(total.At(0).shape));
    put_values(values, total, 0);
    for (const uint32_t row : rows) {
      PutNumber(shape_column, used.Of(total.At(row).shape));
      put_values(values, total, row);
      keys.push_back(total.KeyOf(row));
    }
    std::string raw;
    PutNumber(raw, bounds.present);
    PutNumber(raw, bounds.absent);
    used.Put(raw);
    PutNumber(raw, rows.size());
    raw += head + shape_column;
    PutKeys(raw, keys);
    raw += values;
    out.total = Put(raw);
  }
  {
    ShapeList used(shapes_);
    std::string body;
    int64_t before = 0;
    for (const HourBlock& hour : hours) {
      PutNumber(body, static_cast<uint64_t>((hour.hour - before) << 1) ^
                          static_cast<uint64_t>((hour.hour - before) >> 63));
      before = hour.hour;
      PutNumber(body, hour.bounds.present);
      PutNumber(body, hour.bounds.absent);
      PutNumber(body, used.Of(hour.group.At(0).shape));
      put_values(body, hour.group, 0);
    }
    std::string raw;
    used.Put(raw);
    PutNumber(raw, hours.size());
    out.hours = Put(raw + body);
  }
  if (dimension == 0) return;

  std::vector<std::string_view> total_keys;
  for (const uint32_t row : rows) total_keys.push_back(total.KeyOf(row));
  for (size_t begin = 0; begin < hours.size();) {
    size_t end = begin, count = 0;
    std::vector<std::string_view> own;
    const auto in_total = [&](std::string_view key) {
      return std::lower_bound(total_keys.begin(), total_keys.end(), key);
    };
    while (end < hours.size() && (end == begin || count + hours[end].rows.size() <= kRunRows)) {
      for (const uint32_t row : hours[end].rows) {
        const std::string_view key = hours[end].group.KeyOf(row);
        const auto at = in_total(key);
        if (at == total_keys.end() || *at != key) own.push_back(key);
      }
      count += hours[end].rows.size();
      ++end;
    }
    if (count == 0) {
      begin = end;
      continue;
    }
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    ShapeList used(shapes_);
    std::string heads, indexes, shape_column, values;
    for (size_t i = begin; i < end; ++i) {
      const HourBlock& hour = hours[i];
      PutNumber(heads, static_cast<uint64_t>(hour.hour -
                                             (i == begin ? hours[begin].hour : hours[i - 1].hour)));
      PutNumber(heads, hour.rows.size());
      std::vector<std::pair<uint64_t, uint32_t>> order;
      for (const uint32_t row : hour.rows) {
        const std::string_view key = hour.group.KeyOf(row);
        const auto at = in_total(key);
        order.emplace_back(
            at != total_keys.end() && *at == key
                ? static_cast<uint64_t>(at - total_keys.begin())
                : total_keys.size() +
                      static_cast<uint64_t>(std::lower_bound(own.begin(), own.end(), key) -
                                            own.begin()),
            row);
      }
      std::sort(order.begin(), order.end());
      uint64_t before = 0;
      for (const auto& [index, row] : order) {
        PutNumber(indexes, index - before);
        before = index;
        PutNumber(shape_column, used.Of(hour.group.At(row).shape));
        put_values(values, hour.group, row);
      }
    }
    std::string raw;
    PutNumber(raw, static_cast<uint64_t>(hours[begin].hour << 1) ^
                       static_cast<uint64_t>(hours[begin].hour >> 63));
    used.Put(raw);
    PutNumber(raw, own.size());
    PutKeys(raw, own);
    PutNumber(raw, end - begin);
    out.runs.push_back({hours[begin].hour, hours[end - 1].hour,
                        Put(raw + heads + indexes + shape_column + values)});
    begin = end;
  }
}

std::string FrameWriter::Finish() {
  WireWriter wire;
  wire.Signed(directory_.from);
  wire.Number(static_cast<uint64_t>(directory_.until - directory_.from));
  // Frames lie in the order in which they are told here: their offsets follow from their sizes.
  const auto frame = [&wire](const Frame& f) {
    wire.Number(f.size);
    wire.Number(f.raw_size);
    wire.Number(f.checksum);
  };
  for (const DimensionFrames& d : directory_.dimensions) {
    frame(d.total);
    frame(d.hours);
    wire.Number(d.runs.size());
    int64_t before = directory_.from;
    for (const Run& run : d.runs) {
      wire.Number(static_cast<uint64_t>(run.first - before));
      wire.Number(static_cast<uint64_t>(run.last - run.first));
      before = run.last;
      frame(run.frame);
    }
  }
  const std::string& raw = wire.bytes();
  std::string stored(ZSTD_compressBound(raw.size()), '\0');
  const size_t size = ZSTD_compress(stored.data(), stored.size(), raw.data(), raw.size(), 3);
  stored.resize(ZSTD_isError(size) ? 0 : size);
  std::string out(kMagic);
  PutFixed(out, stored.size(), 4);
  PutFixed(out, raw.size(), 4);
  PutFixed(out, XXH3_64bits(stored.data(), stored.size()), 8);
  PutFixed(out, XXH3_64bits(out.data(), out.size()), 8);
  return out + stored + frames_;
}

}  // namespace mailreeve::gateway::counters
