#include "response/exchange/exchange.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "channel/explain.h"
#include "crypto/hash.h"

#include <boost/asio/ip/address.hpp>

namespace mailreeve::response::exchange {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kMaxDescription = 2000;
constexpr size_t kMaxRequestPem = 16 * 1024;
constexpr size_t kTokenBytes = 16;
constexpr std::chrono::hours kRememberTokens{24 * 30};

std::string HashOfToken(std::string_view token) {
  // People paste with spaces and in capitals.
  return HexEncode(crypto::Sha256(AsciiLower(TrimSpace(token))));
}

Result<void> CheckText(std::string_view field, std::string_view text, size_t max, bool required) {
  if (required && TrimSpace(text).empty())
    return Fail(Code::kInvalid, std::string(field) + ": must not be empty");
  if (text.size() > max || !IsValidUtf8(text)) {
    return Fail(Code::kInvalid, std::string(field) + ": must be UTF-8 of at most " +
                                    std::to_string(max) + " bytes");
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') {
      return Fail(Code::kInvalid, std::string(field) + ": must not hold control characters");
    }
  }
  return {};
}

// Addresses that one party can change at will count as one.
std::string RateKey(const std::string& address) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error || !ip.is_v6()) return address;
  if (ip.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, ip.to_v6()).to_string();
  }
  const auto bytes = ip.to_v6().to_bytes();
  return "6:" + HexEncode(std::string_view(reinterpret_cast<const char*>(bytes.data()), 8));
}

std::string Shown(const std::optional<Time>& time) {
  return time ? FormatTime(*time) : std::string();
}

}  // namespace

ExchangeOptions ExchangeOptionsFrom(const settings::Snapshot& snapshot) {
  ExchangeOptions options;
  options.token_lifetime = seconds(snapshot.Integer("exchange.token_lifetime"));
  options.certificate_life = std::chrono::hours(24 * snapshot.Integer("exchange.certificate_days"));
  options.wrong_tokens = static_cast<size_t>(snapshot.Integer("exchange.wrong_tokens"));
  options.hub.session.heartbeat_interval =
      milliseconds(snapshot.Integer("exchange.heartbeat_interval"));
  options.hub.session.heartbeat_timeout =
      milliseconds(snapshot.Integer("exchange.heartbeat_timeout"));
  options.hub.max_sessions = static_cast<size_t>(snapshot.Integer("exchange.max_devices"));
  options.hub.clock_skew_limit = milliseconds(snapshot.Integer("exchange.clock_skew_limit"));
  return options;
}

json::object ToJson(const Device& device) {
  const DeviceRow& row = device.row;
  json::object out;
  out["id"] = row.id;
  out["name"] = row.name;
  out["type"] = row.type;
  out["description"] = row.description;
  out["version"] = row.version;
  out["serial"] = row.serial;
  out["host_name"] = row.host_name;
  out["status"] = device.state;
  out["state"] = device.state;
  out["ip"] = row.address;
  out["createdAt"] = FormatTime(row.created);
  out["created_at"] = FormatTime(row.created);
  const auto time = [&](const char* name, const std::optional<Time>& value) {
    if (value) {
      out[name] = FormatTime(*value);
    } else {
      out[name] = nullptr;
    }
  };
  time("registered_at", row.registered);
  time("last_seen", row.last_seen);
  time("certificate_expires", row.certificate_expires);
  out["clock_skew_ms"] = row.clock_skew_ms;
  out["clock_warning"] =
      device.clock_warning.empty() ? json::value(nullptr) : json::value(device.clock_warning);
  out["alert"] = row.alert.empty() ? json::value(nullptr) : json::value(row.alert);
  if (device.link) {
    out["connected_since"] = FormatTime(device.link->connected_since);
    if (device.link->rtt) out["rtt_ms"] = static_cast<double>(device.link->rtt->count()) / 1000.0;
  }
  return out;
}

// What a connected device may ask: a new certificate before the old one ends.
class Exchange::DeviceService final : public relay::Module {
 public:
  DeviceService(Exchange& exchange, std::string device_id)
      : exchange_(exchange), device_id_(std::move(device_id)) {}

