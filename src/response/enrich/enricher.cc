#include "response/enrich/enricher.h"

#include "base/text.h"
#include "http/message.h"
#include "io/deadline.h"

#include <algorithm>

namespace mailreeve::response::enrich {
namespace {

bool HasAny(const std::vector<std::string>& held, const std::vector<std::string>& wanted) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& word) {
    return std::find(held.begin(), held.end(), word) != held.end();
  });
}

// Our errors in the words that modules use.
ModuleError FromTransport(const Error& error) {
  switch (error.code) {
    case Code::kTimeout:
      return {"timeout", error.message, "fatal"};
    case Code::kUnavailable:
      return {"connection error", error.message, "fatal"};
    case Code::kNotFound:
      return {"not found", error.message, "fatal"};
    case Code::kInvalid:
    case Code::kCorrupt:
      return {"invalid answer", error.message, "fatal"};
    case Code::kLimited:
      return {"too many requests", error.message, "fatal"};
    case Code::kDenied:
    case Code::kUnauthenticated:
      return {"permission denied", error.message, "fatal"};
    default:
      return {"unknown", error.message, "fatal"};
  }
}

std::string_view VerbName(Verb verb) {
  switch (verb) {
    case Verb::kDeliberate:
      return "deliberate";
    case Verb::kObserve:
      return "observe";
    case Verb::kRefer:
      return "refer";
  }
  return "observe";
}

void AddErrors(const modules::ModuleInstance& instance, const std::vector<ModuleError>& errors,
               json::array& out) {
  for (const ModuleError& error : errors) {
    json::object item = ModuleKeys(instance);
    item["code"] = error.code;
    item["message"] = error.message;
    item["type"] = error.type;
    out.push_back(std::move(item));
  }
}

// A query parameter of an action's address: texts as they are, numbers and booleans as JSON writes
// them.
std::string ParameterText(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::Serialize(value);
}

json::object HealthStatusOf(const Part& part) {
  json::object status = ModuleKeys(part.instance);
  status["data"] =
      part.answer.data ? *part.answer.data : json::value(json::object{{"status", "error"}});
  return status;
}

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  Options options;
  options.timeout = std::chrono::milliseconds(snapshot.Integer("enrich.timeout"));
  options.health_timeout = std::chrono::milliseconds(snapshot.Integer("enrich.health_timeout"));
  options.trigger_timeout = std::chrono::milliseconds(snapshot.Integer("enrich.trigger_timeout"));
  options.concurrency = static_cast<size_t>(snapshot.Integer("enrich.concurrency"));
  options.max_questions = static_cast<size_t>(snapshot.Integer("enrich.max_questions"));
  options.max_observables = static_cast<size_t>(snapshot.Integer("enrich.max_observables"));
  options.answer.max_bytes = static_cast<size_t>(snapshot.Integer("enrich.max_answer_bytes"));
  options.answer.max_documents = static_cast<size_t>(snapshot.Integer("enrich.max_documents"));
  return options;
}

Result<std::vector<observable::Observable>> ReadObservables(const json::value& from,
                                                            const Options& options) {
  TRY(const json::array* list, json::AsArray(from, "observables"));
  if (list->size() > options.max_observables) {
    return Fail(Code::kInvalid,
                "observables: more than " + std::to_string(options.max_observables));
  }
  std::vector<observable::Observable> out;
  std::set<std::pair<int, std::string>> seen;
  size_t index = 0;
  for (const json::value& item : *list) {
    const std::string path = "[" + std::to_string(index++) + "]";
    TRY(const json::object* object, json::AsObject(item, path));
    TRY(const std::string type_name, json::RequireString(*object, "type", path));
    TRY(std::string value, json::RequireString(*object, "value", path));
    const auto type = observable::TypeFromName(TrimSpace(type_name));
    if (!type) return Fail(Code::kInvalid, path + ".type: no type of observable is called that");
    if (TrimSpace(value).empty()) return Fail(Code::kInvalid, path + ".value: empty");
    if (value.size() > options.max_observable_bytes) {
      return Fail(Code::kInvalid, path + ".value: longer than " +
                                      std::to_string(options.max_observable_bytes) + " bytes");
    }
    if (seen.emplace(static_cast<int>(*type), value).second)
      out.push_back({*type, std::move(value)});
  }
  return out;
}

json::array ToJson(const std::vector<observable::Observable>& observables) {
  json::array out;
  for (const observable::Observable& item : observables) {
    out.push_back(json::object{{"type", observable::TypeName(item.type)}, {"value", item.value}});
  }
  return out;
}

