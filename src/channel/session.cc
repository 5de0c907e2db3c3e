#include "channel/session.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/multiple_exceptions.hpp>

#include <algorithm>

namespace mailreeve::channel {

using std::chrono::milliseconds;

struct Session::Pending {
  Pending(const io::Executor& executor, relay::Call asked)
      : call(std::move(asked)), timer(executor) {}
  relay::Call call;
  std::string body;
  asio::steady_timer timer;  // runs out at the deadline; cancelled when done
  SteadyTime deadline;
  uint64_t id = 0;  // 0: still waiting
  bool done = false;
  bool given_up = false;
  SteadyTime given_up_at;
  Result<std::string> result;
  // The answer as it comes in.
  bool answering = false;
  uint64_t answer_error = 0;
  std::string answer_message;
  std::string answer;
  size_t answer_size = 0;
  size_t answer_have = 0;
};

struct Session::Serving {
  Serving(const io::Executor& executor, Request asked)
      : request(std::move(asked)), timer(executor), deadline(std::chrono::steady_clock::now()) {}
  Request request;  // part holds the body as it comes in
  asio::steady_timer timer;
  SteadyTime deadline;
  bool cancelled = false;
  bool started = false;
  size_t held = 0;  // bytes of the window that the request takes
};

struct Session::Outgoing {
  bool answer = false;
  uint64_t id = 0;
  Frame first;  // Request or Response, with an empty part
  std::string body;
  size_t offset = 0;
  bool started = false;
};

http::WebSocketLimits WebSocketLimitsFor(const SessionOptions& options) {
  http::WebSocketLimits limits;
  limits.max_message_bytes = kMaxWireMessage;
  limits.handshake_timeout = options.hello_timeout;
  // Our own heartbeat is quicker; this one is for a session that hangs before it began.
  limits.idle_timeout =
      options.heartbeat_interval + options.heartbeat_timeout + options.hello_timeout;
  return limits;
}

std::shared_ptr<Session> Session::Make(std::unique_ptr<http::WebSocket> socket, Side side,
                                       Hello hello, const SessionOptions& options,
                                       relay::Module* served, const Clock& clock,
                                       log::Logger& logger, const io::Executor& executor) {
  return std::shared_ptr<Session>(new Session(std::move(socket), side, std::move(hello), options,
                                              served, clock, logger, executor));
}

Session::Session(std::unique_ptr<http::WebSocket> socket, Side side, Hello hello,
                 const SessionOptions& options, relay::Module* served, const Clock& clock,
                 log::Logger& logger, const io::Executor& executor)
    : socket_(std::move(socket)),
      side_(side),
      hello_(std::move(hello)),
      options_(options),
      served_(served),
      clock_(clock),
      logger_(logger),
      executor_(executor),
      scope_(executor, logger),
      changed_(executor),
      writable_(executor),
      heard_(std::chrono::steady_clock::now()) {
  // Credit goes back in quarters of the window: the longest body must fit in the rest.
  options_.window_bytes = std::max(options_.window_bytes, options_.max_body_bytes / 3 * 4 + 4);
}

Session::~Session() = default;

io::Task<Session::Ended> Session::Run() {
  const auto self = shared_from_this();
  if (side_ == Side::kDevice) SendHello();
  scope_.Spawn("channel_reader", ReadLoop());
  scope_.Spawn("channel_writer", WriteLoop());
  scope_.Spawn("channel_heartbeat", Heartbeat());
  bool cancelled = false;
  try {
    while (!closed_) co_await changed_.Wait();
  } catch (const boost::system::system_error&) {
    cancelled = true;
  }
  co_await asio::this_coro::reset_cancellation_state();
  if (cancelled)
    Finish(Error(Code::kCancelled, "the channel stops"), Goodbye{Reason::kShutdown, "stops"});
  const auto until = std::chrono::steady_clock::now() + options_.close_timeout;
  while (!writer_done_) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) break;
    co_await changed_.WaitFor(left);
  }
  socket_->Abort();
  scope_.Cancel();
  co_await scope_.Join();
  // A module that ends late leaves its answer here.
  serving_.clear();
  held_answers_.clear();
  co_return ended_;
}

void Session::Close(Reason reason, std::string text) {
  Finish(Error(Code::kCancelled, "closed here: " + text), Goodbye{reason, text});
}

