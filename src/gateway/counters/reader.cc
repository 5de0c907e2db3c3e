#include "gateway/counters/reader_impl.h"
#include "gateway/counters/table_impl.h"

#include <xxhash.h>

namespace mailreeve::gateway::counters {

Result<std::string> Reader::Impl::Load(const Frame& frame, Decompressor& decompress) const {
  TRY(const std::string stored, read(frame.offset, frame.size));
  if (stored.size() != frame.size || XXH3_64bits(stored.data(), stored.size()) != frame.checksum)
    return Fail(Code::kCorrupt, "report counters: a block is damaged (checksum) at offset " +
                                    std::to_string(frame.offset));
  return decompress(stored, frame.raw_size);
}

Result<std::unique_ptr<Reader>> Reader::Open(Read read, uint64_t size) {
  if (size < kHeaderBytes) return Fail(Code::kCorrupt, "report counters: the table is too short");
  TRY(const std::string header, read(0, kHeaderBytes));
  auto impl = std::make_unique<Impl>();
  TRY(impl->directory, DecodeDirectory(header, size, read));
  impl->read = std::move(read);
  return std::unique_ptr<Reader>(new Reader(std::move(impl)));
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;
Time Reader::from() const { return TimeOfHour(impl_->directory.from); }
Time Reader::until() const { return TimeOfHour(impl_->directory.until); }

}  // namespace mailreeve::gateway::counters
