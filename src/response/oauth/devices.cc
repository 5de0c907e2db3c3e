#include "response/oauth/devices.h"

#include "base/random.h"
#include "response/identity/rows.h"

namespace mailreeve::response::oauth {
namespace {

using identity::HashOfSecret;

// RFC 8628 section 6.1: no vowels, so no words, and nothing that looks like a digit. 20^8 codes.
std::string NewUserCode() {
  constexpr std::string_view kLetters = "BCDFGHJKLMNPQRSTVWXZ";
  std::string out;
  while (out.size() < 8) {
    for (const char byte : RandomBytes(16)) {
      const auto value = static_cast<unsigned char>(byte);
      if (value < 240 && out.size() < 8) out += kLetters[value % 20];
    }
  }
  return out;
}

}  // namespace

io::Task<Result<DeviceCodes>> Devices::Begin(Client client, std::string scope) {
  co_return co_await core_.database_pool.Run(
      [this, client, scope] { return Insert(client, scope); });
}

Result<DeviceCodes> Devices::Insert(const Client& client, const std::string& scope) {
  if (!client.HasGrant(kDeviceGrant))
    return Refused("unauthorized_client", "this client may not use the device grant");
  TRY(const ScopeSet scopes, AskedScopes(client, scope));
  const Time now = core_.clock.Now();
  DeviceCodes out;
  out.device_code = Secret(RandomToken(32));
  const std::string code = NewUserCode();
  out.user_code = code.substr(0, 4) + "-" + code.substr(4);
  out.life = options_.device_life;
  out.interval = options_.device_interval;
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto prune, core_.database.Prepare("DELETE FROM oauth_device WHERE expires_at < ?1"));
    // Kept for a while, so that a device that asks late hears why.
    TRY_VOID(prune.Bind(1, ToEpochMicros(now - std::chrono::hours(1))).Run());
    TRY(auto count,
        core_.database.Prepare(
            "SELECT count(*) FROM oauth_device WHERE client_id = ?1 AND expires_at > ?2"));
    TRY(const bool there, count.Bind(1, client.id).Bind(2, ToEpochMicros(now)).Step());
    if (there && count.Integer(0) >= static_cast<int64_t>(options_.max_pending))
      return Fail(Code::kLimited, "too many codes of this client wait to be typed");
    count.Reset();
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO oauth_device (device_hash, user_code_hash, client_id, scopes, state, "
            "account_id, authenticated_at, interval_s, polled_at, expires_at) VALUES (?1, ?2, ?3, "
            "?4, 'pending', '', 0, ?5, 0, ?6)"));
    TRY_VOID(insert.Bind(1, HashOfSecret(out.device_code.Reveal()))
                 .Bind(2, HashOfSecret("device " + code))
                 .Bind(3, client.id)
                 .Bind(4, scopes.ToString())
                 .Bind(5, int64_t{options_.device_interval.count()})
                 .Bind(6, ToEpochMicros(now + options_.device_life))
                 .Run());
    return {};
  }));
  return out;
}

io::Task<Result<Tokens>> Devices::Poll(Client client, Secret device_code, Origin origin) {
  co_return co_await core_.database_pool.Run([this, client, device_code, origin] {
    return Ask(client, std::string(device_code.Reveal()), origin);
  });
}

Result<Tokens> Devices::Ask(const Client& client, const std::string& code, const Origin& origin) {
  const std::string hash = HashOfSecret(code);
  const Time now = core_.clock.Now();
  std::string state, account_id, scopes_text;
  Time authenticated;
  {
    TRY(auto select,
        core_.database.Prepare("SELECT client_id, scopes, state, account_id, authenticated_at, "
                               "interval_s, polled_at, expires_at FROM oauth_device WHERE "
                               "device_hash = ?1"));
    TRY(const bool there, select.Bind(1, hash).Step());
    if (!there || select.Text(0) != client.id)
      return Refused("invalid_grant", "there is no such device code");
    scopes_text = select.Text(1);
    state = select.Text(2);
    account_id = select.Text(3);
    authenticated = FromEpochMicros(select.Integer(4));
    int64_t interval = select.Integer(5);
    const Time polled = FromEpochMicros(select.Integer(6));
    const bool expired = select.Integer(7) <= ToEpochMicros(now);
    select.Reset();
    if (expired) return Refused("expired_token", "the code was not typed in time; begin again");
    const bool early = now - polled < std::chrono::seconds(interval);
    if (early) interval += 5;  // RFC 8628 section 3.5
    TRY(auto update, core_.database.Prepare("UPDATE oauth_device SET polled_at = ?2, interval_s = "
                                            "?3 WHERE device_hash = ?1"));
    TRY_VOID(update.Bind(1, hash).Bind(2, ToEpochMicros(now)).Bind(3, interval).Run());
    if (early) return Refused("slow_down", "ask every " + std::to_string(interval) + " seconds");
  }
  if (state == "pending") return Refused("authorization_pending", "the code was not yet typed");
  if (state == "denied") return Refused("access_denied", "the user refused");
  if (state != "allowed") return Refused("invalid_grant", "the device code was used before");
  TRY(const ScopeSet scopes, ScopeSet::Parse(scopes_text));
  Tokens out;
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto use, core_.database.Prepare("UPDATE oauth_device SET state = 'used' WHERE device_hash "
                                         "= ?1 AND state = 'allowed'"));
    TRY(const int64_t changed, use.Bind(1, hash).Run());
    if (changed == 0) return Refused("invalid_grant", "the device code was used before");
    TRY(const Account account, identity_.accounts().Get(account_id));
    TRY_VOID(CheckAvailability(client, account));
    std::string grant_id;
    TRY(out,
        grants_.Start(client, account, scopes, kDeviceGrant, "", authenticated, origin, grant_id));
    return {};
  }));
  return out;
}

}  // namespace mailreeve::response::oauth
