#pragma once

#include "base/time.h"
#include "figures.h"
#include "gateway/tracking/store.h"
#include "log/log.h"
#include "truth.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

// A store being measured, whatever engine is behind the door.
namespace mailreeve::bench {

using gateway::tracking::Store;

// Warnings and errors of the store are written to standard error: a measure that hides them is
// none.
class Session {
 public:
  using Open =
      std::function<Result<std::unique_ptr<Store>>(io::Executor, log::Logger&, const Clock&)>;
  explicit Session(Open open);
  ~Session();

  Result<void> Start() { return Start(open_); }
  // Opened in another way this time.
  Result<void> Start(const Open& open);
  void Stop();
  bool started() const { return store_ != nullptr; }
  Store& store() { return *store_; }
  asio::io_context& context() { return context_; }

  // Does nothing but what the store hands back meanwhile.
  void Rest(Duration time);

  template <class T>
  T Run(io::Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      result.emplace(std::move(value));
    });
    while (!result) {
      if (context_.run_one() == 0) context_.restart();
    }
    return std::move(*result);
  }

 private:
  Open open_;
  asio::io_context context_{1};
  std::unique_ptr<log::Logger> logger_;
  SystemClock clock_;
  std::unique_ptr<Store> store_;
};

struct LoadOptions {
  uint64_t first = 0, count = 0;  // messages
  size_t batch = 32768;           // made ahead, outside the time that counts
  size_t in_flight = 8192;        // appends waiting for their acknowledgement
  size_t probe_every = 1009;      // messages; looked for after the acknowledgement
  size_t max_seconds = 0;         // of appending; 0: until all is in
  bool events = true;             // append those that come later
  // Asked for the number that a message gets; absent: index + 1.
  std::function<mail::Mid()> mid;
  bool say = true;
};

struct Load {
  uint64_t messages = 0, events = 0;
  double seconds = 0;                // of appending
  double executor_seconds = 0;       // processor time of the executor's thread meanwhile
  double engine_seconds = 0;         // of all other threads meanwhile
  double background_seconds = 0;     // of the engine while messages were made
  double make_seconds = 0;           // processor time of making one message after another
  std::vector<double> acknowledged;  // seconds, of some appends
  std::vector<double> visible;       // seconds from the acknowledgement
  double peak_mb = 0;
};

// Appends messages of the generator; `truth` (may be null) learns about them.
Result<Load> Append(Session& session, const Generator& generator, const LoadOptions& options,
                    Truth* truth);

struct Score {
  uint64_t expected = 0, answered = 0, right = 0;
  double recall() const {
    return expected == 0 ? 1 : static_cast<double>(right) / static_cast<double>(expected);
  }
  double precision() const {
    return answered == 0 ? 1 : static_cast<double>(right) / static_cast<double>(answered);
  }
  bool perfect() const { return right == expected && right == answered; }
};

struct Answered {
  Score score;
  uint64_t recipients = 0;  // of the records of the first page
  std::string error;      // that the store gave, or how the answer is wrong otherwise; empty: none
  double first_page = 0;  // seconds
  double all = 0;         // seconds until the last page that is compared
};
// Asks a question, page by page up to what is known of the truth, and compares.
Answered Ask(Session& session, const Question& question, size_t page = 1000);
// The same of the number of messages.
Answered AskCount(Session& session, const Question& question);

}  // namespace mailreeve::bench
