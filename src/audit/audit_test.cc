#include "audit/audit.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace mailreeve::audit {
namespace {

class AuditTest : public testing::Test {
 protected:
  AuditTest() {
    char name[] = "/tmp/mailreeve-audit-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/audit.log";
  }
  ~AuditTest() override { std::filesystem::remove_all(folder_); }
  std::vector<std::string> Lines() const {
    std::ifstream file(path_);
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
  }
  std::string folder_, path_;
  FakeClock clock_{*ParseTime("2026-01-02T03:04:05.678Z")};
};

Entry Sample() {
  Entry entry;
  entry.actor = {"user", "u-1", "Ann"};
  entry.origin = {"192.0.2.1", "https", "req-1"};
  entry.action = "mail.remediate";
  entry.object = {"message", "m-1"};
  entry.result = "success";
  entry.message = "moved";
  entry.details["count"] = 2;
  return entry;
}

TEST_F(AuditTest, OneJsonObjectALine) {
  auto log = *OpenFileLog(path_, clock_);
  Entry entry = Sample();
  entry.message = "two\nlines \"and\" a quote";
  ASSERT_TRUE(log->Append(entry).has_value());
  ASSERT_TRUE(log->Append(Sample()).has_value());
  ASSERT_EQ(Lines().size(), 2u);
  const auto read = json::Parse(Lines()[0])->get_object();
  EXPECT_EQ(read.at("time").as_string(), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(read.at("id").as_string().size(), 36u);
  EXPECT_EQ(read.at("message").as_string(), entry.message);
  EXPECT_EQ(read.at("actor").at("name").as_string(), "Ann");
  EXPECT_EQ(read.at("origin").at("request_id").as_string(), "req-1");
  EXPECT_EQ(read.at("object").at("type").as_string(), "message");
  EXPECT_EQ(read.at("details").at("count").as_int64(), 2);
  struct stat info {};
  ::stat(path_.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777 & ~0640u, 0u);
}

TEST_F(AuditTest, IllFormedBytesStayReadable) {
  auto log = *OpenFileLog(path_, clock_);
  Entry entry = Sample();
  entry.actor.name = "\xff\xfe";
  ASSERT_TRUE(log->Append(entry).has_value());
  EXPECT_TRUE(json::Parse(Lines()[0]).has_value());
}

TEST_F(AuditTest, AppendsToWhatIsThere) {
  { ASSERT_TRUE((*OpenFileLog(path_, clock_))->Append(Sample()).has_value()); }
  { ASSERT_TRUE((*OpenFileLog(path_, clock_))->Append(Sample()).has_value()); }
  EXPECT_EQ(Lines().size(), 2u);
}

// A crash in the middle of a line.
TEST_F(AuditTest, TornLineDoesNotSpoilTheNext) {
  std::ofstream(path_) << R"({"id":"x","acti)";
  ASSERT_TRUE((*OpenFileLog(path_, clock_))->Append(Sample()).has_value());
  ASSERT_EQ(Lines().size(), 2u);
  EXPECT_TRUE(json::Parse(Lines()[1]).has_value());
}

TEST_F(AuditTest, FullDiskIsAnError) {
  auto log = OpenFileLog("/dev/full", clock_);
  ASSERT_TRUE(log.has_value());
  EXPECT_EQ((*log)->Append(Sample()).error().code, Code::kUnavailable);
  EXPECT_EQ(OpenFileLog(folder_ + "/none/audit.log", clock_).error().code, Code::kUnavailable);
}

TEST_F(AuditTest, ThreadsDoNotMixLines) {
  auto log = *OpenFileLog(path_, clock_);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(log->Append(Sample()).has_value());
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_EQ(Lines().size(), 40u);
  for (const auto& line : Lines()) EXPECT_TRUE(json::Parse(line).has_value());
}

}  // namespace
}  // namespace mailreeve::audit