json::object ModuleKeys(const modules::ModuleInstance& instance) {
  json::object out;
  out["module"] = instance.name;
  out["module_instance_id"] = instance.id;
  out["module_type_id"] = instance.type_id;
  out["module_instance_state"] = instance.state;
  return out;
}

json::array ErrorsOf(const std::vector<Part>& parts) {
  json::array out;
  for (const Part& part : parts) AddErrors(part.instance, part.answer.errors, out);
  return out;
}

json::array CoverageOf(const std::vector<Part>& parts) {
  json::array out;
  for (const Part& part : parts) {
    json::object item = ModuleKeys(part.instance);
    item["asked_at"] = FormatTime(part.asked);
    item["answered"] = part.answered;
    item["duration_ms"] = part.took.count();
    if (part.answer.coverage) item["held"] = *part.answer.coverage;
    out.push_back(std::move(item));
  }
  return out;
}

json::object Aggregate(std::vector<Part> parts) {
  json::object out;
  json::array data;
  for (Part& part : parts) {
    if (!part.answer.data) continue;
    json::object item = ModuleKeys(part.instance);
    item["data"] = std::move(*part.answer.data);
    data.push_back(std::move(item));
  }
  out["data"] = std::move(data);
  out["errors"] = ErrorsOf(parts);
  out["coverage"] = CoverageOf(parts);
  return out;
}

// One question under way. The workers and the asker share it, so that an asker who gives up leaves
// nothing dangling.
struct Enricher::Round {
  Round(const io::Executor& executor, const modules::Registry& modules, const Clock& time)
      : registry(modules), clock(time), done(executor), closing(executor) {}

  const modules::Registry& registry;
  const Clock& clock;
  std::vector<Part> parts;
  std::vector<bool> ended;
  std::string route;
  json::value body;
  std::map<std::string, json::value> bodies;
  Shape shape = Shape::kObject;
  std::chrono::milliseconds timeout{0};
  relay::Caller caller;
  AnswerLimits limits;
  size_t next = 0, left = 0;
  bool closed = false;  // the asker has gone on; late answers are dropped
  asio::steady_timer done;
  io::Event closing;  // the asker has gone on: calls that still run end
  Watcher watcher;

  // A part of the answer in words, for who watches.
  void Told(size_t index) {
    if (watcher.answered) watcher.answered(parts[index], parts.size() - left, parts.size());
  }
};

namespace {

// `task`, or kCancelled when the asker goes on.
io::Task<Result<json::value>> Unless(io::Event& closing, io::Task<Result<json::value>> task) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (io::Settle(std::move(task)) || closing.Wait());
  if (first.index() != 0) co_return Fail(Code::kCancelled, "the asker has gone");
  io::Settled<json::value>& settled = std::get<0>(first);
  if (settled.thrown) std::rethrow_exception(settled.thrown);
  co_return *std::move(settled.result);
}

}  // namespace

Enricher::Enricher(const modules::Registry& registry, io::Scope& scope, const Clock& clock,
                   log::Logger& logger, Options options)
    : registry_(registry),
      scope_(scope),
      clock_(clock),
      logger_(logger),
      options_(std::move(options)) {}

io::Task<void> Enricher::Work(std::shared_ptr<Round> round) {
  while (!round->closed && round->next < round->parts.size()) {
    const size_t index = round->next++;
    const modules::ModuleInstance instance = round->parts[index].instance;
    relay::Call call;
    call.route = round->route;
    const auto own = round->bodies.find(instance.id);
    call.body = own == round->bodies.end() ? round->body : own->second;
    call.caller = round->caller;
    call.deadline = round->timeout;
    const Time asked = round->clock.Now();
    round->parts[index].asked = asked;
    const auto started = std::chrono::steady_clock::now();
    Result<json::value> got = Fail(Code::kInternal, "the module failed");
    const std::shared_ptr<relay::Module> module = round->registry.Open(instance);
    if (module == nullptr) {
      got = Fail(Code::kUnavailable, "nothing can reach this kind of module");
    } else {
      try {
        got = co_await io::WithDeadline(Unless(round->closing, module->Ask(std::move(call))),
                                        round->timeout, "asking " + instance.name);
      } catch (const boost::system::system_error& error) {
        if (error.code() == asio::error::operation_aborted) throw;
        got = Fail(Code::kInternal, "the module's connection failed");
      } catch (const std::exception&) {
        // A bug in one module's transport must not take the others' answers with it.
        got = Fail(Code::kInternal, "the module's connection failed");
      }
    }
    if (round->closed) co_return;
    Part& part = round->parts[index];
    part.took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started);
    if (got) {
      part.answered = true;
      part.answer = ReadAnswer(*std::move(got), round->shape, round->limits);
      if (part.answer.data &&
          (round->shape == Shape::kBundle || round->shape == Shape::kVerdicts)) {
        RenameTransients(*part.answer.data, instance.id);
      }
      if (!part.answer.data && !part.answer.coverage) {
        // A module that only failed has not said anything about what it holds.
        part.answered = false;
      }
    } else {
      part.answer.errors.push_back(FromTransport(got.error()));
    }
    round->ended[index] = true;
    --round->left;
    round->Told(index);
    if (round->left == 0) round->done.cancel();
  }
}

