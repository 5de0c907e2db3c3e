#pragma once

#include "base/result.h"
#include "base/time.h"
#include "crypto/x509.h"

#include <chrono>
#include <string>

namespace mailreeve::response::exchange {

struct Enrolled {
  std::string certificate_pem;
  std::string ca_pem;  // the chain above it
  std::string sha256;  // of the certificate's DER, lower hex
  std::string serial;
  Time expires{};
};

// Issues device certificates. Ours is an authority of its own; an EST server can stand behind the
// same interface. Threads: called from the exchange's pool thread. Errors: kInvalid for a bad
// request.
class Enroller {
 public:
  virtual ~Enroller() = default;
  virtual Result<Enrolled> Enroll(const std::string& request_pem, const std::string& device_id,
                                  Time now, std::chrono::hours life) = 0;
  virtual std::string ca_pem() const = 0;
};

class AuthorityEnroller final : public Enroller {
 public:
  explicit AuthorityEnroller(crypto::CertificateAuthority authority)
      : authority_(std::move(authority)) {}
  Result<Enrolled> Enroll(const std::string& request_pem, const std::string& device_id, Time now,
                          std::chrono::hours life) override;
  std::string ca_pem() const override { return authority_.certificate_pem(); }

 private:
  crypto::CertificateAuthority authority_;
};

// Reads the device authority, or makes one of twenty years on the first start: the key in
// `key_path` (0600, its own file), the certificate in `certificate_path` (0644). Blocking. kCorrupt
// when only one of the two is there: making a new one would lock out every registered device.
Result<crypto::CertificateAuthority> LoadOrCreateDeviceAuthority(
    const std::string& certificate_path, const std::string& key_path, Time now);

}  // namespace mailreeve::response::exchange
