#pragma once

#include "response/identity/identity.h"

#include <chrono>
#include <optional>
#include <string>

// What the parts of OAuth share. Values and pure functions.
//
// What the protocol has a word for fails with that word as message and a sentence as note; IsWord
// tells it from other errors (kUnavailable, kLimited), which have none.
namespace mailreeve::response::oauth {

using identity::Account;
using identity::Caller;
using identity::Client;
using identity::Origin;
using identity::ScopeSet;

struct Options {
  std::chrono::seconds request_life{600};  // to sign in and consent
  std::chrono::seconds code_life{60};
  std::chrono::seconds refresh_life{30 * 86400};  // unused so long, a refresh token runs out
  std::chrono::seconds grant_life{365 * 86400};   // then the person is asked again
  std::chrono::seconds device_life{600};
  std::chrono::seconds device_interval{5};
  size_t max_pending = 1000;      // requests, codes to type, of one client
  bool allow_plain_pkce = false;  // method "plain", for clients that cannot hash
  bool pkce_for_all = false;      // also for clients that have a secret
};
// The settings oauth.*.
Options FromSettings(const settings::Snapshot& snapshot);

// kInvalid with the protocol's word.
tl::unexpected<Error> Refused(std::string word, std::string why);
// Empty when the error is no word of the protocol.
std::string WordOf(const Error& error);
std::string WhyOf(const Error& error);

struct Tokens {
  identity::IssuedToken access;
  Secret refresh;        // empty: none
  std::string id_token;  // empty: openid was not asked for
};

inline constexpr std::string_view kCodeGrant = "auth-code", kDeviceGrant = "device-grant";

// Whether a person may allow this client anything: its availability (kRefused word access_denied).
Result<void> CheckAvailability(const Client& client, const Account& account);
// What the client gets of `asked` from this person. "invalid_scope" when the client holds none of
// it, or the person lacks some and the client does not take less.
Result<ScopeSet> ScopesFor(const Client& client, const Account& account, const ScopeSet& asked);
// The scopes a client asks for, cut to its own; all of them when it names none.
Result<ScopeSet> AskedScopes(const Client& client, const std::string& scope);

}  // namespace mailreeve::response::oauth
