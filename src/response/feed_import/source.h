#pragma once

#include "http/client.h"
#include "io/asio.h"

#include <string>

// Where the bytes of feeds come from.
//
// Threads: one executor. Ownership: outlives its calls. Errors: of http::Fetch; kInvalid for a
// redirect that goes nowhere or round in circles.
//
//   HttpSource source({.max_body_bytes = 256 << 20, .decode_body = true, .addresses = policy});
//   CO_TRY(auto answer, co_await source.Get("https://feeds.example/bad.txt", headers));
namespace mailreeve::response::feed_import {

class Source {
 public:
  virtual ~Source() = default;
  virtual io::Task<Result<http::Response>> Get(std::string url, http::Headers headers) = 0;
};

class HttpSource final : public Source {
 public:
  explicit HttpSource(http::ClientOptions options, int max_redirects = 3)
      : options_(std::move(options)), max_redirects_(max_redirects) {}

  // Follows redirects; never from https to http, and Authorization only goes to the host that it
  // was meant for.
  io::Task<Result<http::Response>> Get(std::string url, http::Headers headers) override;

 private:
  http::ClientOptions options_;
  int max_redirects_;
};

// The absolute URL that `location` names, seen from `base`; kInvalid when there is none.
Result<std::string> ResolveLocation(std::string_view base, std::string_view location);

}  // namespace mailreeve::response::feed_import
