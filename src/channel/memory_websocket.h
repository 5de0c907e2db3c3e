#pragma once

#include "http/websocket.h"
#include "io/event.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>

// Two WebSockets joined in memory: what one writes the other reads. For tests.
// Threads: one executor. `hold()` makes a side's writes wait, `mute()` swallows them: a half-open
// connection.
namespace mailreeve::channel {

class MemoryWebSocket final : public http::WebSocket {
 public:
  using Pair = std::pair<std::unique_ptr<MemoryWebSocket>, std::unique_ptr<MemoryWebSocket>>;
  static Pair MakePair(const io::Executor& executor) {
    auto left = std::make_shared<Pipe>(executor);
    auto right = std::make_shared<Pipe>(executor);
    return {std::unique_ptr<MemoryWebSocket>(new MemoryWebSocket(left, right)),
            std::unique_ptr<MemoryWebSocket>(new MemoryWebSocket(right, left))};
  }
  ~MemoryWebSocket() override { Abort(); }

  io::Task<Result<std::string>> Read() override {
    const auto pipe = in_;
    while (pipe->messages.empty() && !pipe->closed) co_await pipe->changed.Wait();
    if (pipe->messages.empty()) co_return Fail(Code::kUnavailable, "connection closed");
    std::string message = std::move(pipe->messages.front());
    pipe->messages.pop_front();
    pipe->changed.Notify();
    co_return message;
  }
  io::Task<Result<void>> Write(std::string message) override {
    const auto pipe = out_;
    while (!pipe->closed && (pipe->held || pipe->messages.size() >= 16))
      co_await pipe->changed.Wait();
    if (pipe->closed) co_return Fail(Code::kUnavailable, "connection closed");
    if (!pipe->muted) pipe->messages.push_back(std::move(message));
    pipe->changed.Notify();
    co_return Result<void>();
  }
  io::Task<void> Close(uint16_t, std::string) override {
    Abort();
    co_return;
  }
  void Abort() override {
    for (const auto& pipe : {in_, out_}) {
      pipe->closed = true;
      pipe->changed.Notify();
    }
  }

  void hold(bool held) {
    out_->held = held;
    out_->changed.Notify();
  }
  void mute() { out_->muted = true; }

 private:
  struct Pipe {
    explicit Pipe(const io::Executor& executor) : changed(executor) {}
    io::Event changed;
    std::deque<std::string> messages;
    bool closed = false;
    bool held = false;
    bool muted = false;
  };
  MemoryWebSocket(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}

  std::shared_ptr<Pipe> in_, out_;
};

}  // namespace mailreeve::channel
