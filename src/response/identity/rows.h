#pragma once

#include "response/identity/model.h"
#include "sql/database.h"

#include <string>
#include <string_view>

// What the parts of identity (accounts, sessions, clients) share of the database's rows.
namespace mailreeve::response::identity {

// What stands in the database for a secret of at least 256 random bits: SHA-256, lower hex.
std::string HashOfSecret(std::string_view secret);
// The form of a user name or e-mail address that log-ins are looked up and counted by.
std::string LoginKey(std::string_view login);

// Of table account, joined as "a"; what ReadAccount reads, in this order.
inline constexpr std::string_view kAccountColumns =
    "a.id, a.org_id, a.name, a.nick, a.email, a.role, a.enabled, a.created_at, a.updated_at, "
    "a.last_logged_at, a.must_change_password, a.totp_confirmed";
inline constexpr int kAccountColumnCount = 12;  // what stands behind them begins here
Account ReadAccount(const sql::Statement& row);

}  // namespace mailreeve::response::identity