  io::Task<Result<json::value>> Ask(relay::Call call) override {
    if (call.route != "/device/certificate")
      co_return Fail(Code::kNotFound, "no route '" + call.route + "'");
    CO_TRY(const json::object* body, json::AsObject(call.body, ""));
    CO_TRY(std::string request_pem, json::RequireString(*body, "request_pem"));
    CO_TRY(const Enrolled enrolled,
           co_await exchange_.pool_.Run([&exchange = exchange_, device_id = device_id_,
                                         request_pem = std::move(request_pem)] {
             return exchange.RenewNow(device_id, request_pem);
           }));
    json::object answer;
    answer["certificate_pem"] = enrolled.certificate_pem;
    answer["ca_pem"] = enrolled.ca_pem;
    answer["certificate_expires"] = FormatTime(enrolled.expires);
    co_return json::value(std::move(answer));
  }

 private:
  Exchange& exchange_;
  const std::string device_id_;
};

Exchange::Exchange(Store store, Enroller& enroller, audit::Log& audit, ExchangeOptions options,
                   const Clock& clock, log::Logger& logger, const io::Executor& executor)
    : store_(std::move(store)),
      enroller_(enroller),
      audit_(audit),
      options_(std::move(options)),
      clock_(clock),
      logger_(logger),
      scope_(executor, logger),
      hub_(*this, options_.hub, clock, logger, executor),
      pool_("device exchange", 1, 4096) {}

Exchange::~Exchange() = default;

io::Task<void> Exchange::Stop() {
  co_await hub_.Stop();
  co_await scope_.Join();
}

Device Exchange::View(DeviceRow row) const {
  Device device;
  device.link = hub_.Find(row.id);
  if (device.link) {
    row.address = device.link->address;
    row.last_seen = device.link->last_seen;
    row.clock_skew_ms = device.link->clock_skew.count();
  }
  device.state = row.state;
  if (row.state == "registered")
    device.state = hub_.connected(row.id) ? "connected" : "disconnected";
  device.clock_warning =
      channel::DescribeSkew(milliseconds(row.clock_skew_ms), options_.hub.clock_skew_limit);
  device.row = std::move(row);
  return device;
}

Result<void> Exchange::Audit(const relay::Caller& caller, const std::string& address,
                             std::string action, const std::string& device_id, std::string result,
                             std::string message, json::object details) {
  audit::Entry entry;
  entry.time = clock_.Now();
  entry.actor.kind = caller.user_id.empty() ? "client" : "user";
  entry.actor.id = caller.user_id.empty() ? caller.client_id : caller.user_id;
  entry.actor.name = caller.user_name;
  entry.origin = {address, "https", caller.request_id};
  entry.action = std::move(action);
  entry.object = {"device", device_id};
  entry.result = std::move(result);
  entry.message = std::move(message);
  entry.details = std::move(details);
  return audit_.Append(std::move(entry));
}

Result<void> Exchange::AuditDevice(const std::string& device_id, const std::string& name,
                                   const std::string& address, const std::string& channel,
                                   const std::string& request_id, std::string action,
                                   std::string result, std::string message, json::object details) {
  audit::Entry entry;
  entry.time = clock_.Now();
  entry.actor = {"device", device_id, name};
  entry.origin = {address, channel, request_id};
  entry.action = std::move(action);
  entry.object = {"device", device_id};
  entry.result = std::move(result);
  entry.message = std::move(message);
  entry.details = std::move(details);
  return audit_.Append(std::move(entry));
}

Result<DeviceRow> Exchange::FindOwn(const relay::Caller& caller, const std::string& device_id) {
  auto row = store_.FindDevice(device_id);
  if (!row) return row;
  if (row->removed || caller.org_id.empty() || row->organisation_id != caller.org_id) {
    return Fail(Code::kNotFound,
                "no device has the id '" + std::string(CutUtf8(ToValidUtf8(device_id), 100)) + "'");
  }
  return row;
}

// For people
// ------------------------------------------------------------------------------------------------------

