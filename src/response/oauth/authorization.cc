#include "response/oauth/authorization.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "http/message.h"
#include "response/identity/redirect.h"
#include "response/identity/rows.h"

#include <algorithm>

namespace mailreeve::response::oauth {
namespace {

using identity::HashOfSecret;

constexpr size_t kMaxParameterBytes = 2000;

// RFC 7636 section 4.2; an S256 challenge is 32 bytes in base64url.
bool IsChallenge(std::string_view text, bool is_hash) {
  if (is_hash ? text.size() != 43 : text.size() < 43 || text.size() > 128) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || (!is_hash && (c == '.' || c == '~'));
  });
}

tl::unexpected<Error> NoRequest() {
  return Fail(Code::kNotFound,
              "the request has run out or belongs to another browser; begin again");
}

}  // namespace

std::string NormalUserCode(std::string_view typed) {
  std::string out;
  if (typed.size() > 64) return {};
  for (const char c : typed) {
    if (c == ' ' || c == '-') continue;
    out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  const bool good = out.size() == 8 && std::all_of(out.begin(), out.end(),
                                                   [](char c) { return c >= 'A' && c <= 'Z'; });
  return good ? out : std::string();
}

std::string Authorization::RedirectTo(
    const std::string& address, const std::string& state,
    std::vector<std::pair<std::string, std::string>> parameters) const {
  if (!state.empty()) parameters.emplace_back("state", state);
  parameters.emplace_back("iss", core_.options.token.issuer);
  std::string out = address;
  char separator = address.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [name, value] : parameters) {
    out += separator + name + "=" + http::PercentEncode(value);
    separator = '&';
  }
  return out;
}

io::Task<tl::expected<RequestKey, BeginFailure>> Authorization::Begin(AuthorizeQuery query,
                                                                      Origin) {
  tl::expected<RequestKey, BeginFailure> begun = tl::unexpected(BeginFailure{});
  auto done = co_await core_.database_pool.Run([this, query, &begun]() -> Result<void> {
    begun = BeginNow(query);
    return {};
  });
  if (!done) co_return tl::unexpected(BeginFailure{std::move(done.error()), ""});
  co_return begun;
}

tl::expected<RequestKey, BeginFailure> Authorization::BeginNow(const AuthorizeQuery& query) {
  const auto show = [](Error error) { return tl::unexpected(BeginFailure{std::move(error), ""}); };
  for (const std::string* text : {&query.client_id, &query.redirect_uri, &query.scope, &query.state,
                                  &query.nonce, &query.challenge}) {
    if (text->size() > kMaxParameterBytes)
      return show(Refused("invalid_request", "a parameter is too long").value());
  }
  Result<Client> client = identity_.clients().Find(query.client_id);
  if (!client && client.error().code != Code::kNotFound) return show(std::move(client.error()));
  if (!client || !identity_.clients().CheckUsable(*client))
    return show(Refused("invalid_client", "there is no such client").value());
  const bool known = std::any_of(client->redirects.begin(), client->redirects.end(),
                                 [&](const std::string& registered) {
                                   return identity::RedirectMatches(registered, query.redirect_uri);
                                 });
  if (!known) {
    return show(
        Refused("invalid_request", "redirect_uri is not one that the client registered").value());
  }
  const auto send = [&](Error error) {
    const std::string word = WordOf(error);
    if (word.empty()) return show(std::move(error));
    const std::string why = WhyOf(error);
    return tl::unexpected(
        BeginFailure{std::move(error), RedirectTo(query.redirect_uri, query.state,
                                                  {{"error", word}, {"error_description", why}})});
  };
  if (auto checked = CheckQuery(query, *client); !checked) return send(std::move(checked.error()));
  Result<ScopeSet> scopes = AskedScopes(*client, query.scope);
  if (!scopes) return send(std::move(scopes.error()));
  Result<RequestKey> key = Insert(client->id, query, *scopes, "");
  if (!key) return show(std::move(key.error()));
  return *std::move(key);
}

Result<void> Authorization::CheckQuery(const AuthorizeQuery& query, const Client& client) {
  if (query.response_type != "code")
    return Refused("unsupported_response_type", "only response_type=code is served");
  if (!client.HasGrant(kCodeGrant))
    return Refused("unauthorized_client", "this client may not use authorization codes");
  if (query.challenge.empty()) {
    if (!query.challenge_method.empty())
      return Refused("invalid_request", "code_challenge is missing");
    if (client.is_public || options_.pkce_for_all)
      return Refused("invalid_request", "PKCE is required: send code_challenge with method S256");
    return {};
  }
  const bool plain = query.challenge_method.empty() || query.challenge_method == "plain";
  if (!plain && query.challenge_method != "S256")
    return Refused("invalid_request", "code_challenge_method must be S256");
  if (plain && !options_.allow_plain_pkce)
    return Refused("invalid_request", "code_challenge_method must be S256; plain is not served");
  if (!IsChallenge(query.challenge, !plain))
    return Refused("invalid_request", "code_challenge is not of the form of RFC 7636");
  return {};
}

