#include "gateway/inspection/inspection_pool.h"

#include "io/event.h"

#include <boost/asio/detached.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

// This program is its own cage: started with kCageArgument it runs the child's side (main, below).
// The child obeys a first line "cage-test: <what>", which the product's inspector knows nothing of.
namespace mailreeve::gateway::inspection {
namespace {

using namespace std::chrono_literals;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

std::string Misbehave(std::string_view what) {
  if (what == "crash") raise(SIGSEGV);
  if (what == "abort") abort();
  if (what == "exit") _exit(7);
  if (what == "open") return std::to_string(open("/etc/passwd", O_RDONLY));
  if (what == "socket") return std::to_string(socket(AF_INET, SOCK_STREAM, 0));
  if (what == "fork") return std::to_string(fork());
  if (what == "code") {
    return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? "no"
               : "yes";
  }
  if (what == "memory") {
    std::vector<std::string> hold;
    while (true) hold.emplace_back(16 * 1024 * 1024, 'x');
  }
  if (what == "spin") {
    for (volatile uint64_t n = 0;; n = n + 1) {
    }
  }
  if (what == "sleep") {
    // Waits for more of a pipe that nobody writes to: no processor time goes by.
    char byte;
    while (read(kCageDescriptor, &byte, 1) > 0) {
    }
  }
  if (what == "garbage") return "no inspection";
  if (what == "environment") return environ != nullptr && *environ != nullptr ? "some" : "none";
  return {};
}

Inspector MakeTestInspector(const CageOptions& options, uint64_t& charsets) {
  auto real = MakeMailInspector(options, charsets);
  return [real](std::string_view message) {
    constexpr std::string_view kOrder = "cage-test: ";
    if (message.starts_with(kOrder)) return Misbehave(message.substr(kOrder.size()));
    return real(message);
  };
}

struct Fixture {
  explicit Fixture(InspectionOptions options = {}) {
    if (options.children == 0) options.children = 1;
    options.start_deadline = 120s;
    options.first_backoff = 1ms;
    pool.emplace(context.get_executor(), logger, options,
                 [this](const InspectionAlert& a) { alerts.push_back(a); });
    pool->Start();
  }
  ~Fixture() {
    context.restart();
    asio::co_spawn(context, pool->Stop(), asio::detached);
    context.run();
  }
  // Inspects all at once and gives the answers in order.
  std::vector<Result<mail::Inspection>> Ask(const std::vector<std::string>& messages) {
    std::vector<Result<mail::Inspection>> out(messages.size(), Fail(Code::kInternal, "not asked"));
    size_t left = messages.size();
    for (size_t n = 0; n < messages.size(); ++n) {
      asio::co_spawn(context, One(*pool, messages[n], out[n], left), asio::detached);
    }
    context.restart();
    while (left > 0 && context.run_one() > 0) {
    }
    return out;
  }
  Result<mail::Inspection> Ask(const std::string& message) {
    return Ask(std::vector<std::string>{message})[0];
  }
  static io::Task<void> One(InspectionPool& pool, std::string message,
                            Result<mail::Inspection>& out, size_t& left) {
    out = co_await pool.Inspect(std::move(message));
    --left;
  }