io::Task<Result<std::vector<Device>>> Exchange::List(relay::Caller caller) {
  if (caller.org_id.empty()) co_return Fail(Code::kDenied, "the caller belongs to no organisation");
  co_return co_await DevicesOf(caller.org_id);
}

io::Task<Result<std::vector<Device>>> Exchange::DevicesOf(std::string organisation_id) {
  CO_TRY(std::vector<DeviceRow> rows, co_await pool_.Run([this, organisation_id] {
    return store_.ListDevices(organisation_id);
  }));
  std::vector<Device> devices;
  for (DeviceRow& row : rows) devices.push_back(View(std::move(row)));
  co_return devices;
}

io::Task<Result<Device>> Exchange::Get(relay::Caller caller, std::string device_id) {
  CO_TRY(DeviceRow row,
         co_await pool_.Run([this, caller, device_id] { return FindOwn(caller, device_id); }));
  co_return View(std::move(row));
}

io::Task<Result<Device>> Exchange::Create(relay::Caller caller, std::string address,
                                          NewDevice device) {
  CO_TRY_VOID(CheckText("name", device.name, kMaxName, true));
  CO_TRY_VOID(CheckText("type", device.type, kMaxName, true));
  CO_TRY_VOID(CheckText("description", device.description, kMaxDescription, false));
  if (caller.org_id.empty()) co_return Fail(Code::kDenied, "the caller belongs to no organisation");
  DeviceRow row;
  row.id = RandomUuid();
  row.organisation_id = caller.org_id;
  row.name = std::move(device.name);
  row.type = std::move(device.type);
  row.description = std::move(device.description);
  row.state = "enrolling";
  row.created = clock_.Now();
  CO_TRY_VOID(co_await pool_.Run([this, caller, address, row] {
    return store_.Transaction([&]() -> Result<void> {
      TRY(const auto devices, store_.ListDevices(caller.org_id));
      if (devices.size() >= options_.max_devices)
        return Fail(Code::kLimited, "the organisation has too many devices");
      TRY_VOID(store_.InsertDevice(row));
      return Audit(caller, address, "device.create", row.id, "success",
                   "Device '" + row.name + "' was made", {{"name", row.name}, {"type", row.type}});
    });
  }));
  co_return View(std::move(row));
}

io::Task<Result<Device>> Exchange::Change(relay::Caller caller, std::string address,
                                          std::string device_id, DeviceChange change) {
  if (change.name) CO_TRY_VOID(CheckText("name", *change.name, kMaxName, true));
  if (change.description)
    CO_TRY_VOID(CheckText("description", *change.description, kMaxDescription, false));
  CO_TRY(DeviceRow row, co_await pool_.Run([this, caller, address, device_id,
                                            change]() -> Result<DeviceRow> {
    DeviceRow changed;
    TRY_VOID(store_.Transaction([&]() -> Result<void> {
      TRY(changed, FindOwn(caller, device_id));
      json::object details;
      if (change.name) {
        details["name"] = {{"from", changed.name}, {"to", *change.name}};
        changed.name = *change.name;
      }
      if (change.description) {
        details["description"] = {{"from", changed.description}, {"to", *change.description}};
        changed.description = *change.description;
      }
      if (change.clear_alert) {
        details["alert"] = {{"from", changed.alert}, {"to", nullptr}};
        changed.alert.clear();
      }
      TRY_VOID(store_.UpdateDevice(changed));
      return Audit(caller, address, "device.change", device_id, "success",
                   "Device '" + changed.name + "' was changed", std::move(details));
    }));
    return changed;
  }));
  co_return View(std::move(row));
}

