#include "gateway/segment/record_block.h"

#include "base/bytes.h"
#include "base/wire.h"
#include "gateway/segment/record_walk.h"

#define ZDICT_STATIC_LINKING_ONLY
#define ZSTD_STATIC_LINKING_ONLY
#include <xxhash.h>
#include <zdict.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>

namespace mailreeve::gateway::segment {
namespace {

constexpr size_t kTextFrames = kFrames - 1;  // all but the structure

struct Context {
  ZSTD_CCtx* compress = ZSTD_createCCtx();
  ZSTD_DCtx* decompress = ZSTD_createDCtx();
  ~Context() {
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
  }
};

Context& ThreadContext() {
  static thread_local Context context;
  return context;
}

void PutNumber(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// A cursor over one stream of varints; past the end it gives 0 and marks the reading as bad.
struct Cursor {
  const unsigned char* at = nullptr;
  const unsigned char* end = nullptr;

  uint64_t Next(bool& ok) {
    if (at != end && *at < 0x80) return *at++;
    uint64_t value = 0;
    for (unsigned shift = 0; at != end && shift < 64; shift += 7) {
      const unsigned char byte = *at++;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ok = false;
    return 0;
  }
};

uint64_t ZigZag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}
int64_t UnZigZag(uint64_t value) { return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1)); }

// "ab01…" of 16, 20 or 32 bytes is kept as bytes after their number; other text after a 0.
std::string PackHash(const std::string& text) {
  if (text.size() == 32 || text.size() == 40 || text.size() == 64) {
    const bool hex = std::all_of(text.begin(), text.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (hex) return std::string(1, static_cast<char>(text.size() / 2)) + *HexDecode(text);
  }
  return text.empty() ? text : std::string(1, '\0') + text;
}
std::string UnpackHash(std::string_view packed) {
  if (packed.empty()) return {};
  if (packed[0] == '\0') return std::string(packed.substr(1));
  return HexEncode(packed.substr(1));
}

// The texts of a class that were named last, newest first. A record names the same few again and
// again
// (an address as written and in canonical form, in the envelope and in a field), so their places
// here are the smallest and steadiest numbers that say it.
class Recent {
 public:
  static constexpr size_t kSize = 8;
  // The place of `id`, which becomes the newest; kSize when it is not here.
  size_t Use(uint32_t id) {
    size_t at = 0;
    while (at < count_ && ids_[at] != id) ++at;
    const size_t found = at < count_ ? at : kSize;
    if (found == kSize) {
      if (count_ < kSize) ++count_;
      at = count_ - 1;
    }
    for (; at > 0; --at) ids_[at] = ids_[at - 1];
    ids_[0] = id;
    return found;
  }
  // What stands at a place; nothing when there are fewer.
  std::optional<uint32_t> At(size_t place) const {
    return place < count_ ? std::optional(ids_[place]) : std::nullopt;
  }

 private:
  std::array<uint32_t, kSize> ids_{};
  size_t count_ = 0;
};
// How a text is named: the next new one of its class, the empty text, a recent one, or one by its
// distance from the next.
constexpr uint64_t kNewText = 0, kEmptyText = 1, kRecentText = 2,
                   kOlderText = kRecentText + Recent::kSize;

class Encoder {
 public:
  static constexpr bool kReads = false;

  void Number(Stream stream, uint64_t value) { PutNumber(streams_[Index(stream)], value); }
  void Signed(Stream stream, int64_t value) { Number(stream, ZigZag(value)); }
  void Difference(Stream stream, uint64_t value) {  // from the row before
    uint64_t& last = last_[Index(stream)];
    Signed(stream, static_cast<int64_t>(value - last));
    last = value;
  }
  void Text(Stream stream, Frame frame, const std::string& text) {
    if (frame == Frame::kHashes && !text.empty()) {
      return Put(stream, frame, packed_.emplace_back(PackHash(text)));
    }
    Put(stream, frame, text);
  }
  template <class T, class Each>
  void List(Stream stream, const std::vector<T>& items, Each each) {
    Number(stream, items.size());
    for (const T& item : items) each(item);
  }

  Frames Take() {
    Frames out;
    std::string& structure = out[0];
    for (const std::string& stream : streams_) PutNumber(structure, stream.size());
    for (const std::string& stream : streams_) structure += stream;
    for (size_t frame = 1; frame < kFrames; ++frame) {
      const auto& texts = texts_[frame - 1];
      PutNumber(out[frame], texts.order.size());
      for (const std::string_view text : texts.order) PutNumber(out[frame], text.size());
      for (const std::string_view text : texts.order) out[frame] += text;
    }
    return out;
  }

 private:
  // The different texts of a class in the order they came, found by hash.
  class Texts {
   public:
    // Its number, and whether it is new. `text` stays where it is until Take.
    std::pair<uint64_t, bool> Add(std::string_view text) {
      if ((order.size() + 1) * 2 > slots_.size()) Grow();
      const uint64_t hash = XXH3_64bits(text.data(), text.size());
      for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
        const uint32_t id = slots_[at];
        if (id == 0) {
          slots_[at] = static_cast<uint32_t>(order.size() + 1);
          order.push_back(text);
          hashes_.push_back(hash);
          return {order.size() - 1, true};
        }
        if (hashes_[id - 1] == hash && order[id - 1] == text) return {id - 1, false};
      }
    }
    std::vector<std::string_view> order;
    Recent recent;

   private:
    void Grow() {
      slots_.assign(std::max<size_t>(512, slots_.size() * 2), 0);
      for (size_t i = 0; i < hashes_.size(); ++i) {
        size_t at = hashes_[i] & (slots_.size() - 1);
        while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
        slots_[at] = static_cast<uint32_t>(i + 1);
      }
    }
    std::vector<uint32_t> slots_;  // number + 1; 0: free
    std::vector<uint64_t> hashes_;
  };

  static size_t Index(Stream stream) { return static_cast<size_t>(stream); }

  void Put(Stream stream, Frame frame, std::string_view text) {
    if (text.empty()) return Number(stream, kEmptyText);
    Texts& texts = texts_[static_cast<size_t>(frame) - 1];
    const auto [id, is_new] = texts.Add(text);
    const size_t place = texts.recent.Use(static_cast<uint32_t>(id));
    if (is_new) {
      Number(stream, kNewText);
    } else if (place < Recent::kSize) {
      Number(stream, kRecentText + place);
    } else {
      Number(stream, kOlderText + texts.order.size() - 1 - id);
    }
  }

  std::deque<std::string> packed_;  // hashes as bytes
  std::array<std::string, kStreams> streams_;
  std::array<uint64_t, kStreams> last_{};
  std::array<Texts, kTextFrames> texts_;
};

class Decoder {
 public:
  static constexpr bool kReads = true;

