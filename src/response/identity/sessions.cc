#include "response/identity/sessions.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "response/identity/rows.h"

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

// "<session id>.<secret>"
bool SplitCookie(std::string_view cookie, std::string& id, std::string& secret) {
  const size_t dot = cookie.find('.');
  if (cookie.size() > 256 || dot == std::string_view::npos) return false;
  id = cookie.substr(0, dot);
  secret = cookie.substr(dot + 1);
  return !id.empty() && !secret.empty();
}

}  // namespace

io::Task<Result<SignedIn>> Sessions::SignIn(std::string user, Secret password, Origin origin,
                                            std::string code) {
  CO_TRY(const Account account,
         co_await Verify(std::move(user), std::move(password), origin, std::move(code)));
  co_return co_await core_.database_pool.Run(
      [this, account, origin] { return StartSession(account, origin); });
}

io::Task<Result<Account>> Sessions::Verify(std::string user, Secret password, Origin origin,
                                           std::string code) {
  const std::string login = LoginKey(user);
  if (login.empty() || login.size() > 320 || !IsValidUtf8(login) ||
      password.Reveal().size() > 1024) {
    co_return Fail(Code::kUnauthenticated, "wrong user or password");
  }
  // One spelling for the limit, whether they come by name or by address.
  CO_TRY(std::optional<Accounts::Found> found,
         co_await core_.database_pool.Run(
             [this, login, address = origin.address] { return accounts_.Find(login, address); }));
  const std::string limited = found ? "user " + found->account.id : "login " + login;
  const bool known = found && found->address_known;
  if (!core_.tries.Take(limited, origin.address, known)) {
    core_.logger.Warn("sign_in_limited",
                      {{"address", origin.address}, {"request_id", origin.request_id}});
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  }
  const std::string hash = found ? found->password_hash : core_.dummy_hash;
  CO_TRY(const bool right, co_await core_.password_pool.Run([hash, password]() -> Result<bool> {
    return crypto::VerifyPassword(password.Reveal(), hash);
  }));
  bool code_right = true;
  if (found && right && found->account.enabled && found->account.has_one_time_codes) {
    if (code.empty()) {
      core_.tries.GiveBack(limited, origin.address, known);
      co_return Fail(Code::kUnauthenticated, std::string(kCodeNeeded));
    }
    CO_TRY(code_right, co_await core_.database_pool.Run([this, id = found->account.id, code] {
      return factor_.Take(id, code);
    }));
  }
  if (!found || !right || !found->account.enabled || !code_right) {
    audit::Entry entry =
        core_.EntryOf(origin, "user.sign_in", "failure", "Sign-in with a wrong user or password.");
    // What was typed as a name of nobody may be a password, so it is not kept.
    entry.actor = {"user", found ? found->account.id : "", found ? found->account.name : "unknown"};
    entry.object = {"user", found ? found->account.id : ""};
    CO_TRY_VOID(co_await core_.AppendAudit(std::move(entry)));
    co_return Fail(Code::kUnauthenticated, "wrong user or password");
  }
  core_.tries.GiveBack(limited, origin.address, known);
  co_return found->account;
}

io::Task<Result<Account>> Sessions::Peek(Secret cookie) {
  co_return co_await core_.database_pool.Run([this, cookie]() -> Result<Account> {
    std::string id, secret;
    const auto refuse = [] { return Fail(Code::kUnauthenticated, "there is no such session"); };
    if (!SplitCookie(cookie.Reveal(), id, secret)) return refuse();
    TRY(std::optional<Session> session, FindSession(id));
    const Time now = core_.clock.Now();
    if (!session || session->expires <= now || !session->account.enabled) return refuse();
    const std::string hash = HashOfSecret(secret);
    const bool current = ConstantTimeEqual(hash, session->secret_hash);
    const bool previous = !session->previous_hash.empty() &&
                          ConstantTimeEqual(hash, session->previous_hash) &&
                          now - session->rotated <= core_.options.rotation_grace;
    if (!current && !previous) return refuse();
    return std::move(session->account);
  });
}

Result<IssuedToken> Sessions::IssueSessionToken(const Account& account,
                                                const std::string& session_id) {
  Caller caller = accounts_.CallerOf(account);
  caller.grant = "password";
  caller.kind = "session-token";
  caller.session_id = session_id;
  caller.scopes = caller.oauth_scopes = caller.user_scopes;
  if (accounts_.NeedsOf(account).any()) {
    // Enough to see to it, and nothing else.
    TRY(const ScopeSet only, ScopeSet::Parse("profile"));
    caller.scopes = caller.user_scopes.Intersect(only);
  }
  return core_.issuer.Issue(caller);
}