io::Task<Result<Device>> Exchange::Remove(relay::Caller caller, std::string address,
                                          std::string device_id) {
  CO_TRY(DeviceRow row,
         co_await pool_.Run([this, caller, address, device_id]() -> Result<DeviceRow> {
           DeviceRow removed;
           const Time now = clock_.Now();
           TRY_VOID(store_.Transaction([&]() -> Result<void> {
             TRY(removed, FindOwn(caller, device_id));
             removed.state = "removed";
             removed.removed = now;
             TRY_VOID(store_.UpdateDevice(removed));
             TRY_VOID(store_.RevokeCertificates(device_id, "", now));
             TRY_VOID(store_.RevokeTokens(device_id, now));
             return Audit(caller, address, "device.remove", device_id, "success",
                          "Device '" + removed.name + "' was removed",
                          {{"name", removed.name}, {"address", removed.address}});
           }));
           return removed;
         }));
  hub_.Drop(device_id, channel::Reason::kRemoved, "the device was removed by an administrator");
  logger_.Info("device_removed", {{"device", device_id}});
  Device device;
  device.state = "removed";
  device.row = std::move(row);
  co_return device;
}

io::Task<Result<Token>> Exchange::MakeToken(relay::Caller caller, std::string address,
                                            std::optional<std::string> device_id) {
  if (caller.org_id.empty()) co_return Fail(Code::kDenied, "the caller belongs to no organisation");
  Token token;
  std::string text = HexEncode(RandomBytes(kTokenBytes));
  TokenRow row;
  row.hash = HashOfToken(text);
  token.token = Secret(std::move(text));
  row.organisation_id = caller.org_id;
  row.device_id = device_id;
  row.made_by = caller.user_id.empty() ? caller.client_id : caller.user_id;
  row.created = clock_.Now();
  row.expires = row.created + options_.token_lifetime;
  token.expires = row.expires;
  token.expires_in = options_.token_lifetime;
  CO_TRY_VOID(co_await pool_.Run([this, caller, address, row] {
    return store_.Transaction([&]() -> Result<void> {
      if (row.device_id) {
        TRY_VOID(FindOwn(caller, *row.device_id));
        TRY_VOID(store_.RevokeTokens(*row.device_id, row.created));
      }
      TRY_VOID(store_.ForgetTokens(row.created - kRememberTokens));
      TRY_VOID(store_.InsertToken(row));
      // The start of the hash ties this entry to the one of the token's use.
      return Audit(caller, address, "token.issue", row.device_id.value_or(""), "success",
                   "A registration token was made",
                   {{"token", row.hash.substr(0, 12)}, {"expires", FormatTime(row.expires)}});
    });
  }));
  co_return token;
}

// Registration
// ----------------------------------------------------------------------------------------------------

std::optional<seconds> Exchange::Blocked(const std::string& key) {
  const auto at = wrong_.find(key);
  if (at == wrong_.end()) return std::nullopt;
  const auto now = std::chrono::steady_clock::now();
  if (now >= at->second.until) {
    wrong_.erase(at);
    return std::nullopt;
  }
  if (at->second.count < options_.wrong_tokens) return std::nullopt;
  return std::chrono::duration_cast<seconds>(at->second.until - now) + seconds(1);
}

void Exchange::CountWrong(const std::string& key) {
  const auto now = std::chrono::steady_clock::now();
  if (wrong_.size() >= options_.max_remembered_addresses && !wrong_.contains(key)) {
    std::erase_if(wrong_, [&](const auto& item) { return now >= item.second.until; });
    if (wrong_.size() >= options_.max_remembered_addresses) wrong_.erase(wrong_.begin());
  }
  Wrong& wrong = wrong_[key];
  if (wrong.count == 0 || now >= wrong.until) wrong = {now + options_.wrong_window, 0};
  if (++wrong.count == options_.wrong_tokens)
    logger_.Warn("registration_blocked", {{"address", key}});
}

