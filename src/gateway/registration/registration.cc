#include "gateway/registration/registration.h"

#include "base/random.h"
#include "base/text.h"
#include "channel/explain.h"
#include "crypto/x509.h"
#include "http/client.h"
#include "io/file.h"
#include "io/tls.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace mailreeve::gateway::registration {

using std::chrono::milliseconds;

namespace {

constexpr std::string_view kRegistrationPath = "/device/v1/registration";
constexpr std::string_view kDeviceType = "mailreeve-gateway";
constexpr size_t kMaxCaFile = 4 * 1024 * 1024;

std::string SystemHostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "gateway";
  return ToValidUtf8(name);
}

struct Endpoint {
  std::string host;
  uint16_t port = 443;
  std::string path;
};

// scheme://host[:port][/path]
Result<Endpoint> ParseUrl(std::string_view url, std::string_view scheme) {
  const auto wrong = [&](const std::string& what) {
    return Fail(Code::kInvalid, "address '" + ToValidUtf8(url) + "': " + what +
                                    "; it must look like " + std::string(scheme) + "://host or " +
                                    std::string(scheme) + "://host:port");
  };
  const std::string prefix = std::string(scheme) + "://";
  if (!AsciiEqualFold(url.substr(0, prefix.size()), prefix))
    return wrong("must begin with " + prefix);
  url.remove_prefix(prefix.size());
  Endpoint endpoint;
  const size_t slash = url.find('/');
  if (slash != std::string_view::npos) endpoint.path = url.substr(slash);
  std::string_view authority = url.substr(0, slash);
  if (authority.find_first_of("@?# \t\r\n\\") != std::string_view::npos)
    return wrong("bad character");
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return wrong("']' is missing");
    endpoint.host = authority.substr(1, close - 1);
    authority.remove_prefix(close + 1);
    if (!authority.empty() && !authority.starts_with(':')) return wrong("bad port");
    port = authority.empty() ? authority : authority.substr(1);
  } else {
    const size_t colon = authority.find(':');
    endpoint.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
    if (colon != std::string_view::npos && port.empty()) return wrong("bad port");
  }
  if (endpoint.host.empty()) return wrong("no host");
  if (!port.empty()) {
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0)
      return wrong("bad port");
  }
  return endpoint;
}

// What the platform said against a registration.
Error ReadRefusal(const http::Response& response, Time now) {
  std::string kind = "http status " + std::to_string(response.status);
  std::string text = "the server refused the registration (" + kind +
                     "); is the address that of a response server?";
  std::string clock;
  if (auto body = json::Parse(response.body); body && body->is_object()) {
    const json::object& object = body->get_object();
    if (auto token = json::OptionalString(object, "error", ""); token && !token->empty())
      kind = *token;
    if (auto said = json::OptionalString(object, "error_description", ""); said && !said->empty()) {
      text = *said;
    }
    if (auto time = json::OptionalInteger(object, "server_time_ms", 0);
        time && *time > 0 && *time < int64_t{1} << 50) {
      clock =
          channel::DescribeSkew(milliseconds(*time - ToEpochMillis(now)), std::chrono::minutes(5));
    }
  }
  Code code = Code::kUnavailable;
  if (response.status == 400) code = Code::kInvalid;
  if (response.status == 401) code = Code::kUnauthenticated;
  if (response.status == 403 || response.status == 410) code = Code::kDenied;
  if (response.status == 404 || response.status == 405) code = Code::kNotFound;
  if (response.status == 409) code = Code::kConflict;
  if (response.status == 429) code = Code::kLimited;
  text = ToValidUtf8(text);
  kind = ToValidUtf8(kind);
  Error error(code, std::string(CutUtf8(text, 1000)));
  error.notes.push_back(std::string(CutUtf8(kind, 100)));
  if (!clock.empty()) error.notes.push_back(clock + "; one of the two is wrong");
  return error;
}

}  // namespace

std::string_view StateName(State state) {
  switch (state) {
    case State::kNotRegistered:
      return "not registered";
    case State::kRegistering:
      return "registering";
    case State::kRegistered:
      return "registered";
    case State::kFailed:
      return "failed";
  }
  return "not registered";
}

