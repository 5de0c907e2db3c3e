#include "gateway/enrich/gateway_module.h"

#include "base/text.h"
#include "gateway/enrich/module_parts.h"
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

constexpr std::array kSupported = {
    Type::kIp,           Type::kIpv6,    Type::kDomain, Type::kEmail, Type::kEmailMessageid,
    Type::kEmailSubject, Type::kSha256,  Type::kSha1,   Type::kMd5,   Type::kFileName,
    Type::kUrl,          Type::kCiscoMid};

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

}  // namespace mailreeve::gateway::enrich
