#include "crypto/x509.h"

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <ctime>

namespace mailreeve::crypto {
namespace {

constexpr size_t kMaxRequestBytes = 64 * 1024;
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;

Result<Key> MakeKey() {
  Key key(EVP_EC_gen("P-256"));
  if (!key) return OpenSslFailed(Code::kInternal, "cannot make a P-256 key");
  return key;
}

Result<void> CheckCommonName(std::string_view name) {
  // RFC 5280 appendix A.1: ub-common-name.
  if (name.empty() || name.size() > 64) {
    return Fail(Code::kInvalid, "a common name has from 1 to 64 bytes");
  }
  for (const unsigned char c : name) {
    if (c < 0x20 || c == 0x7f)
      return Fail(Code::kInvalid, "a common name has no control characters");
  }
  return {};
}

Result<Name> MakeName(std::string_view common_name) {
  TRY_VOID(CheckCommonName(common_name));
  Name name(X509_NAME_new());
  if (!name ||
      X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) != 1) {
    return OpenSslFailed(Code::kInvalid, "not a common name");
  }
  return name;
}

std::string CommonNameOf(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) {
    ERR_clear_error();
    return {};
  }
  std::string out(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return out;
}

Result<Time> TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return OpenSslFailed(Code::kInvalid, "certificate: not a time");
  return Time(std::chrono::seconds(timegm(&parts)));
}

std::time_t Seconds(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

Result<Certificate> ReadPem(std::string_view pem) {
  const Bio bio = ReadFrom(pem);
  if (!bio) return Fail(Code::kInvalid, "not a certificate in PEM");
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return OpenSslFailed(Code::kInvalid, "not a certificate in PEM");
  return certificate;
}

Result<std::string> WritePem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return OpenSslFailed(Code::kInternal, "cannot write the certificate");
  }
  return TextOf(bio.get());
}

// What a certificate is for.
enum class Use { kAuthority, kClient, kServer };

// `value` is text of ours only: OpenSSL reads a small language from it.
bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  using Extension = Owned<X509_EXTENSION, X509_EXTENSION_free>;
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<void> AddNames(X509* certificate, const std::vector<std::string>& names) {
  using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
  const Names list(sk_GENERAL_NAME_new_null());
  if (!list) return OpenSslFailed(Code::kInternal, "no memory");
  for (const std::string& name : names) {
    const auto wrong = [&] {
      return Fail(Code::kInvalid, "'" + name + "' is neither a DNS name nor an IP address");
    };
    unsigned char address[16];
    size_t address_bytes = 0;
    if (inet_pton(AF_INET, name.c_str(), address) == 1) {
      address_bytes = 4;
    } else if (inet_pton(AF_INET6, name.c_str(), address) == 1) {
      address_bytes = 16;
    } else {
      constexpr std::string_view kAllowed =
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*";
      if (name.empty() || name.size() > 253 ||
          name.find_first_not_of(kAllowed) != std::string::npos) {
        return wrong();
      }
    }
    using Item = Owned<GENERAL_NAME, GENERAL_NAME_free>;
    Item item(GENERAL_NAME_new());
    if (!item) return OpenSslFailed(Code::kInternal, "no memory");
    if (address_bytes > 0) {
      ASN1_OCTET_STRING* bytes = ASN1_OCTET_STRING_new();
      if (bytes == nullptr) return OpenSslFailed(Code::kInternal, "no memory");
      ASN1_OCTET_STRING_set(bytes, address, static_cast<int>(address_bytes));
      GENERAL_NAME_set0_value(item.get(), GEN_IPADD, bytes);
    } else {
      ASN1_IA5STRING* text = ASN1_IA5STRING_new();
      if (text == nullptr) return OpenSslFailed(Code::kInternal, "no memory");
      ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
      GENERAL_NAME_set0_value(item.get(), GEN_DNS, text);
    }
    if (sk_GENERAL_NAME_push(list.get(), item.get()) == 0) {
      return OpenSslFailed(Code::kInternal, "no memory");
    }
    (void)item.release();
  }
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT) !=
      1) {
    return OpenSslFailed(Code::kInternal, "cannot add the names");
  }
  return {};
}

struct Form {
  std::string common_name;
  EVP_PKEY* subject_key = nullptr;
  X509* issuer = nullptr;  // null: signs itself
  EVP_PKEY* issuer_key = nullptr;
  Use use = Use::kClient;
  std::vector<std::string> names;
  Time not_before, not_after;
};

