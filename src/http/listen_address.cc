#include "http/listen_address.h"

#include <charconv>

namespace mailreeve::http {

Result<ListenAddress> ParseListenAddress(std::string_view text) {
  const auto bad = [&] {
    return Fail(
        Code::kInvalid,
        "not a listening address such as 127.0.0.1:8443, [::1]:8443 or unix:/run/x.sock: '" +
            std::string(text.substr(0, 200)) + "'");
  };
  ListenAddress out;
  if (text.substr(0, 5) == "unix:") {
    out.unix_path = text.substr(5);
    if (out.unix_path.empty() || out.unix_path.front() != '/') return bad();
    return out;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (host.empty() || error != std::errc() || end != port.data() + port.size() || number > 65535)
    return bad();
  out.host = host;
  out.port = static_cast<uint16_t>(number);
  return out;
}

}  // namespace mailreeve::http
