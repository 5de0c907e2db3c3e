#include "response/api/dashboard_routes.h"

#include "response/api/errors.h"

namespace mailreeve::response::api {

DashboardRoutes::DashboardRoutes(Api& api, dashboard::Dashboard& dashboard)
    : api_(api), dashboard_(dashboard) {
  const auto add =
      [this](std::string_view pattern,
             io::Task<http::Response> (DashboardRoutes::*member)(http::Request, identity::Caller)) {
        api_.Add("GET", pattern, [this, member](http::Request request, identity::Caller caller) {
          return (this->*member)(std::move(request), std::move(caller));
        });
      };
  add("/iroh/iroh-dashboard/tiles", &DashboardRoutes::Tiles);
  add("/iroh/iroh-dashboard/tiles/{module_instance_id}/{tile_id}", &DashboardRoutes::Tile);
  add("/iroh/iroh-dashboard/tiles/{module_instance_id}/{tile_id}/data", &DashboardRoutes::Data);
}

http::Response DashboardRoutes::Answer(const Result<json::object>& answer,
                                       const http::Request& request) const {
  if (answer) return http::Response::Json(200, *answer);
  if (answer.error().code == Code::kNotFound) {
    return ErrorResponse(404, "tile_not_found", answer.error().message, request);
  }
  if (answer.error().code == Code::kInvalid) {
    return KeyErrors({{"period", answer.error().message}});
  }
  return api_.Failed(answer.error(), request);
}

io::Task<http::Response> DashboardRoutes::Tiles(http::Request request, identity::Caller caller) {
  const auto answer = co_await dashboard_.Tiles(FilterOf(request), ToRelayCaller(caller, request));
  co_return Answer(answer, request);
}

io::Task<http::Response> DashboardRoutes::Tile(http::Request request, identity::Caller caller) {
  const auto answer = co_await dashboard_.Tile(std::string(request.Param("module_instance_id")),
                                               std::string(request.Param("tile_id")),
                                               ToRelayCaller(caller, request));
  co_return Answer(answer, request);
}

io::Task<http::Response> DashboardRoutes::Data(http::Request request, identity::Caller caller) {
  const auto answer = co_await dashboard_.Data(
      std::string(request.Param("module_instance_id")), std::string(request.Param("tile_id")),
      request.Query("period").value_or(""), ToRelayCaller(caller, request));
  co_return Answer(answer, request);
}

}  // namespace mailreeve::response::api
