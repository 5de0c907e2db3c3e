#pragma once

#include "response/api/api.h"
#include "response/dashboard/dashboard.h"

namespace mailreeve::response::api {

// /iroh/iroh-dashboard: tiles of all modules (threat-response-api.md 2.6).
// Threads: the Api's executor. Ownership: borrows both; outlives their last request.
class DashboardRoutes {
 public:
  DashboardRoutes(Api& api, dashboard::Dashboard& dashboard);

 private:
  io::Task<http::Response> Tiles(http::Request request, identity::Caller caller);
  io::Task<http::Response> Tile(http::Request request, identity::Caller caller);
  io::Task<http::Response> Data(http::Request request, identity::Caller caller);
  http::Response Answer(const Result<json::object>& answer, const http::Request& request) const;

  Api& api_;
  dashboard::Dashboard& dashboard_;
};

}  // namespace mailreeve::response::api
