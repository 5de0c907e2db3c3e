#include "gateway/remediation/smtp_forwarder.h"

#include "gateway/remediation/letter.h"

namespace mailreeve::gateway::remediation {

Result<std::unique_ptr<SmtpForwarder>> SmtpForwarder::Make(SmtpOptions options) {
  TRY(auto client, smtp::Client::Make(std::move(options)));
  return std::unique_ptr<SmtpForwarder>(new SmtpForwarder(std::move(client)));
}

io::Task<Result<ForwardReceipt>> SmtpForwarder::Send(std::shared_ptr<const ForwardLetter> letter,
                                                     std::shared_ptr<bool> outcome_unknown) {
  *outcome_unknown = false;
  if (!IsPlainAddress(letter->from))
    co_return Fail(Code::kInvalid, "the forward's address cannot stand in SMTP");
  auto mail = std::make_shared<smtp::Letter>();
  mail->envelope_sender = letter->envelope_sender;
  mail->to = {letter->to};
  mail->render = [letter](bool eight_bit) { return RenderForward(*letter, eight_bit); };
  mail->has_eight_bit = FormOf(letter->original) == Form::kEightBit;
  CO_TRY(smtp::Receipt receipt, co_await client_->Send(std::move(mail), outcome_unknown));
  co_return ForwardReceipt{std::move(receipt.queue_id), std::move(receipt.reply),
                           std::move(receipt.server)};
}

}  // namespace mailreeve::gateway::remediation