Result<SignedIn> Sessions::StartSession(const Account& account, const Origin& origin) {
  const Time now = core_.clock.Now();
  const std::string id = RandomUuid();
  const std::string secret = RandomToken(32);
  SignedIn out;
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto prune, core_.database.Prepare("DELETE FROM session WHERE expires_at < ?1"));
    TRY_VOID(prune.Bind(1, ToEpochMicros(now)).Run());
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO session (id, account_id, secret_hash, previous_hash, rotated_at, "
            "created_at, expires_at, address, last_used_at) VALUES (?1, ?2, ?3, '', ?4, ?4, ?5, "
            "?6, ?4)"));
    TRY_VOID(insert.Bind(1, id)
                 .Bind(2, account.id)
                 .Bind(3, HashOfSecret(secret))
                 .Bind(4, ToEpochMicros(now))
                 .Bind(5, ToEpochMicros(now + core_.options.session_life))
                 .Bind(6, origin.address)
                 .Run());
    TRY(auto touch, core_.database.Prepare("UPDATE account SET last_logged_at = ?2 WHERE id = ?1"));
    TRY_VOID(touch.Bind(1, account.id).Bind(2, ToEpochMicros(now)).Run());
    TRY_VOID(accounts_.RememberAddress(account.id, origin.address));
    TRY(out.token, IssueSessionToken(account, id));
    audit::Entry entry = core_.EntryOf(origin, "user.sign_in", "success", "A user signed in.");
    entry.actor = {"user", account.id, account.name};
    entry.object = {"session", id};
    return core_.Audit(std::move(entry));
  }));
  out.account = account;
  out.needs = accounts_.NeedsOf(account);
  out.refresh = Secret(id + "." + secret);
  out.refresh_life = core_.options.session_life;
  return out;
}

Result<std::optional<Sessions::Session>> Sessions::FindSession(const std::string& id) {
  TRY(auto select,
      core_.database.Prepare(
          "SELECT " + std::string(kAccountColumns) +
          ", s.id, s.secret_hash, s.previous_hash, s.rotated_at, s.created_at, s.expires_at "
          "FROM session s JOIN account a ON a.id = s.account_id WHERE s.id = ?1"));
  TRY(const bool there, select.Bind(1, id).Step());
  if (!there) return std::nullopt;
  Session session;
  session.account = ReadAccount(select);
  session.id = select.Text(kAccountColumnCount + 0);
  session.secret_hash = select.Text(kAccountColumnCount + 1);
  session.previous_hash = select.Text(kAccountColumnCount + 2);
  session.rotated = FromEpochMicros(select.Integer(kAccountColumnCount + 3));
  session.created = FromEpochMicros(select.Integer(kAccountColumnCount + 4));
  session.expires = FromEpochMicros(select.Integer(kAccountColumnCount + 5));
  return session;
}

io::Task<Result<SignedIn>> Sessions::Refresh(Secret cookie, Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, cookie, origin] { return RefreshSession(std::string(cookie.Reveal()), origin); });
}