Result<RequestKey> Authorization::Insert(const std::string& client_id, const AuthorizeQuery& query,
                                         const ScopeSet& scopes, const std::string& device_hash) {
  RequestKey key{Secret(RandomToken(32)), Secret(RandomToken(32))};
  const Time now = core_.clock.Now();
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto prune, core_.database.Prepare("DELETE FROM oauth_request WHERE expires_at < ?1"));
    TRY_VOID(prune.Bind(1, ToEpochMicros(now)).Run());
    TRY(auto count,
        core_.database.Prepare("SELECT count(*) FROM oauth_request WHERE client_id = ?1"));
    TRY(const bool there, count.Bind(1, client_id).Step());
    if (there && count.Integer(0) >= static_cast<int64_t>(options_.max_pending))
      return Fail(Code::kLimited, "too many requests of this client wait for an answer");
    count.Reset();
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO oauth_request (id_hash, browser_hash, client_id, redirect_uri, scopes, "
            "state, nonce, challenge, challenge_method, device_hash, account_id, authenticated_at, "
            "expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, '', 0, ?11)"));
    TRY_VOID(insert.Bind(1, HashOfSecret(key.id.Reveal()))
                 .Bind(2, HashOfSecret(key.browser.Reveal()))
                 .Bind(3, client_id)
                 .Bind(4, query.redirect_uri)
                 .Bind(5, scopes.ToString())
                 .Bind(6, query.state)
                 .Bind(7, query.nonce)
                 .Bind(8, query.challenge)
                 .Bind(9, query.challenge.empty()          ? ""
                          : query.challenge_method.empty() ? "plain"
                                                           : query.challenge_method.c_str())
                 .Bind(10, device_hash)
                 .Bind(11, ToEpochMicros(now + options_.request_life))
                 .Run());
    return {};
  }));
  return key;
}

io::Task<Result<RequestKey>> Authorization::BeginDevice(std::string user_code, Origin origin) {
  // Codes are short, so tries are counted by address; only that, or somebody could keep others out.
  if (!core_.tries.TakeAddress(origin.address))
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  Result<RequestKey> begun =
      co_await core_.database_pool.Run([this, user_code]() -> Result<RequestKey> {
        TRY(auto select,
            core_.database.Prepare("SELECT device_hash, client_id, scopes, expires_at, state FROM "
                                   "oauth_device WHERE user_code_hash = ?1"));
        TRY(const bool there,
            select.Bind(1, HashOfSecret("device " + NormalUserCode(user_code))).Step());
        if (!there || select.Integer(3) <= ToEpochMicros(core_.clock.Now()) ||
            select.Text(4) != "pending") {
          return Refused("invalid_grant", "there is no such code, or it has run out");
        }
        const std::string hash = select.Text(0), client_id = select.Text(1);
        TRY(const ScopeSet scopes, ScopeSet::Parse(select.Text(2)));
        select.Reset();
        return Insert(client_id, {}, scopes, hash);
      });
  if (begun || WordOf(begun.error()).empty()) core_.tries.GiveBackAddress(origin.address);
  co_return begun;
}

io::Task<Result<Pending>> Authorization::Load(RequestKey key) {
  co_return co_await core_.database_pool.Run([this, key] { return Read(key); });
}

Result<Pending> Authorization::Read(const RequestKey& key) {
  TRY(auto select,
      core_.database.Prepare(
          "SELECT browser_hash, client_id, redirect_uri, scopes, state, nonce, challenge, "
          "challenge_method, device_hash, account_id, authenticated_at, expires_at FROM "
          "oauth_request WHERE id_hash = ?1"));
  TRY(const bool there, select.Bind(1, HashOfSecret(key.id.Reveal())).Step());
  if (!there || select.Integer(11) <= ToEpochMicros(core_.clock.Now()) ||
      !ConstantTimeEqual(select.Text(0), HashOfSecret(key.browser.Reveal()))) {
    return NoRequest();
  }
  Pending out;
  const std::string client_id = select.Text(1), account_id = select.Text(9);
  out.redirect_uri = select.Text(2);
  TRY(out.scopes, ScopeSet::Parse(select.Text(3)));
  out.state = select.Text(4);
  out.nonce = select.Text(5);
  out.challenge = select.Text(6);
  out.challenge_method = select.Text(7);
  out.device_hash = select.Text(8);
  out.is_device = !out.device_hash.empty();
  out.authenticated = FromEpochMicros(select.Integer(10));
  select.Reset();
  TRY(out.client, identity_.clients().Find(client_id));
  if (!identity_.clients().CheckUsable(out.client)) return NoRequest();
  if (!account_id.empty()) {
    TRY(out.account, identity_.accounts().Get(account_id));
  }
  return out;
}

