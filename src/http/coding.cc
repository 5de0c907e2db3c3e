#include "http/coding.h"

#include "base/text.h"

#include <zlib.h>

#include <memory>

namespace mailreeve::http {
namespace {

constexpr size_t kPiece = 64 * 1024;
constexpr int kGzipOrZlib = 15 + 32;
constexpr int kRaw = -15;

struct End {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};
using Stream = std::unique_ptr<z_stream, End>;

Result<std::string> InflateAs(std::string_view bytes, size_t max_bytes, int window) {
  Stream stream(new z_stream{});
  if (inflateInit2(stream.get(), window) != Z_OK) return Fail(Code::kInternal, "zlib fails");
  std::string out;
  std::string piece(kPiece, '\0');
  while (true) {
    stream->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream->avail_in = static_cast<uInt>(std::min(bytes.size(), kPiece));
    const size_t given = stream->avail_in;
    stream->next_out = reinterpret_cast<Bytef*>(piece.data());
    stream->avail_out = static_cast<uInt>(piece.size());
    const int status = inflate(stream.get(), Z_NO_FLUSH);
    const size_t made = piece.size() - stream->avail_out;
    bytes.remove_prefix(given - stream->avail_in);
    if (out.size() + made > max_bytes) {
      return Fail(Code::kLimited,
                  "the answer has more than " + std::to_string(max_bytes) + " bytes unpacked");
    }
    out.append(piece.data(), made);
    if (status == Z_STREAM_END) {
      if (bytes.empty()) return out;
      // RFC 1952 section 2.2: members follow each other.
      if (window != kGzipOrZlib || inflateReset(stream.get()) != Z_OK) break;
      continue;
    }
    if (status != Z_OK || (made == 0 && bytes.empty())) break;
  }
  return Fail(Code::kInvalid, "the answer's compressed body is damaged or cut");
}

}  // namespace

Result<std::string> Inflate(std::string_view bytes, size_t max_bytes) {
  return InflateAs(bytes, max_bytes, kGzipOrZlib);
}

Result<void> UndoCoding(Response& response, size_t max_bytes) {
  const std::string coding = AsciiLower(TrimSpace(response.headers.Get("Content-Encoding")));
  if (coding.empty() || coding == "identity") {
    if (response.body.size() > max_bytes) {
      return Fail(Code::kLimited,
                  "the answer has more than " + std::to_string(max_bytes) + " bytes");
    }
    return {};
  }
  if (coding != "gzip" && coding != "x-gzip" && coding != "deflate") {
    return Fail(Code::kInvalid, "the answer is coded as '" + std::string(CutUtf8(coding, 50)) +
                                    "', which was not asked for");
  }
  if (!response.body.empty()) {
    auto plain = Inflate(response.body, max_bytes);
    // "deflate" is zlib's format by the standard and raw by the habit of some servers.
    if (!plain && coding == "deflate" && plain.error().code == Code::kInvalid) {
      plain = InflateAs(response.body, max_bytes, kRaw);
    }
    if (!plain) return Fail(std::move(plain).error());
    response.body = *std::move(plain);
  }
  Headers kept;
  for (const auto& [name, value] : response.headers.fields()) {
    if (!AsciiEqualFold(name, "Content-Encoding") && !AsciiEqualFold(name, "Content-Length")) {
      kept.Add(name, value);
    }
  }
  response.headers = std::move(kept);
  return {};
}

}  // namespace mailreeve::http