void Session::Finish(Error error, std::optional<Goodbye> goodbye) {
  if (closed_) return;
  closed_ = true;
  ended_.error = std::move(error);
  last_words_ = std::move(goodbye);
  control_.clear();
  sending_.clear();
  held_answers_.clear();
  const Error lost(Code::kUnavailable,
                   "the connection to the device ended: " + ended_.error.message);
  for (const auto& pending : waiting_) Complete(pending, Fail(lost));
  for (const auto& [id, pending] : asked_) Complete(pending, Fail(lost));
  waiting_.clear();
  asked_.clear();
  waiting_bytes_ = 0;
  for (const auto& [id, serving] : serving_) {
    serving->cancelled = true;
    serving->timer.cancel();
  }
  writable_.Notify();
  changed_.Notify();
}

// Reading
// ---------------------------------------------------------------------------------------------------------

io::Task<void> Session::ReadLoop() {
  while (!closed_) {
    Result<std::string> message = co_await socket_->Read();
    if (closed_) co_return;
    if (!message) {
      Error error = message.error();
      // Cancelled means that we stop; a connection that was torn down is not that.
      if (error.code == Code::kCancelled) error.code = Code::kUnavailable;
      if (error.code == Code::kLimited) {
        Finish(error, Goodbye{Reason::kProtocolError, error.message});
      } else {
        Finish(error, std::nullopt);
      }
      co_return;
    }
    heard_ = std::chrono::steady_clock::now();
    last_seen_ = clock_.Now();
    Result<std::vector<Frame>> frames = DecodeMessage(*message);
    Result<void> taken;
    if (!frames) {
      taken = Fail(frames.error());
    } else {
      for (Frame& frame : *frames) {
        taken = Take(std::move(frame));
        if (!taken || closed_) break;
      }
    }
    if (!taken) {
      const Reason reason = !ready_ && taken.error().code == Code::kInvalid
                                ? Reason::kVersion
                                : Reason::kProtocolError;
      logger_.Warn("channel_protocol_error", {{"error", taken.error().message}});
      Finish(taken.error(), Goodbye{reason, taken.error().message});
    }
  }
}

Result<void> Session::Take(Frame frame) {
  if (auto* goodbye = std::get_if<Goodbye>(&frame)) {
    ended_.goodbye = goodbye->reason;
    Finish(Error(Code::kUnavailable, "the peer said goodbye (" +
                                         std::string(ReasonName(goodbye->reason)) +
                                         "): " + goodbye->text),
           std::nullopt);
    return {};
  }
  if (auto* hello = std::get_if<Hello>(&frame)) return TakeHello(std::move(*hello));
  if (!ready_) return Fail(Code::kCorrupt, "the first frame must be a hello");
  if (auto* request = std::get_if<Request>(&frame)) return TakeRequest(std::move(*request));
  if (auto* response = std::get_if<Response>(&frame)) return TakeResponse(std::move(*response));
  if (auto* data = std::get_if<RequestData>(&frame)) return TakeRequestData(std::move(*data));
  if (auto* data = std::get_if<ResponseData>(&frame)) return TakeResponseData(std::move(*data));
  if (auto* cancel = std::get_if<Cancel>(&frame)) return TakeCancel(*cancel);
  if (auto* window = std::get_if<Window>(&frame)) return TakeWindow(*window);
  if (auto* ping = std::get_if<Ping>(&frame)) {
    if (control_.size() >= options_.max_control_frames) {
      return Fail(Code::kCorrupt, "pings come faster than their answers are read");
    }
    Control(Pong{ping->nonce});
    return {};
  }
  if (auto* pong = std::get_if<Pong>(&frame)) {
    if (pong->nonce == ping_nonce_ && ping_nonce_ != 0) {
      rtt_ = std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::steady_clock::now() - ping_sent_);
    }
    return {};
  }
  return Fail(Code::kCorrupt, "unknown frame");
}

