#include "gateway/enrich/gateway_module.h"

#include "base/random.h"
#include "base/text.h"
#include "gateway/enrich/query_body.h"
#include "io/deadline.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

namespace mailreeve::gateway::enrich {
namespace {

using observable::Observable;
using observable::Type;
using std::chrono::milliseconds;

constexpr size_t kMaxRememberedOrders = 1000;
// What is left of a call's time for carrying the answer back.
constexpr milliseconds kAnswerMargin{500};

constexpr std::array kSupported = {
    Type::kIp,           Type::kIpv6,    Type::kDomain, Type::kEmail, Type::kEmailMessageid,
    Type::kEmailSubject, Type::kSha256,  Type::kSha1,   Type::kMd5,   Type::kFileName,
    Type::kUrl,          Type::kCiscoMid};

struct ActionInfo {
  std::string_view id, title, description;
  remediation::Action action;
};
constexpr std::array kActions = {
    ActionInfo{"esa-mor-delete", "Delete",
               "Removes the message from the mailboxes it was delivered to",
               remediation::Action::kDelete},
    ActionInfo{"esa-mor-forward", "Forward", "Forwards the message to the remediation address",
               remediation::Action::kForward},
    ActionInfo{
        "esa-mor-forward-delete", "Forward and delete",
        "Forwards the message to the remediation address, then removes it from the mailboxes",
        remediation::Action::kForwardAndDelete}};

struct Period {
  std::string_view name;
  std::chrono::hours span;
};
constexpr std::array kPeriods = {Period{"last_hour", std::chrono::hours(1)},
                                 Period{"last_24_hours", std::chrono::hours(24)},
                                 Period{"last_7_days", std::chrono::hours(7 * 24)},
                                 Period{"last_30_days", std::chrono::hours(30 * 24)},
                                 Period{"last_60_days", std::chrono::hours(60 * 24)},
                                 Period{"last_90_days", std::chrono::hours(90 * 24)}};
constexpr std::string_view kTileId = "mailreeve-messages";

json::object FatalOf(const Error& error) {
  return relay::FatalError(relay::ErrorWord(error.code), error.message);
}

json::object TileDefinition() {
  json::array periods;
  for (const auto& period : kPeriods) periods.push_back(json::value(period.name));
  return {{"id", kTileId},
          {"type", "metric_group"},
          {"title", "Messages"},
          {"description", "Messages that this gateway tracked, and what became of them."},
          {"short_description", "Tracked, delivered and remediated messages"},
          {"tags", json::array{"email"}},
          {"periods", std::move(periods)},
          {"default_period", "last_24_hours"}};
}

bool ActionsFit(Type type) { return type == Type::kCiscoMid || type == Type::kEmailMessageid; }

}  // namespace

struct GatewayModule::Found {
  struct Each {
    mail::MessageRecord record;
    std::vector<Observable> matched;  // as they were asked
  };
  std::vector<Each> messages;  // newest first
  tracking::Coverage coverage;
  std::vector<std::string> more;  // observables that more messages show than are told
};

Options FromSettings(const settings::Snapshot& snapshot) {
  Options options;
  options.look_back = std::chrono::hours(24 * snapshot.Integer("relay.look_back_days"));
  options.max_sightings = static_cast<size_t>(snapshot.Integer("relay.max_sightings"));
  options.max_observables = static_cast<size_t>(snapshot.Integer("relay.max_observables"));
  options.forward_address = snapshot.Text("remediation.forward_address");
  return options;
}

GatewayModule::GatewayModule(Options options, tracking::Store& store,
                             remediation::Remediator& remediator, const Clock& clock)
    : options_(std::move(options)),
      store_(store),
      own_actions_(std::make_unique<RemediatorActions>(remediator)),
      actions_(*own_actions_),
      clock_(clock) {}

GatewayModule::GatewayModule(Options options, tracking::Store& store, Actions& actions,
                             const Clock& clock)
    : options_(std::move(options)), store_(store), actions_(actions), clock_(clock) {}

io::Task<Result<json::value>> GatewayModule::Ask(relay::Call call) {
  // Orders keep their own time: a batch that has begun must be told by its id, not lost to a
  // deadline.
  if (call.route == "/respond/trigger" || call.route.starts_with("/mailreeve/remediation/")) {
    co_return co_await Answer(std::move(call));
  }
  const milliseconds limit = call.deadline;
  const std::string route = call.route;
  co_return co_await io::WithDeadline(Answer(std::move(call)), limit, "answering " + route);
}

io::Task<Result<json::value>> GatewayModule::Answer(relay::Call call) {
  using Member = io::Task<Result<json::value>> (GatewayModule::*)(relay::Call);
  static constexpr std::pair<std::string_view, Member> kRoutes[] = {
      {"/health", &GatewayModule::Health},
      {"/version", &GatewayModule::Version},
      {"/deliberate/observables", &GatewayModule::Deliberate},
      {"/observe/observables", &GatewayModule::Observe},
      {"/refer/observables", &GatewayModule::Refer},
      {"/respond/observables", &GatewayModule::RespondObservables},
      {"/respond/trigger", &GatewayModule::Trigger},
      {"/tiles", &GatewayModule::Tiles},
      {"/tiles/tile", &GatewayModule::Tile},
      {"/tiles/tile-data", &GatewayModule::TileData},
      {"/mailreeve/messages", &GatewayModule::Messages},
      {"/mailreeve/message", &GatewayModule::Message},
      {"/mailreeve/remediation/plan", &GatewayModule::Plan},
      {"/mailreeve/remediation/execute", &GatewayModule::Execute},
      {"/mailreeve/remediation/batch", &GatewayModule::BatchState},
  };
  std::string_view route = call.route;
  while (route.size() > 1 && route.ends_with('/')) route.remove_suffix(1);
  for (const auto& [name, member] : kRoutes) {
    if (name == route) co_return co_await (this->*member)(std::move(call));
  }
  co_return Fail(Code::kNotFound, "no such route: " + std::string(CutUtf8(call.route, 100)));
}

io::Task<Result<json::value>> GatewayModule::Health(relay::Call) {
  auto held = co_await store_.Held();
  if (!held) {
    co_return relay::FatalError("health check failed",
                                "the tracking store cannot be read: " + held.error().message);
  }
  co_return json::object{{"data", {{"status", "ok"}}},
                         {"coverage", CoverageJson(*held, clock_.Now())}};
}

io::Task<Result<json::value>> GatewayModule::Version(relay::Call) {
  co_return json::object{{"version", options_.version},
                         {"name", options_.name},
                         {"fqdn", options_.fqdn.empty() ? options_.name : options_.fqdn}};
}

Result<relay::AskedObservables> GatewayModule::ReadSupported(const json::value& body,
                                                             json::object& envelope) const {
  TRY(auto read, relay::ReadObservables(body, {.max_observables = options_.max_observables}));
  std::erase_if(read.asked, [](const relay::AskedObservable& asked) {
    return std::find(kSupported.begin(), kSupported.end(), asked.canonical.type) ==
           kSupported.end();
  });
  for (const auto& unreadable : read.unreadable) {
    relay::AddError(envelope, "warning", "invalid argument",
                    "not a value of its type, and not looked for: " + unreadable);
  }
  return read;
}

io::Task<Result<GatewayModule::Found>> GatewayModule::Find(
    std::vector<relay::AskedObservable> asked) {
  Found found;
  std::map<mail::Mid, size_t> index;
  const Time from = clock_.Now() - options_.look_back;
  for (const auto& each : asked) {
    tracking::Query query;
    query.any_of = {each.canonical};
    // A message that is named is found however old it is.
    if (!ActionsFit(each.canonical.type)) query.from = from;
    query.limit = std::min(options_.max_sightings, tracking::kMaxPage);
    CO_TRY(auto page, co_await store_.Search(std::move(query)));
    const bool complete = found.coverage.complete && page.coverage.complete;
    std::string why = found.coverage.why;
    if (!page.coverage.why.empty() && why.find(page.coverage.why) == std::string::npos) {
      why += (why.empty() ? "" : "; ") + page.coverage.why;
    }
    found.coverage = page.coverage;
    found.coverage.complete = complete;
    found.coverage.why = std::move(why);
    if (!page.next_cursor.empty() && page.records.size() >= query.limit) {
      found.more.push_back(std::string(observable::TypeName(each.canonical.type)) + ":" +
                           each.canonical.value);
    }
    for (auto& record : page.records) {
      const auto [at, fresh] = index.emplace(record.mid, found.messages.size());
      if (fresh) found.messages.push_back({std::move(record), {}});
      found.messages[at->second].matched.push_back(each.canonical);
    }
  }
  std::sort(found.messages.begin(), found.messages.end(), [](const auto& a, const auto& b) {
    return std::pair(a.record.received, a.record.mid) > std::pair(b.record.received, b.record.mid);
  });
  for (const auto& what : found.more) {
    found.coverage.complete = false;
    if (!found.coverage.why.empty()) found.coverage.why += "; ";
    found.coverage.why +=
        "more than " + std::to_string(options_.max_sightings) + " messages show " + what;
  }
  co_return found;
}

io::Task<Result<json::value>> GatewayModule::Observe(relay::Call call) {
  json::object out{{"data", json::object()}};
  auto read = ReadSupported(call.body, out);
  if (!read) co_return FatalOf(read.error());
  if (read->asked.empty()) {
    if (auto held = co_await store_.Held()) out["coverage"] = CoverageJson(*held, clock_.Now());
    co_return out;
  }
  auto found = co_await Find(std::move(read->asked));
  if (!found) co_return FatalOf(found.error());
  for (const auto& what : found->more) {
    relay::AddError(out, "warning", "too many results",
                    "only the newest " + std::to_string(options_.max_sightings) +
                        " messages are told of those that show " + std::string(CutUtf8(what, 200)));
  }
  const SightingOptions options{options_.name, options_.console_url, options_.max_targets,
                                options_.max_relations};
  json::array docs;
  size_t bytes = 0;
  bool cut = false;
  for (auto& each : found->messages) {
    json::object doc = ctim::ToJson(SightingOf(each.record, std::move(each.matched), options, cut));
    bytes += json::Serialize(doc).size() + 1;
    if (bytes > options_.max_answer_bytes) {
      const std::string why = std::to_string(found->messages.size() - docs.size()) +
                              " older messages are left out, since the answer would be too large";
      found->coverage.complete = false;
      found->coverage.why += (found->coverage.why.empty() ? "" : "; ") + why;
      relay::AddError(out, "warning", "too many results", why);
      break;
    }
    docs.push_back(std::move(doc));
  }
  if (cut) {
    const std::string why =
        "of messages with very many recipients, addresses or files some relations or targets are "
        "left out";
    found->coverage.complete = false;
    found->coverage.why += (found->coverage.why.empty() ? "" : "; ") + why;
    relay::AddError(out, "warning", "too many results", why);
  }
  out["coverage"] = CoverageJson(found->coverage, clock_.Now());
  if (!docs.empty()) {
    const size_t count = docs.size();
    out["data"] = json::object{{"sightings", {{"count", count}, {"docs", std::move(docs)}}}};
  }
  co_return out;
}

io::Task<Result<json::value>> GatewayModule::Deliberate(relay::Call call) {
  json::object out{{"data", json::object()}};
  auto read = ReadSupported(call.body, out);
  if (!read) co_return FatalOf(read.error());
  // What the gateway judges is the message: of what messages contain it has no verdict of its own.
  std::erase_if(read->asked, [](const auto& asked) { return !ActionsFit(asked.canonical.type); });
  if (read->asked.empty()) co_return out;
  json::array docs;
  for (const auto& asked : read->asked) {
    auto found = co_await Find({asked});
    if (!found) co_return FatalOf(found.error());
    out["coverage"] = CoverageJson(found->coverage, clock_.Now());
    ctim::Verdict verdict;
    verdict.observable = asked.canonical;
    mail::MessageRecord all;
    for (const auto& each : found->messages) {
      all.verdicts.insert(all.verdicts.end(), each.record.verdicts.begin(),
                          each.record.verdicts.end());
      verdict.valid_time.start = each.record.received;  // newest first: the last is the oldest
    }
    verdict.disposition = DispositionOf(all);
    if (verdict.disposition != ctim::Disposition::kUnknown) docs.push_back(ctim::ToJson(verdict));
  }
  if (!docs.empty()) {
    const size_t count = docs.size();
    out["data"] = json::object{{"verdicts", {{"count", count}, {"docs", std::move(docs)}}}};
  }
  co_return out;
}

io::Task<Result<json::value>> GatewayModule::Refer(relay::Call call) {
  json::object out;
  auto read = ReadSupported(call.body, out);
  if (!read) co_return FatalOf(read.error());
  json::array refs;
  for (const auto& asked : read->asked) {
    const std::string type(observable::TypeName(asked.canonical.type));
    refs.push_back(json::object{{"id", "ref-mailreeve-messages-" + type + "-" +
                                           std::string(CutUtf8(asked.canonical.value, 500))},
                                {"title", "Messages on " + options_.name},
                                {"description", "Look for messages that show this " + type},
                                {"url", Link(asked.canonical)},
                                {"categories", json::array{"Email"}}});
  }
  out["data"] = std::move(refs);
  co_return out;
}

io::Task<Result<std::vector<mail::Mid>>> GatewayModule::MidsOf(Observable observable) {
  std::vector<mail::Mid> mids;
  tracking::Query query;
  query.any_of = {std::move(observable)};
  query.limit = tracking::kMaxPage;
  do {
    CO_TRY(auto page, co_await store_.Search(query));
    for (const auto& record : page.records) mids.push_back(record.mid);
    if (mids.size() > options_.max_trigger_messages) {
      co_return Fail(Code::kLimited, "more than " + std::to_string(options_.max_trigger_messages) +
                                         " messages fit");
    }
    // Acting on a part without saying so would be worse than not acting.
    if (!page.coverage.complete)
      co_return Fail(Code::kUnavailable, "not all messages could be read: " + page.coverage.why);
    query.cursor = page.next_cursor;
  } while (!query.cursor.empty());
  co_return mids;
}

io::Task<Result<json::value>> GatewayModule::RespondObservables(relay::Call call) {
  json::object out{{"data", json::array()}};
  auto read = ReadSupported(call.body, out);
  if (!read) co_return FatalOf(read.error());
  std::erase_if(read->asked, [](const auto& asked) { return !ActionsFit(asked.canonical.type); });
  json::array list;
  bool any = false;
  for (const auto& asked : read->asked) {
    auto mids = co_await MidsOf(asked.canonical);
    if (!mids) {
      relay::AddError(out, "warning", relay::ErrorWord(mids.error().code), mids.error().message);
      continue;
    }
    if (mids->empty()) continue;
    any = true;
    if (!options_.mailboxes_configured) continue;
    for (const ActionInfo& info : kActions) {
      if (remediation::Forwards(info.action) && options_.forward_address.empty()) continue;
      list.push_back(
          json::object{{"id", info.id},
                       {"title", info.title},
                       {"description", std::string(info.description) + " (" + options_.name + ", " +
                                           std::to_string(mids->size()) +
                                           (mids->size() == 1 ? " message)" : " messages)")},
                       {"categories", json::array{"Email"}},
                       {"query-params",
                        {{"observable_type", observable::TypeName(asked.canonical.type)},
                         {"observable_value", asked.canonical.value}}}});
    }
  }
  if (any && !options_.mailboxes_configured) {
    relay::AddError(out, "warning", "configuration",
                    "no mail store is configured on this gateway: mailboxes cannot be acted on");
  } else if (any && options_.forward_address.empty()) {
    relay::AddError(out, "warning", "configuration",
                    "no remediation forwarding address is set (remediation.forward_address): "
                    "forward is not offered");
  }
  out["data"] = std::move(list);
  co_return out;
}

io::Task<Result<std::string>> GatewayModule::Start(remediation::Action action,
                                                   Observable observable, std::string forward_to,
                                                   std::string key, relay::Caller caller) {
  if (const auto known = batches_.find(key); known != batches_.end()) co_return known->second;
  const std::string name = std::string(observable::TypeName(observable.type)) + " " +
                           std::string(CutUtf8(observable.value, 120));
  CO_TRY(auto mids, co_await MidsOf(std::move(observable)));
  if (mids.empty()) co_return Fail(Code::kNotFound, "no tracked message fits");
  CO_TRY(const auto plan, co_await actions_.MakePlan(action, std::move(mids), caller));
  if (remediation::Forwards(action) && forward_to.empty() && plan.forward_address.empty()) {
    co_return Fail(Code::kInvalid,
                   "no address to forward to: give forward_to, or set remediation.forward_address");
  }
  CO_TRY(std::string batch,
         co_await actions_.Execute(plan.id, plan.hash, key, std::move(forward_to), name,
                                   std::move(caller)));
  if (batches_.emplace(key, batch).second) batch_keys_.push_back(std::move(key));
  if (batch_keys_.size() > kMaxRememberedOrders) {
    batches_.erase(batch_keys_.front());
    batch_keys_.pop_front();
  }
  co_return batch;
}

io::Task<Result<json::value>> GatewayModule::Trigger(relay::Call call) {
  const auto started = std::chrono::steady_clock::now();
  const auto failed = [](const Error& error) {
    json::object out = FatalOf(error);
    out["data"] = json::object{{"status", "failure"}};
    return out;
  };
  remediation::Action action = remediation::Action::kDelete;
  Observable observable{};
  std::string forward_to, key;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY(const std::string id, json::RequireString(*body, "action-id"));
    const auto* info = std::find_if(kActions.begin(), kActions.end(),
                                    [&](const ActionInfo& each) { return each.id == id; });
    if (info == kActions.end())
      return Fail(Code::kInvalid,
                  "action-id: '" + std::string(CutUtf8(id, 50)) + "' is not offered");
    action = info->action;
    TRY(const std::string type_name, json::RequireString(*body, "observable_type"));
    TRY(const std::string value, json::RequireString(*body, "observable_value"));
    const auto type = observable::TypeFromName(type_name);
    if (!type || !ActionsFit(*type))
      return Fail(Code::kInvalid, "observable_type: must be cisco_mid or email_messageid");
    TRY(std::string canonical, observable::Canonical(*type, value));
    observable = {*type, std::move(canonical)};
    TRY(forward_to, json::OptionalString(*body, "forward_to", ""));
    TRY(key, json::OptionalString(*body, "idempotency_key", ""));
    if (key.size() > 200) return Fail(Code::kInvalid, "idempotency_key: is too long");
    return {};
  };
  if (auto good = read(); !good) co_return failed(good.error());
  if (key.empty()) key = RandomUuid();
  auto batch_id = co_await Start(action, std::move(observable), std::move(forward_to),
                                 std::move(key), call.caller);
  if (!batch_id) co_return failed(batch_id.error());

