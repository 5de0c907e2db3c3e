#pragma once

#include "response/identity/core.h"

#include <string>
#include <vector>

// One-time codes by time (RFC 6238) and recovery codes.
//
// Threads: the database thread. Ownership: borrows the Core. Errors: kInvalid wrong code, kConflict
// codes are in use already, or none were begun.
namespace mailreeve::response::identity {

class SecondFactor {
 public:
  explicit SecondFactor(Core& core) : core_(core) {}
  SecondFactor(const SecondFactor&) = delete;

  struct Enrolment {
    Secret secret;  // base32, to type
    Secret uri;     // otpauth://, to scan
  };
  // Makes a secret, which counts once Confirm saw a code of it.
  Result<Enrolment> Begin(const Account& account);
  // Answers recovery codes, each good once; only their hashes are kept.
  Result<std::vector<Secret>> Confirm(const Account& account, const std::string& code,
                                      audit::Entry entry);
  Result<void> Remove(const std::string& account_id, audit::Entry entry);
  // Whether `code` is right now, and takes it: a code or recovery code serves once.
  Result<bool> Take(const std::string& account_id, const std::string& code);

 private:
  Core& core_;
};

}  // namespace mailreeve::response::identity
