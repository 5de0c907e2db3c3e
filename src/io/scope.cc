#include "io/scope.h"

#include "io/event.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>

namespace mailreeve::io {

struct Scope::State {
  State(const Executor& executor, log::Logger& log) : logger(log), changed(executor) {}
  log::Logger& logger;
  Event changed;
  struct Signal {
    asio::cancellation_signal signal;
    bool ended = false;  // the slot points to a coroutine that is gone
  };
  std::list<Signal> signals;
  bool cancelled = false;
};

Scope::Scope(Executor executor, log::Logger& logger)
    : executor_(executor), state_(std::make_shared<State>(executor, logger)) {}

Scope::~Scope() { state_->cancelled = true; }

size_t Scope::size() const { return state_->signals.size(); }

void Scope::Spawn(std::string name, Task<void> task) {
  if (state_->cancelled) return;
  state_->signals.emplace_back();
  const auto at = std::prev(state_->signals.end());
  asio::co_spawn(
      executor_, std::move(task),
      asio::bind_cancellation_slot(at->signal.slot(), [state = state_, at, name = std::move(name)](
                                                          std::exception_ptr thrown) {
        if (thrown) {
          try {
            std::rethrow_exception(thrown);
          } catch (const boost::system::system_error& error) {
            if (error.code() != asio::error::operation_aborted) {
              state->logger.Error("task_failed", {{"task", name}, {"error", error.what()}});
            }
          } catch (const std::exception& error) {
            state->logger.Error("task_failed", {{"task", name}, {"error", error.what()}});
          }
        }
        at->ended = true;
        // The signal's slot is in use until this handler returns.
        asio::post(state->changed.executor(), [state, at] {
          state->signals.erase(at);
          state->changed.Notify();
        });
      }));
}

void Scope::Cancel() {
  state_->cancelled = true;
  // On the executor, since co_spawn of Boost 1.81 keeps only a bare pointer to a task that is
  // cancelled from outside and may have ended until then. Emitting can finish other tasks, whose
  // nodes go later by post, so the list stays whole.
  asio::dispatch(executor_, [state = state_] {
    for (auto& task : state->signals) {
      if (!task.ended) task.signal.emit(asio::cancellation_type::terminal);
    }
  });
}

Task<void> Scope::Join() {
  const auto state = state_;
  while (!state->signals.empty()) co_await state->changed.Wait();
}

}  // namespace mailreeve::io
