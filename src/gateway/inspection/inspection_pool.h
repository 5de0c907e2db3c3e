#pragma once

#include "gateway/inspection/cage.h"
#include "io/asio.h"
#include "log/log.h"
#include "mail/inspection.h"
#include "settings/settings.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// Reads messages in caged child processes (cage.h), so that hostile mail costs at most its own
// inspection.
//
// Threads: one executor. Ownership: outlives its calls; co_await Stop() before it is destroyed.
// `logger` outlives it. Errors of Inspect: kUnavailable (the child died: crash, memory, forbidden
// call), kTimeout (processor or wall time used up), kLimited (queue full, message too long),
// kCorrupt (the child's answer is no Inspection), kCancelled (stopped). Each is of that message
// alone; the caller answers with a temporary refusal.
//
//   InspectionPool pool(executor, logger, InspectionOptions{});
//   pool.Start();
//   Result<mail::Inspection> inspection = co_await pool.Inspect(message);
namespace mailreeve::gateway::inspection {

struct InspectionOptions {
  size_t children = 0;      // 0: as many as processors
  size_t max_queue = 1000;  // messages waiting, besides those being read
  uint64_t max_queue_bytes = 512ull * 1024 * 1024;
  CageOptions cage;
  std::chrono::milliseconds start_deadline{20000};    // from start of a child until it is ready
  std::chrono::milliseconds message_deadline{30000};  // wall time for one message in a child
  uint64_t messages_per_child = 10000;                // then it is replaced
  uint64_t max_answer_bytes = 32ull * 1024 * 1024;
  std::chrono::milliseconds first_backoff{
      50};  // after a child died; doubled each time up to max_backoff
  std::chrono::milliseconds max_backoff{5000};
  std::string program = "/proc/self/exe";  // started with kCageArgument
  bool keep_stderr = false;                // children write to our standard error: for tests
};
InspectionOptions FromSettings(const settings::Snapshot& snapshot);

struct InspectionCounters {
  uint64_t inspected = 0;
  uint64_t crashed = 0;    // children that died while reading a message
  uint64_t timed_out = 0;  // messages that used up their time
  uint64_t garbage = 0;    // answers that were no Inspection
  uint64_t refused = 0;    // queue full or message too long
  uint64_t restarted = 0;  // children started after the first ones, for any reason
};

// What an operator has to hear of: somebody may be trying to break the reader.
struct InspectionAlert {
  enum class Kind { kCrash, kTimeout, kGarbage, kCannotStart } kind = Kind::kCrash;
  std::string what;  // "signal 31 (forbidden system call)"
  uint64_t message_size = 0;
  std::string message_sha256;  // lower hex: to find the message by
};

class InspectionPool {
 public:
  using OnAlert = std::function<void(const InspectionAlert&)>;

  InspectionPool(io::Executor executor, log::Logger& logger, InspectionOptions options,
                 OnAlert on_alert = {});
  ~InspectionPool();
  InspectionPool(const InspectionPool&) = delete;
  InspectionPool& operator=(const InspectionPool&) = delete;

  void Start();
  // Ends the children; messages waiting get kCancelled.
  io::Task<void> Stop();

  io::Task<Result<mail::Inspection>> Inspect(std::string message);

  const InspectionCounters& counters() const;
  size_t queued() const;
  size_t ready_children() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mailreeve::gateway::inspection
