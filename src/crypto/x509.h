#pragma once

#include "base/result.h"
#include "base/time.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Key pairs, certificate requests and a small certificate authority (ECDSA P-256, RFC 5280).
// Everything is PEM text. Thread-safe; pure but for randomness.
namespace mailreeve::crypto {

struct KeyAndRequest {
  std::string key_pem;      // PKCS #8; keep it 0600
  std::string request_pem;  // PKCS #10
};
Result<KeyAndRequest> MakeKeyAndRequest(const std::string& common_name);

struct CertificateInfo {
  std::string subject_cn;
  std::string issuer_cn;
  std::string serial_hex;
  std::string sha256;  // of the DER, lower hex
  Time not_before, not_after;
};
Result<CertificateInfo> ReadCertificate(std::string_view pem);

class CertificateAuthority {
 public:
  // A new self-signed root. `years` of life.
  static Result<CertificateAuthority> Create(const std::string& common_name, Time now, int years);
  static Result<CertificateAuthority> FromPem(std::string_view certificate_pem,
                                              std::string_view key_pem);
  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;
  ~CertificateAuthority();

  std::string certificate_pem() const;
  std::string key_pem() const;

  // Checks the request's self-signature and key kind (EC P-256/P-384 or RSA of 2048 bits and more),
  // then issues a client certificate with `common_name`, whatever subject and extensions the
  // request names. not_before is an hour before now.
  Result<std::string> IssueClient(std::string_view request_pem, const std::string& common_name,
                                  Time now, std::chrono::hours life) const;
  struct KeyAndCertificate {
    std::string key_pem, certificate_pem;
  };
  // A server certificate with a fresh key; `names` are DNS names and IP addresses.
  Result<KeyAndCertificate> IssueServer(const std::vector<std::string>& names, Time now,
                                        std::chrono::hours life) const;

 private:
  struct Impl;
  explicit CertificateAuthority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailreeve::crypto
