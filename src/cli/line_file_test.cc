#include "cli/line_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

namespace mailreeve::cli {
namespace {

class LineFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "line-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  static std::string Bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void Put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  void WriteAll(const std::string& path, const std::vector<std::string>& lines) {
    std::ostringstream unused;
    auto file = LineWriter::Open(path, unused);
    ASSERT_TRUE(file);
    for (const auto& line : lines) ASSERT_TRUE((*file)->Write(line + "\n"));
    EXPECT_FALSE(std::filesystem::exists(path)) << "before it is whole";
    ASSERT_TRUE((*file)->Finish());
  }
  static Result<std::vector<std::string>> ReadAll(const std::string& path,
                                                  size_t max_line = 1 << 20) {
    std::istringstream unused;
    TRY(auto file, LineReader::Open(path, unused, max_line));
    std::vector<std::string> out;
    for (;;) {
      TRY(auto line, file->Next());
      if (!line) return out;
      out.push_back(*std::move(line));
      EXPECT_EQ(file->number(), out.size());
    }
  }

  std::string folder_;
};

std::vector<std::string> ManyLines() {
  std::vector<std::string> lines{"", "a", std::string(900000, 'x'), "é"};
  for (int i = 0; i < 50000; ++i) lines.push_back(std::to_string(i * 7919) + " line");
  return lines;
}

TEST_F(LineFile, GivesBackWhatWasWrittenPlainAndCompressed) {
  for (const char* name : {"plain", "packed.zst"}) {
    WriteAll(Path(name), ManyLines());
    const auto read = ReadAll(Path(name));
    ASSERT_TRUE(read) << read.error().ToString();
    EXPECT_EQ(*read, ManyLines());
  }
  EXPECT_LT(std::filesystem::file_size(Path("packed.zst")) * 3,
            std::filesystem::file_size(Path("plain")));
  EXPECT_EQ(std::filesystem::status(Path("plain")).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  // Frames one behind the other, under any name.
  Put(Path("two"), Bytes(Path("packed.zst")) + Bytes(Path("packed.zst")));
  EXPECT_EQ(ReadAll(Path("two"))->size(), 2 * ManyLines().size());
}

TEST_F(LineFile, ReadsGzip) {
  std::string text;
  for (const auto& line : ManyLines()) text += line + "\n";
  const auto gzip = [&](const std::string& name, const std::string& bytes) {
    gzFile file = ::gzopen(Path(name).c_str(), "wb");
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(::gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
              static_cast<int>(bytes.size()));
    ::gzclose(file);
  };
  gzip("f.gz", text);
  const auto read = ReadAll(Path("f.gz"));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(*read, ManyLines());
  const std::string whole = Bytes(Path("f.gz"));
  Put(Path("two"), whole + whole);
  EXPECT_EQ(ReadAll(Path("two"))->size(), 2 * ManyLines().size());
  Put(Path("cut"), whole.substr(0, whole.size() - 1));
  EXPECT_NE(ReadAll(Path("cut")).error().message.find("cut short"), std::string::npos);
  gzip("long", std::string(64 << 20, 'x'));
  EXPECT_NE(ReadAll(Path("long")).error().message.find("is longer"), std::string::npos);
}

TEST_F(LineFile, ALastLineNeedsNoEnd) {
  Put(Path("f"), "one\ntwo");
  EXPECT_EQ(*ReadAll(Path("f")), (std::vector<std::string>{"one", "two"}));
  Put(Path("f"), "");
  EXPECT_TRUE(ReadAll(Path("f"))->empty());
}

TEST_F(LineFile, DamageIsSaid) {
  WriteAll(Path("f.zst"), ManyLines());
  const std::string whole = Bytes(Path("f.zst"));
  Put(Path("f.zst"), whole.substr(0, whole.size() - 1));
  EXPECT_NE(ReadAll(Path("f.zst")).error().message.find("cut short"), std::string::npos);
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 1);
  Put(Path("f.zst"), flipped);
  EXPECT_EQ(ReadAll(Path("f.zst")).error().code, Code::kInvalid);
}

TEST_F(LineFile, ALineHasALimitAlsoWhenItIsPackedSmall) {
  for (const char* name : {"plain", "packed.zst"}) {
    WriteAll(Path(name), {"short", std::string(64 << 20, 'x')});
    const auto read = ReadAll(Path(name));
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message.find("line 2: is longer"), std::string::npos)
        << read.error().message;
  }
}

TEST_F(LineFile, AnUnfinishedFileLeavesTheOldOne) {
  WriteAll(Path("f"), {"old"});
  std::ostringstream unused;
  {
    auto file = LineWriter::Open(Path("f"), unused);
    ASSERT_TRUE((*file)->Write("new\n"));
  }
  EXPECT_EQ(Bytes(Path("f")), "old\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(LineFile, ErrorsNameTheFile) {
  EXPECT_NE(ReadAll(Path("nowhere")).error().message.find(Path("nowhere")), std::string::npos);
  std::ostringstream out;
  const auto file = LineWriter::Open(Path("no/folder"), out);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find(Path("no/folder")), std::string::npos);
}

TEST_F(LineFile, ADashIsTheStandardStream) {
  std::ostringstream out;
  auto file = LineWriter::Open("-", out);
  ASSERT_TRUE((*file)->Write("x\n"));
  ASSERT_TRUE((*file)->Finish());
  EXPECT_EQ(out.str(), "x\n");
  std::istringstream in("y\n");
  auto reader = LineReader::Open("-", in, 10);
  EXPECT_EQ((*reader)->Next()->value(), "y");
}

}  // namespace
}  // namespace mailreeve::cli