Result<SignedIn> Sessions::RefreshSession(const std::string& cookie, const Origin& origin) {
  const auto refuse = [] {
    return Fail(Code::kUnauthenticated, "there is no such session; sign in");
  };
  std::string id, secret;
  if (!SplitCookie(cookie, id, secret)) return refuse();
  TRY(const std::optional<Session> session, FindSession(id));
  const Time now = core_.clock.Now();
  if (!session || session->expires <= now || !session->account.enabled) return refuse();
  const std::string hash = HashOfSecret(secret);
  const bool current = ConstantTimeEqual(hash, session->secret_hash);
  if (!current) {
    if (session->previous_hash.empty() || !ConstantTimeEqual(hash, session->previous_hash))
      return refuse();
    if (now - session->rotated > core_.options.rotation_grace) {
      // Somebody holds a copy of a cookie that was replaced: owner or thief, the session is not
      // safe any more.
      audit::Entry entry = core_.EntryOf(
          origin, "session.revoke", "success",
          "A refresh cookie was used again after it had been replaced; the session was ended.");
      entry.actor = {"system", "mailreeve-response", "mailreeve-response"};
      entry.object = {"session", id};
      entry.details = {{"user", session->account.id}};
      TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
        TRY(auto remove, core_.database.Prepare("DELETE FROM session WHERE id = ?1"));
        TRY_VOID(remove.Bind(1, id).Run());
        TRY_VOID(core_.Revoke("session " + id));
        return core_.Audit(entry);
      }));
      return refuse();
    }
  }
  SignedIn out;
  out.account = session->account;
  out.needs = accounts_.NeedsOf(session->account);
  out.refresh_life = std::chrono::duration_cast<std::chrono::seconds>(session->expires - now);
  TRY(out.token, IssueSessionToken(session->account, id));
  if (current) {
    const std::string next = RandomToken(32);
    TRY(auto update,
        core_.database.Prepare(
            "UPDATE session SET secret_hash = ?2, previous_hash = ?3, rotated_at = ?4, "
            "last_used_at = ?4 "
            "WHERE id = ?1"));
    TRY_VOID(update.Bind(1, id)
                 .Bind(2, HashOfSecret(next))
                 .Bind(3, hash)
                 .Bind(4, ToEpochMicros(now))
                 .Run());
    out.refresh = Secret(id + "." + next);
  }
  audit::Entry entry =
      core_.EntryOf(origin, "token.issue", "success", "A session got a new access token.");
  entry.actor = {"user", out.account.id, out.account.name};
  entry.object = {"session", id};
  TRY_VOID(core_.Audit(std::move(entry)));
  return out;
}

io::Task<Result<void>> Sessions::SignOut(Secret cookie, Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, cookie, origin] { return EndSession(std::string(cookie.Reveal()), origin); });
}

Result<void> Sessions::EndSession(const std::string& cookie, const Origin& origin) {
  std::string id, secret;
  if (!SplitCookie(cookie, id, secret)) return {};
  TRY(const std::optional<Session> session, FindSession(id));
  if (!session) return {};
  const std::string hash = HashOfSecret(secret);
  if (!ConstantTimeEqual(hash, session->secret_hash) &&
      !ConstantTimeEqual(hash, session->previous_hash))
    return {};
  audit::Entry entry = core_.EntryOf(origin, "user.sign_out", "success", "A user signed out.");
  entry.actor = {"user", session->account.id, session->account.name};
  entry.object = {"session", id};
  return core_.database.Transaction([&]() -> Result<void> {
    TRY(auto remove, core_.database.Prepare("DELETE FROM session WHERE id = ?1"));
    TRY_VOID(remove.Bind(1, id).Run());
    TRY_VOID(core_.Revoke("session " + id));
    return core_.Audit(entry);
  });
}

io::Task<Result<std::vector<SessionInfo>>> Sessions::List(Caller caller) {
  co_return co_await core_.database_pool.Run([this, caller]() -> Result<std::vector<SessionInfo>> {
    TRY(auto select,
        core_.database.Prepare("SELECT id, address, created_at, last_used_at, expires_at FROM "
                               "session WHERE account_id = ?1 AND expires_at > ?2 ORDER BY "
                               "created_at, id"));
    select.Bind(1, caller.user_id).Bind(2, ToEpochMicros(core_.clock.Now()));
    std::vector<SessionInfo> out;
    while (true) {
      TRY(const bool more, select.Step());
      if (!more) return out;
      SessionInfo info;
      info.id = select.Text(0);
      info.address = select.Text(1);
      info.created = FromEpochMicros(select.Integer(2));
      info.last_used = std::max(info.created, FromEpochMicros(select.Integer(3)));
      info.expires = FromEpochMicros(select.Integer(4));
      info.is_current = info.id == caller.session_id;
      out.push_back(std::move(info));
    }
  });
}

io::Task<Result<void>> Sessions::End(Caller caller, std::string session_id, Origin origin) {
  co_return co_await core_.database_pool.Run([this, caller, session_id, origin]() -> Result<void> {
    return core_.database.Transaction([&]() -> Result<void> {
      TRY(auto remove,
          core_.database.Prepare("DELETE FROM session WHERE id = ?1 AND account_id = ?2"));
      TRY(const int64_t removed, remove.Bind(1, session_id).Bind(2, caller.user_id).Run());
      if (removed == 0) return Fail(Code::kNotFound, "there is no such session");
      TRY_VOID(core_.Revoke("session " + session_id));
      audit::Entry entry =
          core_.EntryOf(caller, origin, "session.revoke", "A user ended one of their sessions.");
      entry.object = {"session", session_id};
      return core_.Audit(std::move(entry));
    });
  });
}

}  // namespace mailreeve::response::identity