  static Result<Decoder> Open(const Frames& columns) {
    Decoder out;
    const auto broken = [] {
      return Fail(Code::kCorrupt, "record block: its columns do not make sense");
    };
    const std::string& structure = columns[0];
    Cursor head{Bytes(structure), Bytes(structure) + structure.size()};
    std::array<uint64_t, kStreams> sizes;
    for (uint64_t& size : sizes) size = head.Next(out.ok_);
    for (size_t i = 0; i < kStreams; ++i) {
      if (!out.ok_ || sizes[i] > static_cast<uint64_t>(head.end - head.at)) return broken();
      out.cursors_[i] = {head.at, head.at + sizes[i]};
      head.at += sizes[i];
    }
    out.most_ = structure.size();
    for (size_t frame = 1; frame < kFrames; ++frame) {
      TRY(out.texts_[frame - 1], TextsOf(columns[frame]));
    }
    return out;
  }

  void set_wanted(bool wanted) { wanted_ = wanted; }
  bool ok() const { return ok_; }

  template <class T>
  void Number(Stream stream, T& value) {
    const uint64_t got = At(stream).Next(ok_);
    if constexpr (std::is_same_v<T, bool>) {
      value = got != 0;
    } else {
      value = static_cast<T>(got);
      if (static_cast<uint64_t>(value) != got) ok_ = false;
    }
  }
  uint64_t Raw(Stream stream) { return At(stream).Next(ok_); }
  int64_t RawSigned(Stream stream) { return UnZigZag(Raw(stream)); }
  void Difference(Stream stream, uint64_t& value) {
    uint64_t& last = last_[static_cast<size_t>(stream)];
    last += static_cast<uint64_t>(RawSigned(stream));
    value = last;
  }
  void Text(Stream stream, Frame frame, std::string& text) {
    const uint64_t code = Raw(stream);
    const size_t index = static_cast<size_t>(frame) - 1;
    if (code == kEmptyText) {
      if (wanted_) text.clear();
      return;
    }
    uint64_t& next = next_[index];
    uint64_t id = next;
    if (code == kNewText) {
      ++next;
    } else if (code < kOlderText) {
      const auto recent = recent_[index].At(code - kRecentText);
      id = recent.value_or(UINT32_MAX);
    } else if (code - kOlderText < next) {
      id = next - 1 - (code - kOlderText);
    } else {
      id = UINT32_MAX;
    }
    if (id >= texts_[index].size()) {
      ok_ = false;
      return;
    }
    recent_[index].Use(static_cast<uint32_t>(id));
    if (!wanted_) return;
    const std::string_view found = texts_[index][id];
    if (frame == Frame::kHashes) {
      text = UnpackHash(found);
    } else {
      text.assign(found);
    }
  }
  template <class T, class Each>
  void List(Stream stream, std::vector<T>& items, Each each) {
    const uint64_t count = Raw(stream);
    // Each item takes a byte in one stream at least.
    if (count > most_) ok_ = false;
    if (!ok_) return;
    if (wanted_) {
      items.resize(count);
      for (T& item : items) {
        if (!ok_) return;
        each(item);
      }
      return;
    }
    T item{};
    for (uint64_t i = 0; i < count && ok_; ++i) each(item);
  }

