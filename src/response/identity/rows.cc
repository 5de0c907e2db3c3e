#include "response/identity/rows.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace mailreeve::response::identity {

std::string HashOfSecret(std::string_view secret) { return HexEncode(crypto::Sha256(secret)); }

std::string LoginKey(std::string_view login) { return AsciiLower(TrimSpace(login)); }

Account ReadAccount(const sql::Statement& row) {
  Account account;
  account.id = row.Text(0);
  account.org_id = row.Text(1);
  account.name = row.Text(2);
  account.nick = row.Text(3);
  account.email = row.Text(4);
  account.role = RoleFromName(row.Text(5)).value_or(Role::kReadOnly);
  account.enabled = row.Integer(6) != 0;
  account.created = FromEpochMicros(row.Integer(7));
  account.updated = FromEpochMicros(row.Integer(8));
  if (!row.IsNull(9)) account.last_logged = FromEpochMicros(row.Integer(9));
  account.must_change_password = row.Integer(10) != 0;
  account.has_one_time_codes = row.Integer(11) != 0;
  return account;
}

}  // namespace mailreeve::response::identity