Result<Certificate> Issue(const Form& form) {
  Certificate made(X509_new());
  if (!made) return OpenSslFailed(Code::kInternal, "no memory");
  X509* certificate = made.get();
  X509* issuer = form.issuer != nullptr ? form.issuer : certificate;
  TRY(const Name subject, MakeName(form.common_name));
  // RFC 5280 section 4.1.2.2: positive, at most 20 octets, unique.
  std::string serial_bytes = RandomBytes(16);
  serial_bytes[0] = static_cast<char>((serial_bytes[0] & 0x7f) | 0x40);
  const Number serial(BN_bin2bn(reinterpret_cast<const unsigned char*>(serial_bytes.data()),
                                static_cast<int>(serial_bytes.size()), nullptr));
  const bool filled =
      serial && X509_set_version(certificate, X509_VERSION_3) == 1 &&
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr &&
      X509_set_subject_name(certificate, subject.get()) == 1 &&
      X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(certificate), Seconds(form.not_before)) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(certificate), Seconds(form.not_after)) != nullptr &&
      X509_set_pubkey(certificate, form.subject_key) == 1;
  if (!filled) return OpenSslFailed(Code::kInternal, "cannot fill in the certificate");
  bool extended = AddExtension(certificate, issuer, NID_subject_key_identifier, "hash") &&
                  AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
  switch (form.use) {
    case Use::kAuthority:
      extended =
          extended &&
          AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
          AddExtension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
      break;
    case Use::kClient:
    case Use::kServer:
      extended = extended &&
                 AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
                 AddExtension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
                 AddExtension(certificate, issuer, NID_ext_key_usage,
                              form.use == Use::kClient ? "clientAuth" : "serverAuth");
      break;
  }
  if (!extended) return OpenSslFailed(Code::kInternal, "cannot extend the certificate");
  if (!form.names.empty()) TRY_VOID(AddNames(certificate, form.names));
  if (X509_sign(certificate, form.issuer_key, EVP_sha256()) == 0) {
    return OpenSslFailed(Code::kInternal, "cannot sign the certificate");
  }
  return made;
}

Result<void> CheckSubjectKey(EVP_PKEY* key) {
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_RSA) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < kMinRsaBits || bits > kMaxRsaBits) {
      return Fail(Code::kInvalid, "an RSA key must have " + std::to_string(kMinRsaBits) + " to " +
                                      std::to_string(kMaxRsaBits) + " bits, this one has " +
                                      std::to_string(bits));
    }
  } else if (kind == EVP_PKEY_EC) {
    char text[64] = "";
    size_t size = 0;
    // Parameters written out in full could be those of a weak curve that looks like a named one.
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, text, sizeof(text),
                                       &size) != 1 ||
        std::string_view(text) != OSSL_PKEY_EC_ENCODING_GROUP ||
        EVP_PKEY_get_group_name(key, text, sizeof(text), &size) != 1 ||
        (std::string_view(text) != "prime256v1" && std::string_view(text) != "secp384r1")) {
      ERR_clear_error();
      return Fail(Code::kInvalid, "an EC key must be on P-256 or P-384");
    }
  } else {
    return Fail(Code::kInvalid, "the key must be EC (P-256, P-384) or RSA");
  }
  using Context = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
  const Context context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!context || EVP_PKEY_public_check(context.get()) != 1) {
    return OpenSslFailed(Code::kInvalid, "the public key is not a valid one");
  }
  return {};
}

}  // namespace

Result<KeyAndRequest> MakeKeyAndRequest(const std::string& common_name) {
  TRY(const Key key, MakeKey());
  TRY(const Name subject, MakeName(common_name));
  const crypto::Request request(X509_REQ_new());
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!request || !bio || X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_subject_name(request.get(), subject.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return OpenSslFailed(Code::kInternal, "cannot make a certificate request");
  }
  KeyAndRequest out{WritePrivateKey(key.get()), TextOf(bio.get())};
  if (out.key_pem.empty()) return Fail(Code::kInternal, "cannot write the key");
  return out;
}

Result<CertificateInfo> ReadCertificate(std::string_view pem) {
  TRY(const Certificate certificate, ReadPem(pem));
  CertificateInfo out;
  out.subject_cn = CommonNameOf(X509_get_subject_name(certificate.get()));
  out.issuer_cn = CommonNameOf(X509_get_issuer_name(certificate.get()));
  const Number serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
  if (!serial) return OpenSslFailed(Code::kInvalid, "certificate: no serial number");
  std::string bytes(static_cast<size_t>(BN_num_bytes(serial.get())), '\0');
  BN_bn2bin(serial.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  out.serial_hex = HexEncode(bytes);
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size < 0) return OpenSslFailed(Code::kInvalid, "certificate: cannot be encoded");
  out.sha256 = HexEncode(
      Sha256(std::string_view(reinterpret_cast<const char*>(der), static_cast<size_t>(size))));
  OPENSSL_free(der);
  TRY(out.not_before, TimeOf(X509_get0_notBefore(certificate.get())));
  TRY(out.not_after, TimeOf(X509_get0_notAfter(certificate.get())));
  return out;
}

struct CertificateAuthority::Impl {
  Certificate certificate;
  Key key;
  std::string certificate_pem, key_pem;
  Time not_after;

