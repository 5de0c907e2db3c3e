#include "io/scope.h"

#include "io/deadline.h"
#include "io/event.h"
#include "io/pool.h"

#include <gtest/gtest.h>

namespace mailreeve::io {
namespace {

using namespace std::chrono_literals;

class CountingLogger final : public log::Logger {
 public:
  void Write(log::Level level, std::string_view event, log::Fields fields) override {
    if (level == log::Level::kError)
      last = std::string(event) + ":" + std::get<std::string>(fields.begin()->value);
  }
  std::string last;
};

Task<void> Forever(bool& ended) {
  struct Mark {
    bool& ended;
    ~Mark() { ended = true; }
  } mark{ended};
  co_await Sleep(1h);
}
Task<void> Throws() {
  throw std::runtime_error("a bug");
  co_return;
}
Task<void> SpawnsMore(Scope& scope, bool& ended) {
  scope.Spawn("more", Forever(ended));
  co_return;
}
Task<void> CancelAndJoin(Scope& scope, bool& joined) {
  scope.Cancel();
  co_await scope.Join();
  joined = true;
}

TEST(ScopeTest, CancelEndsTasksAndJoinWaits) {
  asio::io_context context;
  CountingLogger logger;
  Scope scope(context.get_executor(), logger);
  bool first = false, second = false, joined = false;
  scope.Spawn("first", Forever(first));
  scope.Spawn("parent", SpawnsMore(scope, second));
  context.poll();
  EXPECT_EQ(scope.size(), 2u);
  EXPECT_FALSE(first || second);
  asio::co_spawn(context, CancelAndJoin(scope, joined), [](std::exception_ptr) {});
  context.run();
  EXPECT_TRUE(first && second && joined);
  EXPECT_EQ(scope.size(), 0u);
  EXPECT_EQ(logger.last, "");  // cancellation is not an error
}

TEST(ScopeTest, ThrowingTasksAreLoggedAndLeave) {
  asio::io_context context;
  CountingLogger logger;
  Scope scope(context.get_executor(), logger);
  scope.Spawn("broken", Throws());
  context.run();
  EXPECT_EQ(logger.last, "task_failed:broken");
  EXPECT_EQ(scope.size(), 0u);
}

TEST(ScopeTest, NothingStartsAfterCancel) {
  asio::io_context context;
  CountingLogger logger;
  Scope scope(context.get_executor(), logger);
  scope.Cancel();
  bool ended = false;
  scope.Spawn("late", Forever(ended));
  context.run();
  EXPECT_EQ(scope.size(), 0u);
}

// The context goes first: tasks are destroyed where they wait.
TEST(ScopeTest, SurvivesItsContext) {
  CountingLogger logger;
  bool ended = false;
  {
    asio::io_context context;
    Scope scope(context.get_executor(), logger);
    scope.Spawn("waiting", Forever(ended));
    context.poll();
  }
  EXPECT_TRUE(ended);
}

Task<Result<int>> Answer(std::chrono::nanoseconds after, bool& ended) {
  struct Mark {
    bool& ended;
    ~Mark() { ended = true; }
  } mark{ended};
  co_await Sleep(after);
  co_return 7;
}
template <class T>
Task<void> Keep(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await std::move(task));
}
template <class T>
T Get(asio::io_context& context, Task<T> task) {
  std::optional<T> out;
  asio::co_spawn(context, Keep(std::move(task), out), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  context.restart();
  context.run();
  return *std::move(out);
}

TEST(DeadlineTest, InTimeAndLate) {
  asio::io_context context;
  bool ended = false;
  EXPECT_EQ(*Get(context, WithDeadline(Answer(0ns, ended), 1h, "asking")), 7);
  EXPECT_TRUE(ended);
  ended = false;
  const auto late = Get(context, WithDeadline(Answer(1h, ended), 10ms, "asking"));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::kTimeout);
  EXPECT_EQ(late.error().message, "asking: no answer within 10 ms");
  EXPECT_TRUE(ended);
}

Task<Result<int>> Failing() {
  throw std::runtime_error("a bug");
  co_return 1;
}

TEST(DeadlineTest, ExceptionsPass) {
  asio::io_context context;
  EXPECT_ANY_THROW(Get(context, WithDeadline(Failing(), 1h, "asking")));
}

Task<void> CountWakes(Event& event, int& wakes) {
  co_await event.Wait();
  ++wakes;
}

TEST(EventTest, WakesAllWaiters) {
  asio::io_context context;
  Event event(context.get_executor());
  int wakes = 0;
  for (int i = 0; i < 3; ++i)
    asio::co_spawn(context, CountWakes(event, wakes), [](std::exception_ptr) {});
  context.poll();
  EXPECT_EQ(wakes, 0);
  event.Notify();
  context.restart();
  context.poll();
  EXPECT_EQ(wakes, 3);
}

TEST(EventTest, WaitFor) {
  asio::io_context context;
  Event event(context.get_executor());
  EXPECT_FALSE(Get(context, event.WaitFor(5ms)));
  asio::steady_timer timer(context, 5ms);
  timer.async_wait([&](const error_code& error) {
    if (!error) event.Notify();
  });
  EXPECT_TRUE(Get(context, event.WaitFor(1h)));
}

TEST(PoolTest, RunsElsewhereAndComesBack) {
  asio::io_context context;
  Pool pool("work", 1, 4);
  const auto here = std::this_thread::get_id();
  const auto there = Get(
      context, pool.Run([]() -> Result<std::thread::id> { return std::this_thread::get_id(); }));
  EXPECT_NE(*there, here);
}

TEST(PoolTest, FullIsLimited) {
  asio::io_context context;
  Pool pool("work", 1, 1);
  std::mutex gate;
  gate.lock();
  std::optional<Result<int>> first;
  asio::co_spawn(context,
                 Keep(pool.Run([&]() -> Result<int> {
                   std::lock_guard wait(gate);
                   return 1;
                 }),
                      first),
                 [](std::exception_ptr) {});
  context.poll();
  std::optional<Result<int>> second;
  asio::co_spawn(context, Keep(pool.Run([]() -> Result<int> { return 2; }), second),
                 [](std::exception_ptr) {});
  context.restart();
  while (!second) context.run_one();
  EXPECT_EQ(second->error().code, Code::kLimited);
  gate.unlock();
  context.restart();
  while (!first) context.run_one();
  EXPECT_EQ(**first, 1);
  EXPECT_EQ(*Get(context, pool.Run([]() -> Result<int> { return 3; })), 3);
}

TEST(PoolTest, ExceptionsReachTheCaller) {
  asio::io_context context;
  Pool pool("work", 1, 1);
  EXPECT_ANY_THROW(
      Get(context, pool.Run([]() -> Result<int> { throw std::runtime_error("a bug"); })));
  EXPECT_EQ(*Get(context, pool.Run([]() -> Result<int> { return 3; })), 3);
}

}  // namespace
}  // namespace mailreeve::io