 private:
  static const unsigned char* Bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }
  Cursor& At(Stream stream) { return cursors_[static_cast<size_t>(stream)]; }

  bool ok_ = true;
  bool wanted_ = true;
  uint64_t most_ = 0;
  std::array<Cursor, kStreams> cursors_;
  std::array<uint64_t, kStreams> last_{};
  std::array<std::vector<std::string_view>, kTextFrames> texts_;
  std::array<uint64_t, kTextFrames> next_{};
  std::array<Recent, kTextFrames> recent_;
};

}  // namespace

struct Dictionaries::Prepared {
  Frames texts;  // what the others point into
  std::array<ZSTD_CDict*, kFrames> compress{};
  std::array<ZSTD_DDict*, kFrames> decompress{};
  ~Prepared() {
    for (auto* dictionary : compress) ZSTD_freeCDict(dictionary);
    for (auto* dictionary : decompress) ZSTD_freeDDict(dictionary);
  }
};

Dictionaries::Dictionaries() : prepared_(std::make_unique<Prepared>()) {}
Dictionaries::Dictionaries(Frames texts, int level) : Dictionaries() {
  prepared_->texts = std::move(texts);
  for (size_t i = 0; i < kFrames; ++i) {
    const std::string& text = prepared_->texts[i];
    if (text.empty()) continue;
    prepared_->decompress[i] = ZSTD_createDDict_byReference(text.data(), text.size());
    if (level > 0) {
      prepared_->compress[i] = ZSTD_createCDict_byReference(text.data(), text.size(), level);
    }
  }
}
const Frames& Dictionaries::texts() const { return prepared_->texts; }
Dictionaries::Dictionaries(Dictionaries&&) noexcept = default;
Dictionaries& Dictionaries::operator=(Dictionaries&&) noexcept = default;
Dictionaries::~Dictionaries() = default;

Frames Train(std::span<const Frames> samples, size_t max_bytes) {
  constexpr size_t kSampleBytes = 4096;
  Frames out;
  for (size_t frame = 0; frame + 1 < kFrames; ++frame) {  // hashes have nothing in common
    std::string all;
    std::vector<size_t> sizes;
    for (const Frames& sample : samples) {
      for (size_t at = 0; at < sample[frame].size(); at += kSampleBytes) {
        const size_t size = std::min(kSampleBytes, sample[frame].size() - at);
        all.append(sample[frame], at, size);
        sizes.push_back(size);
      }
    }
    std::string dictionary(max_bytes, '\0');
    ZDICT_fastCover_params_t params{};
    params.k = 128;
    params.d = 8;
    params.f = 18;
    params.accel = 2;
    params.nbThreads = 1;
    params.zParams.compressionLevel = 3;
    const size_t got =
        ZDICT_trainFromBuffer_fastCover(dictionary.data(), dictionary.size(), all.data(),
                                        sizes.data(), static_cast<unsigned>(sizes.size()), params);
    // Too little to learn from: this class goes without.
    if (ZDICT_isError(got)) continue;
    dictionary.resize(got);
    out[frame] = std::move(dictionary);
  }
  return out;
}

Frames Transpose(std::span<const mail::MessageRecord> records) {
  Encoder encoder;
  for (const mail::MessageRecord& record : records) WalkRecord(encoder, record);
  return encoder.Take();
}

