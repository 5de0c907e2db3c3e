#include "gateway/segment/fingerprint_index.h"

#include "base/check.h"
#include "base/wire.h"
#include "gateway/segment/checksum.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace mailreeve::gateway::segment {
namespace {

constexpr size_t kPageKeys = 512;
constexpr uint32_t kShortList = 64;  // longer ones lie outside the page
constexpr size_t kChunkRows = 4096;
constexpr size_t kSum = 8;  // bytes of a checksum

unsigned RowBits(uint32_t rows) {
  return std::max(1U, static_cast<unsigned>(std::bit_width(rows > 0 ? rows - 1 : 0)));
}

void PutFixed(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t GetFixed(std::string_view from, size_t at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<unsigned char>(from[at + i])) << (8 * i);
  }
  return value;
}

// The checksum, then the bytes.
std::string Summed(std::string_view bytes, uint64_t where) {
  std::string out;
  out.reserve(bytes.size() + kSum);
  PutFixed(out, Checksum(bytes, where), kSum);
  out += bytes;
  return out;
}

Result<std::string_view> CheckSum(std::string_view bytes, uint64_t where, const char* what) {
  if (bytes.size() < kSum || GetFixed(bytes, 0, kSum) != Checksum(bytes.substr(kSum), where)) {
    return Fail(Code::kCorrupt, "fingerprint index: the checksum of the " + std::string(what) +
                                    " at offset " + std::to_string(where) + " is wrong");
  }
  return bytes.substr(kSum);
}

tl::unexpected<Error> Broken(uint64_t offset) {
  return Fail(Code::kCorrupt, "fingerprint index: the page or list at offset " +
                                  std::to_string(offset) + " does not make sense");
}

void PutRows(BitWriter& bits, std::span<const uint32_t> rows, unsigned row_bits) {
  const unsigned k = RiceParameter((rows.back() - rows.front()) / std::max<size_t>(rows.size(), 1));
  bits.Bits(k, 5);
  bits.Wide(rows.front(), row_bits);
  for (size_t i = 1; i < rows.size(); ++i) bits.Rice(rows[i] - rows[i - 1] - 1, k);
}

// False when a row is out of range.
bool GetRows(BitReader& bits, size_t count, unsigned row_bits, uint32_t rows,
             std::vector<uint32_t>& out) {
  const auto k = static_cast<unsigned>(bits.Bits(5));
  uint64_t row = bits.Wide(row_bits);
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) row += bits.Rice(k) + 1;
    if (!bits.ok() || row >= rows) return false;
    out.push_back(static_cast<uint32_t>(row));
  }
  return true;
}

}  // namespace

FingerprintIndexBuilder::FingerprintIndexBuilder(unsigned key_bits, uint32_t rows, Sink sink)
    : key_bits_(key_bits), row_bits_(RowBits(rows)), sink_(std::move(sink)) {}

Result<void> FingerprintIndexBuilder::Put(std::string_view bytes) {
  offset_ += bytes.size();
  return sink_(bytes);
}

Result<void> FingerprintIndexBuilder::PutList(std::span<const uint32_t> rows, Entry& entry) {
  // First rows and offsets of the chunks, then the chunks, each with its checksum.
  std::string head, chunks;
  for (size_t at = 0; at < rows.size(); at += kChunkRows) {
    const auto part = rows.subspan(at, std::min(kChunkRows, rows.size() - at));
    BitWriter bits;
    PutRows(bits, part, row_bits_);
    PutFixed(head, part.front(), 4);
    PutFixed(head, chunks.size(), 4);
    chunks += Summed(bits.Take(), offset_ + chunks.size());
  }
  entry.list_offset = offset_;
  const std::string list = Summed(head, offset_) + chunks;
  entry.list_size = static_cast<uint32_t>(list.size());
  return Put(list);
}

