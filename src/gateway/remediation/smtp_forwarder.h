#pragma once

#include "gateway/remediation/forwarder.h"
#include "smtp/client.h"

#include <memory>
#include <string>

// Hands forwards to the mail server over SMTP.
//
// Threads and errors: those of Forwarder. One connection a letter.
namespace mailreeve::gateway::remediation {

using SmtpOptions = smtp::Options;
using SmtpReplyLine = smtp::ReplyLine;
using smtp::DotStuff;
using smtp::ParseReplyLine;
using smtp::QueueIdOf;

class SmtpForwarder final : public Forwarder {
 public:
  // kInvalid: TLS files cannot be used.
  static Result<std::unique_ptr<SmtpForwarder>> Make(SmtpOptions options);
  io::Task<Result<ForwardReceipt>> Send(std::shared_ptr<const ForwardLetter> letter,
                                        std::shared_ptr<bool> outcome_unknown) override;

 private:
  explicit SmtpForwarder(std::unique_ptr<smtp::Client> client) : client_(std::move(client)) {}
  const std::unique_ptr<smtp::Client> client_;
};

}  // namespace mailreeve::gateway::remediation