  const auto passed =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - started);
  const milliseconds left = std::max(call.deadline - passed - kAnswerMargin, milliseconds(1));
  auto batch = co_await actions_.WaitBatch(*batch_id, left);
  json::object out{{"data", {{"status", "failure"}, {"batch_id", *batch_id}}}};
  if (!batch) {
    relay::AddError(out, "fatal", relay::ErrorWord(batch.error().code), batch.error().message);
    co_return out;
  }
  out["data"].get_object()["state"] = remediation::BatchStateName(batch->state);
  const json::object told = remediation::ToJson(*batch);
  if (const json::value* counts = told.if_contains("counts"))
    out["data"].get_object()["counts"] = *counts;
  if (!batch->finished()) {
    relay::AddError(out, "warning", "timeout",
                    "batch " + *batch_id + " is still running: " + std::to_string(batch->done) +
                        " of " + std::to_string(batch->total) + " mailboxes are done");
  } else if (batch->state == remediation::BatchState::kCompleted) {
    out["data"].get_object()["status"] = "success";
  } else {
    relay::AddError(out, "error", "remediation incomplete",
                    "batch " + *batch_id + " ended as " +
                        std::string(remediation::BatchStateName(batch->state)) +
                        "; its receipts say what became of each mailbox");
  }
  co_return out;
}

