#pragma once

#include "gateway/remediation/forwarder.h"
#include "io/tls.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

// Hands forwards to the mail server over SMTP (RFC 5321; STARTTLS RFC 3207; SIZE RFC 1870; 8BITMIME
// RFC 6152).
//
// Threads and errors: those of Forwarder. One connection a letter.
namespace mailreeve::gateway::remediation {

struct SmtpOptions {
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

class SmtpForwarder final : public Forwarder {
 public:
  // kInvalid: TLS files cannot be used.
  static Result<std::unique_ptr<SmtpForwarder>> Make(SmtpOptions options);
  io::Task<Result<ForwardReceipt>> Send(std::shared_ptr<const ForwardLetter> letter,
                                        std::shared_ptr<bool> outcome_unknown) override;

 private:
  SmtpForwarder(SmtpOptions options, io::TlsContext tls)
      : options_(std::move(options)), tls_(std::move(tls)) {}
  const SmtpOptions options_;
  const io::TlsContext tls_;
};

struct SmtpReply {
  int code = 0;
  std::vector<std::string> lines;  // the text of each
};
// One line of a reply: code, whether more follow, text. kInvalid when it is none. For the client
// and its tests.
struct SmtpReplyLine {
  int code = 0;
  bool more = false;
  std::string text;
};
Result<SmtpReplyLine> ParseReplyLine(std::string_view line);
// "Ok: queued as 4F0C2A" and its kin (Postfix's words); empty when there is none.
std::string QueueIdOf(std::string_view reply_text);
// Dots at the start of lines doubled, lone CR and LF made CRLF, and the end-of-data line (RFC 5321
// section 4.5.2).
std::string DotStuff(std::string_view letter);

}  // namespace mailreeve::gateway::remediation
