// A server's compressed body, and the URL of somebody's choice.
#include "http/client.h"
#include "http/coding.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve::http;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr size_t kMost = 100000;
  Response response;
  response.body = std::string(bytes);
  const char* codings[] = {"gzip", "deflate", "identity", "br"};
  response.headers.Set("Content-Encoding", codings[data[0] % 4]);
  if (UndoCoding(response, kMost) && response.body.size() > kMost) std::abort();
  if (const auto parts = SplitUrl(bytes)) {
    if (parts->host.empty() || parts->port == 0 || parts->target.empty()) std::abort();
    // What goes into the request's head must not end a line.
    for (const std::string& text : {parts->host, parts->authority, parts->target}) {
      if (text.find_first_of("\r\n ") != std::string::npos) std::abort();
    }
    if (const auto policy = AddressPolicy::Parse({parts->host})) {
      (void)policy->Allows(parts->host, mailreeve::asio::ip::make_address("169.254.169.254"));
    }
  }
  return 0;
}
