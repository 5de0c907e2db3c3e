#include "gateway/inspection/inspection_pool.h"

#include "gateway/inspection/child_process.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/scope.h"
#include "mail/digests.h"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mailreeve::gateway::inspection {
namespace {

// How late a child that is overdue may be found out.
constexpr std::chrono::milliseconds kWatchInterval{50};

struct Job {
  explicit Job(const io::Executor& executor, std::string text)
      : message(std::move(text)), done(executor) {}
  std::string message;
  std::optional<Result<mail::Inspection>> result;
  io::Event done;
};

std::string DescribeEnd(int status) {
  if (WIFEXITED(status)) return "exit status " + std::to_string(WEXITSTATUS(status));
  if (!WIFSIGNALED(status)) return "status " + std::to_string(status);
  const int number = WTERMSIG(status);
  std::string text = "signal " + std::to_string(number);
  switch (number) {
    case SIGSYS:
      return text + " (forbidden system call)";
    case SIGPROF:
      return text + " (processor time used up)";
    case SIGKILL:
      return text + " (killed)";
    case SIGSEGV:
      return text + " (segmentation fault)";
    case SIGABRT:
      return text + " (abort; out of memory or a broken invariant)";
    default:
      return text;
  }
}

}  // namespace

struct InspectionPool::State {
  State(io::Executor e, log::Logger& l, InspectionOptions o, OnAlert a)
      : executor(std::move(e)),
        logger(l),
        options(std::move(o)),
        on_alert(std::move(a)),
        scope(executor, logger),
        work(executor) {}

  // One child at a time and the message it has.
  struct Worker {
    std::unique_ptr<ChildProcess> child;
    std::optional<std::chrono::steady_clock::time_point> deadline;  // of what it was asked last
    bool overdue = false;
    uint64_t messages = 0;
    std::chrono::milliseconds backoff{0};
    bool started_once = false;
  };

  io::Task<void> Run(Worker& worker);
  io::Task<void> Watch();
  io::Task<Result<void>> StartChild(Worker& worker);
  io::Task<Result<std::string>> Exchange(Worker& worker, std::string_view frame,
                                         uint64_t max_answer, std::chrono::milliseconds limit);
  io::Task<void> Serve(Worker& worker, std::shared_ptr<Job> job);
  void Alert(InspectionAlert alert);
  void Finish(const std::shared_ptr<Job>& job, Result<mail::Inspection> result);

  io::Executor executor;
  log::Logger& logger;
  InspectionOptions options;
  OnAlert on_alert;
  InspectionCounters counters;
  std::deque<std::shared_ptr<Job>> queue;
  uint64_t queue_bytes = 0;
  std::deque<Worker> workers;
  io::Scope scope;
  io::Event work;
  bool stopped = false;
};

InspectionPool::InspectionPool(io::Executor executor, log::Logger& logger,
                               InspectionOptions options, OnAlert on_alert) {
  if (options.children == 0) {
    options.children = static_cast<size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  }
  state_ =
      std::make_unique<State>(std::move(executor), logger, std::move(options), std::move(on_alert));
}
InspectionPool::~InspectionPool() = default;

const InspectionCounters& InspectionPool::counters() const { return state_->counters; }
size_t InspectionPool::queued() const { return state_->queue.size(); }
size_t InspectionPool::ready_children() const {
  size_t count = 0;
  for (const auto& worker : state_->workers) count += worker.child != nullptr;
  return count;
}

void InspectionPool::Start() {
  if (state_->workers.empty()) state_->scope.Spawn("inspection watch", state_->Watch());
  while (state_->workers.size() < state_->options.children) {
    auto& worker = state_->workers.emplace_back();
    state_->scope.Spawn("inspection", state_->Run(worker));
  }
}

io::Task<void> InspectionPool::Stop() {
  State& state = *state_;
  state.stopped = true;
  state.work.Notify();
  state.scope.Cancel();
  co_await state.scope.Join();
  for (auto& worker : state.workers) worker.child.reset();
  while (!state.queue.empty()) {
    const auto job = state.queue.front();
    state.queue.pop_front();
    state.Finish(job, Fail(Code::kCancelled, "the inspection was stopped"));
  }
}

io::Task<Result<mail::Inspection>> InspectionPool::Inspect(std::string message) {
  State& state = *state_;
  if (state.stopped) co_return Fail(Code::kCancelled, "the inspection was stopped");
  if (message.size() > state.options.cage.max_message_bytes) {
    ++state.counters.refused;
    co_return Fail(Code::kLimited, "the message is longer than inspection.max_message_bytes");
  }
  if (state.queue.size() >= state.options.max_queue ||
      state.queue_bytes + message.size() > state.options.max_queue_bytes) {
    ++state.counters.refused;
    co_return Fail(Code::kLimited, "too many messages wait for inspection");
  }
  const auto job = std::make_shared<Job>(state.executor, std::move(message));
  state.queue_bytes += job->message.size();
  state.queue.push_back(job);
  state.work.Notify();
  while (!job->result) co_await job->done.Wait();
  co_return *std::move(job->result);
}