Frames Compress(const Frames& columns, const Dictionaries& dictionaries, int level) {
  Frames out;
  ZSTD_CCtx* context = ThreadContext().compress;
  for (size_t i = 0; i < kFrames; ++i) {
    if (static_cast<Frame>(i) == Frame::kHashes) {
      out[i] = columns[i];
      continue;
    }
    out[i].resize(ZSTD_compressBound(columns[i].size()));
    ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);
    ZSTD_CCtx_refCDict(context, dictionaries.prepared().compress[i]);
    const size_t size =
        ZSTD_compress2(context, out[i].data(), out[i].size(), columns[i].data(), columns[i].size());
    out[i].resize(size);  // cannot fail: the buffer has the bound's size
  }
  return out;
}

Result<std::string> Decompress(Frame frame, std::string_view bytes,
                               const Dictionaries& dictionaries, size_t max_bytes) {
  if (frame == Frame::kHashes) return std::string(bytes);
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > max_bytes) {
    return Fail(Code::kCorrupt, "record block: a frame is not zstd or too large");
  }
  std::string out(size, '\0');
  ZSTD_DCtx* context = ThreadContext().decompress;
  const ZSTD_DDict* dictionary = dictionaries.prepared().decompress[static_cast<size_t>(frame)];
  const size_t got =
      dictionary == nullptr
          ? ZSTD_decompressDCtx(context, out.data(), out.size(), bytes.data(), bytes.size())
          : ZSTD_decompress_usingDDict(context, out.data(), out.size(), bytes.data(), bytes.size(),
                                       dictionary);
  if (ZSTD_isError(got) || got != size) {
    return Fail(Code::kCorrupt, "record block: a frame cannot be decompressed");
  }
  return out;
}

Result<std::vector<mail::MessageRecord>> ReadRows(const Frames& columns, uint32_t rows,
                                                  const std::function<bool(uint32_t)>& wanted) {
  TRY(Decoder decoder, Decoder::Open(columns));
  std::vector<mail::MessageRecord> out;
  mail::MessageRecord scratch;
  for (uint32_t row = 0; row < rows; ++row) {
    const bool want = wanted(row);
    decoder.set_wanted(want);
    if (want) {
      WalkRecord(decoder, out.emplace_back());
    } else {
      WalkRecord(decoder, scratch);
    }
    if (!decoder.ok()) {
      return Fail(Code::kCorrupt, "record block: row " + std::to_string(row) + " cannot be read");
    }
  }
  return out;
}

Result<std::vector<RowPlace>> ReadPlaces(std::string_view structure, uint32_t rows) {
  const auto* begin = reinterpret_cast<const unsigned char*>(structure.data());
  Cursor head{begin, begin + structure.size()};
  bool ok = true;
  std::array<uint64_t, kStreams> sizes;
  for (uint64_t& size : sizes) size = head.Next(ok);
  Cursor mids, times;
  for (size_t i = 0; i < kStreams && ok; ++i) {
    if (sizes[i] > static_cast<uint64_t>(head.end - head.at)) {
      ok = false;
      break;
    }
    if (i == static_cast<size_t>(Stream::kMid)) mids = {head.at, head.at + sizes[i]};
    if (i == static_cast<size_t>(Stream::kReceived)) times = {head.at, head.at + sizes[i]};
    head.at += sizes[i];
  }
  std::vector<RowPlace> out;
  uint64_t mid = 0, time = 0;
  for (uint32_t row = 0; row < rows && ok; ++row) {
    mid += static_cast<uint64_t>(UnZigZag(mids.Next(ok)));
    time += static_cast<uint64_t>(UnZigZag(times.Next(ok)));
    out.push_back({FromEpochMicros(static_cast<int64_t>(time)), mid});
  }
  if (!ok) return Fail(Code::kCorrupt, "record block: its columns do not make sense");
  return out;
}

Result<std::vector<std::string_view>> TextsOf(std::string_view column) {
  const auto* begin = reinterpret_cast<const unsigned char*>(column.data());
  Cursor cursor{begin, begin + column.size()};
  bool ok = true;
  const uint64_t count = cursor.Next(ok);
  std::vector<std::string_view> out;
  if (ok && count <= column.size()) {
    out.reserve(count);
    std::vector<uint64_t> sizes(count);
    uint64_t total = 0;
    for (uint64_t& size : sizes) {
      size = cursor.Next(ok);
      if (size > column.size()) ok = false;
      total += size;
    }
    size_t at = static_cast<size_t>(cursor.at - begin);
    if (ok && total == column.size() - at) {
      for (const uint64_t size : sizes) {
        out.push_back(column.substr(at, size));
        at += size;
      }
      return out;
    }
  }
  return Fail(Code::kCorrupt, "record block: the texts of a class cannot be read");
}

}  // namespace mailreeve::gateway::segment