json::object ToJson(const Status& status) {
  json::object out;
  out["state"] = StateName(status.state);
  out["last_error"] =
      status.last_error.empty() ? json::value(nullptr) : json::value(status.last_error);
  if (!status.identity) return out;
  const Identity& identity = *status.identity;
  out["server"] = identity.server_url;
  out["device_id"] = identity.device_id;
  out["organisation"] = {{"id", identity.organisation_id}, {"name", identity.organisation_name}};
  out["registered_at"] = FormatTime(identity.registered);
  out["certificate_expires"] = FormatTime(identity.certificate_expires);
  out["certificate_expired"] = status.certificate_expired;
  json::object link;
  link["state"] = channel::LinkStateName(status.link.state);
  link["since"] = FormatTime(status.link.since);
  link["last_error"] =
      status.link.last_error.empty() ? json::value(nullptr) : json::value(status.link.last_error);
  link["last_connected"] = status.link.last_connected == Time{}
                               ? json::value(nullptr)
                               : json::value(FormatTime(status.link.last_connected));
  link["failed_attempts"] = status.link.attempts;
  if (status.link.state == channel::LinkState::kWaiting ||
      status.link.state == channel::LinkState::kRefused) {
    link["next_try_ms"] = status.link.next_try.count();
  }
  if (status.link.state == channel::LinkState::kConnected) {
    link["platform_version"] = status.link.platform_version;
    link["clock_skew_ms"] = status.link.clock_skew.count();
    link["clock_warning"] = status.link.clock_warning.empty()
                                ? json::value(nullptr)
                                : json::value(status.link.clock_warning);
    if (status.link.rtt) link["rtt_ms"] = static_cast<double>(status.link.rtt->count()) / 1000.0;
  }
  out["channel"] = std::move(link);
  return out;
}

Result<std::unique_ptr<Registration>> Registration::Open(const RegistrationOptions& options,
                                                         relay::Module& module, audit::Log& audit,
                                                         const Clock& clock, log::Logger& logger,
                                                         const io::Executor& executor) {
  auto registration = std::unique_ptr<Registration>(
      new Registration(options, module, audit, clock, logger, executor));
  TRY_VOID(io::MakeFolders(options.state_folder, 0700));
  TRY(registration->identity_, registration->folder_.Load());
  if (registration->identity_) {
    TRY(registration->end_, registration->MakeEnd(*registration->identity_));
    registration->folder_.RemoveAllKeysBut(registration->identity_->folder);
  } else {
    registration->folder_.RemoveAllKeysBut("");
  }
  return registration;
}

namespace {

RegistrationOptions Completed(RegistrationOptions options) {
  if (options.host_name.empty()) options.host_name = SystemHostName();
  if (options.name.empty()) options.name = options.host_name;
  return options;
}

}  // namespace

Registration::Registration(const RegistrationOptions& options, relay::Module& module,
                           audit::Log& audit, const Clock& clock, log::Logger& logger,
                           const io::Executor& executor)
    : options_(Completed(options)),
      instance_(RandomUuid()),
      module_(module),
      audit_(audit),
      clock_(clock),
      logger_(logger),
      executor_(executor),
      folder_(options.state_folder),
      scope_(executor, logger),
      wake_(executor),
      pool_("registration", 1, 64) {}

Registration::~Registration() = default;

void Registration::Start() {
  if (started_ || stopping_) return;
  started_ = true;
  if (end_) scope_.Spawn("device_channel", end_->Run());
  scope_.Spawn("certificate_renewal", RenewLoop());
}

io::Task<void> Registration::Stop() {
  stopping_ = true;
  wake_.Notify();
  if (end_) co_await end_->Stop();
  // A registration under way ends by its own deadlines; nothing of it is kept when it has not
  // finished.
  scope_.Cancel();
  co_await scope_.Join();
}

Result<std::unique_ptr<channel::DeviceEnd>> Registration::MakeEnd(const Identity& identity) {
  TRY(const Endpoint endpoint, ParseUrl(identity.channel_url, "wss"));
  http::WebSocketTarget target;
  target.host = endpoint.host;
  target.port = endpoint.port;
  target.path = endpoint.path.empty() ? "/" : endpoint.path;
  TRY(target.tls, io::MakeTlsClient({.ca_file = folder_.server_ca_path(identity),
                                     .certificate_file = folder_.certificate_path(identity),
                                     .key_file = folder_.key_path(identity)}));
  channel::Hello hello;
  hello.instance = instance_;
  hello.info = {{"product", "mailreeve-gateway"},   {"name", options_.name},
                {"type", std::string(kDeviceType)}, {"version", options_.version},
                {"serial", options_.serial},        {"host_name", options_.host_name}};
  hello.capabilities = {"relay"};
  return std::make_unique<channel::DeviceEnd>(
      channel::Connector(std::move(target), channel::WebSocketLimitsFor(options_.channel.session)),
      std::move(hello), module_, options_.channel, clock_, logger_, executor_);
}