void InspectionPool::State::Finish(const std::shared_ptr<Job>& job,
                                   Result<mail::Inspection> result) {
  queue_bytes -= job->message.size();
  job->result = std::move(result);
  job->done.Notify();
}

void InspectionPool::State::Alert(InspectionAlert alert) {
  static constexpr std::string_view kNames[] = {"inspection_crashed", "inspection_timed_out",
                                                "inspection_garbage", "inspection_cannot_start"};
  logger.Warn(kNames[static_cast<int>(alert.kind)], {{"what", alert.what},
                                                     {"message_size", alert.message_size},
                                                     {"message_sha256", alert.message_sha256}});
  if (on_alert) on_alert(alert);
}

io::Task<void> InspectionPool::State::Run(Worker& worker) {
  while (!stopped) {
    if (worker.child == nullptr) {
      if (worker.backoff.count() > 0) co_await io::Sleep(worker.backoff);
      auto started = co_await StartChild(worker);
      if (!started) {
        worker.backoff =
            std::min(options.max_backoff, std::max(options.first_backoff, worker.backoff * 2));
        Alert({InspectionAlert::Kind::kCannotStart, started.error().ToString(), 0, ""});
        // Messages must not wait for a program that cannot start.
        while (!queue.empty() && worker.backoff >= options.max_backoff) {
          const auto job = queue.front();
          queue.pop_front();
          Finish(job, Fail(Code::kUnavailable, "the inspection child cannot be started"));
        }
        continue;
      }
    }
    if (queue.empty()) {
      co_await work.Wait();
      continue;
    }
    const auto job = queue.front();
    queue.pop_front();
    co_await Serve(worker, job);
  }
}

io::Task<Result<void>> InspectionPool::State::StartChild(Worker& worker) {
  if (worker.started_once) ++counters.restarted;
  worker.started_once = true;
  CO_TRY(worker.child, ChildProcess::Start(executor, options.program, options.keep_stderr));
  worker.messages = 0;
  auto answer = co_await Exchange(worker, Encode(options.cage), 1024, options.start_deadline);
  Result<CageReport> report = Fail(Code::kUnavailable, "");
  if (answer) report = DecodeCageReport(*answer);
  if (!answer || !report) {
    worker.child->Kill();
    const int status = co_await worker.child->End(std::chrono::milliseconds(0));
    worker.child.reset();
    co_return Fail(Code::kUnavailable,
                   "the inspection child did not get ready: " + DescribeEnd(status));
  }
  if (report->landlock_abi == 0) {
    logger.Warn("inspection_without_landlock",
                {{"what", "this kernel has no landlock; seccomp alone keeps files away"}});
  }
  logger.Info("inspection_child_ready", {{"pid", worker.child->pid()},
                                         {"landlock", report->landlock_abi},
                                         {"memory_limit", report->memory_limit},
                                         {"charsets", report->charsets}});
  co_return Result<void>();
}

// Kills the children that are overdue, which ends what waits for them. One timer for all: arming
// one for each message would be a system call each.
io::Task<void> InspectionPool::State::Watch() {
  while (!stopped) {
    co_await io::Sleep(kWatchInterval);
    const auto now = std::chrono::steady_clock::now();
    for (Worker& worker : workers) {
      if (worker.child == nullptr || !worker.deadline || now < *worker.deadline) continue;
      worker.overdue = true;
      worker.child->Kill();
    }
  }
}

