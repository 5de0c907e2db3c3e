#include "response/relay_client/relay_client.h"

#include "base/text.h"
#include "io/deadline.h"

#include <algorithm>

namespace mailreeve::response::relay_client {
namespace {

constexpr std::string_view kDeliberate = "/deliberate/observables";
constexpr std::string_view kHealth = "/health";
constexpr std::string_view kTrigger = "/respond/trigger";
constexpr std::string_view kRoutes[] = {"/health",
                                        "/version",
                                        "/deliberate/observables",
                                        "/observe/observables",
                                        "/refer/observables",
                                        "/respond/observables",
                                        "/respond/trigger",
                                        "/tiles",
                                        "/tiles/tile",
                                        "/tiles/tile-data"};
// For a second try: less is not worth it.
constexpr std::chrono::milliseconds kLeastForRetry{1000};

// A number of the instance's settings, within [1, most].
size_t Narrowed(const json::object& settings, std::string_view key, size_t most) {
  const json::value* value = settings.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return most;
  return std::min(most, static_cast<size_t>(value->get_int64()));
}

// "https://host/base?code=x" and "/health" -> "https://host/base/health?code=x"
std::string UrlOf(const std::string& base, std::string_view route) {
  const size_t question = std::min(base.find('?'), base.size());
  std::string out = base.substr(0, question);
  while (out.ends_with('/')) out.pop_back();
  return out + std::string(route) + base.substr(question);
}

std::string Shown(std::string_view text) {
  std::string out = ToValidUtf8(CutUtf8(text, 200));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return out;
}

bool IsEnvelope(const json::value& value) {
  const json::object* object = value.if_object();
  return object != nullptr && (object->contains("data") || object->contains("errors"));
}

Code CodeOf(int status) {
  if (status == 401 || status == 403) return Code::kUnauthenticated;
  if (status == 404 || status == 405 || status == 410) return Code::kNotFound;
  if (status == 408) return Code::kTimeout;
  if (status == 413) return Code::kLimited;
  if (status == 429) return Code::kLimited;
  if (status >= 500) return Code::kUnavailable;
  return Code::kInvalid;
}

// What a relay's HTTP answer says: an envelope, or why it is none.
Result<json::value> Read(const http::Response& response, std::string_view route) {
  auto body = json::Parse(response.body, {.max_bytes = response.body.size(), .max_depth = 64});
  if (response.status == 200) {
    if (!body) {
      const bool is_page =
          AsciiLower(response.headers.Get("Content-Type")).starts_with("text/html");
      return Fail(Code::kInvalid, is_page
                                      ? "the module answers with a web page"
                                      : "the module's answer is no JSON: " + body.error().message);
    }
    if (route != "/version" && !IsEnvelope(*body)) {
      return Fail(Code::kInvalid, "the module's answer has neither data nor errors");
    }
    return body;
  }
  // Some modules put their envelope under an error's status.
  if (body && IsEnvelope(*body)) return body;
  std::string message = "the module answers with status " + std::to_string(response.status);
  if (body && body->is_object()) {
    const json::value* said = body->get_object().if_contains("message");
    if (said != nullptr && said->is_string()) message += ": " + Shown(said->get_string());
  }
  return Fail(CodeOf(response.status), std::move(message));
}

// Whether the module itself is to blame, so that the breaker counts it.
bool IsModulesFailure(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kTimeout ||
         error.code == Code::kInvalid || error.code == Code::kDenied;
}

const json::array* VerdictsOf(const json::value& envelope) {
  const json::value* node = &envelope;
  for (const std::string_view key : {"data", "verdicts", "docs"}) {
    const json::object* object = node->if_object();
    node = object == nullptr ? nullptr : object->if_contains(key);
    if (node == nullptr) return nullptr;
  }
  return node->if_array();
}

bool HasErrors(const json::value& envelope) {
  const json::value* errors = envelope.get_object().if_contains("errors");
  return errors != nullptr && !errors->is_null() &&
         !(errors->is_array() && errors->get_array().empty());
}

}  // namespace

Options OptionsFrom(const settings::Snapshot& snapshot) {
  Options out;
  out.timeout = std::chrono::milliseconds(snapshot.Integer("enrich.timeout"));
  out.concurrency = static_cast<size_t>(snapshot.Integer("relays.concurrency"));
  out.max_waiting = static_cast<size_t>(snapshot.Integer("relays.max_waiting"));
  out.max_answer_bytes = static_cast<size_t>(snapshot.Integer("enrich.max_answer_bytes"));
  out.token_life = std::chrono::seconds(snapshot.Integer("relays.token_life"));
  out.breaker.failures = static_cast<int>(snapshot.Integer("relays.breaker_failures"));
  out.breaker.open_for = std::chrono::seconds(snapshot.Integer("relays.breaker_open"));
  out.cache.life = std::chrono::seconds(snapshot.Integer("relays.cache_life"));
  out.cache.negative_life = std::chrono::seconds(snapshot.Integer("relays.negative_cache_life"));
  out.cache.max_observables = static_cast<size_t>(snapshot.Integer("relays.max_cached"));
  return out;
}

struct RelayClient::World {
  outbound::Fetcher& fetcher;
  Signing signing;
  const Clock& clock;
  log::Logger& logger;
  Options options;
};

// What is remembered of one module instance for one organisation, and how it is asked.
struct RelayClient::Known {
  Known(const Options& options, const modules::ModuleInstance& of)
      : updated(of.updated),
        concurrency(std::max<size_t>(1, Narrowed(of.settings, "concurrency", options.concurrency))),
        breaker(options.breaker),
        cache([&] {
          VerdictCacheOptions narrowed = options.cache;
          narrowed.life = std::chrono::seconds(
              Narrowed(of.settings, "cache-seconds", static_cast<size_t>(narrowed.life.count())));
          return narrowed;
        }()) {}

