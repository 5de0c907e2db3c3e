#include "gateway/tracking/engine.h"
#include "gateway/tracking/test_records.h"
#include "io/event.h"
#include "io/files.h"

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <set>

namespace mailreeve::gateway::tracking {
namespace {

constexpr int kAckDescriptor = 100;

// Seals and compacts all the time, so that kills fall into that as well.
EngineOptions Small(const std::string& dir) {
  EngineOptions options;
  options.core.dir = dir;
  options.core.seal_records = 60;
  options.core.compact_records = 2000;
  options.core.id_block = 50;
  return options;
}

// The killed child: appends as fast as it can and tells each id it was given and each
// acknowledgement by a pipe.
TEST(StoreChild, DISABLED_AppendsUntilKilled) {
  const char* dir = std::getenv("MAILREEVE_KILL_DIR");
  ASSERT_NE(dir, nullptr);
  asio::io_context io(1);
  log::NullLogger logger;
  SystemClock clock;
  auto opened = OpenStore(Small(dir), io::PosixFiles(), io.get_executor(), logger, clock);
  ASSERT_TRUE(opened) << opened.error().ToString();
  auto& store = **opened;
  struct Child {
    static void Tell(char what, uint64_t number) {
      char line[32];
      const int size =
          std::snprintf(line, sizeof line, "%c%lu\n", what, static_cast<unsigned long>(number));
      if (write(kAckDescriptor, line, static_cast<size_t>(size)) != size) _exit(1);
    }
    static io::Task<void> Work(Store& to) {
      while (true) {
        const auto mid = to.NextMid();
        if (mid == 0) {
          co_await io::Sleep(std::chrono::milliseconds(1));
          continue;
        }
        Tell('i', mid);
        if (!co_await to.Append(RecordOf(mid))) _exit(1);
        Tell('a', mid);
        if (!co_await to.AppendEvents(
                mid, {EventAt(RecordOf(mid).received, mail::EventKind::kDelivered, "d")}))
          _exit(1);
        Tell('e', mid);
      }
    }
  };
  for (int i = 0; i < 20; ++i)
    asio::co_spawn(io, Child::Work(store), [](std::exception_ptr) { _exit(1); });
  io.run();
}

TEST(StoreKilled, NothingAcknowledgedIsLostAndNothingIsHalfThere) {
  TempDir dir;
  std::set<uint64_t> given, appended, with_event;
  std::random_device seed;
  std::mt19937 random(seed());
  for (int round = 0; round < 50; ++round) {
    int channel[2];
    ASSERT_EQ(pipe(channel), 0);
    const pid_t child = fork();
    if (child == 0) {
      // A number that the pipe itself cannot have.
      dup2(channel[1], kAckDescriptor);
      close(channel[0]);
      close(channel[1]);
      setenv("MAILREEVE_KILL_DIR", dir.path().c_str(), 1);
      execl("/proc/self/exe", "child", "--gtest_filter=StoreChild.*",
            "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
      _exit(127);
    }
    close(channel[1]);
    const size_t lines = random() % 150 + 1;
    const useconds_t pause = random() % 20000;
    std::string text;
    char buffer[4096];
    bool killed = false;
    while (true) {
      const ssize_t got = read(channel[0], buffer, sizeof buffer);
      if (got <= 0) break;
      text.append(buffer, static_cast<size_t>(got));
      if (!killed && static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) >= lines) {
        usleep(pause);
        kill(child, SIGKILL);
        killed = true;
      }
    }
    close(channel[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status << " " << text;

    size_t start = 0;
    while (true) {
      const size_t end = text.find('\n', start);
      if (end == std::string::npos) break;
      const uint64_t number = std::stoull(text.substr(start + 1, end - start - 1));
      if (text[start] == 'i')
        EXPECT_TRUE(given.insert(number).second) << "MID " << number << " was given twice";
      if (text[start] == 'a') appended.insert(number);
      if (text[start] == 'e') with_event.insert(number);
      start = end + 1;
    }

    asio::io_context io(1);
    log::NullLogger logger;
    SystemClock clock;
    auto opened = OpenStore(Small(dir.path()), io::PosixFiles(), io.get_executor(), logger, clock);
    ASSERT_TRUE(opened) << opened.error().ToString();
    std::set<uint64_t> found, found_event;
    struct Check {
      static io::Task<void> All(Store& store, std::set<uint64_t>& records,
                                std::set<uint64_t>& events) {
        Query query;
        query.limit = 1000;
        do {
          auto page = co_await store.Search(query);
          if (!page) {
            ADD_FAILURE() << page.error().ToString();
            co_return;
          }
          EXPECT_TRUE(page->coverage.complete) << page->coverage.why;
          for (auto record : page->records) {
            records.insert(record.mid);
            if (record.events.size() == 2) {
              events.insert(record.mid);
              record.events.pop_back();
            }
            EXPECT_EQ(record, RecordOf(record.mid));
          }
          query.cursor = page->next_cursor;
        } while (!query.cursor.empty());
      }
    };
    asio::co_spawn(io, Check::All(**opened, found, found_event),
                   [](std::exception_ptr thrown) { EXPECT_FALSE(thrown); });
    io.run();
    opened->reset();
    for (const uint64_t mid : appended)
      EXPECT_TRUE(found.contains(mid)) << "MID " << mid << " was acknowledged";
    for (const uint64_t mid : with_event)
      EXPECT_TRUE(found_event.contains(mid)) << "the event of MID " << mid;

    const auto report = CheckStore(io::PosixFiles(), dir.path());
    ASSERT_TRUE(report) << report.error().ToString();
    EXPECT_TRUE(report->damaged.empty())
        << report->damaged.front().file << " " << report->damaged.front().what;
    EXPECT_TRUE(report->missing.empty());
    EXPECT_EQ(report->records, found.size());
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(appended.size(), 20u);
}

}  // namespace
}  // namespace mailreeve::gateway::tracking