// Sends a frame and reads one. The watchdog kills the child, which ends the read.
io::Task<Result<std::string>> InspectionPool::State::Exchange(Worker& worker,
                                                              std::string_view frame,
                                                              uint64_t max_answer,
                                                              std::chrono::milliseconds limit) {
  ChildProcess& child = *worker.child;
  worker.overdue = false;
  worker.deadline = std::chrono::steady_clock::now() + limit;
  struct Disarm {
    Worker& worker;
    ~Disarm() { worker.deadline.reset(); }
  } disarm{worker};

  const auto size = static_cast<uint32_t>(frame.size());
  const std::array<asio::const_buffer, 2> out = {asio::buffer(&size, sizeof size),
                                                 asio::buffer(frame)};
  const auto [write_error, written] = co_await asio::async_write(child.pipe(), out, io::kTuple);
  if (write_error) co_return Fail(io::FromSystem(write_error, "sending to the inspection child"));
  // Most answers come whole with the first read.
  char first[16 * 1024];
  size_t got = 0;
  while (got < sizeof(uint32_t)) {
    const auto [error, n] = co_await child.pipe().async_read_some(
        asio::buffer(first + got, sizeof first - got), io::kTuple);
    if (error) co_return Fail(io::FromSystem(error, "reading from the inspection child"));
    got += n;
  }
  uint32_t length = 0;
  std::memcpy(&length, first, sizeof length);
  if (length > max_answer || got - sizeof length > length) {
    co_return Fail(Code::kCorrupt, "the inspection child's answer has a length out of range");
  }
  std::string answer(first + sizeof length, got - sizeof length);
  const size_t have = answer.size();
  if (have < length) {
    answer.resize(length);
    const auto [error, n] = co_await asio::async_read(
        child.pipe(), asio::buffer(answer.data() + have, length - have), io::kTuple);
    if (error) co_return Fail(io::FromSystem(error, "reading from the inspection child"));
  }
  co_return answer;
}

io::Task<void> InspectionPool::State::Serve(Worker& worker, std::shared_ptr<Job> job) {
  auto answer =
      co_await Exchange(worker, job->message, options.max_answer_bytes, options.message_deadline);
  Result<mail::Inspection> result = Fail(Code::kUnavailable, "");
  if (answer) result = mail::DecodeInspection(*answer);
  if (result) {
    ++counters.inspected;
    worker.backoff = std::chrono::milliseconds(0);
    Finish(job, std::move(result));
    if (++worker.messages >= options.messages_per_child) {
      co_await worker.child->End(std::chrono::milliseconds(1000));
      worker.child.reset();
    }
    co_return;
  }
  if (stopped) {
    Finish(job, Fail(Code::kCancelled, "the inspection was stopped"));
    co_return;
  }
  // This message's child is not used again, whatever went wrong in it.
  const bool overdue = worker.overdue;
  const bool garbage = answer.has_value() || answer.error().code == Code::kCorrupt;
  if (garbage) worker.child->Kill();
  const int status = co_await worker.child->End(std::chrono::milliseconds(1000));
  worker.child.reset();
  worker.backoff =
      std::min(options.max_backoff, std::max(options.first_backoff, worker.backoff * 2));

  InspectionAlert alert;
  alert.message_size = job->message.size();
  alert.message_sha256 = mail::Digester(mail::Digester::Kind::kSha256).Hex(job->message);
  if (garbage) {
    ++counters.garbage;
    alert.kind = InspectionAlert::Kind::kGarbage;
    alert.what = answer ? result.error().ToString() : answer.error().ToString();
    Finish(job, Fail(Code::kCorrupt, "the message's inspection gave no valid answer"));
  } else if (overdue || (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)) {
    ++counters.timed_out;
    alert.kind = InspectionAlert::Kind::kTimeout;
    alert.what = overdue ? "wall time used up" : DescribeEnd(status);
    Finish(job, Fail(Code::kTimeout, "the message's inspection took too long"));
  } else {
    ++counters.crashed;
    alert.kind = InspectionAlert::Kind::kCrash;
    alert.what = DescribeEnd(status);
    Finish(job, Fail(Code::kUnavailable, "the message's inspection ended with " + alert.what));
  }
  Alert(std::move(alert));
}

InspectionOptions FromSettings(const settings::Snapshot& snapshot) {
  InspectionOptions options;
  options.children = static_cast<size_t>(snapshot.Integer("inspection.children"));
  options.max_queue = static_cast<size_t>(snapshot.Integer("inspection.max_queue"));
  options.cage.max_message_bytes =
      static_cast<uint64_t>(snapshot.Integer("inspection.max_message_bytes"));
  options.cage.memory_bytes = static_cast<uint64_t>(snapshot.Integer("inspection.memory_bytes"));
  options.cage.cpu_ms = static_cast<uint64_t>(snapshot.Integer("inspection.cpu_ms"));
  options.message_deadline = std::chrono::milliseconds(snapshot.Integer("inspection.deadline_ms"));
  options.messages_per_child =
      static_cast<uint64_t>(snapshot.Integer("inspection.messages_per_child"));
  options.cage.read.max_depth = static_cast<size_t>(snapshot.Integer("inspection.max_depth"));
  options.cage.read.max_parts = static_cast<size_t>(snapshot.Integer("inspection.max_parts"));
  options.cage.read.max_urls = static_cast<size_t>(snapshot.Integer("inspection.max_urls"));
  options.cage.read.max_text_bytes =
      static_cast<size_t>(snapshot.Integer("inspection.max_text_bytes"));
  return options;
}

}  // namespace mailreeve::gateway::inspection