  const Time updated;
  const size_t concurrency;
  Breaker breaker;
  VerdictCache cache;
  size_t running = 0, waiting = 0;
  std::unique_ptr<io::Event> ended;  // made at the first wait: it needs an executor
};

class RelayClient::Module final : public relay::Module {
 public:
  Module(std::shared_ptr<const World> world, std::shared_ptr<Known> known,
         modules::ModuleInstance instance)
      : shared_(std::make_shared<Shared>(
            Shared{std::move(world), std::move(known), std::move(instance)})) {}

  io::Task<Result<json::value>> Ask(relay::Call call) override {
    return AskShared(shared_, std::move(call));
  }

 private:
  struct Shared {
    std::shared_ptr<const World> world;
    std::shared_ptr<Known> known;
    modules::ModuleInstance instance;
    const json::object& properties() const {
      static const json::object kNone;
      return instance.type ? instance.type->properties : kNone;
    }
  };

  static io::Task<Result<json::value>> AskShared(std::shared_ptr<Shared> shared, relay::Call call) {
    if (std::find(std::begin(kRoutes), std::end(kRoutes), call.route) == std::end(kRoutes)) {
      co_return Fail(Code::kNotFound, "relay modules have no route " + call.route);
    }
    if (call.route != kDeliberate || !call.body.is_array()) {
      co_return co_await AskGuarded(shared, std::move(call));
    }
    const json::array asked = call.body.get_array();
    json::array verdicts;
    json::array unknown = shared->known->cache.Take(asked, shared->world->clock.Now(), verdicts);
    if (unknown.empty() && !asked.empty()) co_return Bundle(std::move(verdicts));
    call.body = unknown;
    CO_TRY(json::value envelope, co_await AskGuarded(shared, std::move(call)));
    if (!envelope.is_object()) co_return envelope;
    const json::array* found = VerdictsOf(envelope);
    shared->known->cache.Put(unknown, found == nullptr ? json::array() : *found,
                             !HasErrors(envelope), shared->world->clock.Now());
    if (verdicts.empty()) co_return envelope;
    if (found != nullptr) verdicts.insert(verdicts.end(), found->begin(), found->end());
    json::value merged = Bundle(std::move(verdicts));
    if (const json::value* errors = envelope.get_object().if_contains("errors")) {
      merged.get_object()["errors"] = *errors;
    }
    co_return merged;
  }

  static json::value Bundle(json::array verdicts) {
    json::object list;
    list["count"] = verdicts.size();
    list["docs"] = std::move(verdicts);
    return json::object{{"data", json::object{{"verdicts", std::move(list)}}}};
  }

  // With breaker and limit of calls at once.
  static io::Task<Result<json::value>> AskGuarded(std::shared_ptr<Shared> shared,
                                                  relay::Call call) {
    Known& known = *shared->known;
    const World& world = *shared->world;
    const bool is_health = call.route == kHealth;
    // The question how it is goes through: its answer closes the breaker.
    if (!is_health && !known.breaker.Allow(world.clock.Now())) {
      co_return Fail(Code::kUnavailable, "the module failed " +
                                             std::to_string(known.breaker.failures()) +
                                             " times in a row and is not asked until " +
                                             FormatTime(known.breaker.next_try()));
    }
    const bool was_open = known.breaker.state(world.clock.Now()) != Breaker::State::kClosed;
    struct Guard {
      Breaker* breaker;
      ~Guard() {
        if (breaker != nullptr) breaker->GaveUp();
      }
    } guard{is_health ? nullptr : &known.breaker};

    const auto until = std::chrono::steady_clock::now() + TimeoutOf(*shared, call);
    if (auto entered = co_await Enter(known, world.options.max_waiting, until); !entered) {
      co_return Fail(std::move(entered.error()));
    }
    struct Leave {
      Known& known;
      ~Leave() {
        --known.running;
        if (known.ended) known.ended->Notify();
      }
    } leave{known};

    const std::string route = call.route;
    auto answer = co_await AskOnce(*shared, call, until);
    const bool may_repeat = route != kTrigger;
    if (!answer && answer.error().code == Code::kUnavailable && may_repeat && !was_open &&
        until - std::chrono::steady_clock::now() > kLeastForRetry) {
      answer = co_await AskOnce(*shared, std::move(call), until);
    }
    guard.breaker = nullptr;
    if (answer || !IsModulesFailure(answer.error())) {
      known.breaker.Succeeded();
    } else {
      known.breaker.Failed(world.clock.Now());
      if (!was_open && known.breaker.state(world.clock.Now()) != Breaker::State::kClosed) {
        world.logger.Warn("relay_breaker_opened", {{"module_instance", shared->instance.id},
                                                   {"failures", known.breaker.failures()}});
      }
    }
    if (route == kTrigger) known.cache.Clear();
    if (is_health && was_open && answer && answer->is_object()) {
      relay::AddError(answer->get_object(), "warning", "circuit open",
                      "the module failed several times in a row and was not asked for a while");
    }
    co_return answer;
  }

