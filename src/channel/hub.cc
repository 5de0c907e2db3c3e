#include "channel/hub.h"

#include "base/random.h"
#include "channel/explain.h"
#include "io/event.h"

#include <algorithm>
#include <deque>
#include <list>
#include <map>

namespace mailreeve::channel {
namespace {

// Tells a peer that never became a session why not.
io::Task<void> Refuse(http::WebSocket& socket, Goodbye goodbye) {
  std::string message;
  AppendFrame(message, goodbye);
  const Result<void> written = co_await socket.Write(std::move(message));
  if (written) co_await socket.Close(1008, std::string(ReasonName(goodbye.reason)));
  socket.Abort();
}

}  // namespace

struct Hub::State : std::enable_shared_from_this<Hub::State> {
  State(Gate& the_gate, const HubOptions& the_options, const Clock& the_clock,
        log::Logger& the_logger, const io::Executor& the_executor)
      : gate(the_gate),
        options(the_options),
        clock(the_clock),
        logger(the_logger),
        executor(the_executor),
        changed(the_executor),
        instance(RandomUuid()) {}

  struct Entry {
    Admission device;
    std::string address;
    Time since{};
    std::unique_ptr<relay::Module> served;
    std::shared_ptr<Session> session;
    bool replaced = false;
  };
  using Entries = std::list<std::shared_ptr<Entry>>;

  Link LinkOf(const Entry& entry) const {
    Link link;
    link.device_id = entry.device.device_id;
    link.address = entry.address;
    link.connected_since = entry.since;
    const Session& session = *entry.session;
    const Hello& hello = session.peer();
    link.instance = hello.instance;
    link.version = hello.Info("version");
    link.host_name = hello.Info("host_name");
    link.serial = hello.Info("serial");
    link.capabilities = hello.capabilities;
    link.last_seen = session.last_seen();
    link.rtt = session.rtt();
    link.clock_skew = session.clock_skew();
    link.clock_warning = DescribeSkew(link.clock_skew, options.clock_skew_limit);
    link.protocol = session.version();
    return link;
  }

  void OnReady(const std::shared_ptr<Entry>& entry) {
    entry->since = clock.Now();
    const Link link = LinkOf(*entry);
    auto& live_entry = live[entry->device.device_id];
    if (live_entry) {
      const Link old = LinkOf(*live_entry);
      logger.Warn(
          "device_replaced",
          {{"device", link.device_id}, {"address", link.address}, {"old_address", old.address}});
      if (old.instance != link.instance) NoteReplacement(link, old.address);
      live_entry->replaced = true;
      live_entry->session->Close(Reason::kReplaced, "a newer connection of this device, from " +
                                                        link.address + ", took over");
    }
    live_entry = entry;
    logger.Info("device_connected", {{"device", link.device_id},
                                     {"address", link.address},
                                     {"version", link.version},
                                     {"clock_skew_ms", link.clock_skew.count()}});
    if (!link.clock_warning.empty()) {
      logger.Warn("clock_skew", {{"device", link.device_id}, {"error", link.clock_warning}});
    }
    gate.OnConnected(entry->device, link);
    changed.Notify();
  }

  void NoteReplacement(const Link& link, const std::string& old_address) {
    auto& times = replacements[link.device_id];
    const auto now = std::chrono::steady_clock::now();
    times.push_back(now);
    while (!times.empty() && now - times.front() > options.clone_window) times.pop_front();
    if (times.size() < options.clone_replacements) return;
    times.clear();
    logger.Warn(
        "device_identity_cloned",
        {{"device", link.device_id}, {"address", link.address}, {"other_address", old_address}});
    gate.OnClone(link, old_address);
  }

  void OnEnded(const std::shared_ptr<Entry>& entry, const std::string& why) {
    sessions.remove(entry);
    const auto at = live.find(entry->device.device_id);
    if (at != live.end() && at->second == entry) {
      const Link link = LinkOf(*entry);
      live.erase(at);
      logger.Info("device_disconnected", {{"device", link.device_id}, {"why", why}});
      gate.OnDisconnected(link, why);
    }
    changed.Notify();
  }