io::Task<Result<std::vector<Part>>> Enricher::Ask(std::vector<modules::ModuleInstance> instances,
                                                  std::string route, json::value body,
                                                  std::map<std::string, json::value> bodies,
                                                  Shape shape, std::chrono::milliseconds timeout,
                                                  relay::Caller caller, Watcher watcher) {
  if (questions_ >= options_.max_questions) {
    co_return Fail(Code::kLimited, "too many questions at once; try again later");
  }
  struct Leave {
    size_t& questions;
    ~Leave() { --questions; }
  } leave{++questions_};

  const auto round = std::make_shared<Round>(scope_.executor(), registry_, clock_);
  struct Close {
    Round& round;
    ~Close() {
      round.closed = true;
      round.watcher = {};
      round.closing.Notify();
    }
  } close{*round};
  round->route = std::move(route);
  round->body = std::move(body);
  round->bodies = std::move(bodies);
  round->shape = shape;
  round->timeout = timeout;
  round->caller = std::move(caller);
  round->limits = options_.answer;
  for (modules::ModuleInstance& instance : instances)
    round->parts.push_back({.instance = std::move(instance)});
  round->ended.resize(round->parts.size());
  round->left = round->parts.size();
  if (watcher.started) watcher.started(round->parts);
  round->watcher = std::move(watcher);

  // With fewer workers than modules the last ones start late: each batch has the module's full
  // time.
  const size_t workers = std::min(options_.concurrency, round->parts.size());
  const size_t batches = workers == 0 ? 0 : (round->parts.size() + workers - 1) / workers;
  // A module's transport that does not even obey its cancellation must not hold up the answer.
  round->done.expires_after(timeout * static_cast<int64_t>(batches) +
                            std::chrono::milliseconds(500));
  for (size_t i = 0; i < workers; ++i) scope_.Spawn("ask modules", Work(round));
  if (round->left > 0) {
    const auto [error] = co_await round->done.async_wait(io::kTuple);
    if (error && round->left > 0) co_return Fail(Code::kCancelled, "the asker gave up");
  }
  round->closed = true;
  for (size_t i = 0; i < round->parts.size(); ++i) {
    if (round->ended[i]) continue;
    Part& part = round->parts[i];
    if (part.asked == Time{}) part.asked = clock_.Now();
    part.answer = {};
    part.answer.errors.push_back(
        {"timeout", "no answer within " + std::to_string(timeout.count()) + " ms", "fatal"});
    logger_.Warn("module_ignores_deadline",
                 {{"module_instance", part.instance.id}, {"route", round->route}});
    --round->left;
    round->Told(i);
  }
  if (options_.on_part) {
    for (const Part& part : round->parts) options_.on_part(part);
  }
  co_return std::move(round->parts);
}

io::Task<Result<std::vector<Part>>> Enricher::AskAll(std::string api, std::string route,
                                                     json::value body, Shape shape,
                                                     std::chrono::milliseconds timeout,
                                                     Filter filter, relay::Caller caller,
                                                     std::map<std::string, json::value> bodies,
                                                     Watcher watcher) {
  CO_TRY(std::vector<modules::ModuleInstance> instances,
         co_await registry_.Instances(caller.org_id, caller.user_id));
  std::erase_if(instances, [&](const modules::ModuleInstance& instance) {
    if (!instance.enabled) return true;
    if (!filter.module_instance_ids.empty() &&
        std::find(filter.module_instance_ids.begin(), filter.module_instance_ids.end(),
                  instance.id) == filter.module_instance_ids.end()) {
      return true;
    }
    const modules::ModuleType* type = instance.type.get();
    if (type == nullptr) return true;
    // Our own routes are served by devices alone.
    if (api.empty() ? type->takes_instances : !instance.Supports(api)) return true;
    if (!filter.flags.empty() && !HasAny(type->flags, filter.flags)) return true;
    return !filter.product_categories.empty() &&
           !HasAny(type->product_categories, filter.product_categories);
  });
  co_return co_await Ask(std::move(instances), std::move(route), std::move(body), std::move(bodies),
                         shape, timeout, std::move(caller), std::move(watcher));
}

