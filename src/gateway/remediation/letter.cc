#include "gateway/remediation/letter.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace mailreeve::gateway::remediation {

using smtp::Base64Lines;
using smtp::OneLine;
using smtp::WithCrlf;

bool HasField(std::string_view message, std::string_view name) {
  while (!message.empty()) {
    const size_t end = message.find('\n');
    std::string_view line = message.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return false;
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && AsciiEqualFold(TrimSpace(line.substr(0, colon)), name))
      return true;
    if (end == std::string_view::npos) return false;
    message.remove_prefix(end + 1);
  }
  return false;
}

std::string RenderForward(const ForwardLetter& letter, bool eight_bit) {
  const Form form = FormOf(letter.original);
  const bool as_it_is = form == Form::kSevenBit || (form == Form::kEightBit && eight_bit);
  // 144 bits of a digest over the original: no sender can guess it and write a line that looks like
  // the border.
  const std::string boundary =
      "mailreeve-" +
      HexEncode(crypto::Sha256(letter.message_id + "\n" + letter.original)).substr(0, 36);

  std::string text = "A message was forwarded by Mailreeve for examination.\n\n";
  const auto say = [&](std::string_view what, std::string_view value) {
    if (!value.empty())
      text += std::string(what) + ": " + std::string(CutUtf8(OneLine(value), 600)) + "\n";
  };
  say("Batch", letter.batch_name.empty() ? letter.batch_id
                                         : letter.batch_name + " (" + letter.batch_id + ")");
  say("MID", std::to_string(letter.mid));
  say("Subject", letter.subject);
  say("Envelope sender", letter.original_sender);
  say("Asked for by", letter.asked_by);
  text +=
      "\nThe original is attached as it was found in the mailbox. Take care: it may be harmful.\n";

  std::string out = "From: Mailreeve <" + letter.from + ">\r\n";
  out += "To: <" + letter.to + ">\r\n";
  out += EncodeField("Subject", "[Mailreeve] " + letter.subject);
  out += "Date: " + letter.date + "\r\n";
  out += "Message-ID: <" + letter.message_id + ">\r\n";
  out += "Auto-Submitted: auto-generated\r\n";  // RFC 3834: nobody's autoresponder answers
  out += std::string(kLoopField) + ": batch=" + letter.batch_id +
         "; mid=" + std::to_string(letter.mid) + "\r\n";
  out += "MIME-Version: 1.0\r\n";
  out += "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n";
  if (as_it_is && form == Form::kEightBit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\n--" + boundary + "\r\n";
  out += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  out += Base64Lines(WithCrlf(text));
  out += "--" + boundary + "\r\n";
  if (as_it_is) {
    out += "Content-Type: message/rfc822\r\n";
    out += form == Form::kEightBit ? "Content-Transfer-Encoding: 8bit\r\n"
                                   : "Content-Transfer-Encoding: 7bit\r\n";
    out += "Content-Disposition: attachment; filename=\"original.eml\"\r\n\r\n";
    out += WithCrlf(letter.original);
  } else {
    out +=
        "Content-Type: application/octet-stream; "
        "name=\"original.eml\"\r\nContent-Transfer-Encoding: base64\r\n";
    out += "Content-Disposition: attachment; filename=\"original.eml\"\r\n\r\n";
    out += Base64Lines(letter.original);
  }
  out += "\r\n--" + boundary + "--\r\n";
  return out;
}

}  // namespace mailreeve::gateway::remediation
