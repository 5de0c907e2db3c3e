#include "base/wire.h"
#include "gateway/counters/cursor.h"
#include "gateway/counters/format.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace mailreeve::gateway::counters {
namespace {

uint64_t GetFixed(std::string_view from, size_t at, size_t bytes) {
  uint64_t out = 0;
  for (size_t i = 0; i < bytes; ++i)
    out |= uint64_t{static_cast<unsigned char>(from[at + i])} << (8 * i);
  return out;
}

Result<Frame> GetFrame(WireReader& in, uint64_t& offset, uint64_t table_size) {
  Frame frame;
  frame.offset = offset;
  const uint64_t size = in.Number(), raw = in.Number();
  frame.checksum = in.Number();
  if (!in.ok() || size > kMaxFrameBytes || raw > kMaxFrameBytes || size > table_size - offset)
    return Fail(Code::kCorrupt, "report counters: a block lies outside the table");
  frame.size = static_cast<uint32_t>(size);
  frame.raw_size = static_cast<uint32_t>(raw);
  offset += size;
  return frame;
}

bool GetShapes(Cursor& in, Shapes& shapes, std::vector<uint32_t>& out) {
  const uint64_t count = in.Number();
  if (!in.Fits(count) || count > kMaxFrameShapes) return false;
  for (uint64_t i = 0; i < count; ++i) {
    Shapes::Mask mask{};
    const uint64_t metrics = in.Number();
    if (metrics > kMetrics) return false;
    uint64_t metric = 0;
    for (uint64_t j = 0; j < metrics; ++j) {
      const uint64_t step = in.Number();
      if (step >= kMetrics || (j > 0 && step == 0)) return false;
      metric += step;
      if (metric >= kMetrics) return false;
      mask[metric / 64] |= uint64_t{1} << (metric % 64);
    }
    out.push_back(shapes.Of(mask));
  }
  return in.ok();
}

bool GetValues(Cursor& in, size_t count, std::vector<uint64_t>& out) {
  for (size_t i = 0; i < count; ++i) out.push_back(in.Number());
  return in.ok();
}

// Calls `each(offset, size)` for every key, unfolded into `arena`.
template <class Each>
bool GetKeys(Cursor& in, size_t count, std::string& arena, const Each& each) {
  const uint64_t text_size = in.Number();
  if (!in.Fits(text_size)) return false;
  std::vector<uint32_t> shared(count);
  for (uint32_t& value : shared)
    value = static_cast<uint32_t>(std::min<uint64_t>(in.Number(), UINT32_MAX));
  std::vector<uint32_t> length(count);
  for (uint32_t& value : length)
    value = static_cast<uint32_t>(std::min<uint64_t>(in.Number(), UINT32_MAX));
  const std::string_view text = in.Bytes(text_size);
  if (!in.ok()) return false;
  size_t before_at = 0, before_size = 0, used = 0;
  for (size_t i = 0; i < count; ++i) {
    if (shared[i] > before_size || length[i] > text.size() - used ||
        arena.size() + shared[i] + length[i] > kMaxFrameKeyBytes) {
      return false;
    }
    const size_t at = arena.size();
    arena.append(arena, before_at, shared[i]);
    arena += text.substr(used, length[i]);
    used += length[i];
    const size_t size = arena.size() - at;
    const std::string_view all = arena;
    if (i > 0 && all.substr(before_at, before_size) >= all.substr(at, size)) return false;
    each(static_cast<uint32_t>(at), static_cast<uint32_t>(size));
    before_at = at;
    before_size = size;
  }
  return used == text.size();
}

tl::unexpected<Error> Corrupt(std::string_view block) {
  return Fail(Code::kCorrupt, "report counters: the " + std::string(block) + " is damaged");
}

}  // namespace

