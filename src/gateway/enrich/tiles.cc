// GatewayModule: the tiles that the platform's dashboard shows.
#include "gateway/enrich/module_parts.h"
#include "gateway/enrich/query_body.h"
#include "gateway/enrich/report_tiles.h"

#include <algorithm>
#include <array>

namespace mailreeve::gateway::enrich {
namespace {

struct Period {
  std::string_view name;
  std::chrono::hours span;
};
constexpr std::array kPeriods = {Period{"last_hour", std::chrono::hours(1)},
                                 Period{"last_24_hours", std::chrono::hours(24)},
                                 Period{"last_7_days", std::chrono::hours(7 * 24)},
                                 Period{"last_30_days", std::chrono::hours(30 * 24)},
                                 Period{"last_60_days", std::chrono::hours(60 * 24)},
                                 Period{"last_90_days", std::chrono::hours(90 * 24)}};
constexpr std::string_view kTileId = "mailreeve-messages";

// Every tile, with its periods.
json::array TileDefinitions() {
  json::array periods;
  for (const auto& period : kPeriods) periods.push_back(json::value(period.name));
  json::array tiles = ReportTiles::Definitions();
  tiles.insert(
      tiles.begin(),
      json::object{{"id", kTileId},
                   {"type", "metric_group"},
                   {"title", "Messages"},
                   {"description", "Messages that this gateway tracked, and what became of them."},
                   {"short_description", "Tracked, delivered and remediated messages"},
                   {"tags", json::array{"email"}},
                   {"default_period", "last_24_hours"}});
  for (json::value& tile : tiles) tile.get_object()["periods"] = periods;
  return tiles;
}

std::optional<json::object> FindTile(std::string_view id) {
  for (json::value& tile : TileDefinitions()) {
    if (tile.at("id") == json::value(id)) return std::move(tile.get_object());
  }
  return std::nullopt;
}

}  // namespace

io::Task<Result<json::value>> GatewayModule::Tiles(relay::Call) {
  co_return json::object{{"data", TileDefinitions()}};
}

io::Task<Result<json::value>> GatewayModule::Tile(relay::Call call) {
  const auto read = [&]() -> Result<json::object> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"tile_id"}));
    TRY(const std::string id, json::RequireString(*body, "tile_id"));
    auto tile = FindTile(id);
    if (!tile) return Fail(Code::kNotFound, "no such tile");
    return *std::move(tile);
  };
  auto tile = read();
  if (!tile) co_return FatalOf(tile.error());
  co_return json::object{{"data", *std::move(tile)}};
}

io::Task<Result<json::value>> GatewayModule::TileData(relay::Call call) {
  std::string name, id;
  const Period* period = nullptr;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"tile_id", "period"}));
    TRY(id, json::RequireString(*body, "tile_id"));
    if (!FindTile(id)) return Fail(Code::kNotFound, "no such tile");
    TRY(name, json::OptionalString(*body, "period", "last_24_hours"));
    for (const Period& each : kPeriods) {
      if (each.name == name) period = &each;
    }
    if (period == nullptr) return Fail(Code::kInvalid, "period: is not one of the tile's");
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  if (id != kTileId) {
    ReportTiles tiles(store_, clock_);
    auto data = co_await tiles.Data(id, period->span);
    if (!data) co_return FatalOf(data.error());
    (*data)["tile_id"] = id;
    (*data)["period"] = name;
    co_return json::object{{"data", *std::move(data)}};
  }
  const Time now = clock_.Now();
  auto totals = co_await store_.Count(now - period->span, now + Duration(1));
  if (!totals) co_return FatalOf(totals.error());
  const auto metric = [](std::string_view label, uint64_t value, std::string_view icon) {
    return json::object{
        {"label", label}, {"value", value}, {"icon", icon}, {"value-unit", "integer"}};
  };
  const json::object span{{"start_time", FormatTime(now - period->span)},
                          {"end_time", FormatTime(now)}};
  co_return json::object{
      {"data",
       {{"tile_id", kTileId},
        {"period", name},
        {"cache_scope", "org"},
        {"hide_legend", true},
        {"observed_time", span},
        {"valid_time",
         {{"start_time", FormatTime(now)},
          {"end_time", FormatTime(now + std::chrono::minutes(5))}}},
        {"data", json::array{metric("Tracked", totals->messages, "email"),
                             metric("Delivered", totals->delivered, "success"),
                             metric("Refused", totals->refused, "block"),
                             metric("Bounced", totals->bounced, "warning"),
                             metric("Remediated", totals->remediated, "remediation")}}}}};
}

}  // namespace mailreeve::gateway::enrich
