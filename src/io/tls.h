#pragma once

#include "io/asio.h"

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace mailreeve::io {

using TlsContext = std::shared_ptr<asio::ssl::context>;

// TLS 1.2 and later, no renegotiation, no compression. Paths are PEM files; an empty path means
// "not used".
struct TlsClientOptions {
  std::string ca_file;           // trust only this; empty: the system's store
  std::string certificate_file;  // our own certificate chain, for mutual TLS
  std::string key_file;
};
struct TlsServerOptions {
  std::string certificate_file;
  std::string key_file;
  std::string client_ca_file;  // set: a client must present a certificate issued under it
};

// kInvalid with the file's name when a file cannot be read or key and certificate do not match.
Result<TlsContext> MakeTlsClient(const TlsClientOptions& options);
Result<TlsContext> MakeTlsServer(const TlsServerOptions& options);

}  // namespace mailreeve::io
