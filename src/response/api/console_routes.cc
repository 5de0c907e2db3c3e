#include "base/text.h"
#include "response/api/api.h"
#include "response/api/body.h"
#include "response/api/errors.h"

#include <charconv>

namespace mailreeve::response::api {
namespace {

// Relay routes of ours that a gateway serves beside the public ones (docs/api.md).
constexpr std::string_view kMessages = "/mailreeve/messages";
constexpr std::string_view kMessage = "/mailreeve/message";
constexpr std::string_view kPlan = "/mailreeve/remediation/plan";
constexpr std::string_view kExecute = "/mailreeve/remediation/execute";
constexpr std::string_view kBatch = "/mailreeve/remediation/batch";

// MIDs are 64-bit and JavaScript's numbers are not, so text is as good as a number.
std::optional<uint64_t> MidOf(std::string_view text) {
  uint64_t mid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mid);
  if (error != std::errc() || end != text.data() + text.size() || mid == 0 || text.size() > 20)
    return std::nullopt;
  return mid;
}

std::optional<uint64_t> MidOf(const json::value& value) {
  if (value.is_string()) return MidOf(std::string_view(value.get_string()));
  if (value.is_int64() && value.get_int64() > 0) return static_cast<uint64_t>(value.get_int64());
  if (value.is_uint64() && value.get_uint64() > 0) return value.get_uint64();
  return std::nullopt;
}

int StatusOfModuleError(const std::string& code) {
  if (code == "not found" || code == "not_found") return 404;
  if (code == "invalid argument" || code == "invalid" || code == "invalid_payload") return 400;
  if (code == "conflict") return 409;
  if (code == "too many requests" || code == "limited") return 429;
  if (code == "timeout") return 504;
  if (code == "connection error" || code == "service unavailable" || code == "unavailable")
    return 503;
  return 502;
}

// One module's answer for one of our own routes: what it said, or its first error as an HTTP
// answer.
http::Response FromPart(const enrich::Part& part, const http::Request& request) {
  if (part.answer.data) {
    json::object out = enrich::ModuleKeys(part.instance);
    out["data"] = *part.answer.data;
    return http::Response::Json(200, out);
  }
  const enrich::ModuleError error =
      part.answer.errors.empty() ? enrich::ModuleError{} : part.answer.errors.front();
  json::object out = enrich::ModuleKeys(part.instance);
  out["error"] = "module_error";
  out["error_code"] = error.code;
  out["error_description"] = error.message;
  out["trace_id"] = request.request_id;
  return http::Response::Json(StatusOfModuleError(error.code), out);
}

http::Response NoSuchModule(const http::Request& request) {
  return ErrorResponse(404, "module_instance_not_found", "There is no such module instance.",
                       request);
}

}  // namespace

void Api::AddConsoleRoutes() {
  On("GET", "/mailreeve/v1/status", &Api::Status);
  On("POST", "/mailreeve/v1/messages/search", &Api::SearchMessages);
  On("GET", "/mailreeve/v1/messages/{module_instance_id}/{mid}", &Api::GetMessage);
  On("POST", "/mailreeve/v1/remediation/plans", &Api::MakePlan);
  On("POST", "/mailreeve/v1/remediation/batches", &Api::StartBatch);
  On("GET", "/mailreeve/v1/remediation/batches/{module_instance_id}/{batch_id}", &Api::GetBatch);
}