io::Task<Result<Part>> Enricher::AskOne(std::string module_instance_id, std::string route,
                                        json::value body, Shape shape,
                                        std::chrono::milliseconds timeout, relay::Caller caller) {
  CO_TRY(modules::ModuleInstance instance,
         co_await registry_.FindInstance(caller.org_id, std::move(module_instance_id),
                                         caller.user_id));
  if (!instance.enabled) co_return Fail(Code::kNotFound, "this module instance is disabled");
  CO_TRY(std::vector<Part> parts,
         co_await Ask({std::move(instance)}, std::move(route), std::move(body), {}, shape, timeout,
                      std::move(caller), {}));
  co_return std::move(parts.front());
}

io::Task<Result<json::object>> Enricher::Enrich(Verb verb,
                                                std::vector<observable::Observable> observables,
                                                Filter filter, relay::Caller caller,
                                                Watcher watcher) {
  const std::string api = std::string(VerbName(verb)) + "/observables";
  const Shape shape = verb == Verb::kRefer        ? Shape::kRefs
                      : verb == Verb::kDeliberate ? Shape::kVerdicts
                                                  : Shape::kBundle;
  if (observables.empty()) co_return Aggregate({});
  CO_TRY(std::vector<Part> parts,
         co_await AskAll(api, "/" + api, ToJson(observables), shape, options_.timeout,
                         std::move(filter), std::move(caller), {}, std::move(watcher)));
  if (verb != Verb::kRefer) co_return Aggregate(std::move(parts));
  json::array links;
  for (Part& part : parts) {
    if (!part.answer.data) continue;
    for (json::value& item : part.answer.data->get_array()) {
      json::object link = std::move(item.get_object());
      for (auto& [key, value] : ModuleKeys(part.instance)) link[key] = value;
      links.push_back(std::move(link));
    }
  }
  json::object out;
  out["data"] = std::move(links);
  out["errors"] = ErrorsOf(parts);
  out["coverage"] = CoverageOf(parts);
  co_return out;
}

namespace {

std::optional<Time> TimeOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const auto time = ParseTime(value->get_string());
  return time ? std::optional<Time>(*time) : std::nullopt;
}

// A sighting that names targets and was seen within [from, until].
bool NamesTargets(const json::object& sighting, const std::optional<Time>& from,
                  const std::optional<Time>& until) {
  const json::value* targets = sighting.if_contains("targets");
  if (targets == nullptr || !targets->is_array() || targets->get_array().empty()) return false;
  const json::value* observed = sighting.if_contains("observed_time");
  if (observed == nullptr || !observed->is_object()) return !from && !until;
  const auto start = TimeOf(observed->get_object(), "start_time");
  const auto end = TimeOf(observed->get_object(), "end_time");
  if (!start) return !from && !until;
  if (until && *start > *until) return false;
  return !from || end.value_or(*start) >= *from;
}

json::array* DocsOf(std::optional<json::value>& data, std::string_view kind) {
  json::object* bundle = data ? data->if_object() : nullptr;
  json::value* list = bundle == nullptr ? nullptr : bundle->if_contains(kind);
  return list == nullptr ? nullptr : &list->get_object().at("docs").get_array();
}

}  // namespace

io::Task<Result<json::object>> Enricher::ObserveTargets(
    std::vector<observable::Observable> observables, std::optional<Time> from,
    std::optional<Time> until, Filter filter, relay::Caller caller) {
  if (observables.empty()) co_return Aggregate({});
  CO_TRY(std::vector<Part> parts,
         co_await AskAll("observe/observables", "/observe/observables", ToJson(observables),
                         Shape::kBundle, options_.timeout, std::move(filter), std::move(caller)));
  for (Part& part : parts) {
    if (!part.answer.data) continue;
    json::array kept;
    if (json::array* sightings = DocsOf(part.answer.data, "sightings")) {
      for (json::value& item : *sightings) {
        if (NamesTargets(item.get_object(), from, until)) kept.push_back(std::move(item));
      }
    }
    json::object bundle;
    if (!kept.empty()) {
      json::object list;
      list["count"] = kept.size();
      list["docs"] = std::move(kept);
      bundle["sightings"] = std::move(list);
    }
    part.answer.data = std::move(bundle);
  }
  co_return Aggregate(std::move(parts));
}