io::Task<tl::expected<Registered, RegistrationError>> Exchange::Register(
    RegistrationRequest request, std::string address, std::string request_id) {
  const std::string key = RateKey(address);
  if (const auto wait = Blocked(key)) {
    co_return tl::unexpected(RegistrationError{
        "too_many_wrong_tokens",
        Error(Code::kLimited,
              "too many wrong registration tokens from this address; try again in " +
                  std::to_string(wait->count()) + " s"),
        *wait});
  }
  const auto check = [&]() -> Result<void> {
    if (request.token.empty()) return Fail(Code::kInvalid, "token: must not be empty");
    TRY_VOID(CheckText("name", request.name, kMaxName, false));
    TRY_VOID(CheckText("type", request.type, kMaxName, false));
    TRY_VOID(CheckText("version", request.version, kMaxName, false));
    TRY_VOID(CheckText("serial", request.serial, kMaxName, false));
    TRY_VOID(CheckText("host_name", request.host_name, kMaxName, false));
    if (request.request_pem.empty() || request.request_pem.size() > kMaxRequestPem) {
      return Fail(Code::kInvalid, "request_pem: must be a certificate request in PEM of at most " +
                                      std::to_string(kMaxRequestPem) + " bytes");
    }
    return {};
  };
  if (auto checked = check(); !checked) {
    co_return tl::unexpected(RegistrationError{"invalid_request", checked.error(), {}});
  }
  // The pool speaks Result: the finer error goes beside it.
  std::optional<tl::expected<Registered, RegistrationError>> outcome;
  Result<void> ran =
      co_await pool_.Run([this, &outcome, &request, &address, &request_id]() -> Result<void> {
        outcome = RegisterNow(request, address, request_id);
        return {};
      });
  if (!ran)
    co_return tl::unexpected(RegistrationError{"temporarily_unavailable", ran.error(), seconds(5)});
  if (!*outcome && outcome->error().kind == "token_unknown") CountWrong(key);
  if (*outcome) {
    wrong_.erase(key);
    // The caller's function runs on the caller's thread.
    if (options_.organisation_name) {
      (*outcome)->organisation_name = options_.organisation_name((*outcome)->organisation_id);
    }
    logger_.Info("device_registered",
                 {{"device", (*outcome)->device_id},
                  {"address", address},
                  {"certificate_expires", FormatTime((*outcome)->enrolled.expires)}});
  } else {
    logger_.Warn("registration_refused", {{"address", address},
                                          {"kind", outcome->error().kind},
                                          {"error", outcome->error().error.ToString()}});
  }
  co_return std::move(*outcome);
}