io::Task<Result<json::value>> GatewayModule::Tiles(relay::Call) {
  co_return json::object{{"data", json::array{TileDefinition()}}};
}

io::Task<Result<json::value>> GatewayModule::Tile(relay::Call call) {
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"tile_id"}));
    TRY(const std::string id, json::RequireString(*body, "tile_id"));
    if (id != kTileId) return Fail(Code::kNotFound, "no such tile");
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  co_return json::object{{"data", TileDefinition()}};
}

io::Task<Result<json::value>> GatewayModule::TileData(relay::Call call) {
  std::string name;
  const Period* period = nullptr;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"tile_id", "period"}));
    TRY(const std::string id, json::RequireString(*body, "tile_id"));
    if (id != kTileId) return Fail(Code::kNotFound, "no such tile");
    TRY(name, json::OptionalString(*body, "period", "last_24_hours"));
    for (const Period& each : kPeriods) {
      if (each.name == name) period = &each;
    }
    if (period == nullptr) return Fail(Code::kInvalid, "period: is not one of the tile's");
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  const Time now = clock_.Now();
  auto totals = co_await store_.Count(now - period->span, now + Duration(1));
  if (!totals) co_return FatalOf(totals.error());
  const auto metric = [](std::string_view label, uint64_t value, std::string_view icon) {
    return json::object{
        {"label", label}, {"value", value}, {"icon", icon}, {"value-unit", "integer"}};
  };
  const json::object span{{"start_time", FormatTime(now - period->span)},
                          {"end_time", FormatTime(now)}};
  co_return json::object{
      {"data",
       {{"tile_id", kTileId},
        {"period", name},
        {"cache_scope", "org"},
        {"hide_legend", true},
        {"observed_time", span},
        {"valid_time",
         {{"start_time", FormatTime(now)},
          {"end_time", FormatTime(now + std::chrono::minutes(5))}}},
        {"data", json::array{metric("Tracked", totals->messages, "email"),
                             metric("Delivered", totals->delivered, "success"),
                             metric("Refused", totals->refused, "block"),
                             metric("Bounced", totals->bounced, "warning"),
                             metric("Remediated", totals->remediated, "remediation")}}}}};
}

