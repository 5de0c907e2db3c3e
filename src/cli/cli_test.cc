#include "cli/cli.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

namespace mailreeve::cli {
namespace {

struct Said {
  int exit = 0;
  std::string out, err;
};

Said RunWith(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "mailreeve");
  std::ostringstream out, err;
  Said said;
  said.exit = Run(static_cast<int>(arguments.size()), arguments.data(), out, err);
  said.out = out.str();
  said.err = err.str();
  return said;
}

class Cli : public testing::Test {
 protected:
  void SetUp() override { ::setenv("LC_ALL", "C.UTF-8", 1); }
};

TEST_F(Cli, WrongUsageIsTwo) {
  EXPECT_EQ(RunWith({}).exit, kExitUsage);
  EXPECT_EQ(RunWith({"nonsense"}).exit, kExitUsage);
  EXPECT_EQ(RunWith({"message"}).exit, kExitUsage);
  EXPECT_EQ(RunWith({"track", "--limit", "0"}).exit, kExitUsage);
  EXPECT_EQ(RunWith({"completion", "csh"}).exit, kExitUsage);
  EXPECT_EQ(RunWith({"track", "import"}).exit, kExitUsage);
  EXPECT_EQ(RunWith({"track", "import", "/nonexistent"}).exit, kExitUsage);
  EXPECT_EQ(RunWith({"track", "export", "a", "b"}).exit, kExitUsage);
}

TEST_F(Cli, HelpIsDone) {
  const Said said = RunWith({"--help"});
  EXPECT_EQ(said.exit, kExitDone);
  for (const char* command :
       {"status", "register", "deregister", "track", "message", "device", "version"}) {
    EXPECT_NE(said.out.find(command), std::string::npos) << command;
  }
}

TEST_F(Cli, SpeaksChinese) {
  ::setenv("LC_ALL", "zh_CN.UTF-8", 1);
  EXPECT_NE(RunWith({"--help"}).out.find("搜索已跟踪的邮件"), std::string::npos);
}

TEST_F(Cli, SaysWhenTheGatewayIsNotThere) {
  const Said said = RunWith({"--socket", "/nonexistent/gateway.sock", "status"});
  EXPECT_EQ(said.exit, kExitUnreachable);
  EXPECT_NE(said.err.find("/nonexistent/gateway.sock"), std::string::npos);
  EXPECT_TRUE(said.out.empty());
}

TEST_F(Cli, RegisterWantsAToken) {
  const Said said = RunWith({"register", "--server", "https://response.example"});
  EXPECT_EQ(said.exit, kExitUsage);
  EXPECT_NE(said.err.find("--token"), std::string::npos);
  EXPECT_EQ(RunWith({"register", "--server", "https://x", "--token-file", "/nonexistent"}).exit,
            kExitUsage);
}

TEST_F(Cli, CompletionAndManualNameEveryCommandAndOption) {
  const std::string bash = RunWith({"completion", "bash"}).out;
  EXPECT_NE(bash.find("complete -F _mailreeve mailreeve"), std::string::npos);
  EXPECT_NE(bash.find("--message-id"), std::string::npos);
  EXPECT_NE(RunWith({"completion", "zsh"}).out.find("#compdef mailreeve"), std::string::npos);
  EXPECT_NE(RunWith({"completion", "fish"}).out.find("-l sender"), std::string::npos);
  const std::string manual = RunWith({"manual"}).out;
  EXPECT_EQ(manual.find(".TH MAILREEVE 1"), 0u);
  for (const char* text :
       {"mailreeve track", "\\-\\-token\\-file", "EXIT STATUS", "MAILREEVE_SOCKET"}) {
    EXPECT_NE(manual.find(text), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace mailreeve::cli