  asio::io_context context{1};
  log::NullLogger logger;
  std::vector<InspectionAlert> alerts;
  std::optional<InspectionPool> pool;
};

const std::string kMail = "From: a@x.example\r\nSubject: hello\r\n\r\nhttp://x.example/\r\n";

TEST(InspectionPool, ReadsManyMessagesAtOnce) {
  InspectionOptions options;
  options.children = 2;
  Fixture f(options);
  const auto answers = f.Ask(std::vector<std::string>(300, kMail));
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
    EXPECT_EQ(*answer, mail::Read(kMail));
  }
  EXPECT_EQ(f.pool->counters().inspected, 300u);
  EXPECT_EQ(f.pool->counters().restarted, 0u);
}

class Trouble : public ::testing::TestWithParam<std::pair<const char*, Code>> {};

TEST_P(Trouble, CostsOnlyItsOwnMessage) {
  const auto [what, code] = GetParam();
  if (kSanitized && std::string_view(what) == "memory")
    GTEST_SKIP() << "no memory limit under a sanitizer";
  InspectionOptions options;
  options.cage.cpu_ms = 1000;
  options.message_deadline = std::string_view(what) == "sleep" ? 5000ms : 120000ms;
  options.cage.memory_bytes = 256ull * 1024 * 1024;
  Fixture f(options);
  const auto answers =
      f.Ask(std::vector<std::string>{kMail, std::string("cage-test: ") + what, kMail});
  EXPECT_TRUE(answers[0].has_value());
  ASSERT_FALSE(answers[1].has_value());
  EXPECT_EQ(answers[1].error().code, code) << answers[1].error().ToString();
  EXPECT_TRUE(answers[2].has_value()) << answers[2].error().ToString();
  ASSERT_EQ(f.alerts.size(), 1u);
  EXPECT_EQ(f.alerts[0].message_sha256.size(), 64u);
  EXPECT_EQ(f.pool->counters().restarted, 1u);
  if (std::string_view(what) == "open" || std::string_view(what) == "socket" ||
      std::string_view(what) == "fork" || std::string_view(what) == "code") {
    EXPECT_NE(f.alerts[0].what.find("forbidden"), std::string::npos) << f.alerts[0].what;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Trouble,
    ::testing::Values(std::pair("crash", Code::kUnavailable),
                      std::pair("abort", Code::kUnavailable), std::pair("exit", Code::kUnavailable),
                      std::pair("open", Code::kUnavailable),
                      std::pair("socket", Code::kUnavailable),
                      std::pair("fork", Code::kUnavailable), std::pair("code", Code::kUnavailable),
                      std::pair("memory", Code::kUnavailable), std::pair("spin", Code::kTimeout),
                      std::pair("sleep", Code::kTimeout), std::pair("garbage", Code::kCorrupt)),
    [](const auto& info) { return info.param.first; });

TEST(InspectionPool, RefusesWhatTheQueueCannotHold) {
  InspectionOptions options;
  options.max_queue = 5;
  options.cage.max_message_bytes = 1000;
  Fixture f(options);
  const auto answers = f.Ask(std::vector<std::string>(20, kMail));
  size_t read = 0, refused = 0;
  for (const auto& answer : answers) {
    if (answer) {
      ++read;
    } else {
      EXPECT_EQ(answer.error().code, Code::kLimited);
      ++refused;
    }
  }
  EXPECT_EQ(read, 5u);
  EXPECT_EQ(refused, 15u);
  EXPECT_EQ(f.Ask(std::string(1001, 'x')).error().code, Code::kLimited);
  EXPECT_EQ(f.pool->counters().refused, 16u);
}

TEST(InspectionPool, ReplacesAChildAfterItsShare) {
  InspectionOptions options;
  options.messages_per_child = 2;
  Fixture f(options);
  for (const auto& answer : f.Ask(std::vector<std::string>(5, kMail)))
    EXPECT_TRUE(answer.has_value());
  EXPECT_EQ(f.pool->counters().restarted, 2u);
  EXPECT_TRUE(f.alerts.empty());
}

TEST(InspectionPool, SaysWhenTheProgramCannotStart) {
  InspectionOptions options;
  options.program = "/nonexistent";
  options.max_backoff = 4ms;
  Fixture f(options);
  EXPECT_EQ(f.Ask(kMail).error().code, Code::kUnavailable);
  ASSERT_FALSE(f.alerts.empty());
  EXPECT_EQ(f.alerts[0].kind, InspectionAlert::Kind::kCannotStart);
}

TEST(InspectionPool, ReadsOddCharsetsWithoutOpeningFiles) {
  Fixture f;
  for (const char* charset :
       {"koi8-r", "iso-2022-jp", "big5", "gb18030", "ibm1166", "utf-7", "utf-16", "x-unknown",
        "../../etc/passwd", "euc-kr", "iso-8859-16", "tscii", "armscii-8"}) {
    const std::string name(charset);
    const auto answer =
        f.Ask("Subject: =?" + name +
              "?Q?=C1=E1=30?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" +
              "Content-Type: text/html; charset=" + name + "; name*=" + name +
              "''%C1%E1\r\n\r\n\xC1\xE1\r\n--b--\r\n");
    ASSERT_TRUE(answer.has_value()) << charset << ": " << answer.error().ToString();
  }
  EXPECT_EQ(f.pool->counters().restarted, 0u);
}

TEST(InspectionPool, ReadsTheBigBadMessages) {
  std::string headers;
  for (int n = 0; n < 100000; ++n) headers += "X-" + std::to_string(n) + ": v\r\n";
  std::string deep;
  for (int n = 0; n < 10000; ++n) {
    const std::string b = "b" + std::to_string(n);
    deep += "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n--" + b + "\r\n";
  }
  std::string messages;
  for (int n = 0; n < 10000; ++n) messages += "Content-Type: message/rfc822\r\n\r\n";
  std::string dashes = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int n = 0; n < 2000; ++n)
    dashes += "--b\r\nContent-Type: multipart/mixed; boundary=" + std::to_string(n) + "\r\n\r\n";
  for (int n = 0; n < 500000; ++n) dashes += "--\r\n";
  InspectionOptions options;
  options.cage.cpu_ms = 60000;  // sanitizers are slow
  options.message_deadline = 280s;
  Fixture f(options);
  const std::vector<std::string> all = {
      headers + "\r\n",
      deep,
      messages,
      dashes,
      "Subject: x\r\n\r\n" + std::string(30'000'000, 'a'),
      "Subject: " + std::string(100'000, '\0') + "\r\n\r\n" + std::string(100'000, '\0'),
      "Content-Transfer-Encoding: base64\r\n\r\n" + std::string(100'000, '=') + "!!!!" +
          std::string(99'999, 'A'),
      "From: " + std::string(900'000, '('),
      "Content-Type: text/html\r\n\r\n" + std::string(3'000'000, '<'),
      "Content-Type: multipart/mixed; boundary=" + std::string(5000, 'b') + "\r\n\r\n--" +
          std::string(5000, 'b') + "\r\n\r\nx\r\n"};
  for (const auto& message : all) {
    const auto answer = f.Ask(message);
    ASSERT_TRUE(answer.has_value()) << message.substr(0, 60) << ": " << answer.error().ToString();
    EXPECT_EQ(answer->size, message.size());
  }
  EXPECT_EQ(f.pool->counters().restarted, 0u);
}

TEST(CageOptions, SurviveTheirEncoding) {
  CageOptions options;
  options.cpu_ms = 5;
  options.read.max_content_types = 7;
  const auto again = DecodeCageOptions(Encode(options));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->cpu_ms, 5u);
  EXPECT_EQ(again->read.max_content_types, 7u);
  EXPECT_FALSE(DecodeCageOptions("x").has_value());
}

TEST(InspectionOptions, HaveTheirDefaultsFromTheSchema) {
  std::ifstream file(MAILREEVE_SOURCE_DIR "/schema/settings/inspection.json");
  const std::string document((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
  const auto schema = settings::Schema::Parse({document});
  ASSERT_TRUE(schema.has_value()) << schema.error().ToString();
  const auto snapshot = settings::Snapshot::Defaults(*schema, "gateway");
  const InspectionOptions from = FromSettings(*snapshot), plain;
  EXPECT_EQ(from.children, plain.children);
  EXPECT_EQ(from.max_queue, plain.max_queue);
  EXPECT_EQ(from.messages_per_child, plain.messages_per_child);
  EXPECT_EQ(from.message_deadline, plain.message_deadline);
  EXPECT_EQ(Encode(from.cage), Encode(plain.cage));
}

}  // namespace
}  // namespace mailreeve::gateway::inspection

int main(int argc, char** argv) {
  using namespace mailreeve::gateway::inspection;
  if (argc > 1 && std::string_view(argv[1]) == kCageArgument)
    return RunCageChild(argc, argv, MakeTestInspector);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