io::Task<Result<json::value>> GatewayModule::Messages(relay::Call call) {
  auto query = ReadQuery(call.body, options_.max_observables);
  if (!query) co_return FatalOf(query.error());
  auto page = co_await store_.Search(*std::move(query));
  if (!page) co_return FatalOf(page.error());
  json::array messages;
  size_t bytes = 0;
  json::object out;
  std::string next = page->next_cursor;
  for (const auto& record : page->records) {
    json::object row = SummaryJson(record, options_.message_limits);
    bytes += json::Serialize(row).size() + 1;
    if (bytes > options_.max_answer_bytes) {
      const std::string why = "the answer would be too large: ask with a smaller limit";
      page->coverage.complete = false;
      page->coverage.why += (page->coverage.why.empty() ? "" : "; ") + why;
      relay::AddError(out, "warning", "too many results", why);
      next.clear();
      break;
    }
    messages.push_back(std::move(row));
  }
  out["data"] = json::object{{"messages", std::move(messages)}, {"next_cursor", next}};
  out["coverage"] = CoverageJson(page->coverage, clock_.Now());
  co_return out;
}

io::Task<Result<json::value>> GatewayModule::Message(relay::Call call) {
  mail::Mid mid = 0;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"mid"}));
    const json::value* found = body->if_contains("mid");
    if (found == nullptr) return Fail(Code::kInvalid, "mid: is required");
    TRY(mid, ReadMid(*found, "mid"));
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  auto record = co_await store_.Get(mid);
  if (!record) co_return FatalOf(record.error());
  json::object details = DetailsJson(*record);
  if (json::Serialize(details).size() > options_.max_answer_bytes) {
    details = SummaryJson(*record, options_.message_limits);
    json::object out{{"data", std::move(details)}};
    relay::AddError(out, "warning", "too many results",
                    "the details are too large for an answer; a summary is given");
    co_return out;
  }
  co_return json::object{{"data", std::move(details)}};
}

