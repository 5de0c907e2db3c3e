#pragma once

#include "io/asio.h"
#include "io/tls.h"

#include <chrono>
#include <memory>
#include <string>

// A TCP connection to a server that speaks in lines (IMAP, SMTP), with or without TLS. Every length
// is bounded and every wait has a deadline.
//
// Threads: one executor. Not for concurrent calls. Ownership: destroying it closes the socket.
// Errors: kUnavailable (refused, reset, closed), kTimeout, kLimited (line too long), kInvalid
// (bytes before StartTls), kUnauthenticated (the certificate is not to be trusted). After an error
// the connection is of no use.
//
//   CO_TRY(auto stream, co_await io::TextStream::Connect({.host = "localhost", .port = 143}));
//   CO_TRY(std::string line, co_await stream->ReadLine());
namespace mailreeve::io {

class TextStream {
 public:
  struct Options {
    std::string host;
    uint16_t port = 0;
    TlsContext tls;           // null: plain, until StartTls
    std::string server_name;  // that the certificate must carry; empty: `host`
    size_t max_line = 64 * 1024;
    std::chrono::milliseconds connect_timeout{
        10000};  // resolving, connecting and the TLS handshake, each
    std::chrono::milliseconds io_timeout{30000};  // each read and write
  };

  static Task<Result<std::unique_ptr<TextStream>>> Connect(Options options);
  ~TextStream();

  // Refused when the server sent anything ahead of the handshake.
  Task<Result<void>> StartTls(TlsContext tls);
  // One line without its CRLF; a bare LF ends one too.
  Task<Result<std::string>> ReadLine();
  // Appends exactly `count` bytes to `out`.
  Task<Result<void>> ReadExactly(size_t count, std::string* out);
  Task<Result<void>> Write(std::string bytes);
  // Abrupt; never waits.
  void Close();

 private:
  struct State;
  explicit TextStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mailreeve::io