audit::Entry Registration::EntryFor(const Actor& actor, std::string action,
                                    const std::string& device_id, std::string result,
                                    std::string message, json::object details) const {
  audit::Entry entry;
  entry.time = clock_.Now();
  entry.actor = {actor.kind, actor.id, actor.name};
  entry.origin = {actor.address, actor.channel, ""};
  entry.action = std::move(action);
  entry.object = {"registration", device_id};
  entry.result = std::move(result);
  entry.message = std::move(message);
  entry.details = std::move(details);
  return entry;
}

io::Task<Result<void>> Registration::Register(std::string server_url, Secret token,
                                              std::string ca_file, Actor actor) {
  if (busy_) co_return Fail(Code::kConflict, "a registration is under way; wait for its end");
  struct Busy {
    bool& busy;
    explicit Busy(bool& b) : busy(b) { busy = true; }
    ~Busy() { busy = false; }
  } const busy(busy_);
  last_error_.clear();
  Result<void> done =
      co_await RegisterOnce(server_url, std::move(token), std::move(ca_file), actor);
  if (!done) {
    last_error_ = done.error().ToString();
    logger_.Warn("registration_failed", {{"server", server_url}, {"error", last_error_}});
    audit::Entry entry = EntryFor(actor, "registration.register", "", "failure", last_error_,
                                  {{"server", server_url}});
    const Result<void> noted =
        co_await pool_.Run([this, &entry] { return audit_.Append(std::move(entry)); });
    if (!noted) logger_.Error("audit_failed", {{"error", noted.error().ToString()}});
  }
  co_return done;
}

io::Task<Result<void>> Registration::RegisterOnce(std::string server_url, Secret token,
                                                  std::string ca_file, Actor actor) {
  const bool replaces = identity_.has_value();
  CO_TRY(Identity identity, co_await Enrol(server_url, std::move(token), std::move(ca_file)));
  audit::Entry entry =
      EntryFor(actor, "registration.register", identity.device_id, "success",
               "Registered with " + server_url,
               {{"server", server_url},
                {"organisation", identity.organisation_id},
                {"certificate_expires", FormatTime(identity.certificate_expires)},
                {"replaces", replaces ? json::value(identity_->device_id) : json::value(nullptr)}});
  const std::string device_id = identity.device_id;
  CO_TRY_VOID(co_await Replace(std::move(identity), replaces && started_, std::move(entry)));
  logger_.Info("registered", {{"server", server_url}, {"device", device_id}});
  co_return Result<void>();
}

