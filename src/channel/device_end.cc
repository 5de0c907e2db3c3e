#include "channel/device_end.h"

#include "base/random.h"
#include "channel/explain.h"
#include "io/deadline.h"

#include <boost/asio/multiple_exceptions.hpp>

#include <algorithm>

namespace mailreeve::channel {

using std::chrono::milliseconds;

DeviceEndOptions DeviceEndOptionsFrom(const settings::Snapshot& snapshot) {
  DeviceEndOptions options;
  options.session.heartbeat_interval = milliseconds(snapshot.Integer("channel.heartbeat_interval"));
  options.session.heartbeat_timeout = milliseconds(snapshot.Integer("channel.heartbeat_timeout"));
  options.session.max_requests = static_cast<size_t>(snapshot.Integer("channel.max_requests"));
  options.backoff_max = milliseconds(snapshot.Integer("channel.reconnect_wait_max"));
  options.clock_skew_limit = milliseconds(snapshot.Integer("channel.clock_skew_limit"));
  return options;
}

std::string_view LinkStateName(LinkState state) {
  switch (state) {
    case LinkState::kStopped:
      return "stopped";
    case LinkState::kConnecting:
      return "connecting";
    case LinkState::kConnected:
      return "connected";
    case LinkState::kWaiting:
      return "waiting";
    case LinkState::kRefused:
      return "refused";
  }
  return "stopped";
}

namespace {

io::Task<Result<std::unique_ptr<http::WebSocket>>> ConnectTo(http::WebSocketTarget target,
                                                             http::WebSocketLimits limits) {
  co_return co_await http::ConnectWebSocket(std::move(target), limits);
}

double RandomFraction() {
  return static_cast<double>(RandomNumber() >> 11) / static_cast<double>(uint64_t{1} << 53);
}

}  // namespace

DeviceEnd::Connect Connector(http::WebSocketTarget target, http::WebSocketLimits limits) {
  return [target = std::move(target), limits] { return ConnectTo(target, limits); };
}

DeviceEnd::DeviceEnd(Connect connect, Hello hello, relay::Module& module,
                     const DeviceEndOptions& options, const Clock& clock, log::Logger& logger,
                     const io::Executor& executor)
    : connect_(std::move(connect)),
      hello_(std::move(hello)),
      module_(module),
      options_(options),
      clock_(clock),
      logger_(logger),
      executor_(executor),
      changed_(executor),
      random_(RandomFraction) {}

DeviceEnd::~DeviceEnd() = default;

void DeviceEnd::Enter(LinkState state) {
  status_.state = state;
  status_.since = clock_.Now();
  changed_.Notify();
}

// Lives with the coroutine's frame, also of one that never starts: Stop waits for it.
struct DeviceEnd::Running {
  explicit Running(DeviceEnd& the_end) : end(the_end) { end.running_ = true; }
  Running(const Running&) = delete;
  ~Running() {
    end.running_ = false;
    end.session_.reset();
    end.Enter(LinkState::kStopped);
  }
  DeviceEnd& end;
};

io::Task<void> DeviceEnd::Run() { return RunMarked(std::make_unique<Running>(*this)); }

io::Task<void> DeviceEnd::RunMarked(std::unique_ptr<Running>) { co_await Loop(); }

io::Task<void> DeviceEnd::Loop() {
  while (!stopping_) {
    Enter(LinkState::kConnecting);
    Result<std::unique_ptr<http::WebSocket>> socket = co_await ConnectOnce();
    if (stopping_) co_return;
    bool refused = false;
    bool at_once = false;
    if (!socket) {
      const Error error = ExplainConnection(socket.error(), clock_.Now());
      refused = IsCertificateTrouble(error);
      status_.last_error = error.ToString();
      logger_.Warn(
          "channel_connect_failed",
          {{"error", status_.last_error}, {"attempt", status_.attempts + 1}, {"refused", refused}});
    } else {
      const auto session = Session::Make(std::move(*socket), Side::kDevice, hello_,
                                         options_.session, &module_, clock_, logger_, executor_);
      session_ = session;
      session->set_on_ready([this] { OnReady(); });
      const uint64_t attempts = status_.attempts;
      const auto began = std::chrono::steady_clock::now();
      const Session::Ended ended = co_await session->Run();
      session_.reset();
      const bool was_ready = status_.state == LinkState::kConnected;
      if (was_ready) {
        at_once = std::chrono::steady_clock::now() - began >= options_.good_spell;
        // A short session is no success: else two programs with one identity would chase each other
        // without a pause.
        status_.attempts = at_once ? 0 : attempts;
      }
      if (ended.error.code == Code::kCancelled) {
        status_.last_error = "";
        co_return;
      }
      const Error error = ExplainConnection(ended.error, clock_.Now());
      status_.last_error = error.ToString();
      refused = ended.goodbye == Reason::kRemoved || ended.goodbye == Reason::kVersion ||
                (!was_ready && !ended.goodbye && IsCertificateTrouble(error));
      if (ended.goodbye == Reason::kReplaced) at_once = false;
      logger_.Warn("channel_lost", {{"error", status_.last_error}, {"refused", refused}});
    }
    const milliseconds wait = at_once && !refused ? milliseconds(0) : NextWait(refused);
    ++status_.attempts;
    status_.next_try = wait;
    Enter(refused ? LinkState::kRefused : LinkState::kWaiting);
    const auto until = std::chrono::steady_clock::now() + wait;
    try_now_ = false;
    while (!stopping_ && !try_now_) {
      const auto left = until - std::chrono::steady_clock::now();
      if (left <= left.zero()) break;
      co_await changed_.WaitFor(left);
    }
  }
}

milliseconds DeviceEnd::NextWait(bool refused) {
  if (refused)
    return milliseconds(static_cast<int64_t>(static_cast<double>(options_.refused_wait.count()) *
                                             (0.5 + random_() / 2)));
  double most = static_cast<double>(options_.backoff_first.count());
  for (uint64_t i = 0;
       i < status_.attempts && most < static_cast<double>(options_.backoff_max.count()); ++i)
    most *= 2;
  most = std::min(most, static_cast<double>(options_.backoff_max.count()));
  return milliseconds(static_cast<int64_t>(most * random_()));
}

io::Task<Result<std::unique_ptr<http::WebSocket>>> DeviceEnd::ConnectOnce() {
  try {
    co_return co_await io::WithDeadline(connect_(), options_.connect_timeout,
                                        "connecting to the platform");
  } catch (const asio::multiple_exceptions&) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

void DeviceEnd::OnReady() {
  status_.attempts = 0;
  status_.last_error.clear();
  status_.last_connected = clock_.Now();
  status_.platform_version = session_->peer().Info("version");
  status_.clock_skew = session_->clock_skew();
  status_.clock_warning = DescribeSkew(status_.clock_skew, options_.clock_skew_limit);
  Enter(LinkState::kConnected);
  logger_.Info("channel_connected", {{"platform_version", status_.platform_version},
                                     {"protocol", session_->version()},
                                     {"clock_skew_ms", status_.clock_skew.count()}});
  if (!status_.clock_warning.empty())
    logger_.Warn("clock_skew", {{"error", status_.clock_warning}});
}

io::Task<void> DeviceEnd::Stop() {
  stopping_ = true;
  if (session_) session_->Close(Reason::kShutdown, "the gateway stops");
  changed_.Notify();
  while (running_) co_await changed_.Wait();
}

void DeviceEnd::TryNow() {
  try_now_ = true;
  changed_.Notify();
}

LinkStatus DeviceEnd::status() const {
  LinkStatus status = status_;
  if (session_ && session_->ready()) status.rtt = session_->rtt();
  return status;
}

io::Task<bool> DeviceEnd::WaitConnected(milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (status_.state != LinkState::kConnected) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) co_return false;
    co_await changed_.WaitFor(left);
  }
  co_return true;
}

}  // namespace mailreeve::channel
