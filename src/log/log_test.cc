#include "log/log.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace mailreeve::log {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() {
    char name[] = "/tmp/mailreeve-log-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/log";
  }
  ~LogTest() override { std::filesystem::remove_all(folder_); }
  std::vector<boost::json::object> Lines() const {
    std::ifstream file(path_);
    std::vector<boost::json::object> out;
    for (std::string line; std::getline(file, line);)
      out.push_back(boost::json::parse(line).as_object());
    return out;
  }
  std::string folder_, path_;
};

TEST_F(LogTest, FieldsKeepTheirTypes) {
  const auto logger = MakeLogger(path_, Level::kDebug);
  logger->Info("event", {{"s", "x"},
                         {"i", -1},
                         {"u", size_t{2}},
                         {"b", true},
                         {"d", 0.5},
                         {"v", std::string_view("y")}});
  ASSERT_EQ(Lines().size(), 1u);
  const auto line = Lines()[0];
  EXPECT_EQ(line.at("level").as_string(), "info");
  EXPECT_EQ(line.at("event").as_string(), "event");
  EXPECT_EQ(line.at("time").as_string().size(), 24u);
  EXPECT_EQ(line.at("s").as_string(), "x");
  EXPECT_EQ(line.at("i").to_number<int>(), -1);
  EXPECT_EQ(line.at("u").to_number<int>(), 2);
  EXPECT_TRUE(line.at("b").as_bool());
  EXPECT_EQ(line.at("d").as_double(), 0.5);
  EXPECT_EQ(line.at("v").as_string(), "y");
}

TEST_F(LogTest, StrangersCannotWriteLines) {
  const auto logger = MakeLogger(path_, Level::kDebug);
  logger->Warn("event",
               {{"subject", "x\"}\n{\"level\":\"error\"\r\x1b[31m{}%n"}, {"bytes", "\xff\xc3"}});
  ASSERT_EQ(Lines().size(), 1u);
  EXPECT_EQ(Lines()[0].at("subject").as_string(), "x\"}\n{\"level\":\"error\"\r\x1b[31m{}%n");
  std::ifstream file(path_);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST_F(LogTest, LevelsBelowAreDropped) {
  const auto logger = MakeLogger(path_, Level::kWarn);
  logger->Debug("a");
  logger->Info("b");
  logger->Warn("c");
  logger->Error("d");
  ASSERT_EQ(Lines().size(), 2u);
  EXPECT_EQ(Lines()[0].at("event").as_string(), "c");
}

TEST_F(LogTest, FileIsNotForAll) {
  MakeLogger(path_, Level::kInfo)->Info("x");
  struct stat info {};
  ::stat(path_.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777 & ~0640u, 0u);
}

TEST_F(LogTest, UnusableFileFallsBackToStandardError) {
  testing::internal::CaptureStderr();
  std::ofstream(path_ + "x") << "";
  const auto other = MakeLogger(path_ + "x/y", Level::kInfo);
  other->Info("still_said");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("log_file_unusable"), std::string::npos);
  EXPECT_NE(said.find("still_said"), std::string::npos);
}

}  // namespace
}  // namespace mailreeve::log