io::Task<http::Response> Api::Status(http::Request request, identity::Caller caller) {
  auto instances = co_await enricher_.registry().Instances(caller.org_id, caller.user_id);
  if (!instances) co_return Failed(instances.error(), request);
  json::array list;
  for (const modules::ModuleInstance& instance : *instances) {
    json::object item;
    item["id"] = instance.id;
    item["name"] = instance.name;
    item["module_type_id"] = instance.type_id;
    item["state"] = instance.state;
    item["enabled"] = instance.enabled;
    item["reachable"] = instance.reachable;
    list.push_back(std::move(item));
  }
  json::object out;
  out["product"] = "mailreeve-response";
  out["version"] = options_.version;
  out["now"] = FormatTime(clock_.Now());
  out["module_instances"] = std::move(list);
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> Api::SearchMessages(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(
      request, {.max_bytes = options_.max_body_bytes, .max_depth = options_.max_json_depth});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"body", "must be an object"}});
  Fields fields(body->get_object(), {"observables", "sender", "recipient", "subject",
                                     "subject_match", "message_id", "mid", "icid", "client_address",
                                     "queue_id", "direction", "file_name", "file_sha256", "event",
                                     "from", "until", "limit", "cursors", "module_instance_ids"});
  json::object query;
  for (const char* key : {"sender", "recipient", "subject", "message_id", "client_address",
                          "queue_id", "file_name", "file_sha256", "event"}) {
    const json::value* given = fields.object().if_contains(key);
    if (given != nullptr && !given->is_null()) query[key] = fields.Optional(key, "", 8192);
  }
  if (fields.object().contains("subject_match")) {
    query["subject_match"] =
        fields.Choice("subject_match", "contains", {"is", "contains", "begins_with", "is_empty"});
  }
  if (fields.object().contains("direction")) {
    query["direction"] =
        fields.Choice("direction", "incoming", {"incoming", "outgoing", "internal"});
  }
  for (const char* key : {"mid", "icid"}) {
    const json::value* given = fields.object().if_contains(key);
    if (given == nullptr || given->is_null()) continue;
    if (const auto number = MidOf(*given)) {
      query[key] = *number;
    } else {
      fields.Refuse(key, "must be a positive number");
    }
  }
  for (const char* key : {"from", "until"}) {
    const std::string text = fields.Optional(key, "", 64);
    if (text.empty()) continue;
    if (Result<Time> time = ParseTime(text)) {
      query[key] = FormatTime(*time);
    } else {
      fields.Refuse(key, time.error().message);
    }
  }
  if (const json::value* limit = fields.object().if_contains("limit");
      limit != nullptr && !limit->is_null()) {
    if (limit->is_int64() && limit->get_int64() >= 1 && limit->get_int64() <= 1000) {
      query["limit"] = limit->get_int64();
    } else {
      fields.Refuse("limit", "must be 1 to 1000");
    }
  }
  if (const json::value* list = fields.object().if_contains("observables");
      list != nullptr && !list->is_null()) {
    auto observables = enrich::ReadObservables(*list, enricher_.options());
    if (!observables) {
      fields.Refuse("observables", observables.error().message);
    } else {
      query["observables"] = enrich::ToJson(*observables);
    }
  }
  enrich::Filter filter;
  filter.module_instance_ids = fields.Strings("module_instance_ids", 1000, 100);
  std::map<std::string, json::value> bodies;
  if (const json::value* cursors = fields.object().if_contains("cursors");
      cursors != nullptr && !cursors->is_null()) {
    const json::object* object = cursors->if_object();
    if (object == nullptr || object->size() > 1000) {
      fields.Refuse("cursors", "must be an object of cursors by module instance id");
    } else if (!object->empty()) {
      filter.module_instance_ids.clear();
      for (const auto& item : *object) {
        if (!item.value().is_string() || item.value().get_string().size() > 8192) {
          fields.Refuse("cursors", "must hold texts");
          break;
        }
        json::object own = query;
        own["cursor"] = item.value();
        bodies[std::string(item.key())] = std::move(own);
        filter.module_instance_ids.emplace_back(item.key());
      }
    }
  }
  if (!fields.ok()) co_return fields.Answer();
  auto parts = co_await enricher_.AskAll("", std::string(kMessages), std::move(query),
                                         enrich::Shape::kObject, enricher_.options().timeout,
                                         std::move(filter), ToRelayCaller(caller, request),
                                         std::move(bodies));
  if (!parts) co_return Failed(parts.error(), request);
  for (enrich::Part& part : *parts) {
    if (!part.answer.data) continue;
    const json::value* messages = part.answer.data->get_object().if_contains("messages");
    if (messages != nullptr && messages->is_array()) continue;
    part.answer.data.reset();
    part.answer.errors.push_back({"invalid answer", "data has no list of messages", "fatal"});
  }
  co_return http::Response::Json(200, enrich::Aggregate(*std::move(parts)));
}

io::Task<http::Response> Api::GetMessage(http::Request request, identity::Caller caller) {
  const auto mid = MidOf(request.Param("mid"));
  if (!mid) co_return KeyErrors({{"mid", "must be a positive number"}});
  json::object body;
  body["mid"] = *mid;
  auto part = co_await enricher_.AskOne(
      std::string(request.Param("module_instance_id")), std::string(kMessage), std::move(body),
      enrich::Shape::kObject, enricher_.options().timeout, ToRelayCaller(caller, request));
  if (!part && part.error().code == Code::kNotFound) co_return NoSuchModule(request);
  if (!part) co_return Failed(part.error(), request);
  co_return FromPart(*part, request);
}