Result<void> Session::TakeHello(Hello hello) {
  if (ready_) return Fail(Code::kCorrupt, "a second hello");
  Hello ours = hello_;
  TRY(version_, NegotiateVersion(ours, hello));
  if (hello.max_requests == 0 || hello.window_bytes < 64 * 1024 ||
      hello.window_bytes > uint64_t{1} << 40) {
    return Fail(Code::kCorrupt, "the hello's limits are out of range");
  }
  peer_ = std::move(hello);
  credit_ = peer_.window_bytes;
  clock_skew_ = milliseconds(std::clamp<int64_t>(peer_.time_ms, 0, int64_t{1} << 50) -
                             ToEpochMillis(clock_.Now()));
  if (side_ == Side::kPlatform) SendHello();
  ready_ = true;
  if (on_ready_) on_ready_();
  return {};
}

void Session::SendHello() {
  Hello hello = hello_;
  hello.time_ms = ToEpochMillis(clock_.Now());
  hello.window_bytes = options_.window_bytes;
  hello.max_requests = options_.max_requests;
  hello.max_body_bytes = options_.max_body_bytes;
  Control(std::move(hello));
}

Result<void> Session::TakeRequest(Request request) {
  if (request.id <= last_served_) return Fail(Code::kCorrupt, "request id used before");
  last_served_ = request.id;
  if (serving_.size() >= options_.max_requests)
    return Fail(Code::kCorrupt, "more requests at once than allowed");
  if (request.body_size > options_.max_body_bytes)
    return Fail(Code::kCorrupt, "request body longer than allowed");
  if (request.body_size > options_.window_bytes - incoming_)
    return Fail(Code::kCorrupt, "request over the window");
  const size_t size = request.body_size;
  incoming_ += size;
  auto serving = std::make_shared<Serving>(executor_, std::move(request));
  serving->held = size;
  const auto limit =
      std::min<milliseconds>(milliseconds(serving->request.deadline_ms), options_.max_deadline);
  serving->deadline = std::chrono::steady_clock::now() + limit;
  serving_.emplace(serving->request.id, serving);
  if (serving->request.part.size() == size) BeginServing(serving);
  return {};
}

Result<void> Session::TakeRequestData(RequestData data) {
  const auto at = serving_.find(data.id);
  if (at == serving_.end() || at->second->started)
    return Fail(Code::kCorrupt, "data for no open request");
  Serving& serving = *at->second;
  if (data.part.size() > serving.request.body_size - serving.request.part.size()) {
    return Fail(Code::kCorrupt, "request body longer than announced");
  }
  serving.request.part += data.part;
  if (serving.request.part.size() == serving.request.body_size) BeginServing(at->second);
  return {};
}

Result<void> Session::TakeResponse(Response response) {
  const auto at = asked_.find(response.id);
  if (at == asked_.end() || at->second->answering)
    return Fail(Code::kCorrupt, "answer to no open request");
  const std::shared_ptr<Pending> pending = at->second;
  if (response.body_size > options_.max_body_bytes)
    return Fail(Code::kCorrupt, "answer longer than allowed");
  if (response.body_size > options_.window_bytes - incoming_)
    return Fail(Code::kCorrupt, "answer over the window");
  incoming_ += response.body_size;
  pending->answering = true;
  pending->answer_error = response.error;
  pending->answer_message = std::move(response.message);
  pending->answer_size = response.body_size;
  return TakeResponseData({response.id, std::move(response.part)});
}

Result<void> Session::TakeResponseData(ResponseData data) {
  const auto at = asked_.find(data.id);
  if (at == asked_.end() || !at->second->answering)
    return Fail(Code::kCorrupt, "data for no open answer");
  const std::shared_ptr<Pending> pending = at->second;
  if (data.part.size() > pending->answer_size - pending->answer_have) {
    return Fail(Code::kCorrupt, "answer longer than announced");
  }
  pending->answer_have += data.part.size();
  if (!pending->given_up) {
    if (pending->answer.empty()) {
      pending->answer = std::move(data.part);
    } else {
      pending->answer += data.part;
    }
  }
  if (pending->answer_have < pending->answer_size) return {};
  asked_.erase(at);
  if (pending->given_up) {
    Release(pending->answer_size);
  } else if (pending->answer_error != 0) {
    Release(pending->answer_size);
    Complete(pending, Fail(static_cast<Code>(pending->answer_error - 1),
                           std::move(pending->answer_message)));
  } else {
    Complete(pending, std::move(pending->answer));
  }
  Admit();
  return {};
}

