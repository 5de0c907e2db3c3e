#include "gateway/api/admin_api.h"

#include "base/secret.h"
#include "gateway/api/answers.h"

namespace mailreeve::gateway::api {

AdminApi::AdminApi(AdminOptions options, relay::Module& module, tracking::Store& store,
                   const pipeline::Pipeline& pipeline, const milter::Server& milter,
                   const delivery::LogFollower* follower, registration::Registration& registration,
                   users::Users& users, reporting::Reports& reports,
                   const settings::Running& settings, const Clock& clock, io::Scope& scope)
    : options_(std::move(options)),
      module_(module),
      store_(store),
      pipeline_(pipeline),
      milter_(milter),
      follower_(follower),
      registration_(registration),
      users_(users),
      reports_(reports),
      settings_(settings),
      clock_(clock),
      scope_(scope),
      started_(clock.Now()) {
  On("GET", "/v1/version", &AdminApi::Version);
  On("GET", "/v1/status", &AdminApi::Status);
  On("GET", "/v1/settings", &AdminApi::Settings);
  On("GET", "/v1/messages", &AdminApi::SearchMessages);
  On("GET", "/v1/messages/count", &AdminApi::CountMessages);
  On("GET", "/v1/messages/{mid}", &AdminApi::Message);
  On("GET", "/v1/messages/{mid}/log", &AdminApi::MessageLog);
  On("POST", "/v1/tracking/check", &AdminApi::StartCheck);
  On("GET", "/v1/tracking/check", &AdminApi::Check);
  On("DELETE", "/v1/tracking/check", &AdminApi::CancelCheck);
  On("GET", "/v1/tracking/records", &AdminApi::ExportRecords);
  On("POST", "/v1/tracking/records", &AdminApi::ImportRecords);
  On("POST", "/v1/tracking/log", &AdminApi::ImportLog);
  On("GET", "/v1/device", &AdminApi::Device);
  On("POST", "/v1/device/registration", &AdminApi::Register);
  On("DELETE", "/v1/device/registration", &AdminApi::Deregister);
  On("GET", "/v1/reports", &AdminApi::ListReports);
  On("GET", "/v1/reports/{name}", &AdminApi::Report);
  On("GET", "/v1/users", &AdminApi::ListUsers);
  On("POST", "/v1/users", &AdminApi::AddUser);
  On("PUT", "/v1/users/{name}/passphrase", &AdminApi::SetPassphrase);
  On("PUT", "/v1/users/{name}/role", &AdminApi::SetRole);
  On("DELETE", "/v1/users/{name}", &AdminApi::RemoveUser);
}

void AdminApi::On(const char* method, const char* pattern, Member member) {
  router_.Add(method, pattern, [this, member](http::Request request) {
    return (this->*member)(std::move(request));
  });
}

io::Task<http::Response> AdminApi::Version(http::Request) {
  co_return http::Response::Json(
      200, json::object{{"program", "mailreeve-gateway"}, {"version", options_.version}});
}

io::Task<http::Response> AdminApi::Status(http::Request) {
  auto held = co_await store_.Held();
  if (!held) co_return Failed(held.error());
  const pipeline::Counters& way = pipeline_.counters();
  const milter::Counters& wire = milter_.counters();
  json::object delivery{{"following", follower_ != nullptr}, {"events", 0}};
  if (follower_ != nullptr) {
    const delivery::Counters& log = follower_->counters();
    delivery = {{"following", true},
                {"lines", log.lines},
                {"events", log.events},
                {"unknown", log.unknown},
                {"unmatched_recipients", log.unmatched_recipients},
                {"refused",
                 {{"connect", log.refused[0]},
                  {"helo", log.refused[1]},
                  {"mail", log.refused[2]},
                  {"rcpt", log.refused[3]},
                  {"data", log.refused[4]},
                  {"for_now", log.refused_for_now}}},
                {"store_errors", log.store_errors},
                {"read_errors", log.read_errors}};
  }
  co_return http::Response::Json(200, json::object{
                                          {"program", "mailreeve-gateway"},
                                          {"version", options_.version},
                                          {"name", options_.name},
                                          {"started", FormatTime(started_)},
                                          {"now", FormatTime(clock_.Now())},
                                          {"messages",
                                           {{"tracked", way.tracked},
                                            {"untracked", way.untracked},
                                            {"temporarily_refused", way.temporarily_refused},
                                            {"rejected", way.rejected}}},
                                          {"inspection", {{"failed", way.inspection_failed}}},
                                          {"tracking", CoverageJson(*held)},
                                          {"tracking_failed", way.tracking_failed},
                                          {"delivery", std::move(delivery)},
                                          {"milter",
                                           {{"connections", wire.connections},
                                            {"connections_now", wire.connections_now},
                                            {"messages", wire.messages},
                                            {"failures", wire.failures},
                                            {"failures_accepted", wire.failures_accepted},
                                            {"aborts", wire.aborts},
                                            {"protocol_errors", wire.protocol_errors},
                                            {"limits_hit", wire.limits_hit}}},
                                          {"device", DeviceJson()},
                                      });
}

io::Task<http::Response> AdminApi::Settings(http::Request) {
  co_return http::Response::Json(200, settings_.Get()->ToJson());
}

io::Task<Result<json::object>> AdminApi::Ask(std::string route, json::value body,
                                             std::string request_id) {
  relay::Call call;
  call.route = std::move(route);
  call.body = std::move(body);
  call.caller.user_id = "administrator";
  call.caller.user_name = "administrator";
  call.caller.request_id = std::move(request_id);
  call.deadline = options_.deadline;
  CO_TRY(const json::value answer, co_await module_.Ask(std::move(call)));
  CO_TRY(const json::object* envelope, json::AsObject(answer, "answer"));
  const json::value* errors = envelope->if_contains("errors");
  if (errors != nullptr && errors->is_array() && !errors->get_array().empty() &&
      !envelope->contains("data")) {
    const json::value& first = errors->get_array().front();
    std::string code, message = "the request was refused";
    if (first.is_object()) {
      CO_TRY(code, json::OptionalString(first.get_object(), "code", ""));
      CO_TRY(message, json::OptionalString(first.get_object(), "message", message));
    }
    co_return Fail(code == "not found"          ? Code::kNotFound
                   : code == "invalid argument" ? Code::kInvalid
                                                : Code::kUnavailable,
                   message);
  }
  co_return *envelope;
}

json::object AdminApi::DeviceJson() const {
  const registration::Status status = registration_.status();
  json::object out{{"state", status.identity ? "registered" : "unregistered"},
                   {"channel", channel::LinkStateName(status.link.state)},
                   {"device_id", ""},
                   {"server", ""}};
  if (status.identity) {
    out["device_id"] = status.identity->device_id;
    out["server"] = status.identity->server_url;
    out["certificate_expires"] = FormatTime(status.identity->certificate_expires);
  }
  // Two things can be wrong at once: a failed try to register leaves an older registration in
  // force, whose channel may be down for another reason.
  if (!status.last_error.empty()) out["registration_error"] = status.last_error;
  if (!status.link.last_error.empty() && status.link.state != channel::LinkState::kConnected) {
    out["last_error"] = status.link.last_error;
  }
  if (!status.link.clock_warning.empty()) out["clock_warning"] = status.link.clock_warning;
  return out;
}

io::Task<http::Response> AdminApi::Device(http::Request) {
  co_return http::Response::Json(200, DeviceJson());
}

io::Task<http::Response> AdminApi::Register(http::Request request) {
  std::string server, token, ca_file;
  const auto read = [&]() -> Result<void> {
    TRY(const json::value document,
        json::Parse(request.body, {.max_bytes = 64 * 1024, .max_depth = 4}));
    TRY(const json::object* body, json::AsObject(document, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"server", "token", "ca_file"}));
    TRY(server, json::RequireString(*body, "server"));
    TRY(token, json::RequireString(*body, "token"));
    TRY(ca_file, json::OptionalString(*body, "ca_file", ""));
    return {};
  };
  if (auto good = read(); !good) co_return Failed(good.error());
  auto done = co_await registration_.Register(std::move(server), Secret(std::move(token)),
                                              std::move(ca_file), {});
  if (!done) co_return Failed(done.error());
  co_return http::Response::Json(200, DeviceJson());
}

io::Task<http::Response> AdminApi::Deregister(http::Request) {
  auto done = co_await registration_.Deregister({});
  if (!done) co_return Failed(done.error());
  co_return http::Response::Json(200, DeviceJson());
}

}  // namespace mailreeve::gateway::api