  static std::chrono::milliseconds TimeoutOf(const Shared& shared, const relay::Call& call) {
    const size_t narrowed =
        Narrowed(shared.instance.settings, "timeout-ms",
                 static_cast<size_t>(std::max<int64_t>(1, call.deadline.count())));
    return std::chrono::milliseconds(std::max<size_t>(1, narrowed));
  }

  static io::Task<Result<void>> Enter(Known& known, size_t max_waiting,
                                      std::chrono::steady_clock::time_point until) {
    if (known.running < known.concurrency) {
      ++known.running;
      co_return Result<void>();
    }
    if (known.waiting >= max_waiting) {
      co_return Fail(Code::kLimited, "too many questions wait for this module");
    }
    if (!known.ended) {
      known.ended = std::make_unique<io::Event>(co_await asio::this_coro::executor);
    }
    struct Stop {
      size_t& waiting;
      ~Stop() { --waiting; }
    } stop{++known.waiting};
    while (known.running >= known.concurrency) {
      const auto left = until - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) {
        co_return Fail(Code::kTimeout, "the module is busy with other questions");
      }
      (void)co_await known.ended->WaitFor(left);
    }
    ++known.running;
    co_return Result<void>();
  }

  static io::Task<Result<json::value>> AskOnce(const Shared& shared, relay::Call call,
                                               std::chrono::steady_clock::time_point until) {
    const World& world = *shared.world;
    const json::object& settings = shared.instance.settings;
    const std::string url = TextSetting(settings, shared.properties(), "url");
    if (url.empty()) co_return Fail(Code::kInvalid, "the module has no url");
    CO_TRY(const Secret authorization, Authorization(settings, shared.properties(),
                                                     {.signer = world.signing.signer,
                                                      .jwks_host = world.signing.jwks_host,
                                                      .life = world.options.token_life,
                                                      .now = world.clock.Now()}));
    outbound::Request request;
    request.method = "POST";
    request.url = UrlOf(url, call.route);
    request.headers.Set("Content-Type", "application/json");
    request.headers.Set("Accept", "application/json");
    request.headers.Set("X-Request-Id", call.caller.request_id);
    if (!authorization.empty()) {
      request.headers.Set("Authorization", std::string(authorization.Reveal()));
    }
    request.body = call.body.is_null() ? "{}" : json::Serialize(call.body);
    request.max_bytes = world.options.max_answer_bytes;
    request.timeout = std::max(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   until - std::chrono::steady_clock::now()),
                               std::chrono::milliseconds(1));
    CO_TRY(const http::Response response, co_await world.fetcher.Fetch(std::move(request)));
    co_return Read(response, call.route);
  }

  std::shared_ptr<Shared> shared_;
};

RelayClient::RelayClient(outbound::Fetcher& fetcher, Signing signing, const Clock& clock,
                         log::Logger& logger, Options options)
    : world_(std::make_shared<const World>(
          World{fetcher, std::move(signing), clock, logger, std::move(options)})) {}

RelayClient::~RelayClient() = default;

std::shared_ptr<relay::Module> RelayClient::Open(const modules::ModuleInstance& instance) {
  std::shared_ptr<Known>& known = known_[instance.org_id + " " + instance.id];
  // What was remembered under other settings is worth nothing.
  if (known == nullptr || known->updated != instance.updated) {
    known = std::make_shared<Known>(world_->options, instance);
  }
  auto module = std::make_shared<Module>(world_, known, instance);
  if (known_.size() > world_->options.max_modules) {
    std::erase_if(known_, [](const auto& item) { return item.second.use_count() == 1; });
  }
  return module;
}

}  // namespace mailreeve::response::relay_client
