#pragma once

#include "base/result.h"
#include "io/asio.h"
#include "io/tls.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Hands letters of our own to the mail server over SMTP (RFC 5321; STARTTLS RFC 3207; SIZE RFC
// 1870; 8BITMIME RFC 6152).
//
// Threads: one executor; concurrent calls are allowed. One connection a letter.
// Errors: kDenied (refused for good: 5yz), kLimited (refused for now: 4yz), kUnavailable or
// kTimeout (not reached; nothing was handed over), kInvalid (the letter cannot be sent, such as a
// bad address). `outcome_unknown` is set when the letter's last byte may have been taken but no
// answer came: it may have been accepted.
namespace mailreeve::smtp {

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 25;
  std::string helo = "localhost";
  enum class Tls { kNever, kWhenOffered, kAlways } tls = Tls::kNever;
  std::string ca_file;      // PEM; empty: the system's authorities
  std::string server_name;  // that the certificate must carry; empty: `host`
  size_t max_line = 4096;
  size_t max_reply_lines = 100;
  size_t max_letter = 128 * 1024 * 1024;
  std::chrono::milliseconds connect_timeout{10000};
  std::chrono::milliseconds command_timeout{60000};
  std::chrono::milliseconds data_timeout{300000};  // for the answer after the last byte
};

struct Letter {
  std::string envelope_sender;  // empty: the null sender
  std::vector<std::string> to;
  // The message with CRLF line ends; 8-bit lines only when `eight_bit`.
  std::function<std::string(bool eight_bit)> render;
  bool has_eight_bit = false;  // it has such lines when it may
};

struct Receipt {
  std::string queue_id;              // as the reply names it; empty when it does not
  std::string reply;                 // the server's words, cut
  std::string server;                // greeting name
  std::vector<std::string> refused;  // recipients, each with the server's words; never all
};

class Client {
 public:
  // kInvalid: TLS files cannot be used.
  static Result<std::unique_ptr<Client>> Make(Options options);
  io::Task<Result<Receipt>> Send(std::shared_ptr<const Letter> letter,
                                 std::shared_ptr<bool> outcome_unknown);

 private:
  Client(Options options, io::TlsContext tls)
      : options_(std::move(options)), tls_(std::move(tls)) {}
  const Options options_;
  const io::TlsContext tls_;
};

struct Reply {
  int code = 0;
  std::vector<std::string> lines;  // the text of each
};
// One line of a reply: code, whether more follow, text. kInvalid when it is none. For the client
// and its tests.
struct ReplyLine {
  int code = 0;
  bool more = false;
  std::string text;
};
Result<ReplyLine> ParseReplyLine(std::string_view line);
// "Ok: queued as 4F0C2A" and its kin (Postfix's words); empty when there is none.
std::string QueueIdOf(std::string_view reply_text);
// Dots at the start of lines doubled, lone CR and LF made CRLF, and the end-of-data line (RFC 5321
// section 4.5.2).
std::string DotStuff(std::string_view letter);

}  // namespace mailreeve::smtp
