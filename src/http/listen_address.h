#pragma once

#include "http/server.h"

#include <string_view>

namespace mailreeve::http {

// "127.0.0.1:8443", "[::1]:8443", ":8443" is refused (say which address), "unix:/run/x.sock". Port
// 0: any free one. kInvalid with what is wrong.
Result<ListenAddress> ParseListenAddress(std::string_view text);

}  // namespace mailreeve::http
