#include "channel/explain.h"

#include "base/text.h"

#include <chrono>

namespace mailreeve::channel {
namespace {

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

bool IsCertificateTrouble(const Error& error) {
  const std::string text = AsciiLower(error.ToString());
  return Has(text, "certificate") || Has(text, "unknown ca");
}

Error ExplainConnection(Error error, Time now) {
  const std::string text = AsciiLower(error.ToString());
  if (Has(text, "not yet valid")) {
    error.notes.push_back("the certificate's time has not begun: the clock here says " +
                          FormatTime(now) +
                          "; check the clock of this machine first, then the server's");
  } else if (Has(text, "alert certificate expired")) {
    error.notes.push_back(
        "the server says that our certificate has expired; the clock here says " + FormatTime(now) +
        ". When that is right, register again; else mend the clock that is wrong, here or there");
  } else if (Has(text, "certificate has expired") || Has(text, "certificate expired")) {
    error.notes.push_back("the certificate's time is over: the clock here says " + FormatTime(now) +
                          "; check the clock of this machine first, then the server's certificate");
  } else if (Has(text, "alert unknown ca")) {
    error.notes.push_back(
        "the server does not know who issued our certificate: this gateway is registered with "
        "another "
        "server, or the server was set up anew; register again");
  } else if (Has(text, "alert bad certificate")) {
    error.notes.push_back(
        "the server does not accept our certificate; its clock may be behind ours (here it is " +
        FormatTime(now) + "), or this gateway must register again");
  } else if (Has(text, "local issuer") || Has(text, "self-signed") || Has(text, "self signed") ||
             Has(text, "verify failed")) {
    error.notes.push_back(
        "the server's certificate is not issued under the certificate authority that is trusted "
        "here; "
        "give the right CA file");
  }
  return error;
}

std::string DescribeSkew(std::chrono::milliseconds skew, std::chrono::milliseconds limit) {
  if (skew >= -limit && skew <= limit) return "";
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(skew < skew.zero() ? -skew : skew).count();
  std::string size;
  if (seconds >= 86400) size += std::to_string(seconds / 86400) + " d ";
  if (seconds >= 3600) size += std::to_string(seconds / 3600 % 24) + " h ";
  size += std::to_string(seconds / 60 % 60) + " min";
  return "the peer's clock is " + size + (skew < skew.zero() ? " behind ours" : " ahead of ours");
}

}  // namespace mailreeve::channel