Result<Directory> DecodeDirectory(
    std::string_view header, uint64_t table_size,
    const std::function<Result<std::string>(uint64_t, size_t)>& read) {
  if (header.size() != kHeaderBytes || header.substr(0, kMagic.size()) != kMagic ||
      GetFixed(header, 24, 8) != XXH3_64bits(header.data(), 24)) {
    return Corrupt("header");
  }
  const uint64_t stored_size = GetFixed(header, 8, 4), raw_size = GetFixed(header, 12, 4);
  if (stored_size > table_size - kHeaderBytes || raw_size > kMaxDirectoryBytes)
    return Corrupt("header");
  TRY(const std::string stored, read(kHeaderBytes, static_cast<size_t>(stored_size)));
  if (stored.size() != stored_size ||
      GetFixed(header, 16, 8) != XXH3_64bits(stored.data(), stored.size())) {
    return Corrupt("directory");
  }
  Decompressor decompress;
  TRY(const std::string raw, decompress(stored, static_cast<size_t>(raw_size)));
  WireReader in(raw);
  Directory out;
  out.from = in.Signed();
  const uint64_t span = in.Number();
  // 292,000 years each way: all that a Time can be.
  constexpr int64_t kFar = int64_t{1} << 32;
  if (!in.ok() || out.from < -kFar || out.from > kFar || span > uint64_t{kFar})
    return Corrupt("directory");
  out.until = out.from + static_cast<int64_t>(span);
  uint64_t offset = kHeaderBytes + stored_size;
  for (DimensionFrames& d : out.dimensions) {
    // A table of an older program knows fewer dimensions.
    if (in.at_end()) break;
    TRY(d.total, GetFrame(in, offset, table_size));
    TRY(d.hours, GetFrame(in, offset, table_size));
    const size_t runs = in.Count();
    int64_t before = out.from;
    for (size_t i = 0; i < runs; ++i) {
      Run run;
      const uint64_t step = in.Number(), length = in.Number();
      if (!in.ok() || step > uint64_t{kFar} || length > uint64_t{kFar}) return Corrupt("directory");
      run.first = before + static_cast<int64_t>(step);
      run.last = run.first + static_cast<int64_t>(length);
      if (run.last >= out.until) return Corrupt("directory");
      before = run.last;
      TRY(run.frame, GetFrame(in, offset, table_size));
      d.runs.push_back(run);
    }
  }
  TRY_VOID(in.Finish("report counters: the directory"));
  return out;
}

Decompressor::Decompressor() : context_(ZSTD_createDCtx()) {}

Result<std::string> Decompressor::operator()(std::string_view stored, size_t raw_size) {
  if (!context_) return Fail(Code::kLimited, "report counters: no memory to read them");
  std::string out;
  // What is promised is not believed for more than a small block.
  constexpr size_t kStep = 1 << 20;
  ZSTD_inBuffer in{stored.data(), stored.size(), 0};
  ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
  if (raw_size <= kStep) {
    out.resize(raw_size);
    const size_t got =
        ZSTD_decompressDCtx(context_.get(), out.data(), out.size(), stored.data(), stored.size());
    if (ZSTD_isError(got) || got != raw_size) return Corrupt("block");
    return out;
  }
  while (out.size() < raw_size) {
    const size_t at = out.size();
    out.resize(std::min(raw_size, at + kStep));
    ZSTD_outBuffer to{out.data() + at, out.size() - at, 0};
    const size_t left = ZSTD_decompressStream(context_.get(), &to, &in);
    if (ZSTD_isError(left) || (to.pos == 0 && in.pos == in.size)) return Corrupt("block");
    out.resize(at + to.pos);
    if (left == 0) break;
  }
  if (out.size() != raw_size) return Corrupt("block");
  return out;
}

Result<TotalBlock> DecodeTotal(std::string_view raw, Shapes& shapes) {
  constexpr std::string_view kWhat = "total of a dimension";
  Cursor in(raw);
  TotalBlock out;
  out.bounds.present = in.Number();
  out.bounds.absent = in.Number();
  std::vector<uint32_t> used;
  if (!GetShapes(in, shapes, used)) return Corrupt(kWhat);
  const uint64_t count = in.Number();
  if (!in.Fits(count) || count > kMaxFrameRows) return Corrupt(kWhat);
  const auto shape = [&](uint32_t& to) {
    const uint64_t number = in.Number();
    if (number >= used.size()) return false;
    to = used[number];
    return true;
  };
  if (!shape(out.totals_shape)) return Corrupt(kWhat);
  out.rows.resize(count);
  for (TotalBlock::Row& row : out.rows) {
    if (!shape(row.shape)) return Corrupt(kWhat);
  }
  size_t at = 0;
  if (!GetKeys(in, count, out.arena, [&](uint32_t offset, uint32_t size) {
        out.rows[at].key_at = offset;
        out.rows[at++].key_size = size;
      })) {
    return Corrupt(kWhat);
  }
  if (!GetValues(in, shapes.At(out.totals_shape).size(), out.totals)) return Corrupt(kWhat);
  for (TotalBlock::Row& row : out.rows) {
    row.values_at = static_cast<uint32_t>(out.values.size());
    if (!GetValues(in, shapes.At(row.shape).size(), out.values)) return Corrupt(kWhat);
  }
  if (!in.at_end()) return Corrupt(kWhat);
  return out;
}

