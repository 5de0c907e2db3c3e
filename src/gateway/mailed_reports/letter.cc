#include "gateway/mailed_reports/letter.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "smtp/fields.h"

namespace mailreeve::gateway::mailed_reports {
namespace {

void PutPart(std::string& out, std::string_view boundary, std::string_view type,
             std::string_view file_name, std::string_view content) {
  out += "--" + std::string(boundary) + "\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Transfer-Encoding: base64\r\n";
  if (!file_name.empty())
    out += "Content-Disposition: attachment; filename=\"" + std::string(file_name) + "\"\r\n";
  out += "\r\n" + smtp::Base64Lines(content);
}

}  // namespace

Result<std::string> MakeLetter(const LetterHead& head, const Document& document, Formats formats) {
  const std::string base = "mailreeve-" + HexEncode(crypto::Sha256(head.message_id)).substr(0, 32);
  const std::string mixed = base + "-m", alternative = base + "-a";
  const std::string span =
      FormatTime(document.from).substr(0, 10) +
      (document.weekly ? "_" + FormatTime(document.until - Duration(1)).substr(0, 10) : "");

  std::string out = "From: Mailreeve <" + head.from + ">\r\nTo: ";
  for (size_t i = 0; i < head.to.size(); ++i)
    out += (i == 0 ? "" : ",\r\n ") + std::string("<") + head.to[i] + ">";
  out += "\r\n" + smtp::EncodeField("Subject", document.Title() + ": " + document.gateway + ", " +
                                                   document.Span());
  out += "Date: " + smtp::FormatMailDate(head.date) + "\r\nMessage-ID: <" + head.message_id +
         ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n";
  out += "Content-Type: multipart/mixed; boundary=\"" + mixed + "\"\r\n\r\n--" + mixed +
         "\r\nContent-Type: multipart/alternative; boundary=\"" + alternative + "\"\r\n\r\n";
  PutPart(out, alternative, "text/plain; charset=utf-8", "", smtp::WithCrlf(RenderText(document)));
  if (formats.html) PutPart(out, alternative, "text/html; charset=utf-8", "", RenderHtml(document));
  out += "--" + alternative + "--\r\n";
  if (formats.pdf) {
    TRY(const std::string pdf, RenderPdf(document));
    PutPart(out, mixed, "application/pdf", "mail-report-" + span + ".pdf", pdf);
  }
  if (formats.csv) {
    for (const Section& section : document.sections) {
      PutPart(out, mixed, "text/csv; charset=utf-8", section.name + "-" + span + ".csv",
              RenderCsv(section, document.language));
    }
  }
  return out + "--" + mixed + "--\r\n";
}

}  // namespace mailreeve::gateway::mailed_reports