  static Result<std::unique_ptr<Impl>> Make(Certificate certificate, Key key) {
    auto impl = std::make_unique<Impl>();
    TRY(impl->certificate_pem, WritePem(certificate.get()));
    impl->key_pem = WritePrivateKey(key.get());
    if (impl->key_pem.empty()) return Fail(Code::kInternal, "cannot write the key");
    TRY(impl->not_after, TimeOf(X509_get0_notAfter(certificate.get())));
    impl->certificate = std::move(certificate);
    impl->key = std::move(key);
    return impl;
  }
  ~Impl() { OPENSSL_cleanse(key_pem.data(), key_pem.size()); }

  // An hour of grace for clocks that are behind; never longer than the authority itself.
  Result<Form> Draft(Time now, std::chrono::hours life) const {
    if (life <= std::chrono::hours(0))
      return Fail(Code::kInvalid, "a certificate must live at least an hour");
    if (now >= not_after) return Fail(Code::kInvalid, "the certificate authority has expired");
    Form form;
    form.issuer = certificate.get();
    form.issuer_key = key.get();
    form.not_before = now - std::chrono::hours(1);
    form.not_after = std::min<Time>(now + life, not_after);
    return form;
  }
};

CertificateAuthority::CertificateAuthority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;

Result<CertificateAuthority> CertificateAuthority::Create(const std::string& common_name, Time now,
                                                          int years) {
  if (years < 1 || years > 50) return Fail(Code::kInvalid, "an authority lives 1 to 50 years");
  TRY(Key key, MakeKey());
  Form form;
  form.common_name = common_name;
  form.subject_key = form.issuer_key = key.get();
  form.use = Use::kAuthority;
  form.not_before = now - std::chrono::hours(1);
  form.not_after = now + std::chrono::days(365) * years;
  // The issuer's name of a self-signed certificate is its own, which Issue reads back from it.
  TRY(Certificate certificate, Issue(form));
  TRY(auto impl, Impl::Make(std::move(certificate), std::move(key)));
  return CertificateAuthority(std::move(impl));
}

Result<CertificateAuthority> CertificateAuthority::FromPem(std::string_view certificate_pem,
                                                           std::string_view key_pem) {
  TRY(Certificate certificate, ReadPem(certificate_pem));
  Key key = ReadPrivateKey(key_pem);
  if (!key) return OpenSslFailed(Code::kInvalid, "not a private key in PEM without a password");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return OpenSslFailed(Code::kInvalid, "the key does not belong to the authority's certificate");
  }
  if (X509_check_ca(certificate.get()) != 1) {
    return Fail(Code::kInvalid, "the certificate is not one of a certificate authority");
  }
  TRY(auto impl, Impl::Make(std::move(certificate), std::move(key)));
  return CertificateAuthority(std::move(impl));
}

std::string CertificateAuthority::certificate_pem() const { return impl_->certificate_pem; }
std::string CertificateAuthority::key_pem() const { return impl_->key_pem; }

Result<std::string> CertificateAuthority::IssueClient(std::string_view request_pem,
                                                      const std::string& common_name, Time now,
                                                      std::chrono::hours life) const {
  if (request_pem.size() > kMaxRequestBytes) {
    return Fail(Code::kLimited,
                "a certificate request has at most " + std::to_string(kMaxRequestBytes) + " bytes");
  }
  const Bio bio = ReadFrom(request_pem);
  if (!bio) return Fail(Code::kInternal, "no memory");
  const crypto::Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (!request) return OpenSslFailed(Code::kInvalid, "not a certificate request in PEM");
  EVP_PKEY* subject_key = X509_REQ_get0_pubkey(request.get());
  if (subject_key == nullptr)
    return OpenSslFailed(Code::kInvalid, "the request's key cannot be read");
  TRY_VOID(CheckSubjectKey(subject_key));
  if (X509_REQ_verify(request.get(), subject_key) != 1) {
    return OpenSslFailed(Code::kInvalid, "the request is not signed with its own key");
  }
  TRY(Form form, impl_->Draft(now, life));
  form.common_name = common_name;
  form.subject_key = subject_key;
  form.use = Use::kClient;
  TRY(const Certificate certificate, Issue(form));
  return WritePem(certificate.get());
}

Result<CertificateAuthority::KeyAndCertificate> CertificateAuthority::IssueServer(
    const std::vector<std::string>& names, Time now, std::chrono::hours life) const {
  if (names.empty()) return Fail(Code::kInvalid, "a server certificate needs at least one name");
  TRY(const Key key, MakeKey());
  TRY(Form form, impl_->Draft(now, life));
  // Clients look at the subject alternative names only; the common name is for people and short.
  form.common_name = names.front().substr(0, 64);
  form.subject_key = key.get();
  form.use = Use::kServer;
  form.names = names;
  TRY(const Certificate certificate, Issue(form));
  KeyAndCertificate out;
  TRY(out.certificate_pem, WritePem(certificate.get()));
  out.key_pem = WritePrivateKey(key.get());
  if (out.key_pem.empty()) return Fail(Code::kInternal, "cannot write the key");
  return out;
}

}  // namespace mailreeve::crypto
