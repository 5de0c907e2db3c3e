#include "response/identity/second_factor.h"

#include "base/random.h"
#include "base/text.h"
#include "crypto/totp.h"
#include "response/identity/rows.h"

namespace mailreeve::response::identity {
namespace {

constexpr size_t kRecoveryCodes = 10;
constexpr size_t kRecoveryBytes = 10;  // 80 bits: nothing to guess, and a plain hash keeps it

std::string Context(const std::string& account_id) { return "one-time code " + account_id; }

std::string HashOfRecovery(const std::string& account_id, std::string_view typed) {
  std::string normal;
  for (const char c : typed) {
    if (c != ' ' && c != '-') normal += AsciiLower(c);
  }
  return HashOfSecret("recovery " + account_id + " " + normal);
}

}  // namespace

Result<SecondFactor::Enrolment> SecondFactor::Begin(const Account& account) {
  if (account.has_one_time_codes)
    return Fail(Code::kConflict, "one-time codes are in use; remove them first");
  const Secret secret = crypto::NewTotpSecret();
  TRY(const std::string sealed, core_.sealing.Seal(secret.Reveal(), Context(account.id)));
  TRY(auto update,
      core_.database.Prepare("UPDATE account SET totp_sealed = ?2, totp_last_step = -1 WHERE id = "
                             "?1 AND totp_confirmed = 0"));
  TRY_VOID(update.Bind(1, account.id).Bind(2, sealed).Run());
  return Enrolment{Secret(crypto::Base32Encode(secret.Reveal())),
                   Secret(crypto::OtpauthUri(core_.options.organisation, account.email, secret))};
}

Result<std::vector<Secret>> SecondFactor::Confirm(const Account& account, const std::string& code,
                                                  audit::Entry entry) {
  if (account.has_one_time_codes) return Fail(Code::kConflict, "one-time codes are in use");
  std::vector<Secret> codes;
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(const bool right, Take(account.id, code));
    if (!right) return Fail(Code::kInvalid, "the code is wrong");
    TRY(auto confirm,
        core_.database.Prepare("UPDATE account SET totp_confirmed = 1 WHERE id = ?1"));
    TRY_VOID(confirm.Bind(1, account.id).Run());
    TRY(auto clear, core_.database.Prepare("DELETE FROM recovery_code WHERE account_id = ?1"));
    TRY_VOID(clear.Bind(1, account.id).Run());
    codes.clear();
    TRY(auto insert, core_.database.Prepare(
                         "INSERT INTO recovery_code (account_id, code_hash) VALUES (?1, ?2)"));
    for (size_t i = 0; i < kRecoveryCodes; ++i) {
      const std::string text = AsciiLower(crypto::Base32Encode(RandomBytes(kRecoveryBytes)));
      TRY_VOID(insert.Bind(1, account.id).Bind(2, HashOfRecovery(account.id, text)).Run());
      codes.emplace_back(text.substr(0, 8) + "-" + text.substr(8));
    }
    return core_.Audit(entry);
  }));
  return codes;
}

Result<void> SecondFactor::Remove(const std::string& account_id, audit::Entry entry) {
  return core_.database.Transaction([&]() -> Result<void> {
    TRY(auto update,
        core_.database.Prepare("UPDATE account SET totp_sealed = '', totp_confirmed = 0, "
                               "totp_last_step = -1 WHERE id = ?1"));
    TRY_VOID(update.Bind(1, account_id).Run());
    TRY(auto clear, core_.database.Prepare("DELETE FROM recovery_code WHERE account_id = ?1"));
    TRY_VOID(clear.Bind(1, account_id).Run());
    return core_.Audit(entry);
  });
}

Result<bool> SecondFactor::Take(const std::string& account_id, const std::string& code) {
  TRY(auto select,
      core_.database.Prepare("SELECT totp_sealed, totp_last_step FROM account WHERE id = ?1"));
  TRY(const bool there, select.Bind(1, account_id).Step());
  if (!there || select.Text(0).empty() || code.size() > 64) return false;
  const std::string sealed = select.Text(0);
  const int64_t last = select.Integer(1);
  select.Reset();
  TRY(const Secret secret, core_.sealing.Open(sealed, Context(account_id)));
  std::string digits;
  for (const char c : code) {
    if (c != ' ') digits += c;
  }
  if (const auto step = crypto::MatchTotp(secret, digits, core_.clock.Now(), last)) {
    // Of two uses at once only one changes the row.
    TRY(auto take,
        core_.database.Prepare(
            "UPDATE account SET totp_last_step = ?2 WHERE id = ?1 AND totp_last_step < ?2"));
    TRY(const int64_t changed, take.Bind(1, account_id).Bind(2, *step).Run());
    return changed == 1;
  }
  TRY(auto use,
      core_.database.Prepare("DELETE FROM recovery_code WHERE account_id = ?1 AND code_hash = ?2"));
  TRY(const int64_t used, use.Bind(1, account_id).Bind(2, HashOfRecovery(account_id, code)).Run());
  return used == 1;
}

}  // namespace mailreeve::response::identity
