#include "io/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace mailreeve::io {
namespace {

class FileTest : public testing::Test {
 protected:
  FileTest() {
    char name[] = "/tmp/mailreeve-file-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  size_t Entries() const {
    const std::filesystem::directory_iterator all(folder_);
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }
  std::string folder_;
};

TEST_F(FileTest, WritesAndReads) {
  const std::string path = folder_ + "/a";
  const std::string bytes("x\0y", 3);
  ASSERT_TRUE(WriteFileAtomically(path, bytes, 0600).has_value());
  EXPECT_EQ(*ReadFile(path, 3), bytes);
  EXPECT_EQ(ReadFile(path, 2).error().code, Code::kLimited);
  struct stat info {};
  ::stat(path.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_TRUE(WriteFileAtomically(path, "", 0600).has_value());
  EXPECT_EQ(*ReadFile(path, 0), "");
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(FileTest, FailuresLeaveNothingBehind) {
  EXPECT_EQ(WriteFileAtomically(folder_ + "/none/a", "x", 0600).error().code, Code::kNotFound);
  std::filesystem::create_directory(folder_ + "/is-folder");
  const auto onto = WriteFileAtomically(folder_ + "/is-folder", "x", 0600);
  EXPECT_FALSE(onto.has_value());
  EXPECT_THAT(onto.error().message, testing::HasSubstr("is-folder"));
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(FileTest, ReadSaysWhatIsMissing) {
  const auto missing = ReadFile(folder_ + "/none", 10);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, testing::HasSubstr("/none"));
  EXPECT_EQ(ReadFile(folder_, 10).error().code, Code::kUnavailable);
}

TEST_F(FileTest, MakesFolders) {
  const std::string deep = folder_ + "/a/b/c";
  ASSERT_TRUE(MakeFolders(deep, 0700).has_value());
  ASSERT_TRUE(MakeFolders(deep, 0700).has_value());
  ASSERT_TRUE(MakeFolders(deep + "/", 0700).has_value());
  EXPECT_TRUE(std::filesystem::is_directory(deep));
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/file", "x", 0600).has_value());
  EXPECT_FALSE(MakeFolders(folder_ + "/file", 0700).has_value());
  EXPECT_FALSE(MakeFolders(folder_ + "/file/x", 0700).has_value());
}

}  // namespace
}  // namespace mailreeve::io