io::Task<Result<json::object>> Enricher::Reputation(observable::Observable observable,
                                                    Filter filter, relay::Caller caller) {
  CO_TRY(json::object answer, co_await Enrich(Verb::kDeliberate, {std::move(observable)},
                                              std::move(filter), std::move(caller)));
  const json::object* best = nullptr;
  int64_t best_disposition = 6;
  Time best_start{};
  for (const json::value& module : answer.at("data").get_array()) {
    const json::object& bundle = module.at("data").get_object();
    const json::value* list = bundle.if_contains("verdicts");
    if (list == nullptr) continue;
    for (const json::value& doc : list->at("docs").get_array()) {
      const json::object& verdict = doc.get_object();
      const json::value* disposition = verdict.if_contains("disposition");
      if (disposition == nullptr || !disposition->is_int64()) continue;
      const int64_t number = disposition->get_int64();
      if (number < 1 || number > 5) continue;
      Time start{};
      if (const json::value* valid = verdict.if_contains("valid_time");
          valid != nullptr && valid->is_object()) {
        start = TimeOf(valid->get_object(), "start_time").value_or(Time{});
      }
      if (number < best_disposition || (number == best_disposition && start > best_start)) {
        best = &verdict;
        best_disposition = number;
        best_start = start;
      }
    }
  }
  json::object data;
  if (best != nullptr) data["reputation"] = *best;
  data["data"] = answer.at("data");
  data["errors"] = answer.at("errors");
  json::object out;
  out["data"] = std::move(data);
  // Those of modules stand in data.
  out["errors"] = json::array();
  out["coverage"] = std::move(answer.at("coverage"));
  co_return out;
}

io::Task<Result<json::object>> Enricher::Actions(std::vector<observable::Observable> observables,
                                                 Filter filter, relay::Caller caller) {
  std::vector<Part> parts;
  if (!observables.empty()) {
    CO_TRY(parts, co_await AskAll("respond/observables", "/respond/observables",
                                  ToJson(observables), Shape::kActions, options_.timeout,
                                  std::move(filter), std::move(caller)));
  }
  json::array actions;
  for (Part& part : parts) {
    if (!part.answer.data) continue;
    for (json::value& item : part.answer.data->get_array()) {
      json::object action = std::move(item.get_object());
      std::string url = "/respond/trigger/" + http::PercentEncode(part.instance.id) + "/" +
                        http::PercentEncode(ParameterText(action.at("id")));
      if (const json::value* query = action.if_contains("query-params"); query != nullptr) {
        char separator = '?';
        for (const auto& parameter : query->get_object()) {
          url += separator;
          url += http::PercentEncode(parameter.key()) + "=" +
                 http::PercentEncode(ParameterText(parameter.value()));
          separator = '&';
        }
        action.erase("query-params");
      }
      action["url"] = url;
      for (auto& [key, value] : ModuleKeys(part.instance)) action[key] = value;
      actions.push_back(std::move(action));
    }
  }
  json::object out;
  out["data"] = std::move(actions);
  out["errors"] = ErrorsOf(parts);
  out["coverage"] = CoverageOf(parts);
  co_return out;
}

io::Task<Result<json::object>> Enricher::Health(relay::Caller caller) {
  CO_TRY(std::vector<Part> parts, co_await AskAll("health", "/health", nullptr, Shape::kHealth,
                                                  options_.health_timeout, {}, std::move(caller)));
  json::array data;
  for (const Part& part : parts) data.push_back(HealthStatusOf(part));
  json::object out;
  out["data"] = std::move(data);
  out["errors"] = ErrorsOf(parts);
  co_return out;
}

io::Task<Result<json::object>> Enricher::HealthOf(std::string module_instance_id,
                                                  relay::Caller caller) {
  CO_TRY(const Part part,
         co_await AskOne(std::move(module_instance_id), "/health", nullptr, Shape::kHealth,
                         options_.health_timeout, std::move(caller)));
  json::object out;
  out["data"] = HealthStatusOf(part);
  out["errors"] = ErrorsOf({part});
  co_return out;
}

io::Task<Result<json::object>> Enricher::Trigger(
    std::string module_instance_id, std::string action_id,
    std::vector<std::pair<std::string, std::string>> query, relay::Caller caller) {
  json::object body;
  for (auto& [key, value] : query) body[key] = value;
  // Last, so that no parameter of that name takes its place.
  body["action-id"] = action_id;
  CO_TRY(const Part part,
         co_await AskOne(std::move(module_instance_id), "/respond/trigger", std::move(body),
                         Shape::kTrigger, options_.trigger_timeout, std::move(caller)));
  json::object out;
  out["data"] =
      part.answer.data ? *part.answer.data : json::value(json::object{{"status", "failure"}});
  out["errors"] = ErrorsOf({part});
  co_return out;
}

}  // namespace mailreeve::response::enrich
