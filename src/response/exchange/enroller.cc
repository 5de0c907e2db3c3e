#include "response/exchange/enroller.h"

#include "io/file.h"

namespace mailreeve::response::exchange {
namespace {

constexpr size_t kMaxPem = 1024 * 1024;
constexpr int kAuthorityYears = 20;

}  // namespace

Result<Enrolled> AuthorityEnroller::Enroll(const std::string& request_pem,
                                           const std::string& device_id, Time now,
                                           std::chrono::hours life) {
  Enrolled enrolled;
  TRY(enrolled.certificate_pem, authority_.IssueClient(request_pem, device_id, now, life));
  TRY(const crypto::CertificateInfo info, crypto::ReadCertificate(enrolled.certificate_pem));
  enrolled.ca_pem = authority_.certificate_pem();
  enrolled.sha256 = info.sha256;
  enrolled.serial = info.serial_hex;
  enrolled.expires = info.not_after;
  return enrolled;
}

Result<crypto::CertificateAuthority> LoadOrCreateDeviceAuthority(
    const std::string& certificate_path, const std::string& key_path, Time now) {
  auto key = io::ReadFile(key_path, kMaxPem);
  auto certificate = io::ReadFile(certificate_path, kMaxPem);
  if (key && certificate) {
    auto authority = crypto::CertificateAuthority::FromPem(*certificate, *key);
    if (!authority)
      return Fail(std::move(authority).error().Note("device authority " + certificate_path));
    return authority;
  }
  const bool no_key = !key && key.error().code == Code::kNotFound;
  const bool no_certificate = !certificate && certificate.error().code == Code::kNotFound;
  if (!no_key && !key) return Fail(key.error());
  if (!no_certificate && !certificate) return Fail(certificate.error());
  if (no_key != no_certificate) {
    return Fail(Code::kCorrupt,
                "device authority: '" + (no_key ? key_path : certificate_path) +
                    "' is missing while the other half is there; restore it from a backup (a new "
                    "authority would lock out every registered device)");
  }
  TRY(auto authority,
      crypto::CertificateAuthority::Create("Mailreeve device authority", now, kAuthorityYears));
  // The certificate last: both there means both are whole.
  TRY_VOID(io::WriteFileAtomically(key_path, authority.key_pem(), 0600));
  TRY_VOID(io::WriteFileAtomically(certificate_path, authority.certificate_pem(), 0644));
  return authority;
}

}  // namespace mailreeve::response::exchange
