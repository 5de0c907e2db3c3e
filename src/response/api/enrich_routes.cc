#include "base/text.h"
#include "response/api/api.h"
#include "response/api/body.h"
#include "response/api/errors.h"

namespace mailreeve::response::api {
namespace {

// Like Failed, but a module that was named and is not there has a word of its own.
bool IsUnknownModule(const Error& error) { return error.code == Code::kNotFound; }

// The id in a body of …/sighting_ref: text, or an object with one of these keys. Its shape is not
// public.
std::string ReferenceIn(const json::value& body) {
  if (body.is_string()) return std::string(body.get_string());
  const json::object* object = body.if_object();
  if (object == nullptr) return {};
  for (const std::string_view key : {"sighting_ref", "sighting_id", "id"}) {
    const json::value* value = object->if_contains(key);
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
  }
  return {};
}

std::optional<std::string> Missing(const std::optional<std::string>& value) {
  return value ? std::nullopt : std::optional<std::string>("missing-required-key");
}

}  // namespace

enrich::Filter FilterOf(const http::Request& request) {
  return {request.QueryAll("mids"), request.QueryAll("flags"),
          request.QueryAll("product_categories")};
}

void Api::AddEnrichRoutes() {
  On("POST", "/iroh/iroh-inspect/inspect", &Api::Inspect);
  On("POST", "/iroh/iroh-enrich/health", &Api::Health);
  On("POST", "/iroh/iroh-enrich/health/{module_instance_id}", &Api::HealthOf);
  On("GET", "/iroh/iroh-enrich/settings", &Api::EnrichSettings);
  On("POST", "/iroh/iroh-enrich/observe/targets", &Api::ObserveTargets);
  On("GET", "/iroh/iroh-enrich/reputation/observable", &Api::Reputation);
  const std::pair<const char*, enrich::Verb> verbs[] = {{"deliberate", enrich::Verb::kDeliberate},
                                                        {"observe", enrich::Verb::kObserve},
                                                        {"refer", enrich::Verb::kRefer}};
  const std::pair<const char*, From> nouns[] = {{"observables", From::kObservables},
                                                {"sighting", From::kSighting},
                                                {"sighting_ref", From::kSightingRef}};
  for (const auto& [verb_name, verb] : verbs) {
    for (const auto& [noun_name, noun] : nouns) {
      Add("POST", std::string("/iroh/iroh-enrich/") + verb_name + "/" + noun_name,
          [this, verb = verb, noun = noun](http::Request request, identity::Caller caller) {
            return Enrich(verb, noun, std::move(request), std::move(caller));
          });
    }
  }
  for (const auto& [noun_name, noun] : nouns) {
    if (noun == From::kSightingRef) continue;
    Add("POST", std::string("/iroh/iroh-response/respond/") + noun_name,
        [this, noun = noun](http::Request request, identity::Caller caller) {
          return Actions(noun, std::move(request), std::move(caller));
        });
  }
  On("POST", "/iroh/iroh-response/respond/trigger/{module_instance_id}/{action_id}", &Api::Trigger);
}

io::Task<http::Response> Api::Inspect(http::Request request, identity::Caller) {
  auto body = ReadJsonBody(
      request, {.max_bytes = options_.max_inspect_bytes, .max_depth = options_.max_json_depth});
  if (!body) co_return body.error();
  json::object errors;
  const json::object* object = body->if_object();
  const json::value* content = object == nullptr ? nullptr : object->if_contains("content");
  if (content == nullptr) {
    errors["content"] = "missing-required-key";
  } else if (!content->is_string()) {
    errors["content"] = "must be text";
  }
  for (const auto& item : object == nullptr ? json::object() : *object) {
    if (item.key() != "content") errors[item.key()] = "disallowed-key";
  }
  if (!errors.empty()) co_return http::Response::Json(400, errors);
  const observable::Recognised found =
      observable::Recognise(content->get_string(), options_.recogniser);
  http::Response response = http::Response::Json(200, enrich::ToJson(found.observables));
  // A bare list has no room for it.
  if (found.cut) response.headers.Set("X-Mailreeve-Cut", "true");
  co_return response;
}

io::Task<http::Response> Api::Health(http::Request request, identity::Caller caller) {
  auto answer = co_await enricher_.Health(ToRelayCaller(caller, request));
  if (!answer) co_return Failed(answer.error(), request);
  co_return http::Response::Json(200, *answer);
}

io::Task<http::Response> Api::HealthOf(http::Request request, identity::Caller caller) {
  auto answer = co_await enricher_.HealthOf(std::string(request.Param("module_instance_id")),
                                            ToRelayCaller(caller, request));
  if (!answer && IsUnknownModule(answer.error())) {
    co_return ErrorResponse(404, "module_instance_not_found", answer.error().message, request);
  }
  if (!answer) co_return Failed(answer.error(), request);
  co_return http::Response::Json(200, *answer);
}

tl::expected<std::vector<observable::Observable>, http::Response> Api::ReadQuestion(
    const http::Request& request, From from) const {
  auto body = ReadJsonBody(
      request, {.max_bytes = options_.max_body_bytes, .max_depth = options_.max_json_depth});
  if (!body) return tl::unexpected(std::move(body.error()));
  const json::value* list = &*body;
  if (from != From::kObservables) {
    const json::object* sighting = body->if_object();
    list = sighting == nullptr ? nullptr : sighting->if_contains("observables");
    if (list == nullptr && from == From::kSightingRef &&
        (sighting != nullptr || body->is_string())) {
      return tl::unexpected(
          ErrorResponse(404, "sighting_not_found",
                        "No sighting of that id is stored here; send its observables.", request));
    }
    if (list == nullptr)
      return tl::unexpected(KeyErrors({{"observables", "missing-required-key"}}));
  }
  auto observables = enrich::ReadObservables(*list, enricher_.options());
  if (!observables) {
    // "[3].type: reason" becomes {"errors":{"[3].type":"reason"}}.
    const std::string& message = observables.error().message;
    const size_t colon = message.find(": ");
    json::object errors;
    errors[colon == std::string::npos ? "observables" : message.substr(0, colon)] =
        colon == std::string::npos ? message : message.substr(colon + 2);
    return tl::unexpected(KeyErrors(std::move(errors)));
  }
  return *std::move(observables);
}

io::Task<http::Response> Api::Enrich(enrich::Verb verb, From from, http::Request request,
                                     identity::Caller caller) {
  if (from == From::kSightingRef) request = co_await Dereferenced(std::move(request), caller);
  auto observables = ReadQuestion(request, from);
  if (!observables) co_return observables.error();
  auto answer = co_await enricher_.Enrich(verb, *std::move(observables), FilterOf(request),
                                          ToRelayCaller(caller, request));
  if (!answer) co_return Failed(answer.error(), request);
  co_return http::Response::Json(200, *answer);
}

io::Task<http::Request> Api::Dereferenced(http::Request request, identity::Caller caller) {
  if (sightings_ == nullptr) co_return request;
  const auto body = json::Parse(
      request.body, {.max_bytes = options_.max_body_bytes, .max_depth = options_.max_json_depth});
  // What is no reference is read, or refused, as it is.
  const std::string id = body ? ReferenceIn(*body) : std::string();
  if (id.empty() || (body->is_object() && body->get_object().contains("observables"))) {
    co_return request;
  }
  const auto sighting = co_await sightings_->ReadSighting(id, ToRelayCaller(caller, request));
  if (sighting) request.body = json::Serialize(*sighting);
  co_return request;
}

io::Task<http::Response> Api::ObserveTargets(http::Request request, identity::Caller caller) {
  auto observables = ReadQuestion(request, From::kSighting);
  if (!observables) co_return observables.error();
  const json::value body = json::Parse(request.body).value();
  json::object errors;
  std::optional<Time> span[2];
  for (const auto& member : body.get_object()) {
    const std::string_view key = member.key();
    if (key == "observables") continue;
    if (key != "start_time" && key != "end_time") {
      errors[key] = "disallowed-key";
      continue;
    }
    const auto time = member.value().is_string()
                          ? ParseTime(member.value().get_string())
                          : Result<Time>(Fail(Code::kInvalid, "must be text"));
    if (time) {
      span[key == "start_time" ? 0 : 1] = *time;
    } else {
      errors[key] = time.error().message;
    }
  }
  if (!errors.empty()) co_return KeyErrors(std::move(errors));
  auto answer = co_await enricher_.ObserveTargets(*std::move(observables), span[0], span[1],
                                                  {.module_instance_ids = request.QueryAll("mids")},
                                                  ToRelayCaller(caller, request));
  if (!answer) co_return Failed(answer.error(), request);
  co_return http::Response::Json(200, *answer);
}

io::Task<http::Response> Api::Reputation(http::Request request, identity::Caller caller) {
  const auto type = request.Query("type"), value = request.Query("value");
  json::object errors;
  if (const auto missing = Missing(type)) errors["type"] = *missing;
  if (const auto missing = Missing(value)) errors["value"] = *missing;
  std::vector<observable::Observable> observables;
  if (errors.empty()) {
    auto read = enrich::ReadObservables(
        json::array{json::object{{"type", *type}, {"value", *value}}}, enricher_.options());
    if (read) {
      observables = *std::move(read);
    } else {
      const std::string& message = read.error().message;
      errors[message.find(".type") != std::string::npos ? "type" : "value"] =
          message.substr(message.find(": ") + 2);
    }
  }
  if (!errors.empty()) co_return KeyErrors(std::move(errors));
  auto answer = co_await enricher_.Reputation(std::move(observables.front()),
                                              {.module_instance_ids = request.QueryAll("mids")},
                                              ToRelayCaller(caller, request));
  if (!answer) co_return Failed(answer.error(), request);
  co_return http::Response::Json(200, *answer);
}

io::Task<http::Response> Api::Actions(From from, http::Request request, identity::Caller caller) {
  auto observables = ReadQuestion(request, from);
  if (!observables) co_return observables.error();
  auto answer = co_await enricher_.Actions(*std::move(observables), FilterOf(request),
                                           ToRelayCaller(caller, request));
  if (!answer) co_return Failed(answer.error(), request);
  co_return http::Response::Json(200, *answer);
}

io::Task<http::Response> Api::Trigger(http::Request request, identity::Caller caller) {
  const std::string module(request.Param("module_instance_id"));
  const std::string action(request.Param("action_id"));
  json::object errors;
  const auto type = request.Query("observable_type");
  const auto value = request.Query("observable_value");
  if (type && !observable::TypeFromName(*type))
    errors["observable_type"] = "no type of observable is called that";
  if (type.has_value() != value.has_value()) {
    errors[type ? "observable_value" : "observable_type"] = "missing-required-key";
  }
  size_t bytes = 0;
  for (const auto& [key, text] : request.query) {
    bytes += key.size() + text.size();
    if (!IsValidUtf8(key) || !IsValidUtf8(text)) errors[ToValidUtf8(key)] = "must be UTF-8";
  }
  if (bytes > 64 * 1024) errors["query"] = "is too long";
  if (!errors.empty()) co_return KeyErrors(std::move(errors));

  // Nothing is asked for that the audit log does not know of.
  json::object details;
  details["action"] = action;
  if (type && value) details["observable"] = *type + ":" + *value;
  auto noted = co_await AuditAct(caller, request, "action.request", "module_instance", module,
                                 "success", "A module was asked to act.", details);
  if (!noted) co_return Failed(noted.error(), request);
  auto answer =
      co_await enricher_.Trigger(module, action, request.query, ToRelayCaller(caller, request));
  const bool succeeded = answer && answer->at("data").at("status") == "success";
  if (!succeeded) {
    details["errors"] = answer ? answer->at("errors") : json::value(answer.error().message);
  }
  noted = co_await AuditAct(caller, request, "action.trigger", "module_instance", module,
                            succeeded ? "success" : "failure", "A module answered to an action.",
                            details);
  if (!noted) {
    // The act is done or not whatever we can write; its request is in the log.
    logger_.Error("audit_of_outcome_failed", {{"request_id", request.request_id}});
  }
  if (!answer && IsUnknownModule(answer.error())) {
    co_return ErrorResponse(404, "module_instance_not_found", answer.error().message, request);
  }
  if (!answer) co_return Failed(answer.error(), request);
  co_return http::Response::Json(200, *answer);
}

io::Task<http::Response> Api::EnrichSettings(http::Request, identity::Caller) {
  const enrich::Options& options = enricher_.options();
  json::object out;
  out["timeout_ms"] = options.timeout.count();
  out["health_timeout_ms"] = options.health_timeout.count();
  out["trigger_timeout_ms"] = options.trigger_timeout.count();
  out["max_observables"] = options.max_observables;
  out["concurrency"] = options.concurrency;
  co_return http::Response::Json(200, out);
}

}  // namespace mailreeve::response::api