Result<void> Session::TakeCancel(Cancel cancel) {
  if (cancel.id > last_served_) return Fail(Code::kCorrupt, "cancel of a request that never was");
  // Answered meanwhile: the two frames crossed.
  const auto at = serving_.find(cancel.id);
  if (at == serving_.end()) return {};
  at->second->cancelled = true;
  at->second->timer.cancel();
  return {};
}

Result<void> Session::TakeWindow(Window window) {
  if (window.bytes > peer_.window_bytes - credit_)
    return Fail(Code::kCorrupt, "credit beyond the window");
  credit_ += window.bytes;
  Admit();
  return {};
}

void Session::Release(size_t bytes) {
  if (closed_ || bytes == 0) return;
  to_return_ += bytes;
  if (to_return_ < options_.window_bytes / 4) return;
  incoming_ -= to_return_;
  Control(Window{to_return_});
  to_return_ = 0;
}

// Asking
// ----------------------------------------------------------------------------------------------------------

size_t Session::MaxSend() const {
  return std::min<uint64_t>(
      {options_.max_body_bytes, peer_.max_body_bytes, peer_.window_bytes / 4 * 3});
}

io::Task<Result<json::value>> Session::Ask(relay::Call call) {
  const auto self = shared_from_this();
  if (!ready()) co_return Fail(Code::kUnavailable, "the connection to the device is not up");
  if (waiting_.size() + asked_.size() >= options_.max_waiting) {
    co_return Fail(Code::kLimited, "too many requests to this device at once; try again later");
  }
  auto pending = std::make_shared<Pending>(executor_, std::move(call));
  if (!pending->call.body.is_null()) pending->body = json::Serialize(pending->call.body);
  pending->call.body = nullptr;
  if (pending->body.size() > MaxSend()) {
    co_return Fail(Code::kLimited, "the request has " + std::to_string(pending->body.size()) +
                                       " bytes; the device takes at most " +
                                       std::to_string(MaxSend()));
  }
  if (waiting_bytes_ + pending->body.size() > options_.max_queued_bytes) {
    co_return Fail(Code::kLimited, "too many bytes wait for this device; try again later");
  }
  pending->deadline = std::chrono::steady_clock::now() + pending->call.deadline;
  pending->timer.expires_at(pending->deadline);
  waiting_bytes_ += pending->body.size();
  waiting_.push_back(pending);
  Admit();
  while (!pending->done) {
    const auto [error] = co_await pending->timer.async_wait(io::kTuple);
    if (pending->done) break;
    GiveUp(pending);
    if (error) co_return Fail(Code::kCancelled, "the asker gave up");
    co_return Fail(Code::kTimeout, "the device gave no answer within " +
                                       std::to_string(pending->call.deadline.count()) + " ms");
  }
  if (!pending->result) co_return Fail(std::move(pending->result).error());
  const size_t size = pending->result->size();
  Result<json::value> answer = json::value(nullptr);
  if (size > 0) answer = json::Parse(*pending->result, {.max_bytes = options_.max_body_bytes});
  Release(size);
  if (!answer)
    co_return Fail(Code::kInvalid, "the device's answer is not JSON: " + answer.error().message);
  co_return answer;
}

void Session::Admit() {
  if (!ready_ || closed_) return;
  // Answers go first: they end something.
  while (!held_answers_.empty() && held_answers_.front().body.size() <= credit_) {
    Outgoing answer = std::move(held_answers_.front());
    held_answers_.pop_front();
    held_bytes_ -= answer.body.size();
    credit_ -= answer.body.size();
    sending_.push_back(std::move(answer));
    writable_.Notify();
  }
  while (!waiting_.empty() && asked_.size() < peer_.max_requests &&
         waiting_.front()->body.size() <= credit_) {
    const std::shared_ptr<Pending> pending = std::move(waiting_.front());
    waiting_.pop_front();
    Start(pending);
  }
}

void Session::Start(const std::shared_ptr<Pending>& pending) {
  const auto left = std::chrono::duration_cast<milliseconds>(pending->deadline -
                                                             std::chrono::steady_clock::now());
  pending->id = ++last_asked_;
  waiting_bytes_ -= pending->body.size();
  credit_ -= pending->body.size();
  asked_.emplace(pending->id, pending);
  Outgoing out;
  out.id = pending->id;
  Request request;
  request.id = pending->id;
  request.route = std::move(pending->call.route);
  request.deadline_ms = static_cast<uint64_t>(std::max<int64_t>(left.count(), 1));
  request.caller = std::move(pending->call.caller);
  request.body_size = pending->body.size();
  out.first = std::move(request);
  out.body = std::move(pending->body);
  sending_.push_back(std::move(out));
  writable_.Notify();
}

