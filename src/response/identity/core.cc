#include "response/identity/core.h"

#include "base/bytes.h"

#include <algorithm>
#include <tuple>

namespace mailreeve::response::identity {

std::string AddressKey(const std::string& address) {
  if (address.find(':') == std::string::npos || address.find('.') != std::string::npos)
    return address;
  asio::ip::address_v6::bytes_type bytes;
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address_v6(address, error);
  if (error) return address;
  bytes = parsed.to_bytes();
  return HexEncode(std::string_view(reinterpret_cast<const char*>(bytes.data()), 8)) + "/64";
}

TryLimits::TryLimits(const Options& options, const Clock& clock)
    : per_user_and_address_(options.per_user_and_address, clock),
      per_user_(options.per_user, clock),
      per_address_(options.per_address, clock) {}

bool TryLimits::Take(const std::string& user, const std::string& address, bool is_known) {
  const std::string from = AddressKey(address);
  if (!per_address_.Take(from)) return false;
  if (!is_known && !per_user_.Take(user)) {
    per_address_.GiveBack(from);
    return false;
  }
  if (!per_user_and_address_.Take(user + "\n" + from)) {
    per_address_.GiveBack(from);
    if (!is_known) per_user_.GiveBack(user);
    return false;
  }
  return true;
}

void TryLimits::GiveBack(const std::string& user, const std::string& address, bool is_known) {
  const std::string from = AddressKey(address);
  per_address_.GiveBack(from);
  if (!is_known) per_user_.GiveBack(user);
  per_user_and_address_.GiveBack(user + "\n" + from);
}

bool TryLimits::TakeAddress(const std::string& address) {
  return per_address_.Take(AddressKey(address));
}

void TryLimits::GiveBackAddress(const std::string& address) {
  per_address_.GiveBack(AddressKey(address));
}

Core::Core(Options options_in, const Clock& clock_in, audit::Log& audit, log::Logger& logger_in,
           sql::Database database_in, std::shared_ptr<KeyRing> keys_in,
           crypto::SealingKeys sealing_in, std::string dummy_hash_in)
    : options(std::move(options_in)),
      clock(clock_in),
      audit_log(audit),
      logger(logger_in),
      database(std::move(database_in)),
      keys(std::move(keys_in)),
      sealing(std::move(sealing_in)),
      issuer(keys, options.token, clock),
      dummy_hash(std::move(dummy_hash_in)),
      tries(options, clock),
      database_pool("identity store", 1, options.max_pending_queries),
      password_pool("sign-in", options.password_threads, options.max_pending_passwords) {}

Result<void> Core::Revoke(const std::string& subject) {
  const Time now = clock.Now();
  const Time until = now + options.token.life + 2 * options.token.skew;
  TRY(auto insert, database.Prepare("INSERT INTO revocation (subject, revoked_until, issued_until) "
                                    "VALUES (?1, ?2, ?3) ON CONFLICT (subject) DO UPDATE SET "
                                    "revoked_until = excluded.revoked_until, "
                                    "issued_until = excluded.issued_until"));
  TRY_VOID(insert.Bind(1, subject).Bind(2, ToEpochMicros(until)).Bind(3, ToEpochMicros(now)).Run());
  const std::lock_guard lock(mutex_);
  withdrawn_[subject] = {now, until};
  return {};
}

Result<void> Core::Reload() {
  const int64_t now = ToEpochMicros(clock.Now());
  TRY(auto prune, database.Prepare("DELETE FROM revocation WHERE revoked_until < ?1"));
  TRY_VOID(prune.Bind(1, now).Run());
  std::unordered_map<std::string, Withdrawn> withdrawn;
  {
    TRY(auto select,
        database.Prepare("SELECT subject, issued_until, revoked_until FROM revocation"));
    while (true) {
      TRY(const bool more, select.Step());
      if (!more) break;
      withdrawn[select.Text(0)] = {FromEpochMicros(select.Integer(1)),
                                   FromEpochMicros(select.Integer(2))};
    }
  }
  std::unordered_map<std::string, Organisation> organisations;
  Organisation first;
  TRY(auto select,
      database.Prepare(
          "SELECT id, name, created_at, updated_at FROM organisation ORDER BY created_at, id"));
  while (true) {
    TRY(const bool more, select.Step());
    if (!more) break;
    Organisation organisation{select.Text(0), select.Text(1), FromEpochMicros(select.Integer(2)),
                              FromEpochMicros(select.Integer(3))};
    if (first.id.empty()) first = organisation;
    organisations[organisation.id] = std::move(organisation);
  }
  const std::lock_guard lock(mutex_);
  withdrawn_ = std::move(withdrawn);
  organisations_ = std::move(organisations);
  first_organisation_ = std::move(first);
  return {};
}

Result<void> Core::Audit(audit::Entry entry) {
  auto written = audit_log.Append(std::move(entry));
  if (!written) {
    logger.Error("audit_failed", {{"error", written.error().ToString()}});
    return Fail(Code::kUnavailable, "the act cannot be put into the audit log and so is not done");
  }
  return {};
}

io::Task<Result<void>> Core::AppendAudit(audit::Entry entry) {
  co_return co_await database_pool.Run([this, entry] { return Audit(entry); });
}

bool Core::IsRevoked(const std::string& subject, Time issued) const {
  const std::lock_guard lock(mutex_);
  const auto found = withdrawn_.find(subject);
  return found != withdrawn_.end() && issued <= found->second.issued_until;
}

Organisation Core::FindOrganisation(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = organisations_.find(id);
  return found == organisations_.end() ? Organisation{} : found->second;
}

Organisation Core::FirstOrganisation() const {
  const std::lock_guard lock(mutex_);
  return first_organisation_;
}

std::vector<Organisation> Core::Organisations() const {
  std::vector<Organisation> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, organisation] : organisations_) out.push_back(organisation);
  }
  std::sort(out.begin(), out.end(), [](const Organisation& a, const Organisation& b) {
    return std::tie(a.name, a.id) < std::tie(b.name, b.id);
  });
  return out;
}

audit::Entry Core::EntryOf(const Origin& origin, std::string action, std::string result,
                           std::string message) const {
  audit::Entry entry;
  entry.time = clock.Now();
  entry.origin = {origin.address, "https", origin.request_id};
  entry.action = std::move(action);
  entry.result = std::move(result);
  entry.message = std::move(message);
  return entry;
}

audit::Entry Core::EntryOf(const Caller& caller, const Origin& origin, std::string action,
                           std::string message) const {
  audit::Entry entry = EntryOf(origin, std::move(action), "success", std::move(message));
  entry.actor = caller.client_id.empty()
                    ? audit::Entry::Actor{"user", caller.user_id, caller.user_name}
                    : audit::Entry::Actor{"client", caller.client_id, caller.client_name};
  return entry;
}

}  // namespace mailreeve::response::identity
