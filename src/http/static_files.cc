#include "http/static_files.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace mailreeve::http {
namespace {

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(Descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd, other.fd);
    return *this;
  }
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

bool IsSafePart(std::string_view part) {
  return !part.empty() && part.front() != '.' && part.size() <= 255 &&
         part.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

bool IsFolder(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

// Walks down part by part, so that no part can be a link to somewhere else.
Descriptor OpenBelow(const std::string& root, const std::vector<std::string>& parts) {
  Descriptor at(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const std::string& part : parts) {
    if (at.fd < 0) break;
    at = Descriptor(::openat(at.fd, part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  }
  return at;
}

// The bytes of a regular file opened with O_PATH.
Result<std::string> ReadAt(int folder, const std::string& name, size_t max_bytes) {
  const auto not_found = [] { return Fail(Code::kNotFound, "there is no such file"); };
  const Descriptor file(
      ::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) return not_found();
  if (static_cast<uint64_t>(info.st_size) > max_bytes) {
    return Fail(Code::kLimited, "the file is longer than " + std::to_string(max_bytes) + " bytes");
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

// RFC 9110 section 12.5.3, as far as it matters here: named and not with q=0.
bool Takes(std::string_view accept_encoding, std::string_view coding) {
  for (std::string_view piece : Split(accept_encoding, ',')) {
    const size_t semicolon = std::min(piece.find(';'), piece.size());
    if (!AsciiEqualFold(TrimSpace(piece.substr(0, semicolon)), coding)) continue;
    std::string_view quality = TrimSpace(piece.substr(std::min(semicolon + 1, piece.size())));
    return !(quality.starts_with("q=0") &&
             quality.find_first_of("123456789") == std::string_view::npos);
  }
  return false;
}

bool Matches(std::string_view if_none_match, std::string_view etag) {
  for (std::string_view piece : Split(if_none_match, ',')) {
    piece = TrimSpace(piece);
    if (piece.starts_with("W/")) piece.remove_prefix(2);
    if (piece == "*" || piece == etag) return true;
  }
  return false;
}

// "app-3f9a1c2b.js", "chunk.3f9a1c2b.css": eight or more of the letters that bundlers write, with a
// digit among them.
bool HasHash(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const std::string_view stem = name.substr(0, dot);
  const size_t at = stem.find_last_of("-.");
  if (at == std::string_view::npos) return false;
  const std::string_view hash = stem.substr(at + 1);
  const auto fits = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return hash.size() >= 8 && std::all_of(hash.begin(), hash.end(), fits) &&
         std::any_of(hash.begin(), hash.end(),
                     [](unsigned char c) { return c >= '0' && c <= '9'; });
}

Response Missing() {
  return Response::Json(404,
                        {{"error", "not_found"}, {"error_description", "there is no such file"}});
}

class Folder {
 public:
  Folder(std::string root, StaticOptions options)
      : root_(std::move(root)), options_(std::move(options)) {}

  Response Answer(const Request& request) const {
    Response out = Find(request);
    for (const auto& [name, value] : options_.headers.fields()) out.headers.Set(name, value);
    return out;
  }

 private:
  Response Find(const Request& request) const {
    // The pattern's literal segments come first; the rest, unjoined, ends the list.
    const std::string_view rest = request.Param("path");
    std::vector<std::string> parts;
    size_t rest_bytes = 0;
    for (size_t i = request.segments.size(); i > 0 && rest_bytes < rest.size(); --i) {
      parts.insert(parts.begin(), request.segments[i - 1]);
      rest_bytes += request.segments[i - 1].size() + (i == request.segments.size() ? 0 : 1);
    }
    if (!std::all_of(parts.begin(), parts.end(), IsSafePart)) return Missing();
    if (auto found = Load(parts, request)) return *std::move(found);
    const bool is_route = parts.empty() || parts.back().find('.') == std::string::npos;
    if (is_route && !options_.index_fallback.empty()) {
      if (auto found = Load({options_.index_fallback}, request)) return *std::move(found);
    }
    return Missing();
  }

  std::optional<Response> Load(std::vector<std::string> parts, const Request& request) const {
    Descriptor at = OpenBelow(root_, parts);
    if (at.fd < 0) return std::nullopt;
    if (IsFolder(at.fd)) {
      parts.emplace_back("index.html");
    } else {
      at = OpenBelow(root_, {parts.begin(), parts.end() - 1});
      if (at.fd < 0) return std::nullopt;
    }
    const std::string& name = parts.back();
    const std::string_view accepted = request.headers.Get("Accept-Encoding");
    // The plain file decides what is there; the packed ones only stand in for it.
    auto plain = ReadAt(at.fd, name, options_.max_file_bytes);
    if (!plain && plain.error().code == Code::kNotFound) return std::nullopt;
    if (!plain) {
      return Response::Json(500,
                            {{"error", "internal"}, {"error_description", plain.error().message}});
    }
    Response out;
    out.body = *std::move(plain);
    bool has_packed = false;
    for (const auto& [coding, suffix] : {std::pair{"br", ".br"}, std::pair{"gzip", ".gz"}}) {
      if (::faccessat(at.fd, (name + suffix).c_str(), R_OK, AT_SYMLINK_NOFOLLOW) != 0) continue;
      has_packed = true;
      if (!Takes(accepted, coding)) continue;
      auto packed = ReadAt(at.fd, name + suffix, options_.max_file_bytes);
      if (!packed) continue;
      out.body = *std::move(packed);
      out.headers.Set("Content-Encoding", coding);
      break;
    }
    const std::string etag = "\"" + HexEncode(crypto::Sha256(out.body)).substr(0, 32) + "\"";
    out.headers.Set("Content-Type", ContentTypeOf(name));
    out.headers.Set("ETag", etag);
    out.headers.Set("Cache-Control",
                    HasHash(name) ? "public, max-age=31536000, immutable" : "no-cache");
    if (has_packed) out.headers.Set("Vary", "Accept-Encoding");
    if (Matches(request.headers.Get("If-None-Match"), etag)) {
      out.status = 304;
      out.body.clear();
    }
    return out;
  }

  std::string root_;
  StaticOptions options_;
};

io::Task<Response> AnswerFrom(std::shared_ptr<const Folder> folder, Request request) {
  co_return folder->Answer(request);
}

}  // namespace

std::string ContentTypeOf(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".yaml", "application/yaml"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".webp", "image/webp"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".wasm", "application/wasm"},
      {".txt", "text/plain; charset=utf-8"},
      {".xml", "application/xml"},
      {".pdf", "application/pdf"},
  };
  const std::string lower = AsciiLower(name);
  for (const auto& [suffix, type] : kTypes) {
    if (lower.ends_with(suffix)) return std::string(type);
  }
  return "application/octet-stream";
}

Handler ServeFolder(std::string root, StaticOptions options) {
  auto folder = std::make_shared<const Folder>(std::move(root), std::move(options));
  return [folder](Request request) { return AnswerFrom(folder, std::move(request)); };
}

}  // namespace mailreeve::http