void Session::Complete(const std::shared_ptr<Pending>& pending, Result<std::string> result) {
  if (pending->done || pending->given_up) return;
  pending->done = true;
  pending->result = std::move(result);
  pending->timer.cancel();
}

void Session::GiveUp(const std::shared_ptr<Pending>& pending) {
  if (closed_) return;
  if (pending->id == 0) {
    const auto at = std::find(waiting_.begin(), waiting_.end(), pending);
    if (at != waiting_.end()) waiting_.erase(at);
    waiting_bytes_ -= pending->body.size();
    Admit();
    return;
  }
  pending->given_up = true;
  pending->given_up_at = std::chrono::steady_clock::now();
  pending->answer = {};
  Control(Cancel{pending->id});
}

// Serving
// ---------------------------------------------------------------------------------------------------------

namespace {

using asio::experimental::awaitable_operators::operator||;

// A module that throws must not leave the request without an answer.
io::Task<Result<json::value>> AskGuarded(relay::Module& module, relay::Call call,
                                         log::Logger& logger) {
  try {
    co_return co_await module.Ask(std::move(call));
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted)
      co_return Fail(Code::kCancelled, "cancelled");
    logger.Error("channel_module_failed", {{"error", error.what()}});
  } catch (const asio::multiple_exceptions&) {
    // What awaitable operators throw when they are cancelled.
    co_return Fail(Code::kCancelled, "cancelled");
  } catch (const std::exception& error) {
    logger.Error("channel_module_failed", {{"error", error.what()}});
  }
  co_return Fail(Code::kInternal, "the request failed inside the device");
}

io::Task<void> WaitFor(asio::steady_timer& timer) { co_await timer.async_wait(io::kTuple); }

}  // namespace

void Session::BeginServing(const std::shared_ptr<Serving>& serving) {
  serving->started = true;
  scope_.Spawn("channel_request", Serve(serving));
}

io::Task<void> Session::Serve(std::shared_ptr<Serving> serving) {
  Result<json::value> answer = json::value(nullptr);
  Request& request = serving->request;
  if (served_ == nullptr) {
    answer = Fail(Code::kNotFound, "this side of the channel serves no requests");
  } else {
    relay::Call call;
    if (request.body_size > 0) {
      Result<json::value> body = json::Parse(request.part, {.max_bytes = options_.max_body_bytes});
      if (body) {
        call.body = std::move(*body);
      } else {
        answer = Fail(Code::kInvalid, "the request's body is not JSON: " + body.error().message);
      }
    }
    request.part = {};
    const auto left = std::chrono::duration_cast<milliseconds>(serving->deadline -
                                                               std::chrono::steady_clock::now());
    if (answer && serving->cancelled) answer = Fail(Code::kCancelled, "cancelled before it began");
    if (answer) {
      call.route = request.route;
      call.caller = request.caller;
      call.deadline = std::max(left, milliseconds(1));
      serving->timer.expires_at(serving->deadline);
      auto first =
          co_await (AskGuarded(*served_, std::move(call), logger_) || WaitFor(serving->timer));
      if (first.index() == 0) {
        answer = std::get<0>(std::move(first));
      } else if (serving->cancelled) {
        answer = Fail(Code::kCancelled, "the asker gave up");
      } else {
        answer = Fail(Code::kTimeout, "the request took longer than its deadline");
      }
    }
  }
  if (closed_) co_return;
  Release(serving->held);
  Answer(*serving, std::move(answer));
}

