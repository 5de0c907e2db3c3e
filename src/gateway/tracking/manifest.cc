#include "gateway/tracking/manifest.h"

#include "base/wire.h"
#include "gateway/segment/checksum.h"

#include <cstring>

namespace mailreeve::gateway::tracking {
namespace {

constexpr std::string_view kMagic = "MRMANI01";
constexpr uint64_t kVersion = 1;
constexpr size_t kMaxBytes = size_t{64} << 20;

}  // namespace

std::string Encode(const Manifest& manifest) {
  WireWriter writer;
  writer.Number(kVersion);
  writer.Number(manifest.next_segment);
  writer.Number(manifest.first_journal);
  writer.Number(manifest.reserved_mid);
  writer.Number(manifest.reserved_icid);
  writer.Number(manifest.segments.size());
  for (const auto& info : manifest.segments) writer.String(segment::Encode(info));
  writer.Number(manifest.lost.size());
  for (const LostFrames& lost : manifest.lost) {
    writer.String(lost.file);
    writer.Number(lost.offset);
    writer.Number(lost.bytes);
  }
  std::string out(kMagic);
  const uint64_t sum = segment::Checksum(writer.bytes());
  out.append(reinterpret_cast<const char*>(&sum), sizeof(sum));
  return out + writer.bytes();
}

Result<Manifest> DecodeManifest(std::string_view bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 8) {
    return Fail(Code::kCorrupt, "manifest: it does not begin as one");
  }
  uint64_t sum = 0;
  std::memcpy(&sum, bytes.data() + kMagic.size(), 8);
  const std::string_view body = bytes.substr(kMagic.size() + 8);
  if (sum != segment::Checksum(body)) {
    return Fail(Code::kCorrupt, "manifest: its checksum is wrong");
  }
  WireReader reader(body);
  if (reader.Number() > kVersion) {
    return Fail(Code::kConflict,
                "manifest: a newer program wrote this store; use that, or export from it");
  }
  Manifest out;
  out.next_segment = reader.Number();
  out.first_journal = reader.Number();
  out.reserved_mid = reader.Number();
  out.reserved_icid = reader.Number();
  out.segments.resize(reader.Count());
  for (auto& info : out.segments) {
    TRY(info, segment::DecodeSegmentInfo(reader.String()));
  }
  out.lost.resize(reader.Count());
  for (LostFrames& lost : out.lost) {
    lost.file = reader.String();
    lost.offset = reader.Number();
    lost.bytes = reader.Number();
  }
  TRY_VOID(reader.Finish("manifest"));
  return out;
}

Result<Manifest> ReadManifest(io::Files& files, const std::string& dir) {
  TRY(const std::string bytes, io::ReadWhole(files, dir + "/" + kManifestName, kMaxBytes));
  return DecodeManifest(bytes);
}

Result<void> WriteManifest(io::Files& files, const std::string& dir, const Manifest& manifest) {
  return io::ReplaceWhole(files, dir + "/" + kManifestName, Encode(manifest));
}

}  // namespace mailreeve::gateway::tracking