tl::expected<Registered, RegistrationError> Exchange::RegisterNow(
    const RegistrationRequest& request, const std::string& address, const std::string& request_id) {
  const Time now = clock_.Now();
  const std::string hash = HashOfToken(request.token.Reveal());
  std::string kind = "temporarily_unavailable";
  Registered registered;
  std::string known_device;
  const auto work = [&]() -> Result<void> {
    kind = "temporarily_unavailable";
    auto token = store_.FindToken(hash);
    if (!token) {
      if (token.error().code != Code::kNotFound) return Fail(token.error());
      kind = "token_unknown";
      return Fail(Code::kUnauthenticated,
                  "this registration token is not known here; copy it again, and check that it "
                  "was made on this server");
    }
    known_device = token->device_id.value_or("");
    if (token->used) {
      kind = "token_used";
      return Fail(Code::kConflict, "this registration token was used already, at " +
                                       FormatTime(*token->used) + "; make a new one");
    }
    if (token->revoked) {
      kind = "token_revoked";
      return Fail(
          Code::kDenied,
          "this registration token was replaced by a newer one or its device was removed; make a "
          "new one");
    }
    if (token->expires <= now) {
      kind = "token_expired";
      return Fail(Code::kDenied, "this registration token expired at " +
                                     FormatTime(token->expires) + " (the server's clock says " +
                                     FormatTime(now) + "); make a new one");
    }
    DeviceRow device;
    if (token->device_id) {
      TRY(device, store_.FindDevice(*token->device_id));
      if (device.removed) {
        kind = "token_revoked";
        return Fail(Code::kDenied, "the device of this token was removed");
      }
    } else {
      TRY(const auto devices, store_.ListDevices(token->organisation_id));
      if (devices.size() >= options_.max_devices)
        return Fail(Code::kLimited, "the organisation has too many devices");
      device.id = RandomUuid();
      device.organisation_id = token->organisation_id;
      device.created = now;
      device.name = !request.name.empty() ? request.name : request.host_name;
      if (device.name.empty()) device.name = "gateway " + device.id.substr(0, 8);
    }
    if (!request.type.empty()) device.type = request.type;
    if (device.type.empty()) device.type = "mailreeve-gateway";
    device.version = request.version;
    device.serial = request.serial;
    device.host_name = request.host_name;
    device.address = address;
    device.registered = now;
    device.last_seen = now;
    device.alert.clear();
    device.state = "registered";
    if (request.time_ms) {
      device.clock_skew_ms =
          std::clamp<int64_t>(*request.time_ms, 0, int64_t{1} << 50) - ToEpochMillis(now);
      registered.clock_warning =
          channel::DescribeSkew(milliseconds(device.clock_skew_ms), options_.hub.clock_skew_limit);
    }
    auto enrolled =
        enroller_.Enroll(request.request_pem, device.id, now, options_.certificate_life);
    if (!enrolled) {
      if (enrolled.error().code == Code::kInvalid) kind = "invalid_request";
      return Fail(std::move(enrolled).error().Note("request_pem"));
    }
    registered.enrolled = std::move(*enrolled);
    TRY(const bool used, store_.UseToken(hash, now));
    if (!used) {
      kind = "token_used";
      return Fail(Code::kConflict, "this registration token was used already; make a new one");
    }
    if (token->device_id) {
      TRY_VOID(store_.UpdateDevice(device));
    } else {
      TRY_VOID(store_.InsertDevice(device));
    }
    // The certificates it had stay good until this one is first used.
    TRY_VOID(store_.InsertCertificate({.sha256 = registered.enrolled.sha256,
                                       .device_id = device.id,
                                       .serial = registered.enrolled.serial,
                                       .issued = now,
                                       .expires = registered.enrolled.expires}));
    registered.device_id = device.id;
    registered.organisation_id = device.organisation_id;
    return AuditDevice(device.id, device.name, address, "https", request_id, "device.register",
                       "success", "Device '" + device.name + "' was registered",
                       {{"token", hash.substr(0, 12)},
                        {"token_made_by", token->made_by},
                        {"certificate_sha256", registered.enrolled.sha256},
                        {"certificate_expires", FormatTime(registered.enrolled.expires)},
                        {"clock_warning", registered.clock_warning}});
  };
  if (Result<void> done = store_.Transaction(work); !done) {
    const Error error = done.error();
    if (auto noted =
            AuditDevice(known_device, request.name, address, "https", request_id, "device.register",
                        kind == "temporarily_unavailable" ? "failure" : "denied", error.message,
                        {{"token", hash.substr(0, 12)}, {"reason", kind}});
        !noted) {
      logger_.Error("audit_failed", {{"error", noted.error().ToString()}});
    }
    return tl::unexpected(
        RegistrationError{kind, error, seconds(kind == "temporarily_unavailable" ? 5 : 0)});
  }
  return registered;
}

Result<Enrolled> Exchange::RenewNow(const std::string& device_id, const std::string& request_pem) {
  if (request_pem.size() > kMaxRequestPem) return Fail(Code::kInvalid, "request_pem: too long");
  const Time now = clock_.Now();
  Enrolled enrolled;
  TRY_VOID(store_.Transaction([&]() -> Result<void> {
    TRY(const DeviceRow device, store_.FindDevice(device_id));
    if (device.removed) return Fail(Code::kDenied, "the device was removed");
    TRY(enrolled, enroller_.Enroll(request_pem, device_id, now, options_.certificate_life));
    TRY_VOID(store_.InsertCertificate({.sha256 = enrolled.sha256,
                                       .device_id = device_id,
                                       .serial = enrolled.serial,
                                       .issued = now,
                                       .expires = enrolled.expires}));
    return AuditDevice(device_id, device.name, device.address, "device-channel", "", "device.renew",
                       "success", "Device '" + device.name + "' got a new certificate",
                       {{"certificate_sha256", enrolled.sha256},
                        {"certificate_expires", FormatTime(enrolled.expires)}});
  }));
  return enrolled;
}

// The channel's gate
// ----------------------------------------------------------------------------------------------