io::Task<Result<Identity>> Registration::Enrol(std::string server_url, Secret token,
                                               std::string ca_file) {
  while (server_url.ends_with('/')) server_url.pop_back();
  CO_TRY(const Endpoint endpoint, ParseUrl(server_url, "https"));
  if (!endpoint.path.empty())
    co_return Fail(Code::kInvalid, "address '" + server_url + "': must not have a path");
  std::string trimmed(TrimSpace(token.Reveal()));
  if (trimmed.empty()) co_return Fail(Code::kInvalid, "the registration token is empty");
  std::string ca_pem;
  if (!ca_file.empty()) {
    CO_TRY(ca_pem, io::ReadFile(ca_file, kMaxCaFile));
  }
  http::ClientOptions client;
  client.timeout = options_.register_timeout;
  client.max_body_bytes = 1024 * 1024;
  CO_TRY(client.tls, io::MakeTlsClient({.ca_file = ca_file}));
  CO_TRY(const crypto::KeyAndRequest keys,
         co_await pool_.Run([] { return crypto::MakeKeyAndRequest("mailreeve-gateway"); }));
  json::object body;
  body["token"] = trimmed;
  body["request_pem"] = keys.request_pem;
  body["name"] = options_.name;
  body["type"] = kDeviceType;
  body["version"] = options_.version;
  body["serial"] = options_.serial;
  body["host_name"] = options_.host_name;
  body["time_ms"] = ToEpochMillis(clock_.Now());
  http::Headers headers;
  headers.Set("Content-Type", "application/json");
  auto response =
      co_await http::Fetch("POST", server_url + std::string(kRegistrationPath), std::move(headers),
                           json::Serialize(body), std::move(client));
  const Time now = clock_.Now();
  if (!response) co_return Fail(channel::ExplainConnection(response.error(), now));
  if (response->status != 200) co_return Fail(ReadRefusal(*response, now));

  Identity identity;
  std::string certificate_pem;
  const auto read = [&]() -> Result<void> {
    TRY(const json::value document, json::Parse(response->body));
    TRY(const json::object* answer, json::AsObject(document, ""));
    TRY(identity.device_id, json::RequireString(*answer, "device_id"));
    TRY(certificate_pem, json::RequireString(*answer, "certificate_pem"));
    TRY(identity.channel_url, json::RequireString(*answer, "channel_url"));
    TRY_VOID(ParseUrl(identity.channel_url, "wss"));
    const json::value* organisation = answer->if_contains("organisation");
    if (organisation == nullptr) return Fail(Code::kInvalid, "organisation: is missing");
    TRY(const json::object* details, json::AsObject(*organisation, "organisation"));
    TRY(identity.organisation_id, json::RequireString(*details, "id", "organisation"));
    TRY(identity.organisation_name, json::OptionalString(*details, "name", "", "organisation"));
    TRY(const crypto::CertificateInfo info, crypto::ReadCertificate(certificate_pem));
    if (info.subject_cn != identity.device_id)
      return Fail(Code::kInvalid, "certificate_pem: not for this device");
    identity.certificate_expires = info.not_after;
    TRY(const int64_t server_time,
        json::OptionalInteger(*answer, "server_time_ms", ToEpochMillis(now)));
    const auto skew =
        milliseconds(std::clamp<int64_t>(server_time, 0, int64_t{1} << 50) - ToEpochMillis(now));
    if (const auto warning = channel::DescribeSkew(skew, options_.channel.clock_skew_limit);
        !warning.empty()) {
      logger_.Warn("clock_skew", {{"error", warning}});
    }
    return {};
  };
  if (auto done = read(); !done) {
    co_return Fail(
        std::move(done).error().Note("the answer of " + server_url + " to the registration"));
  }
  identity.server_url = server_url;
  identity.own_ca = !ca_pem.empty();
  identity.registered = now;
  identity.certificate_issued = now;
  CO_TRY(identity.folder, co_await pool_.Run([this, &keys, &certificate_pem, &ca_pem] {
    return folder_.WriteKeys(keys.key_pem, certificate_pem, ca_pem);
  }));
  co_return identity;
}

io::Task<Result<void>> Registration::Replace(Identity identity, bool prove, audit::Entry entry) {
  auto made = MakeEnd(identity);
  if (!made) {
    folder_.RemoveKeys(identity.folder);
    co_return Fail(std::move(made).error());
  }
  std::unique_ptr<channel::DeviceEnd> end = std::move(*made);
  Error failure;
  bool failed = false;
  if (prove) {
    scope_.Spawn("device_channel", end->Run());
    if (!co_await end->WaitConnected(options_.prove_timeout)) {
      const std::string why = end->status().last_error;
      failure = Error(Code::kUnavailable,
                      "the new registration does not connect, the old one stays in force: " +
                          (why.empty() ? "no answer in time" : why));
      failed = true;
    }
  }
  if (!failed) {
    // On the audit trail first: what cannot be recorded is not done.
    Result<void> saved = co_await pool_.Run([this, &entry, &identity]() -> Result<void> {
      TRY_VOID(audit_.Append(std::move(entry)));
      return folder_.Save(identity);
    });
    if (!saved) {
      failure = std::move(saved).error();
      failed = true;
    }
  }
  if (failed || stopping_) {
    co_await end->Stop();
    folder_.RemoveKeys(identity.folder);
    if (failed) co_return Fail(std::move(failure));
    co_return Fail(Code::kCancelled, "the gateway stops");
  }
  std::unique_ptr<channel::DeviceEnd> old = std::exchange(end_, std::move(end));
  const std::optional<Identity> before = std::exchange(identity_, std::move(identity));
  if (!prove && started_) scope_.Spawn("device_channel", end_->Run());
  if (old) co_await old->Stop();
  if (before) folder_.RemoveKeys(before->folder);
  co_return Result<void>();
}

