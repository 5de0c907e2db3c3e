#pragma once

#include "io/event.h"
#include "outbound/outbound.h"

#include <functional>
#include <utility>
#include <vector>

namespace mailreeve::outbound {

// Answers what a test tells it. One executor.
class FakeFetcher final : public Fetcher {
 public:
  using Answer = std::function<Result<http::Response>(const Request&)>;
  explicit FakeFetcher(Answer answer) : answer_(std::move(answer)) {}

  io::Task<Result<http::Response>> Fetch(Request request) override {
    asked.push_back(request);
    ++running;
    most_running = std::max(most_running, running);
    struct Leave {
      int& running;
      ~Leave() { --running; }
    } leave{running};
    if (delay.count() > 0) co_await io::Sleep(delay);
    co_return answer_(request);
  }

  std::vector<Request> asked;
  std::chrono::milliseconds delay{0};
  int running = 0, most_running = 0;

 private:
  Answer answer_;
};

}  // namespace mailreeve::outbound
