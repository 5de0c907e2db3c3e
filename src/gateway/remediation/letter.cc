#include "gateway/remediation/letter.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace mailreeve::gateway::remediation {
namespace {

constexpr size_t kLongestLine = 998;
constexpr size_t kFoldAt = 76;

std::string WithCrlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 40);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out.push_back('\r');
    out.push_back(text[i]);
  }
  return out;
}

std::string Base64Lines(std::string_view bytes) {
  const std::string coded = Base64Encode(bytes);
  std::string out;
  for (size_t at = 0; at < coded.size(); at += 76) {
    out.append(coded, at, 76);
    out += "\r\n";
  }
  return out;
}

// Text that people see, as one line: line ends and controls become spaces.
std::string OneLine(std::string_view text) {
  std::string out = ToValidUtf8(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return out;
}

}  // namespace

Form FormOf(std::string_view message) {
  bool eight = false;
  size_t line = 0;
  for (size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    if (c == '\n') {
      line = 0;
      continue;
    }
    if (c == '\r') {
      // A carriage return of its own would not survive the way.
      if (i + 1 == message.size() || message[i + 1] != '\n') return Form::kBinary;
      continue;
    }
    if (c == '\0' || ++line > kLongestLine) return Form::kBinary;
    eight = eight || static_cast<unsigned char>(c) >= 0x80;
  }
  return eight ? Form::kEightBit : Form::kSevenBit;
}

std::string EncodeField(std::string_view name, std::string_view text) {
  const std::string line = OneLine(CutUtf8(ToValidUtf8(text), 4000));
  const bool plain =
      std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }) &&
      line.find("=?") == std::string::npos && name.size() + 2 + line.size() <= kFoldAt;
  std::string out(name);
  out += ":";
  if (plain) return out + " " + line + "\r\n";
  // Encoded words of at most 75 characters, each of whole characters (RFC 2047 section 5).
  constexpr size_t kBytesAWord = 39;
  for (size_t at = 0; at < line.size();) {
    const std::string_view piece = CutUtf8(std::string_view(line).substr(at), kBytesAWord);
    out += (at == 0 ? " " : "\r\n ");
    out += "=?UTF-8?B?" + Base64Encode(piece) + "?=";
    at += piece.size();
  }
  return out + "\r\n";
}

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

bool IsPlainAddress(std::string_view address) {
  if (address.empty() || address.size() > 254) return false;
  const size_t at = address.find('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == address.size()) return false;
  if (address.find('@', at + 1) != std::string_view::npos) return false;
  return std::all_of(address.begin(), address.end(), [](char c) {
    return c > ' ' && c <= '~' &&
           std::string_view("<>()[],;:\\\"").find(c) == std::string_view::npos;
  });
}

std::string FormatMailDate(Time time) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  char out[64];
  std::snprintf(out, sizeof(out), "%s, %u %s %04d %02d:%02d:%02d +0000",
                kDays.at(std::chrono::weekday(day).c_encoding()), static_cast<unsigned>(date.day()),
                kMonths.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return out;
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