io::Task<Result<void>> Authorization::SetAccount(RequestKey key, Account account) {
  co_return co_await core_.database_pool.Run([this, key, account]() -> Result<void> {
    TRY(const Pending pending, Read(key));
    TRY_VOID(CheckAvailability(pending.client, account));
    TRY(const ScopeSet scopes, ScopesFor(pending.client, account, pending.scopes));
    TRY(auto update,
        core_.database.Prepare("UPDATE oauth_request SET account_id = ?2, authenticated_at = ?3, "
                               "scopes = ?4 WHERE id_hash = ?1"));
    TRY_VOID(update.Bind(1, HashOfSecret(key.id.Reveal()))
                 .Bind(2, account.id)
                 .Bind(3, ToEpochMicros(core_.clock.Now()))
                 .Bind(4, scopes.ToString())
                 .Run());
    return {};
  });
}

io::Task<Result<std::string>> Authorization::Answer(RequestKey key, bool allowed, Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, key, allowed, origin] { return Finish(key, allowed, origin); });
}

Result<std::string> Authorization::Finish(const RequestKey& key, bool allowed,
                                          const Origin& origin) {
  TRY(const Pending pending, Read(key));
  if (allowed && !pending.account) return Fail(Code::kUnauthenticated, "nobody has signed in");
  if (allowed && !pending.account->enabled)
    return Fail(Code::kUnauthenticated, "the user is disabled");
  const Time now = core_.clock.Now();
  std::string to;
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto remove, core_.database.Prepare("DELETE FROM oauth_request WHERE id_hash = ?1"));
    TRY(const int64_t removed, remove.Bind(1, HashOfSecret(key.id.Reveal())).Run());
    if (removed == 0) return NoRequest();
    audit::Entry entry = core_.EntryOf(
        origin, allowed ? "grant.allow" : "grant.refuse", allowed ? "success" : "denied",
        allowed ? "A user allowed a client to act for them." : "A user refused a client.");
    if (pending.account) entry.actor = {"user", pending.account->id, pending.account->name};
    if (!pending.account) entry.actor = {"user", "", "unknown"};
    entry.object = {"client", pending.client.id};
    entry.details = {{"scopes", pending.scopes.ToString()}, {"device", pending.is_device}};
    if (pending.is_device) {
      // Refusing before anybody signed in must not end what somebody else's device waits for.
      if (allowed || pending.account) {
        TRY(auto update,
            core_.database.Prepare("UPDATE oauth_device SET state = ?2, account_id = ?3, "
                                   "authenticated_at = ?4, scopes = ?5 WHERE device_hash = ?1 AND "
                                   "state = 'pending' AND expires_at > ?6"));
        TRY(const int64_t changed, update.Bind(1, pending.device_hash)
                                       .Bind(2, allowed ? "allowed" : "denied")
                                       .Bind(3, pending.account->id)
                                       .Bind(4, ToEpochMicros(pending.authenticated))
                                       .Bind(5, pending.scopes.ToString())
                                       .Bind(6, ToEpochMicros(now))
                                       .Run());
        if (changed == 0) return NoRequest();
      }
      return core_.Audit(std::move(entry));
    }
    if (!allowed) {
      to = RedirectTo(pending.redirect_uri, pending.state,
                      {{"error", "access_denied"}, {"error_description", "The user refused."}});
      return core_.Audit(std::move(entry));
    }
    const std::string code = RandomToken(32);
    TRY(auto prune, core_.database.Prepare("DELETE FROM oauth_code WHERE expires_at < ?1"));
    // Used codes stay for a while, so that a second use is seen.
    TRY_VOID(prune.Bind(1, ToEpochMicros(now - std::chrono::hours(1))).Run());
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO oauth_code (code_hash, client_id, account_id, redirect_uri, scopes, "
            "nonce, challenge, challenge_method, authenticated_at, expires_at, grant_id) VALUES "
            "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, '')"));
    TRY_VOID(insert.Bind(1, HashOfSecret(code))
                 .Bind(2, pending.client.id)
                 .Bind(3, pending.account->id)
                 .Bind(4, pending.redirect_uri)
                 .Bind(5, pending.scopes.ToString())
                 .Bind(6, pending.nonce)
                 .Bind(7, pending.challenge)
                 .Bind(8, pending.challenge_method)
                 .Bind(9, ToEpochMicros(pending.authenticated))
                 .Bind(10, ToEpochMicros(now + options_.code_life))
                 .Run());
    to = RedirectTo(pending.redirect_uri, pending.state, {{"code", code}});
    return core_.Audit(std::move(entry));
  }));
  return to;
}

}  // namespace mailreeve::response::oauth
