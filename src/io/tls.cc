#include "io/tls.h"

#include <boost/asio/ssl/context_base.hpp>

namespace mailreeve::io {
namespace {

using asio::ssl::context;

Result<void> Step(const error_code& error, const std::string& what, const std::string& file) {
  if (!error) return {};
  return Fail(Code::kInvalid, "TLS: cannot use " + what + " '" + file + "': " + error.message() +
                                  "; it must be a readable PEM file");
}

Result<void> UseKeyPair(context& tls, const std::string& certificate, const std::string& key) {
  error_code error;
  tls.use_certificate_chain_file(certificate, error);
  TRY_VOID(Step(error, "certificate", certificate));
  tls.use_private_key_file(key, context::pem, error);
  TRY_VOID(Step(error, "private key", key));
  if (SSL_CTX_check_private_key(tls.native_handle()) != 1) {
    return Fail(Code::kInvalid, "TLS: private key '" + key + "' does not belong to certificate '" +
                                    certificate + "'");
  }
  return {};
}

TlsContext Fresh(context::method method) {
  auto tls = std::make_shared<context>(method);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(tls->native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return tls;
}

}  // namespace

Result<TlsContext> MakeTlsClient(const TlsClientOptions& options) {
  auto tls = Fresh(context::tls_client);
  error_code error;
  if (options.ca_file.empty()) {
    tls->set_default_verify_paths(error);
  } else {
    tls->load_verify_file(options.ca_file, error);
  }
  TRY_VOID(Step(error, "certificate authority", options.ca_file));
  tls->set_verify_mode(asio::ssl::verify_peer);
  if (!options.certificate_file.empty()) {
    TRY_VOID(UseKeyPair(*tls, options.certificate_file, options.key_file));
  }
  return tls;
}

Result<TlsContext> MakeTlsServer(const TlsServerOptions& options) {
  auto tls = Fresh(context::tls_server);
  TRY_VOID(UseKeyPair(*tls, options.certificate_file, options.key_file));
  if (!options.client_ca_file.empty()) {
    error_code error;
    tls->load_verify_file(options.client_ca_file, error);
    TRY_VOID(Step(error, "client certificate authority", options.client_ca_file));
    tls->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    // A resumed session would carry on with a certificate that has expired meanwhile, and without
    // its verified chain.
    SSL_CTX_set_session_cache_mode(tls->native_handle(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(tls->native_handle(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(tls->native_handle(), 0);
  }
  // Sessions are bound to this program: required by OpenSSL when clients are verified.
  static constexpr unsigned char kSession[] = "mailreeve";
  SSL_CTX_set_session_id_context(tls->native_handle(), kSession, sizeof(kSession) - 1);
  return tls;
}

}  // namespace mailreeve::io
