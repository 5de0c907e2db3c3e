#pragma once

#include "response/oauth/grants.h"

#include <string>

// The device grant (RFC 8628): a device shows a short code, a person types it into a browser
// (Authorization::BeginDevice), the device asks until it is answered.
//
// Threads: Tasks on the executor. Ownership: borrows Identity and Grants. Errors: the protocol's
// words (common.h), kLimited too many codes of the client wait.
namespace mailreeve::response::oauth {

struct DeviceCodes {
  Secret device_code;
  std::string user_code;  // "ABCD-EFGH"
  std::chrono::seconds life, interval;
};

class Devices {
 public:
  Devices(identity::Identity& identity, Grants& grants, Options options)
      : identity_(identity), core_(identity.core()), grants_(grants), options_(options) {}
  Devices(const Devices&) = delete;

  io::Task<Result<DeviceCodes>> Begin(Client client, std::string scope);
  // "authorization_pending"; "slow_down" when asked again before the interval, which grows then;
  // "access_denied"; "expired_token".
  io::Task<Result<Tokens>> Poll(Client client, Secret device_code, Origin origin);

 private:
  Result<DeviceCodes> Insert(const Client& client, const std::string& scope);
  Result<Tokens> Ask(const Client& client, const std::string& code, const Origin& origin);

  identity::Identity& identity_;
  identity::Core& core_;
  Grants& grants_;
  const Options options_;
};

}  // namespace mailreeve::response::oauth