io::Task<Result<void>> Registration::Deregister(Actor actor) {
  if (busy_) co_return Fail(Code::kConflict, "a registration is under way; wait for its end");
  if (!identity_) co_return Fail(Code::kNotFound, "this gateway is not registered");
  struct Busy {
    bool& busy;
    explicit Busy(bool& b) : busy(b) { busy = true; }
    ~Busy() { busy = false; }
  } const busy(busy_);
  audit::Entry entry =
      EntryFor(actor, "registration.deregister", identity_->device_id, "success",
               "Deregistered from " + identity_->server_url, {{"server", identity_->server_url}});
  CO_TRY_VOID(co_await pool_.Run([this, &entry]() -> Result<void> {
    TRY_VOID(audit_.Append(std::move(entry)));
    return folder_.Clear();
  }));
  logger_.Info("deregistered",
               {{"server", identity_->server_url}, {"device", identity_->device_id}});
  identity_.reset();
  last_error_.clear();
  const std::unique_ptr<channel::DeviceEnd> old = std::move(end_);
  if (old) co_await old->Stop();
  co_return Result<void>();
}

io::Task<Result<void>> Registration::Renew() {
  if (busy_) co_return Fail(Code::kConflict, "a registration is under way; wait for its end");
  struct Busy {
    bool& busy;
    explicit Busy(bool& b) : busy(b) { busy = true; }
    ~Busy() { busy = false; }
  } const busy(busy_);
  Result<void> done = co_await RenewOnce();
  if (!done) logger_.Warn("certificate_renewal_failed", {{"error", done.error().ToString()}});
  co_return done;
}

io::Task<Result<void>> Registration::RenewOnce() {
  const auto session = end_ ? end_->session() : nullptr;
  if (!identity_ || !session || !session->ready()) {
    co_return Fail(Code::kUnavailable, "the certificate can only be renewed while connected");
  }
  CO_TRY(const crypto::KeyAndRequest keys,
         co_await pool_.Run([] { return crypto::MakeKeyAndRequest("mailreeve-gateway"); }));
  relay::Call call;
  call.route = "/device/certificate";
  call.body = {{"request_pem", keys.request_pem}};
  call.deadline = options_.register_timeout;
  CO_TRY(const json::value answer, co_await session->Ask(std::move(call)));
  CO_TRY(const json::object* object, json::AsObject(answer, ""));
  CO_TRY(const std::string certificate_pem, json::RequireString(*object, "certificate_pem"));
  CO_TRY(const crypto::CertificateInfo info, crypto::ReadCertificate(certificate_pem));
  if (!identity_) co_return Fail(Code::kCancelled, "deregistered meanwhile");
  Identity identity = *identity_;
  if (info.subject_cn != identity.device_id)
    co_return Fail(Code::kInvalid, "the new certificate is not for this device");
  identity.certificate_issued = clock_.Now();
  identity.certificate_expires = info.not_after;
  const std::string ca_path = folder_.server_ca_path(*identity_);
  CO_TRY(identity.folder,
         co_await pool_.Run([this, &keys, &certificate_pem, &ca_path]() -> Result<std::string> {
           std::string ca_pem;
           if (!ca_path.empty()) {
             TRY(ca_pem, io::ReadFile(ca_path, kMaxCaFile));
           }
           return folder_.WriteKeys(keys.key_pem, certificate_pem, ca_pem);
         }));
  audit::Entry entry =
      EntryFor({.kind = "system", .channel = "device-channel"}, "registration.renew",
               identity.device_id, "success", "The gateway's certificate was renewed",
               {{"certificate_expires", FormatTime(identity.certificate_expires)}});
  const std::string expires = FormatTime(identity.certificate_expires);
  CO_TRY_VOID(co_await Replace(std::move(identity), started_, std::move(entry)));
  logger_.Info("certificate_renewed", {{"expires", expires}});
  co_return Result<void>();
}

io::Task<void> Registration::RenewLoop() {
  while (!stopping_) {
    co_await wake_.WaitFor(options_.renew_check);
    if (stopping_) co_return;
    if (busy_ || !identity_) continue;
    const auto life = identity_->certificate_expires - identity_->certificate_issued;
    const auto left = identity_->certificate_expires - clock_.Now();
    if (std::chrono::duration<double>(left) >
        std::chrono::duration<double>(life) * options_.renew_below)
      continue;
    (void)co_await Renew();
  }
}

Status Registration::status() const {
  Status status;
  status.identity = identity_;
  status.last_error = last_error_;
  if (end_) status.link = end_->status();
  if (identity_) status.certificate_expired = identity_->certificate_expires <= clock_.Now();
  if (busy_) {
    status.state = State::kRegistering;
  } else if (identity_) {
    status.state = State::kRegistered;
  } else {
    status.state = last_error_.empty() ? State::kNotRegistered : State::kFailed;
  }
  return status;
}

}  // namespace mailreeve::gateway::registration
