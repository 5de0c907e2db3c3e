#pragma once

#include "http/client.h"
#include "settings/settings.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

// Requests to servers that users of ours, modules or documents name (hostile-input.md W05).
//
// Threads: one executor; any number of requests at once. Ownership: options are shared and
// constant. Errors: kInvalid URL, content type or coding; kDenied an address that may not be asked,
// or a redirect; kUnavailable connection or certificate; kTimeout; kLimited too long. Texts name
// the host and never a header or body.
//
//   TRY(auto options, outbound::FromSettings(*snapshot));
//   outbound::Guard guard(std::move(options));
//   auto answer = co_await guard.Fetch({.url = "https://feed.example/x", .max_bytes = 1 << 20});
namespace mailreeve::outbound {

struct Request {
  std::string method = "GET";
  std::string url;
  http::Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{0};  // 0: the setting's; never more than it
  size_t max_bytes = 0;                  // of the answer, unpacked; 0: the setting's
  // The answer must have one of these, without parameters ("application/json"); empty: any.
  std::vector<std::string> content_types;
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // An answer of any status but a redirect.
  virtual io::Task<Result<http::Response>> Fetch(Request request) = 0;
};

// The settings outbound.* as options of the client. kInvalid names what is wrong with them; reads
// the files that they name.
Result<http::ClientOptions> FromSettings(const settings::Snapshot& snapshot);

class Guard final : public Fetcher {
 public:
  explicit Guard(http::ClientOptions options) : options_(std::move(options)) {}
  io::Task<Result<http::Response>> Fetch(Request request) override;

 private:
  const http::ClientOptions options_;
};

// Whether the host of `url` is the literal address or name of a place that may be asked, as far as
// that shows without resolving it: to refuse a bad one when it is typed. kInvalid, kDenied.
Result<void> CheckUrl(const std::string& url, const http::AddressPolicy& policy);

}  // namespace mailreeve::outbound