void Session::Answer(Serving& serving, Result<json::value> result) {
  std::string body;
  if (result) {
    body = json::Serialize(*result);
    if (body.size() > MaxSend()) {
      result = Fail(Code::kLimited, "the answer has " + std::to_string(body.size()) +
                                        " bytes; at most " + std::to_string(MaxSend()) +
                                        " go over the channel: ask for less");
    } else if (body.size() > credit_ && held_bytes_ + body.size() > options_.max_queued_bytes) {
      result = Fail(Code::kLimited,
                    "too many answers wait for the platform to take them; try again later");
    }
  }
  Outgoing out;
  out.answer = true;
  out.id = serving.request.id;
  Response response;
  response.id = out.id;
  if (result) {
    response.body_size = body.size();
    out.body = std::move(body);
  } else {
    response.error = 1 + static_cast<uint64_t>(result.error().code);
    response.message = result.error().ToString();
  }
  out.first = std::move(response);
  if (!out.body.empty() && (!held_answers_.empty() || out.body.size() > credit_)) {
    held_bytes_ += out.body.size();
    held_answers_.push_back(std::move(out));
    return;
  }
  credit_ -= out.body.size();
  sending_.push_back(std::move(out));
  writable_.Notify();
}

// Writing
// ---------------------------------------------------------------------------------------------------------

void Session::Control(Frame frame) {
  if (closed_) return;
  control_.push_back(std::move(frame));
  writable_.Notify();
}

std::string Session::NextMessage() {
  std::string message;
  while (message.size() < kMaxPart) {
    if (!control_.empty()) {
      AppendFrame(message, control_.front());
      control_.pop_front();
      continue;
    }
    if (sending_.empty()) break;
    Outgoing out = std::move(sending_.front());
    sending_.pop_front();
    std::string part =
        out.body.size() <= kMaxPart ? std::move(out.body) : out.body.substr(out.offset, kMaxPart);
    out.offset += part.size();
    const bool last = out.offset >= out.body.size();
    if (!out.started) {
      if (auto* request = std::get_if<Request>(&out.first)) request->part = std::move(part);
      if (auto* response = std::get_if<Response>(&out.first)) response->part = std::move(part);
      AppendFrame(message, out.first);
      out.first = Ping{};
      out.started = true;
    } else if (out.answer) {
      AppendFrame(message, ResponseData{out.id, std::move(part)});
    } else {
      AppendFrame(message, RequestData{out.id, std::move(part)});
    }
    if (!last) {
      sending_.push_back(std::move(out));
    } else if (out.answer) {
      serving_.erase(out.id);
    }
  }
  return message;
}

io::Task<void> Session::WriteLoop() {
  while (!closed_) {
    std::string message = NextMessage();
    if (message.empty()) {
      co_await writable_.Wait();
      continue;
    }
    Result<void> written = co_await socket_->Write(std::move(message));
    if (!written) Finish(Error(Code::kUnavailable, written.error().message), std::nullopt);
  }
  if (last_words_) {
    std::string message;
    AppendFrame(message, *last_words_);
    if (co_await socket_->Write(std::move(message))) {
      co_await socket_->Close(last_words_->reason == Reason::kProtocolError ? 1002 : 1000,
                              std::string(ReasonName(last_words_->reason)));
    }
  }
  writer_done_ = true;
  changed_.Notify();
}

io::Task<void> Session::Heartbeat() {
  co_await io::Sleep(std::min(options_.hello_timeout, options_.heartbeat_interval));
  if (!ready_ && options_.hello_timeout > options_.heartbeat_interval) {
    co_await io::Sleep(options_.hello_timeout - options_.heartbeat_interval);
  }
  while (!closed_) {
    const auto now = std::chrono::steady_clock::now();
    if (!ready_) {
      const std::string text =
          "no hello within " + std::to_string(options_.hello_timeout.count()) + " ms";
      Finish(Error(Code::kTimeout, text), Goodbye{Reason::kSilent, text});
      co_return;
    }
    if (now - heard_ > options_.heartbeat_interval + options_.heartbeat_timeout) {
      const auto silent = std::chrono::duration_cast<milliseconds>(now - heard_);
      const std::string text = "no sign of life for " + std::to_string(silent.count()) + " ms";
      Finish(Error(Code::kTimeout, text), Goodbye{Reason::kSilent, text});
      co_return;
    }
    for (const auto& [id, pending] : asked_) {
      if (pending->given_up && now - pending->given_up_at > options_.cancelled_timeout) {
        const std::string text = "cancelled requests stay without an answer";
        Finish(Error(Code::kTimeout, text), Goodbye{Reason::kProtocolError, text});
        co_return;
      }
    }
    ping_sent_ = now;
    Control(Ping{++ping_nonce_});
    co_await io::Sleep(options_.heartbeat_interval);
  }
}

}  // namespace mailreeve::channel