Result<std::vector<HourTotals>> DecodeHours(std::string_view raw, Shapes& shapes) {
  constexpr std::string_view kWhat = "totals of the hours";
  Cursor in(raw);
  std::vector<uint32_t> used;
  if (!GetShapes(in, shapes, used)) return Corrupt(kWhat);
  const uint64_t count = in.Number();
  if (!in.Fits(count) || count > kMaxFrameRows) return Corrupt(kWhat);
  std::vector<HourTotals> out;
  int64_t hour = 0;
  for (uint64_t i = 0; i < count; ++i) {
    HourTotals one;
    const int64_t step = in.Signed();
    if (step < -(int64_t{1} << 33) || step > (int64_t{1} << 33) || (i > 0 && step <= 0))
      return Corrupt(kWhat);
    hour += step;
    if (hour > (int64_t{1} << 33)) return Corrupt(kWhat);
    one.hour = hour;
    one.bounds.present = in.Number();
    one.bounds.absent = in.Number();
    const uint64_t number = in.Number();
    if (number >= used.size()) return Corrupt(kWhat);
    one.shape = used[number];
    if (!GetValues(in, shapes.At(one.shape).size(), one.values)) return Corrupt(kWhat);
    out.push_back(std::move(one));
  }
  if (!in.at_end()) return Corrupt(kWhat);
  return out;
}

Result<RunBlock> DecodeRun(std::string_view raw, size_t total_rows, Shapes& shapes) {
  constexpr std::string_view kWhat = "rows of the hours";
  Cursor in(raw);
  RunBlock out;
  int64_t hour = in.Signed();
  if (hour < -(int64_t{1} << 33) || hour > (int64_t{1} << 33)) return Corrupt(kWhat);
  std::vector<uint32_t> used;
  if (!GetShapes(in, shapes, used)) return Corrupt(kWhat);
  const uint64_t own = in.Number();
  if (!in.Fits(own) || own > kMaxFrameRows) return Corrupt(kWhat);
  if (!GetKeys(in, own, out.arena,
               [&](uint32_t at, uint32_t size) { out.own_keys.emplace_back(at, size); })) {
    return Corrupt(kWhat);
  }
  const uint64_t hours = in.Number();
  if (!in.Fits(hours)) return Corrupt(kWhat);
  std::vector<size_t> ends;
  for (uint64_t i = 0; i < hours; ++i) {
    const uint64_t step = in.Number(), count = in.Number();
    if (step > (uint64_t{1} << 33) || (i > 0 && step == 0) || !in.Fits(count) ||
        out.rows.size() + count > kMaxFrameRows) {
      return Corrupt(kWhat);
    }
    hour += static_cast<int64_t>(step);
    if (hour > (int64_t{1} << 34)) return Corrupt(kWhat);
    RunBlock::Row row;
    row.hour = hour;
    out.rows.insert(out.rows.end(), static_cast<size_t>(count), row);
    ends.push_back(out.rows.size());
  }
  size_t at = 0;
  for (const size_t end : ends) {
    uint64_t key = 0;
    for (const size_t begin = at; at < end; ++at) {
      const uint64_t step = in.Number();
      if (step > kMaxFrameRows * 2 || (at > begin && step == 0)) return Corrupt(kWhat);
      key += step;
      if (key >= total_rows + out.own_keys.size()) return Corrupt(kWhat);
      out.rows[at].key = static_cast<uint32_t>(key);
    }
  }
  for (RunBlock::Row& row : out.rows) {
    const uint64_t number = in.Number();
    if (number >= used.size()) return Corrupt(kWhat);
    row.shape = used[number];
  }
  for (RunBlock::Row& row : out.rows) {
    row.values_at = static_cast<uint32_t>(out.values.size());
    if (!GetValues(in, shapes.At(row.shape).size(), out.values)) return Corrupt(kWhat);
  }
  if (!in.at_end()) return Corrupt(kWhat);
  return out;
}

}  // namespace mailreeve::gateway::counters
