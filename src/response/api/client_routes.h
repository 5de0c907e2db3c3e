#pragma once

#include "http/message.h"
#include "response/identity/identity.h"

// The routes of API clients (threat-response-api.md 1.5).
//
// Threads: the executor. Ownership: borrows Identity; outlives the Api's requests.
namespace mailreeve::response::api {

class Api;

class ClientRoutes {
 public:
  explicit ClientRoutes(identity::Identity& identity) : identity_(identity) {}
  void AddTo(Api& api);

 private:
  io::Task<http::Response> Make(http::Request request, identity::Caller caller);
  io::Task<http::Response> List(http::Request request, identity::Caller caller);
  io::Task<http::Response> Get(http::Request request, identity::Caller caller);
  io::Task<http::Response> Change(http::Request request, identity::Caller caller);
  io::Task<http::Response> Rotate(http::Request request, identity::Caller caller);
  io::Task<http::Response> Delete(http::Request request, identity::Caller caller);
  io::Task<http::Response> Scopes(http::Request request, identity::Caller caller);
  io::Task<http::Response> Failed(Error error, http::Request request, identity::Caller caller);

  identity::Identity& identity_;
};

}  // namespace mailreeve::response::api