Result<void> FingerprintIndexBuilder::Add(uint64_t key, std::span<const uint32_t> rows) {
  CHECK(!rows.empty());
  CHECK(page_.empty() || page_.back().key < key);
  Entry entry{key, static_cast<uint32_t>(rows.size()), rows[0], 0, 0};
  ++keys_;
  postings_ += rows.size();
  if (rows.size() > kShortList) {
    TRY_VOID(PutList(rows, entry));
  } else if (rows.size() > 1) {
    entry.first = static_cast<uint32_t>(page_rows_.size());
    page_rows_.insert(page_rows_.end(), rows.begin(), rows.end());
  }
  page_.push_back(entry);
  if (page_.size() == kPageKeys) return FlushPage();
  return {};
}

Result<void> FingerprintIndexBuilder::FlushPage() {
  if (page_.empty()) return {};
  const unsigned k = RiceParameter((page_.back().key - page_.front().key) / page_.size());
  BitWriter bits;
  bits.Bits(page_.size(), 16);
  bits.Bits(k, 6);
  for (size_t i = 0; i < page_.size(); ++i) {
    const Entry& entry = page_[i];
    if (i > 0) bits.Rice(entry.key - page_[i - 1].key - 1, k);
    if (entry.count == 1) {
      bits.Bits(1, 1);
      bits.Wide(entry.first, row_bits_);
      continue;
    }
    bits.Bits(0, 1);
    bits.Gamma(entry.count - 2);
    if (entry.count > kShortList) {
      bits.Wide(entry.list_offset, 48);
      bits.Wide(entry.list_size, 32);
    } else {
      PutRows(bits, std::span(page_rows_).subspan(entry.first, entry.count), row_bits_);
    }
  }
  const std::string bytes = Summed(bits.Take(), offset_);
  directory_.push_back({page_.front().key, offset_, static_cast<uint32_t>(bytes.size())});
  page_.clear();
  page_rows_.clear();
  return Put(bytes);
}

Result<std::string> FingerprintIndexBuilder::Finish() {
  TRY_VOID(FlushPage());
  WireWriter writer;
  writer.Number(key_bits_);
  writer.Number(directory_.size());
  uint64_t key = 0, offset = 0;
  for (const PagePlace& page : directory_) {
    writer.Number(page.first_key - key);
    writer.Number(page.offset - offset);
    writer.Number(page.size);
    key = page.first_key;
    offset = page.offset;
  }
  return writer.Take();
}

Result<FingerprintIndex> FingerprintIndex::Open(std::string_view directory, uint32_t rows,
                                                uint64_t section_size, Read read) {
  FingerprintIndex out;
  WireReader reader(directory);
  out.key_bits_ = static_cast<unsigned>(reader.NumberUpTo(64));
  const size_t pages = reader.Count();
  uint64_t key = 0, offset = 0;
  bool good = out.key_bits_ >= 16;
  out.first_keys_.reserve(pages);
  out.places_.reserve(pages);
  for (size_t i = 0; i < pages && reader.ok(); ++i) {
    const uint64_t more = reader.Number();
    good &= i == 0 || (more > 0 && key + more > key);
    key += more;
    offset += reader.Number();
    out.first_keys_.push_back(key);
    const uint64_t size = reader.NumberUpTo(UINT32_MAX);
    good &= offset <= section_size && size <= section_size - offset;
    out.places_.push_back({offset, static_cast<uint32_t>(size)});
  }
  TRY_VOID(reader.Finish("fingerprint index directory"));
  if (!good) {
    return Fail(Code::kCorrupt, "fingerprint index: its directory does not make sense");
  }
  out.rows_ = rows;
  out.row_bits_ = RowBits(rows);
  out.section_size_ = section_size;
  out.read_ = std::move(read);
  return out;
}

