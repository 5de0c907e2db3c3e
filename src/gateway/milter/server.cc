#include "gateway/milter/answer.h"
#include "gateway/milter/listeners.h"
#include "gateway/milter/milter.h"
#include "gateway/milter/session.h"
#include "gateway/milter/wire.h"
#include "io/deadline.h"
#include "io/event.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>

#include <cerrno>
#include <list>

namespace mailreeve::gateway::milter {
namespace {

using Socket = asio::generic::stream_protocol::socket;
using SteadyTime = std::chrono::steady_clock::time_point;

// An exception of the handler is our own fault in one message; it must not end the dialogue.
io::Task<Result<Decision>> Guarded(io::Task<Decision> task) {
  std::string what;
  try {
    co_return co_await std::move(task);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "an exception of unknown type";
  }
  co_return Fail(Code::kInternal, what);
}

io::Task<bool> Cancelled() {
  co_return (co_await asio::this_coro::cancellation_state).cancelled() !=
      asio::cancellation_type::none;
}

bool PeerIsGone(Socket& socket) {
  char byte = 0;
  const ssize_t got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

std::string_view FailureModeName(FailureMode mode) {
  switch (mode) {
    case FailureMode::kTempFail:
      return "tempfail";
    case FailureMode::kAccept:
      return "accept";
    case FailureMode::kReject:
      return "reject";
  }
  return "tempfail";
}

// Keeps the decision even when whoever waited for it was quicker to give up.
io::Task<void> GuardedInto(io::Task<Decision> task, std::optional<Result<Decision>>& out) {
  out = co_await Guarded(std::move(task));
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  struct Connection {
    Connection(Socket s, size_t max_packet) : socket(std::move(s)), reader(max_packet) {}
    Socket socket;
    PacketReader reader;
    std::string out;
    SteadyTime deadline = SteadyTime::max();
    bool timed_out = false;
  };

  State(const Options& o, MessageHandler& h, io::Scope& s, log::Logger& l)
      : options(o), handler(h), scope(s), logger(l), changed(s.executor()) {}

  void Start();

  static io::Task<void> AcceptTcp(std::shared_ptr<State> state, asio::ip::tcp::acceptor& acceptor);
  static io::Task<void> AcceptUnix(std::shared_ptr<State> state,
                                   asio::local::stream_protocol::acceptor& acceptor);
  static io::Task<void> Watch(std::shared_ptr<State> state);
  static io::Task<void> Serve(std::shared_ptr<State> state, Socket socket);

  io::Task<bool> HaveRoom();
  void Spawn(Socket socket);
  io::Task<bool> Flush(Connection& connection);
  io::Task<bool> Handle(Connection& connection, Session& session, Step& step);
  io::Task<bool> AskStage(Connection& connection, Session& session, Stage stage);
  io::Task<bool> AskMessage(Connection& connection, Session& session);
  io::Task<void> KeepWaiting(Connection& connection);
  void Report(const Session& session, Stage stage, std::string_view reason,
              const std::string& detail);
  std::string Failure(const Session& session, std::string_view reason, const std::string& detail);
  void Count(const Decision& decision);
  void Told(const Abort& abort);

  Options options;
  MessageHandler& handler;
  io::Scope& scope;
  log::Logger& logger;
  io::Event changed;
  Counters counters;
  uint64_t next_serial = 0;
  Listeners listeners;
  std::list<Connection*> open;
  bool accepting = true;
};

Options Options::FromSettings(const settings::Snapshot& settings) {
  Options options;
  const std::string mode = settings.Text("milter.on_failure");
  options.on_failure = mode == "accept"   ? FailureMode::kAccept
                       : mode == "reject" ? FailureMode::kReject
                                          : FailureMode::kTempFail;
  options.max_message_bytes = static_cast<uint64_t>(settings.Integer("milter.max_message_bytes"));
  options.max_connections = static_cast<size_t>(settings.Integer("milter.max_connections"));
  options.answer_timeout = std::chrono::milliseconds(settings.Integer("milter.answer_timeout_ms"));
  return options;
}

void Server::State::Start() {
  for (auto& acceptor : listeners.tcp())
    scope.Spawn("milter accept", AcceptTcp(shared_from_this(), acceptor));
  for (auto& acceptor : listeners.local())
    scope.Spawn("milter accept", AcceptUnix(shared_from_this(), acceptor));
  scope.Spawn("milter watch", Watch(shared_from_this()));
}

io::Task<bool> Server::State::HaveRoom() {
  while (accepting && open.size() >= options.max_connections) co_await changed.Wait();
  co_return accepting;
}

void Server::State::Spawn(Socket socket) {
  scope.Spawn("milter connection", Serve(shared_from_this(), std::move(socket)));
}

io::Task<void> Server::State::AcceptTcp(std::shared_ptr<State> state,
                                        asio::ip::tcp::acceptor& acceptor) {
  while (co_await state->HaveRoom()) {
    auto [error, socket] = co_await acceptor.async_accept(io::kTuple);
    if (!state->accepting || error == asio::error::operation_aborted) co_return;
    if (error) {
      state->logger.Warn("milter_accept_failed", {{"error", error.message()}});
      co_await io::Sleep(
          std::chrono::milliseconds(100));  // out of descriptors: give others time to end
      continue;
    }
    boost::system::error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    state->Spawn(Socket(std::move(socket)));
  }
}

io::Task<void> Server::State::AcceptUnix(std::shared_ptr<State> state,
                                         asio::local::stream_protocol::acceptor& acceptor) {
  while (co_await state->HaveRoom()) {
    auto [error, socket] = co_await acceptor.async_accept(io::kTuple);
    if (!state->accepting || error == asio::error::operation_aborted) co_return;
    if (error) {
      state->logger.Warn("milter_accept_failed", {{"error", error.message()}});
      co_await io::Sleep(std::chrono::milliseconds(100));
      continue;
    }
    state->Spawn(Socket(std::move(socket)));
  }
}

// One timer for all connections: a timer for each read would cost more than the read.
io::Task<void> Server::State::Watch(std::shared_ptr<State> state) {
  const Options& options = state->options;
  const auto shortest =
      std::min({options.idle_timeout, options.packet_timeout, options.write_timeout});
  const auto tick = std::clamp<std::chrono::milliseconds>(
      shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
  while (state->accepting || !state->open.empty()) {
    co_await io::Sleep(tick);
    const SteadyTime now = std::chrono::steady_clock::now();
    for (Connection* connection : state->open) {
      if (now < connection->deadline || connection->timed_out) continue;
      connection->timed_out = true;
      boost::system::error_code ignored;
      connection->socket.cancel(ignored);
    }
  }
}

io::Task<void> Server::State::Serve(std::shared_ptr<State> state, Socket socket) {
  Connection connection(std::move(socket), state->options.max_packet_bytes);
  Session session(state->options, state->handler.stages(), state->counters, state->next_serial);
  // Whatever way this ends, also by cancellation, the handler learns of a message that was not
  // answered.
  struct Leave {
    State& state;
    Connection& connection;
    Session& session;
    std::list<Connection*>::iterator at;
    ~Leave() {
      state.open.erase(at);
      state.counters.connections_now = state.open.size();
      state.changed.Notify();
      if (const auto abort = session.Disconnect()) state.Told(*abort);
    }
  };
  const Leave leave{*state, connection, session,
                    state->open.insert(state->open.end(), &connection)};
  ++state->counters.connections;
  state->counters.connections_now = state->open.size();

  bool partial = false;
  bool go_on = true;
  while (go_on) {
    bool whole = false;
    while (go_on) {
      const auto packet = connection.reader.Next();
      auto step = !packet                ? Result<Step>(tl::unexpected<Error>(packet.error()))
                  : !packet->has_value() ? Result<Step>(Step{})
                                         : session.Take(**packet);
      if (!step) {
        // There is no packet that says so: the mail server sees the connection end and takes its
        // own default action.
        ++(session.agreement().version == 0 ? state->counters.negotiations_failed
                                            : state->counters.protocol_errors);
        state->logger.Warn("milter_protocol_error",
                           {{"connection", session.serial()}, {"error", step.error().ToString()}});
        co_await state->Flush(connection);
        co_return;
      }
      if (!packet->has_value()) break;
      whole = true;
      go_on = co_await state->Handle(connection, session, *step);
    }
    if (!go_on || !co_await state->Flush(connection)) break;

    // A packet's time runs from its first byte, so that bytes that trickle in do not prolong it.
    const bool was_partial = partial && !whole;
    partial = connection.reader.partial();
    if (!was_partial) {
      connection.deadline = std::chrono::steady_clock::now() + (partial || session.in_message()
                                                                    ? state->options.packet_timeout
                                                                    : state->options.idle_timeout);
    }
    const auto space = connection.reader.Space();
    auto [error, got] = co_await connection.socket.async_read_some(
        asio::buffer(space.data(), space.size()), io::kTuple);
    if (error) {
      if (connection.timed_out) ++state->counters.read_timeouts;
      break;
    }
    connection.reader.Commit(got);
  }
}

io::Task<bool> Server::State::Flush(Connection& connection) {
  if (connection.out.empty()) co_return true;
  const SteadyTime before =
      std::exchange(connection.deadline, std::chrono::steady_clock::now() + options.write_timeout);
  auto [error, wrote] =
      co_await asio::async_write(connection.socket, asio::buffer(connection.out), io::kTuple);
  connection.out.clear();
  connection.deadline = before;
  co_return !error;
}

io::Task<bool> Server::State::Handle(Connection& connection, Session& session, Step& step) {
  if (step.abort) Told(*step.abort);
  switch (step.kind) {
    case Step::Kind::kNothing:
      co_return true;
    case Step::Kind::kSend:
      connection.out += step.packets;
      co_return true;
    case Step::Kind::kAskStage:
      co_return co_await AskStage(connection, session, step.stage);
    case Step::Kind::kAskMessage:
      co_return co_await AskMessage(connection, session);
    case Step::Kind::kQuit:
      co_return false;
  }
  co_return false;
}

io::Task<bool> Server::State::AskStage(Connection& connection, Session& session, Stage stage) {
  if (!co_await Flush(connection)) co_return false;
  connection.deadline = SteadyTime::max();
  Result<Decision> decision = co_await io::WithDeadline(
      Guarded(handler.OnStage(stage, session.transaction())), options.stage_timeout,
      "the decision at " + std::string(StageName(stage)));
  if (!decision && co_await Cancelled()) co_return false;

  std::string reason;
  Error error;
  if (decision) {
    auto packets = EncodeDecision(*decision, stage, session.agreement(), options);
    if (packets) {
      connection.out += *packets;
      session.Decided(stage, decision->kind);
      co_return true;
    }
    ++counters.decisions_refused;
    reason = "decision";
    error = std::move(packets).error();
  } else {
    const bool late = decision.error().code == Code::kTimeout;
    ++(late ? counters.handler_timeouts : counters.handler_errors);
    reason = late ? "timeout" : "error";
    error = std::move(decision).error();
  }
  Report(session, stage, reason, error.ToString());
  if (options.on_failure == FailureMode::kAccept) {
    // Accepting here would let the rest go by unseen; going on leaves the message to OnMessage.
    AppendPacket(connection.out, Reply::kContinue);
    session.Decided(stage, Decision::Kind::kContinue);
  } else {
    connection.out += EncodeFailure(options.on_failure);
    session.Decided(stage, Decision::Kind::kReject);
  }
  co_return true;
}

// Tells the mail server now and then that the answer is still coming; ends when that has gone on
// for too long, or the mail server is not there any more.
io::Task<void> Server::State::KeepWaiting(Connection& connection) {
  std::string packet;
  AppendPacket(packet, Reply::kProgress);
  const SteadyTime end = std::chrono::steady_clock::now() + options.answer_timeout;
  while (true) {
    const std::chrono::nanoseconds left = end - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) co_return;
    co_await io::Sleep(std::min<std::chrono::nanoseconds>(left, options.progress_interval));
    if (std::chrono::steady_clock::now() >= end) co_return;
    // Not a write that waits: cut short by the answer, it would leave half a packet in the stream.
    if (PeerIsGone(connection.socket)) co_return;
    const ssize_t sent = ::send(connection.socket.native_handle(), packet.data(), packet.size(),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent != static_cast<ssize_t>(packet.size())) {
      boost::system::error_code ignored;
      connection.socket.shutdown(asio::socket_base::shutdown_both, ignored);
      co_return;
    }
  }
}

io::Task<bool> Server::State::AskMessage(Connection& connection, Session& session) {
  if (!co_await Flush(connection)) co_return false;
  connection.deadline = SteadyTime::max();
  ++counters.messages;

  // Until the mail server has the answer, every way out tells the handler that it was lost.
  struct Unanswered {
    State& state;
    Session& session;
    Abort abort;
    bool answered = false;
    ~Unanswered() {
      session.MessageDone();
      if (!answered) state.Told(abort);
    }
  };
  Unanswered pending{*this, session, {}};
  pending.abort.connection = session.serial();
  pending.abort.queue_id = session.queue_id();
  pending.abort.stage = Stage::kEndOfMessage;
  pending.abort.disconnected = true;

  std::string packets;
  if (!session.limit_hit().empty()) {
    ++counters.limits_hit;
    packets = Failure(session, "limit", std::string(session.limit_hit()));
  } else {
    MilterMessage message = session.TakeMessage();
    counters.message_bytes += message.raw.size();
    std::optional<Result<Decision>> decision;
    size_t first = 0;
    {
      using namespace asio::experimental::awaitable_operators;
      first = (co_await (GuardedInto(handler.OnMessage(std::move(message)), decision) ||
                         KeepWaiting(connection)))
                  .index();
    }
    const bool decided = decision.has_value() && decision->has_value();
    if (decided) {
      pending.abort.answer_lost = true;
      pending.abort.tag = (*decision)->tag;
    }
    if (co_await Cancelled()) co_return false;
    if (decided) {
      auto encoded = EncodeDecision(**decision, Stage::kEndOfMessage, session.agreement(), options);
      if (encoded) {
        packets = *std::move(encoded);
        Count(**decision);
      } else {
        ++counters.decisions_refused;
        packets = Failure(session, "decision", encoded.error().ToString());
      }
    } else if (first == 1) {
      if (PeerIsGone(connection.socket)) co_return false;
      ++counters.handler_timeouts;
      packets =
          Failure(session, "timeout",
                  "no decision within " + std::to_string(options.answer_timeout.count()) + " ms");
    } else {
      ++counters.handler_errors;
      packets = Failure(session, "error", decision->error().ToString());
    }
  }
  if (PeerIsGone(connection.socket)) co_return false;
  connection.out += packets;
  pending.answered = co_await Flush(connection);
  co_return pending.answered;
}

void Server::State::Report(const Session& session, Stage stage, std::string_view reason,
                           const std::string& detail) {
  ++counters.failures;
  logger.Warn("milter_failure", {{"stage", StageName(stage)},
                                 {"reason", reason},
                                 {"detail", detail},
                                 {"queue_id", session.queue_id()},
                                 {"connection", session.serial()},
                                 {"answer", FailureModeName(options.on_failure)}});
}

std::string Server::State::Failure(const Session& session, std::string_view reason,
                                   const std::string& detail) {
  Report(session, Stage::kEndOfMessage, reason, detail);
  switch (options.on_failure) {
    case FailureMode::kTempFail:
      ++counters.tempfailed;
      break;
    case FailureMode::kReject:
      ++counters.rejected;
      break;
    case FailureMode::kAccept:
      ++counters.accepted;
      ++counters.failures_accepted;
      break;
  }
  return EncodeFailure(options.on_failure);
}

void Server::State::Count(const Decision& decision) {
  switch (decision.kind) {
    case Decision::Kind::kContinue:
    case Decision::Kind::kAccept:
      ++counters.accepted;
      break;
    case Decision::Kind::kReject:
      ++counters.rejected;
      break;
    case Decision::Kind::kTempFail:
      ++counters.tempfailed;
      break;
    case Decision::Kind::kDiscard:
      ++counters.discarded;
      break;
    case Decision::Kind::kReply:
      ++(decision.code < 500 ? counters.tempfailed : counters.rejected);
      break;
  }
  if (decision.quarantine) ++counters.quarantined;
}

void Server::State::Told(const Abort& abort) {
  ++counters.aborts;
  if (abort.answer_lost) ++counters.answers_lost;
  handler.OnAbort(abort);
}

Server::Server(std::shared_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
  StopAccepting();
  state_->listeners.RemoveFiles();
}

Result<std::unique_ptr<Server>> Server::Listen(const Options& options, MessageHandler& handler,
                                               io::Scope& scope, log::Logger& logger) {
  if (options.listen.empty())
    return Fail(Code::kInvalid, "the milter needs at least one address to listen on");
  auto state = std::make_shared<State>(options, handler, scope, logger);
  // On a failure its destructor closes what was opened so far and removes the socket files.
  std::unique_ptr<Server> server(new Server(state));
  for (const std::string& address : options.listen) {
    TRY_VOID(state->listeners.Open(address, options.unix_mode, scope.executor(), logger));
  }
  state->Start();
  for (const std::string& address : state->listeners.addresses())
    logger.Info("milter_listening", {{"address", address}});
  return server;
}

std::vector<std::string> Server::addresses() const { return state_->listeners.addresses(); }

const Counters& Server::counters() const { return state_->counters; }

void Server::SetFailureMode(FailureMode mode) { state_->options.on_failure = mode; }

void Server::StopAccepting() {
  state_->accepting = false;
  state_->listeners.Close();
  state_->changed.Notify();
}

}  // namespace mailreeve::gateway::milter
