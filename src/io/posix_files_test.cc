#include "io/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace mailreeve::io {
namespace {

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    char name[] = "/tmp/mailreeve-files-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }
  Files& files_ = PosixFiles();
  std::string folder_;
};

TEST_F(FilesTest, ReadsWhatWasWritten) {
  const std::string path = folder_ + "/a";
  auto file = files_.Open(path, OpenMode::kCreate);
  ASSERT_TRUE(file) << file.error().ToString();
  EXPECT_TRUE((*file)->WriteAt(5, "world"));
  EXPECT_TRUE((*file)->WriteAt(0, "hell"));
  EXPECT_TRUE((*file)->Sync());
  EXPECT_EQ(*(*file)->Size(), 10u);
  EXPECT_EQ(*(*file)->ReadAt(0, 100), std::string("hell\0world", 10));
  EXPECT_EQ(*(*file)->ReadAt(7, 1), "r");
  EXPECT_EQ(*(*file)->ReadAt(10, 1), "");
  EXPECT_EQ(*(*file)->ReadAt(1 << 20, 1), "");
  // No memory for what the file cannot hold.
  EXPECT_EQ(*(*file)->ReadAt(5, size_t{1} << 50), "world");
  EXPECT_EQ((*file)->ReadAt(~uint64_t{0}, 1).error().code, Code::kInvalid);
  EXPECT_EQ((*file)->WriteAt(~uint64_t{0}, "x").error().code, Code::kInvalid);
  EXPECT_EQ((*file)->Truncate(~uint64_t{0}).error().code, Code::kInvalid);
  EXPECT_TRUE((*file)->Truncate(4));
  EXPECT_EQ(*ReadWhole(files_, path, 4), "hell");

  EXPECT_EQ(*(*files_.Open(path, OpenMode::kCreate))->Size(), 4u) << "kept";
  EXPECT_EQ(*(*files_.Open(path, OpenMode::kTruncate))->Size(), 0u);
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(FilesTest, ErrorsNamePathAndReason) {
  const auto missing = files_.Open(folder_ + "/none", OpenMode::kRead);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, testing::HasSubstr("/none': No such file"));
  EXPECT_EQ(files_.Open(folder_, OpenMode::kRead).error().code, Code::kUnavailable);
  EXPECT_EQ(files_.Open(folder_ + "/none/a", OpenMode::kCreate).error().code, Code::kNotFound);
  EXPECT_EQ(files_.Remove(folder_ + "/none").error().code, Code::kNotFound);
  EXPECT_EQ(files_.List(folder_ + "/none").error().code, Code::kNotFound);
  EXPECT_EQ(files_.SyncFolder(folder_ + "/none").error().code, Code::kNotFound);
  EXPECT_EQ(files_.Lock(folder_ + "/none/lock").error().code, Code::kNotFound);
  EXPECT_THAT(files_.Rename(folder_ + "/x", folder_ + "/y").error().message,
              testing::AllOf(testing::HasSubstr("/x'"), testing::HasSubstr("/y'")));
  ASSERT_TRUE(ReplaceWhole(files_, folder_ + "/file", "x"));
  EXPECT_EQ(files_.MakeFolders(folder_ + "/file").error().code, Code::kUnavailable);
  auto read_only = files_.Open(folder_ + "/file", OpenMode::kRead);
  EXPECT_EQ((*read_only)->WriteAt(0, "y").error().code, Code::kUnavailable);
}

TEST_F(FilesTest, FullDisk) {
  auto full = files_.Open("/dev/full", OpenMode::kCreate);
  ASSERT_TRUE(full) << full.error().ToString();
  const auto written = (*full)->WriteAt(0, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kLimited);
  EXPECT_THAT(written.error().message, testing::HasSubstr("/dev/full': No space left"));
}

TEST_F(FilesTest, FoldersAndNames) {
  ASSERT_TRUE(files_.MakeFolders(folder_ + "/s/t/"));
  ASSERT_TRUE(files_.MakeFolders(folder_ + "/s/t"));
  struct stat info {};
  ASSERT_EQ(::stat((folder_ + "/s/t").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_TRUE(ReplaceWhole(files_, folder_ + "/s/b", "1"));
  ASSERT_TRUE(ReplaceWhole(files_, folder_ + "/s/a", "2"));
  EXPECT_THAT(*files_.List(folder_ + "/s"), testing::ElementsAre("a", "b")) << "no folders";
  ASSERT_TRUE(files_.Rename(folder_ + "/s/a", folder_ + "/s/b"));
  EXPECT_EQ(*ReadWhole(files_, folder_ + "/s/b", 1), "2");
  ASSERT_TRUE(files_.SyncFolder(folder_ + "/s"));
  ASSERT_TRUE(files_.Remove(folder_ + "/s/b"));
  EXPECT_THAT(*files_.List(folder_ + "/s"), testing::IsEmpty());
}

TEST_F(FilesTest, WholeFiles) {
  const std::string path = folder_ + "/a";
  ASSERT_TRUE(ReplaceWhole(files_, path, "longer"));
  ASSERT_TRUE(ReplaceWhole(files_, path, "short"));
  EXPECT_EQ(*ReadWhole(files_, path, 5), "short");
  EXPECT_EQ(ReadWhole(files_, path, 4).error().code, Code::kLimited);
  EXPECT_THAT(*files_.List(folder_), testing::ElementsAre("a")) << "nothing is left beside it";
  ASSERT_TRUE(files_.MakeFolders(folder_ + "/d/e"));
  EXPECT_FALSE(ReplaceWhole(files_, folder_ + "/d", "x"));
  EXPECT_THAT(*files_.List(folder_), testing::ElementsAre("a"));
}

TEST_F(FilesTest, LockExcludesThisProcessAndOthersUntilTheHolderDies) {
  const std::string path = folder_ + "/lock";
  auto held = files_.Lock(path);
  ASSERT_TRUE(held) << held.error().ToString();
  const auto second = files_.Lock(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_THAT(second.error().message, testing::HasSubstr(path));
  // Opening and closing the file elsewhere does not drop it.
  ASSERT_TRUE(files_.Open(path, OpenMode::kRead));
  EXPECT_FALSE(files_.Lock(path));
  held->reset();

  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto taken = files_.Lock(path);
    const char answer = taken ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(files_.Lock(path).error().code, Code::kConflict);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(files_.Lock(path));
  close(ready[0]);
  close(ready[1]);
}

TEST_F(FilesTest, ChildProgramsDoNotInheritFiles) {
  auto file = files_.Open(folder_ + "/a", OpenMode::kCreate);
  auto lock = files_.Lock(folder_ + "/lock");
  ASSERT_TRUE(file && lock);
  size_t ours = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    std::error_code ignored;
    if (!std::filesystem::read_symlink(entry.path(), ignored).string().starts_with(folder_))
      continue;
    ++ours;
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(ours, 2u);
}

}  // namespace
}  // namespace mailreeve::io
