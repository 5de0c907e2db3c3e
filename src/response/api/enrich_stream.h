#pragma once

#include "response/api/api.h"

namespace mailreeve::response::api {

// POST /mailreeve/v1/enrich/{deliberate,observe,refer}: the questions of /iroh/iroh-enrich for the
// console, answered as server-sent events while the modules answer (docs/api.md):
//
//   event: start   data: {"modules":[module keys]}
//   event: module  data: {"answered":1,"asked":3,module keys,"data"?,"errors":[…],"coverage":{…}}
//   event: end     data: {"errors":[…],"coverage":[…]}
//
// A client that leaves ends the calls to modules. Threads: the Api's executor. Ownership: borrows
// both; outlives their last request.
class EnrichStream {
 public:
  EnrichStream(Api& api, enrich::Enricher& enricher, std::chrono::milliseconds keep_alive);

 private:
  io::Task<http::Response> Open(enrich::Verb verb, http::Request request, identity::Caller caller);

  Api& api_;
  enrich::Enricher& enricher_;
  const std::chrono::milliseconds keep_alive_;
};

}  // namespace mailreeve::response::api