io::Task<http::Response> Api::MakePlan(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(
      request, {.max_bytes = options_.max_body_bytes, .max_depth = options_.max_json_depth});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"body", "must be an object"}});
  Fields fields(body->get_object(), {"module_instance_id", "action", "mids", "forward_to"});
  const std::string module = fields.Required("module_instance_id", 100);
  json::object ask;
  if (!fields.object().contains("action")) fields.Refuse("action", "missing-required-key");
  ask["action"] = fields.Choice("action", "delete", {"delete", "forward", "forward_and_delete"});
  json::array mids;
  const json::value* list = fields.object().if_contains("mids");
  if (list == nullptr) {
    fields.Refuse("mids", "missing-required-key");
  } else if (!list->is_array() || list->get_array().empty() || list->get_array().size() > 1000) {
    fields.Refuse("mids", "must be a list of 1 to 1000 MIDs");
  } else {
    for (const json::value& item : list->get_array()) {
      if (const auto mid = MidOf(item)) {
        mids.emplace_back(*mid);
      } else {
        fields.Refuse("mids", "must hold positive numbers");
      }
    }
  }
  ask["mids"] = std::move(mids);
  if (const std::string to = fields.Optional("forward_to", "", 320); !to.empty())
    ask["forward_to"] = to;
  if (!fields.ok()) co_return fields.Answer();
  auto part = co_await enricher_.AskOne(module, std::string(kPlan), std::move(ask),
                                        enrich::Shape::kObject, enricher_.options().trigger_timeout,
                                        ToRelayCaller(caller, request));
  if (!part && part.error().code == Code::kNotFound) co_return NoSuchModule(request);
  if (!part) co_return Failed(part.error(), request);
  co_return FromPart(*part, request);
}

io::Task<http::Response> Api::StartBatch(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 64 * 1024, .max_depth = options_.max_json_depth});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"body", "must be an object"}});
  Fields fields(body->get_object(), {"module_instance_id", "plan_id", "plan_hash",
                                     "idempotency_key", "forward_to", "name"});
  const std::string module = fields.Required("module_instance_id", 100);
  json::object ask;
  ask["plan_id"] = fields.Required("plan_id", 200);
  ask["plan_hash"] = fields.Required("plan_hash", 200);
  const std::string key = fields.Required("idempotency_key", 128);
  if (key.size() < 8) fields.Refuse("idempotency_key", "must have at least 8 bytes");
  ask["idempotency_key"] = key;
  if (const std::string to = fields.Optional("forward_to", "", 320); !to.empty())
    ask["forward_to"] = to;
  if (const std::string name = fields.Optional("name", "", 200); !name.empty()) ask["name"] = name;
  if (!fields.ok()) co_return fields.Answer();

  json::object details = ask;
  details["module_instance_id"] = module;
  auto noted = co_await AuditAct(caller, request, "remediation.request", "plan",
                                 json::RequireString(ask, "plan_id").value(), "success",
                                 "A gateway was asked to act on mail.", details);
  if (!noted) co_return Failed(noted.error(), request);
  auto part = co_await enricher_.AskOne(module, std::string(kExecute), ask, enrich::Shape::kObject,
                                        enricher_.options().trigger_timeout,
                                        ToRelayCaller(caller, request));
  const bool started = part && part->answer.data;
  if (started) {
    if (const json::value* batch = part->answer.data->get_object().if_contains("batch_id"))
      details["batch_id"] = *batch;
  } else {
    details["error"] = !part                         ? part.error().message
                       : part->answer.errors.empty() ? std::string("no answer")
                                                     : part->answer.errors.front().message;
  }
  noted = co_await AuditAct(
      caller, request, "remediation.start", "plan", json::RequireString(ask, "plan_id").value(),
      started ? "success" : "failure", "A gateway answered to an order on mail.", details);
  if (!noted) logger_.Error("audit_of_outcome_failed", {{"request_id", request.request_id}});
  if (!part && part.error().code == Code::kNotFound) co_return NoSuchModule(request);
  if (!part) co_return Failed(part.error(), request);
  co_return FromPart(*part, request);
}

io::Task<http::Response> Api::GetBatch(http::Request request, identity::Caller caller) {
  json::object body;
  body["batch_id"] = request.Param("batch_id");
  auto part = co_await enricher_.AskOne(
      std::string(request.Param("module_instance_id")), std::string(kBatch), std::move(body),
      enrich::Shape::kObject, enricher_.options().timeout, ToRelayCaller(caller, request));
  if (!part && part.error().code == Code::kNotFound) co_return NoSuchModule(request);
  if (!part) co_return Failed(part.error(), request);
  co_return FromPart(*part, request);
}

}  // namespace mailreeve::response::api
