#include "cli/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

namespace mailreeve::cli {
namespace {

constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr size_t kReadBytes = 256 * 1024;

std::string Why() { return std::system_category().message(errno); }

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class Writer final : public LineWriter {
 public:
  explicit Writer(std::ostream& standard_output) : out_(standard_output) {}
  ~Writer() override {
    if (fd_ >= 0) ::close(fd_);
    if (!part_.empty()) ::unlink(part_.c_str());
  }

  Result<void> Begin(const std::string& path) {
    if (path.ends_with(".zst")) {
      compressor_.reset(ZSTD_createCCtx());
      if (!compressor_) return Fail(Code::kUnavailable, "there is no memory for zstd");
      ZSTD_CCtx_setParameter(compressor_.get(), ZSTD_c_checksumFlag, 1);
      buffer_.resize(ZSTD_CStreamOutSize());
    }
    if (path == "-") return {};
    path_ = path;
    struct stat now {};
    // A device or a pipe has no place to be taken.
    const bool other = ::stat(path.c_str(), &now) == 0 && !S_ISREG(now.st_mode);
    if (!other) part_ = path + ".part";
    const std::string name = other ? path_ : part_;
    fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd_ < 0) {
      part_.clear();
      return Fail(Code::kUnavailable, "cannot write '" + name + "': " + Why());
    }
    return {};
  }

  Result<void> Write(std::string_view text) override {
    return compressor_ ? Compress(text, ZSTD_e_continue) : Raw(text);
  }

  Result<void> Finish() override {
    if (compressor_) TRY_VOID(Compress({}, ZSTD_e_end));
    if (fd_ < 0) {
      out_.flush();
      if (!out_) return Fail(Code::kUnavailable, "standard output cannot be written");
      return {};
    }
    if (part_.empty()) return {};
    if (::fsync(fd_) != 0 || ::rename(part_.c_str(), path_.c_str()) != 0)
      return Fail(Code::kUnavailable, "cannot write '" + path_ + "': " + Why());
    part_.clear();
    return {};
  }