  Gate& gate;
  const HubOptions options;
  const Clock& clock;
  log::Logger& logger;
  io::Executor executor;
  io::Event changed;
  const std::string instance;
  bool stopping = false;
  size_t accepting = 0;
  Entries sessions;                                    // all, also those that still shake hands
  std::map<std::string, std::shared_ptr<Entry>> live;  // by device id
  std::map<std::string, std::deque<std::chrono::steady_clock::time_point>> replacements;
};

Hub::Hub(Gate& gate, const HubOptions& options, const Clock& clock, log::Logger& logger,
         const io::Executor& executor)
    : state_(std::make_shared<State>(gate, options, clock, logger, executor)) {}

Hub::~Hub() {
  state_->stopping = true;
  for (const auto& entry : state_->sessions)
    entry->session->Close(Reason::kShutdown, "the platform stops");
}

io::Task<void> Hub::Accept(http::Request request, std::unique_ptr<http::WebSocket> socket) {
  return AcceptOn(state_, std::move(request), std::move(socket));
}

std::function<io::Task<void>(http::Request, std::unique_ptr<http::WebSocket>)> Hub::Handler() {
  return [state = state_](http::Request request, std::unique_ptr<http::WebSocket> socket) {
    return AcceptOn(state, std::move(request), std::move(socket));
  };
}

io::Task<void> Hub::AcceptOn(std::shared_ptr<State> state, http::Request request,
                             std::unique_ptr<http::WebSocket> socket) {
  struct Count {
    State& state;
    explicit Count(State& s) : state(s) { ++state.accepting; }
    ~Count() {
      --state.accepting;
      state.changed.Notify();
    }
  } const count(*state);
  if (state->stopping) {
    co_await Refuse(*socket, {Reason::kShutdown, "the platform stops"});
    co_return;
  }
  if (state->sessions.size() >= state->options.max_sessions) {
    state->logger.Warn("device_refused",
                       {{"address", request.remote_address}, {"error", "too many devices"}});
    co_await Refuse(*socket, {Reason::kBusy, "too many devices are connected"});
    co_return;
  }
  Result<Admission> admission = co_await state->gate.Admit(request);
  if (!admission) {
    state->logger.Warn("device_refused", {{"address", request.remote_address},
                                          {"error", admission.error().ToString()}});
    const bool for_good =
        admission.error().code == Code::kDenied || admission.error().code == Code::kUnauthenticated;
    co_await Refuse(*socket,
                    {for_good ? Reason::kRemoved : Reason::kBusy, admission.error().message});
    co_return;
  }
  const auto entry = std::make_shared<State::Entry>();
  entry->device = std::move(*admission);
  entry->address = request.remote_address;
  entry->served = state->gate.ServeDevice(entry->device);
  Hello hello;
  hello.instance = state->instance;
  hello.info = {{"product", "mailreeve-response"}, {"version", state->options.version}};
  entry->session =
      Session::Make(std::move(socket), Side::kPlatform, std::move(hello), state->options.session,
                    entry->served.get(), state->clock, state->logger, state->executor);
  state->sessions.push_back(entry);
  // Run calls it, and the entry outlives Run.
  entry->session->set_on_ready([state = state.get(), weak = std::weak_ptr(entry)] {
    if (const auto ready = weak.lock()) state->OnReady(ready);
  });
  const Session::Ended ended = co_await entry->session->Run();
  state->OnEnded(entry, ended.error.message);
}

std::optional<Link> Hub::Find(const std::string& device_id) const {
  const auto at = state_->live.find(device_id);
  if (at == state_->live.end()) return std::nullopt;
  return state_->LinkOf(*at->second);
}

std::vector<Link> Hub::Links() const {
  std::vector<Link> links;
  for (const auto& [id, entry] : state_->live) links.push_back(state_->LinkOf(*entry));
  return links;
}

bool Hub::connected(const std::string& device_id) const {
  const auto at = state_->live.find(device_id);
  return at != state_->live.end() && at->second->session->ready();
}

void Hub::Drop(const std::string& device_id, Reason reason, const std::string& why) {
  for (const auto& entry : state_->sessions) {
    if (entry->device.device_id == device_id) entry->session->Close(reason, why);
  }
  state_->replacements.erase(device_id);
}

io::Task<void> Hub::Stop() {
  state_->stopping = true;
  for (const auto& entry : state_->sessions)
    entry->session->Close(Reason::kShutdown, "the platform stops");
  const auto until = std::chrono::steady_clock::now() + state_->options.session.close_timeout * 2;
  while (state_->accepting > 0) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) co_return;
    co_await state_->changed.WaitFor(left);
  }
}

class Hub::DeviceModule final : public relay::Module {
 public:
  DeviceModule(std::weak_ptr<State> state, std::string device_id)
      : state_(std::move(state)), device_id_(std::move(device_id)) {}

  io::Task<Result<json::value>> Ask(relay::Call call) override {
    std::shared_ptr<Session> session;
    if (const auto state = state_.lock()) {
      const auto at = state->live.find(device_id_);
      if (at != state->live.end()) session = at->second->session;
    }
    if (!session || !session->ready())
      co_return Fail(Code::kUnavailable, "the device is not connected");
    co_return co_await session->Ask(std::move(call));
  }

 private:
  const std::weak_ptr<State> state_;
  const std::string device_id_;
};

std::shared_ptr<relay::Module> Hub::ModuleOf(std::string device_id) {
  return std::make_shared<DeviceModule>(state_, std::move(device_id));
}

}  // namespace mailreeve::channel