template <class Take>
Result<void> FingerprintIndex::Walk(size_t page, uint64_t until, Take take) const {
  const uint64_t offset = places_[page].offset;
  TRY(std::string bytes, read_(offset, places_[page].size));
  TRY(std::string_view body, CheckSum(bytes, offset, "page"));
  BitReader bits(body);
  const size_t count = bits.Bits(16);
  const auto k = static_cast<unsigned>(bits.Bits(6));
  uint64_t key = first_keys_[page];
  const uint64_t most = key_bits_ == 64 ? ~0ULL : (1ULL << key_bits_) - 1;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) {
      const uint64_t more = bits.Rice(k) + 1;
      if (more == 0 || key + more < key) return Broken(offset);
      key += more;
    }
    if (!bits.ok() || key > most) return Broken(offset);
    if (key > until) return {};
    Postings found;
    found.key = key;
    if (bits.Bits(1) == 1) {
      const uint64_t row = bits.Wide(row_bits_);
      if (!bits.ok() || row >= rows_) return Broken(offset);
      found.count = 1;
      found.rows = {static_cast<uint32_t>(row)};
    } else {
      const uint64_t rows = bits.Gamma() + 2;
      if (!bits.ok() || rows < 2 || rows > rows_) return Broken(offset);
      found.count = static_cast<uint32_t>(rows);
      if (rows > kShortList) {
        found.list_offset = bits.Wide(48);
        found.list_size = static_cast<uint32_t>(bits.Wide(32));
        if (!bits.ok() || found.list_offset > section_size_ ||
            found.list_size > section_size_ - found.list_offset) {
          return Broken(offset);
        }
      } else if (!GetRows(bits, rows, row_bits_, rows_, found.rows)) {
        return Broken(offset);
      }
    }
    if (!take(std::move(found))) return {};
  }
  return {};
}

Result<std::optional<Postings>> FingerprintIndex::Find(uint64_t key) const {
  std::optional<Postings> out;
  const auto after = std::upper_bound(first_keys_.begin(), first_keys_.end(), key);
  if (after == first_keys_.begin()) return out;
  TRY_VOID(
      Walk(static_cast<size_t>(after - first_keys_.begin()) - 1, key, [&](Postings&& postings) {
        if (postings.key != key) return true;
        out = std::move(postings);
        return false;
      }));
  return out;
}

Result<std::vector<Postings>> FingerprintIndex::Page(size_t page) const {
  std::vector<Postings> out;
  TRY_VOID(Walk(page, ~0ULL, [&](Postings&& postings) {
    out.push_back(std::move(postings));
    return true;
  }));
  return out;
}

Result<std::vector<uint32_t>> FingerprintIndex::RowsBelow(const Postings& postings, uint32_t below,
                                                          size_t max) const {
  std::vector<uint32_t> out;
  if (postings.list_size == 0) {
    for (size_t i = postings.rows.size(); i-- > 0 && out.size() < max;) {
      if (postings.rows[i] < below) out.push_back(postings.rows[i]);
    }
    return out;
  }
  const size_t chunks = (postings.count + kChunkRows - 1) / kChunkRows;
  const size_t head_size = kSum + chunks * 8;
  const uint64_t offset = postings.list_offset;
  if (head_size > postings.list_size) return Broken(offset);
  TRY(std::string head_bytes, read_(offset, head_size));
  TRY(std::string_view head, CheckSum(head_bytes, offset, "list"));
  const uint64_t chunks_size = postings.list_size - head_size;
  std::vector<uint32_t> rows;
  for (size_t chunk = chunks; chunk-- > 0 && out.size() < max;) {
    if (GetFixed(head, chunk * 8, 4) >= below) continue;
    const uint64_t at = GetFixed(head, chunk * 8 + 4, 4);
    const uint64_t end = chunk + 1 == chunks ? chunks_size : GetFixed(head, chunk * 8 + 12, 4);
    if (at >= end || end > chunks_size) return Broken(offset);
    TRY(std::string bytes, read_(offset + head_size + at, end - at));
    TRY(std::string_view body, CheckSum(bytes, offset + at, "list"));
    BitReader bits(body);
    rows.clear();
    const size_t count =
        chunk + 1 == chunks ? postings.count - chunk * kChunkRows : size_t{kChunkRows};
    if (!GetRows(bits, count, row_bits_, rows_, rows)) return Broken(offset);
    for (size_t i = rows.size(); i-- > 0 && out.size() < max;) {
      if (rows[i] < below) out.push_back(rows[i]);
    }
  }
  return out;
}

Result<std::vector<uint32_t>> FingerprintIndex::AllRows(const Postings& postings) const {
  if (postings.list_size == 0) return postings.rows;
  TRY(auto rows, RowsBelow(postings, UINT32_MAX, postings.count));
  std::reverse(rows.begin(), rows.end());
  return rows;
}

}  // namespace mailreeve::gateway::segment
