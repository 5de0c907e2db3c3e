#pragma once

#include "io/asio.h"
#include "log/log.h"

#include <boost/asio/cancellation_signal.hpp>

#include <functional>
#include <list>
#include <memory>
#include <string>

namespace mailreeve::io {

// Owns background tasks: counts them, cancels them, waits for them, logs what they throw. Nothing
// in Mailreeve is spawned outside a Scope.
//
// Threads: use from the executor's one thread only.
// Ownership: the Scope must outlive its tasks: co_await Join() (or run the io_context dry) before
// destroying it.
//
//   io::Scope scope(executor, logger);
//   scope.Spawn("heartbeat", Heartbeat(*this));
//   …
//   scope.Cancel();
//   co_await scope.Join();
class Scope {
 public:
  Scope(Executor executor, log::Logger& logger);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope();

  // Starts `task`. An exception ends the task and is logged under `name`; cancellation is not an
  // error. After Cancel() nothing is started any more and the task is dropped.
  void Spawn(std::string name, Task<void> task);

  // Asks every task to stop: its pending operation ends with operation_aborted.
  void Cancel();
  // Waits until no task is left.
  Task<void> Join();

  size_t size() const;
  const Executor& executor() const { return executor_; }

 private:
  struct State;
  Executor executor_;
  std::shared_ptr<State> state_;
};

}  // namespace mailreeve::io