 private:
  Result<void> Compress(std::string_view text, ZSTD_EndDirective how) {
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const size_t left = ZSTD_compressStream2(compressor_.get(), &out, &in, how);
      if (ZSTD_isError(left) != 0)
        return Fail(Code::kUnavailable, std::string("zstd: ") + ZSTD_getErrorName(left));
      TRY_VOID(Raw({buffer_.data(), out.pos}));
      if (how == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }

  Result<void> Raw(std::string_view bytes) {
    if (fd_ < 0) {
      out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      if (!out_) return Fail(Code::kUnavailable, "standard output cannot be written");
      return {};
    }
    while (!bytes.empty()) {
      const ssize_t done = ::write(fd_, bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return Fail(Code::kUnavailable, "cannot write '" + path_ + "': " + Why());
      bytes.remove_prefix(static_cast<size_t>(done));
    }
    return {};
  }

  std::ostream& out_;
  int fd_ = -1;  // -1: to out_
  std::string path_, part_;
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> compressor_;
  std::vector<char> buffer_;
};

class Reader final : public LineReader {
 public:
  Reader(std::string path, std::istream& standard_input, size_t max_line)
      : path_(path == "-" ? "standard input" : "'" + path + "'"),
        max_line_(max_line),
        in_(&standard_input) {}

  ~Reader() override {
    if (gzip_) ::inflateEnd(&inflater_);
  }

  Result<void> Begin(const std::string& path) {
    if (path != "-") {
      errno = 0;
      file_.open(path, std::ios::binary);
      if (!file_) return Fail(Code::kUnavailable, "cannot read " + path_ + ": " + Why());
      in_ = &file_;
    }
    TRY_VOID(Fill());
    const std::string_view front(raw_.data(), have_);
    if (front.starts_with(kGzipMagic)) {
      // 16: gzip, not zlib.
      gzip_ = ::inflateInit2(&inflater_, 15 + 16) == Z_OK;
      if (!gzip_) return Fail(Code::kUnavailable, "there is no memory for zlib");
    }
    if (!front.starts_with(kZstdMagic)) return {};
    decompressor_.reset(ZSTD_createDCtx());
    if (!decompressor_) return Fail(Code::kUnavailable, "there is no memory for zstd");
    return {};
  }

  Result<std::optional<std::string>> Next() override {
    for (;;) {
      if (const size_t end = text_.find('\n', searched_); end != std::string::npos) {
        TRY_VOID(Fits(end - start_));
        std::string line = text_.substr(start_, end - start_);
        start_ = searched_ = end + 1;
        ++number_;
        return line;
      }
      text_.erase(0, start_);
      start_ = 0;
      searched_ = text_.size();
      TRY_VOID(Fits(text_.size()));
      TRY(const bool more, More());
      if (more) continue;
      if (text_.empty()) return std::nullopt;
      searched_ = 0;
      ++number_;
      return std::exchange(text_, {});
    }
  }

  uint64_t number() const override { return number_; }

 private:
  Result<void> Fits(size_t bytes) const {
    if (bytes <= max_line_) return {};
    return Fail(Code::kInvalid, path_ + ", line " + std::to_string(number_ + 1) +
                                    ": is longer than " + std::to_string(max_line_) + " bytes");
  }

  Result<void> Fill() {
    raw_.resize(kReadBytes);
    in_->read(raw_.data(), static_cast<std::streamsize>(raw_.size()));
    have_ = static_cast<size_t>(in_->gcount());
    used_ = 0;
    if (in_->bad() || (have_ == 0 && !in_->eof()))
      return Fail(Code::kUnavailable, path_ + " cannot be read");
    return {};
  }

  // Puts more text behind text_; false at the end.
  Result<bool> More() {
    if (used_ == have_ && !held_back_) {
      TRY_VOID(Fill());
      if (have_ == 0) {
        if (!inside_frame_) return false;
        return Fail(Code::kInvalid, path_ + " ends inside its compressed data: it was cut short");
      }
    }
    if (gzip_) return Inflate();
    if (!decompressor_) {
      text_.append(raw_.data() + used_, have_ - used_);
      used_ = have_;
      return true;
    }
    // One buffer at a time: a few bytes can stand for very many.
    out_bytes_.resize(ZSTD_DStreamOutSize());
    ZSTD_inBuffer in{raw_.data(), have_, used_};
    ZSTD_outBuffer out{out_bytes_.data(), out_bytes_.size(), 0};
    const size_t left = ZSTD_decompressStream(decompressor_.get(), &out, &in);
    if (ZSTD_isError(left) != 0) {
      return Fail(Code::kInvalid, path_ + ": zstd: " + ZSTD_getErrorName(left) +
                                      "; the file is damaged after line " +
                                      std::to_string(number_));
    }
    inside_frame_ = left != 0;
    held_back_ = inside_frame_ && out.pos == out.size;
    text_.append(out_bytes_.data(), out.pos);
    used_ = in.pos;
    return true;
  }

  Result<bool> Inflate() {
    out_bytes_.resize(kReadBytes);
    // A file may hold several members, one behind the other.
    if (!inside_frame_ && ::inflateReset(&inflater_) != Z_OK)
      return Fail(Code::kUnavailable, "zlib cannot begin");
    inflater_.next_in = reinterpret_cast<Bytef*>(raw_.data() + used_);
    inflater_.avail_in = static_cast<uInt>(have_ - used_);
    inflater_.next_out = reinterpret_cast<Bytef*>(out_bytes_.data());
    inflater_.avail_out = static_cast<uInt>(out_bytes_.size());
    const int done = ::inflate(&inflater_, Z_NO_FLUSH);
    if (done != Z_OK && done != Z_STREAM_END && done != Z_BUF_ERROR) {
      return Fail(Code::kInvalid,
                  path_ + ": the gzip data is damaged after line " + std::to_string(number_));
    }
    used_ = have_ - inflater_.avail_in;
    inside_frame_ = done != Z_STREAM_END;
    held_back_ = inside_frame_ && inflater_.avail_out == 0;
    text_.append(out_bytes_.data(), out_bytes_.size() - inflater_.avail_out);
    return true;
  }

  const std::string path_;
  const size_t max_line_;
  std::istream* in_;
  std::ifstream file_;
  std::vector<char> raw_;
  size_t have_ = 0, used_ = 0;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> decompressor_;
  z_stream inflater_ = {};
  bool gzip_ = false;
  std::vector<char> out_bytes_;
  bool inside_frame_ = false;
  bool held_back_ = false;  // zstd has more to give of what it took
  std::string text_;
  size_t start_ = 0, searched_ = 0;
  uint64_t number_ = 0;
};

}  // namespace

Result<std::unique_ptr<LineWriter>> LineWriter::Open(const std::string& path,
                                                     std::ostream& standard_output) {
  auto out = std::make_unique<Writer>(standard_output);
  TRY_VOID(out->Begin(path));
  return out;
}

Result<std::unique_ptr<LineReader>> LineReader::Open(const std::string& path,
                                                     std::istream& standard_input,
                                                     size_t max_line_bytes) {
  auto out = std::make_unique<Reader>(path, standard_input, max_line_bytes);
  TRY_VOID(out->Begin(path));
  return out;
}

}  // namespace mailreeve::cli
