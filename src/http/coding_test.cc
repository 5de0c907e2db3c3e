#include "http/coding.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace mailreeve::http {
namespace {

std::string Deflate(std::string_view text, int window) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}
std::string Gzip(std::string_view text) { return Deflate(text, 15 + 16); }

Response Coded(std::string body, std::string coding) {
  Response out;
  out.body = std::move(body);
  out.headers.Set("Content-Encoding", std::move(coding));
  return out;
}

TEST(Coding, Undoes) {
  EXPECT_EQ(*Inflate(Gzip("hello"), 5), "hello");
  EXPECT_EQ(*Inflate(Gzip("hel") + Gzip("lo"), 5), "hello");
  EXPECT_EQ(*Inflate(Deflate("hello", 15), 5), "hello");
  EXPECT_EQ(*Inflate(Gzip(""), 5), "");
  const std::string large(300000, 'x');
  EXPECT_EQ(*Inflate(Gzip(large), large.size()), large);
  for (const auto& [coding, bytes] : std::initializer_list<std::pair<const char*, std::string>>{
           {"gzip", Gzip("hello")},
           {" X-GZIP ", Gzip("hello")},
           {"deflate", Deflate("hello", 15)},
           {"deflate", Deflate("hello", -15)},
           {"identity", "hello"},
           {"", "hello"}}) {
    Response response = Coded(bytes, coding);
    const auto done = UndoCoding(response, 100);
    ASSERT_TRUE(done) << coding << done.error().ToString();
    EXPECT_EQ(response.body, "hello") << coding;
  }
}

TEST(Coding, BombsAreCutOff) {
  EXPECT_EQ(Inflate(Gzip("hello!"), 5).error().code, Code::kLimited);
  // 64 MiB of nothing is 64 KiB on the wire; wrapped again, under 1 KiB.
  const std::string bomb = Gzip(std::string(64 * 1024 * 1024, '\0'));
  EXPECT_LT(bomb.size(), 100000u);
  EXPECT_EQ(Inflate(bomb, 1024 * 1024).error().code, Code::kLimited);
  std::string members;
  const std::string member = Gzip(std::string(1024 * 1024, 'a'));
  for (int i = 0; i < 50; ++i) members += member;
  EXPECT_EQ(Inflate(members, 10 * 1024 * 1024).error().code, Code::kLimited);
  Response twice = Coded(Gzip(bomb), "gzip, gzip");
  EXPECT_EQ(UndoCoding(twice, 1024).error().code, Code::kInvalid);
}

TEST(Coding, DamageIsAnError) {
  const std::string good = Gzip("hello, hello, hello");
  for (size_t size = 1; size < good.size(); ++size) {
    EXPECT_EQ(Inflate(good.substr(0, size), 100).error().code, Code::kInvalid) << size;
  }
  std::string flipped = good;
  flipped[good.size() - 6] ^= 1;  // of the checksum
  EXPECT_EQ(Inflate(flipped, 100).error().code, Code::kInvalid);
  EXPECT_EQ(Inflate(good + "x", 100).error().code, Code::kInvalid);
  EXPECT_EQ(Inflate("no gzip", 100).error().code, Code::kInvalid);
  Response brotli = Coded("x", "br");
  EXPECT_EQ(UndoCoding(brotli, 100).error().code, Code::kInvalid);
  Response plain = Coded(std::string(101, 'x'), "");
  EXPECT_EQ(UndoCoding(plain, 100).error().code, Code::kLimited);
}

}  // namespace
}  // namespace mailreeve::http