io::Task<Result<json::value>> GatewayModule::Plan(relay::Call call) {
  remediation::Action action = remediation::Action::kDelete;
  std::vector<mail::Mid> mids;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"action", "mids", "forward_to"}));
    TRY(const std::string name, json::RequireString(*body, "action"));
    TRY(action, remediation::ParseAction(name));
    const json::value* list = body->if_contains("mids");
    if (list == nullptr) return Fail(Code::kInvalid, "mids: is required");
    TRY(const json::array* items, json::AsArray(*list, "mids"));
    if (items->empty()) return Fail(Code::kInvalid, "mids: is empty");
    if (items->size() > options_.max_trigger_messages)
      return Fail(Code::kInvalid, "mids: too many");
    for (const auto& item : *items) {
      TRY(const mail::Mid mid, ReadMid(item, "mids"));
      mids.push_back(mid);
    }
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  auto plan = co_await actions_.MakePlan(action, std::move(mids), call.caller);
  if (!plan) co_return FatalOf(plan.error());
  co_return json::object{{"data", remediation::ToJson(*plan)}};
}

io::Task<Result<json::value>> GatewayModule::Execute(relay::Call call) {
  std::string plan, hash, key, forward_to, name;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(
        *body, {"plan_id", "plan_hash", "idempotency_key", "forward_to", "name"}));
    TRY(plan, json::RequireString(*body, "plan_id"));
    TRY(hash, json::RequireString(*body, "plan_hash"));
    TRY(key, json::RequireString(*body, "idempotency_key"));
    TRY(forward_to, json::OptionalString(*body, "forward_to", ""));
    TRY(name, json::OptionalString(*body, "name", ""));
    if (key.empty() || key.size() > 200)
      return Fail(Code::kInvalid, "idempotency_key: must have 1 to 200 bytes");
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  auto batch = co_await actions_.Execute(std::move(plan), std::move(hash), std::move(key),
                                         std::move(forward_to), std::move(name), call.caller);
  if (!batch) co_return FatalOf(batch.error());
  co_return json::object{{"data", {{"batch_id", *batch}}}};
}

io::Task<Result<json::value>> GatewayModule::BatchState(relay::Call call) {
  std::string id;
  int64_t wait_ms = 0;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"batch_id", "wait_ms"}));
    TRY(id, json::RequireString(*body, "batch_id"));
    TRY(wait_ms, json::OptionalInteger(*body, "wait_ms", 0));
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  const milliseconds wait =
      std::min(milliseconds(std::max<int64_t>(0, wait_ms)), call.deadline - kAnswerMargin);
  const bool waits = wait.count() > 0;
  Result<remediation::Batch> batch = Fail(Code::kInternal, "");
  if (waits) {
    batch = co_await actions_.WaitBatch(id, wait);
  } else {
    batch = co_await actions_.GetBatch(id);
  }
  if (!batch) co_return FatalOf(batch.error());
  co_return json::object{{"data", remediation::ToJson(*batch)}};
}

}  // namespace mailreeve::gateway::enrich