io::Task<Result<channel::Admission>> Exchange::Admit(const http::Request& request) {
  std::string sha256 = request.peer_certificate_sha256;
  std::string common_name = request.peer_certificate_subject_cn;
  if (sha256.empty()) co_return Fail(Code::kUnauthenticated, "a device must show its certificate");
  co_return co_await pool_.Run(
      [this, sha256 = std::move(sha256), common_name = std::move(common_name)] {
        return AdmitNow(sha256, common_name);
      });
}

Result<channel::Admission> Exchange::AdmitNow(const std::string& sha256,
                                              const std::string& common_name) {
  auto certificate = store_.FindCertificate(sha256);
  if (!certificate) {
    if (certificate.error().code != Code::kNotFound) return Fail(certificate.error());
    return Fail(Code::kDenied, "this certificate is not known here; register the device again");
  }
  TRY(const DeviceRow device, store_.FindDevice(certificate->device_id));
  if (device.removed) {
    return Fail(Code::kDenied, "this device was removed at " + Shown(device.removed) +
                                   "; register it again to use it");
  }
  if (certificate->revoked) {
    return Fail(Code::kDenied,
                "this certificate was replaced by a newer one at " + Shown(certificate->revoked) +
                    "; an older copy of the device's state is in use: register it again");
  }
  const Time now = clock_.Now();
  if (certificate->expires <= now) {
    return Fail(Code::kDenied, "this certificate expired at " + FormatTime(certificate->expires) +
                                   " (the server's clock says " + FormatTime(now) +
                                   "); register the device again");
  }
  if (common_name != device.id)
    return Fail(Code::kDenied, "the certificate's name is not the device's id");
  if (!certificate->first_used) {
    TRY_VOID(store_.Transaction([&]() -> Result<void> {
      TRY_VOID(store_.MarkCertificateUsed(sha256, now));
      TRY_VOID(store_.RevokeOlderCertificates(*certificate, now));
      return {};
    }));
  }
  return channel::Admission{device.id, device.organisation_id, device.name};
}

Result<void> Exchange::NoteNow(const std::string& device_id, const channel::Link& link,
                               std::optional<std::string> alert) {
  return store_.Transaction([&]() -> Result<void> {
    TRY(DeviceRow row, store_.FindDevice(device_id));
    if (row.removed) return {};
    row.address = link.address;
    row.clock_skew_ms = link.clock_skew.count();
    row.last_seen = link.last_seen;
    if (!link.version.empty()) row.version = link.version;
    if (!link.host_name.empty()) row.host_name = link.host_name;
    if (!link.serial.empty()) row.serial = link.serial;
    if (alert) {
      row.alert = *alert;
      TRY_VOID(AuditDevice(device_id, row.name, link.address, "device-channel", "", "device.alert",
                           "failure", *alert, {}));
    }
    return store_.UpdateDevice(row);
  });
}

io::Task<void> Exchange::Note(std::string device_id, channel::Link link,
                              std::optional<std::string> alert) {
  const Result<void> noted = co_await pool_.Run(
      [this, &device_id, &link, &alert] { return NoteNow(device_id, link, alert); });
  if (!noted)
    logger_.Error("device_state_not_stored",
                  {{"device", device_id}, {"error", noted.error().ToString()}});
}

void Exchange::OnConnected(const channel::Admission& device, const channel::Link& link) {
  scope_.Spawn("device_connected", Note(device.device_id, link, std::nullopt));
}

void Exchange::OnDisconnected(const channel::Link& link, const std::string&) {
  scope_.Spawn("device_disconnected", Note(link.device_id, link, std::nullopt));
}

void Exchange::OnClone(const channel::Link& link, const std::string& other_address) {
  scope_.Spawn("device_cloned",
               Note(link.device_id, link,
                    "two programs use the identity of this device and replace each other, from " +
                        link.address + " and " + other_address +
                        ": a copied machine or a stolen key. Stop one of them, or remove "
                        "the device and register it again"));
}

std::unique_ptr<relay::Module> Exchange::ServeDevice(const channel::Admission& device) {
  return std::make_unique<DeviceService>(*this, device.device_id);
}

}  // namespace mailreeve::response::exchange
