#include "response/dashboard/dashboard.h"

#include "base/text.h"

#include <algorithm>

namespace mailreeve::response::dashboard {
namespace {

using enrich::Part;
using enrich::Shape;

constexpr std::string_view kPeriods[] = {"last_hour",    "last_24_hours", "last_7_days",
                                         "last_30_days", "last_60_days",  "last_90_days"};

std::string TextOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

json::object WithKeys(json::object tile, const Part& part) {
  for (auto& member : enrich::ModuleKeys(part.instance)) tile[member.key()] = member.value();
  return tile;
}

bool IsTile(const json::value& value) {
  const json::object* tile = value.if_object();
  return tile != nullptr && !TextOf(*tile, "id").empty() && !TextOf(*tile, "title").empty() &&
         !TextOf(*tile, "type").empty();
}

// Links that a browser may follow: http, https, and paths of our own console.
bool IsLink(std::string_view uri) {
  const std::string start = AsciiLower(uri.substr(0, 8));
  const bool known = start.starts_with("http://") || start.starts_with("https://") ||
                     (uri.starts_with('/') && !uri.starts_with("//"));
  return known && uri.size() <= 8192 && std::none_of(uri.begin(), uri.end(), [](char c) {
           return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\';
         });
}

void DropBadLinks(json::value& value) {
  if (value.is_array()) {
    for (json::value& item : value.get_array()) DropBadLinks(item);
  } else if (value.is_object()) {
    json::object& object = value.get_object();
    if (const json::value* link = object.if_contains("link_uri");
        link != nullptr && (!link->is_string() || !IsLink(link->get_string()))) {
      object.erase("link_uri");
    }
    for (auto& member : object) DropBadLinks(member.value());
  }
}

// The module said that there is no such tile, and nothing else.
bool SaysNotFound(const Part& part) {
  return !part.answer.data && !part.answer.errors.empty() &&
         part.answer.errors.front().code == "not found";
}

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  Options out;
  out.max_remembered = static_cast<size_t>(snapshot.Integer("dashboard.max_remembered"));
  out.max_life = std::chrono::seconds(snapshot.Integer("dashboard.max_life"));
  return out;
}

io::Task<Result<json::object>> Dashboard::Tiles(enrich::Filter filter, relay::Caller caller) {
  CO_TRY(
      std::vector<Part> parts,
      co_await enricher_.AskAll("tiles", "/tiles", nullptr, Shape::kList,
                                enricher_.options().timeout, std::move(filter), std::move(caller)));
  json::array tiles;
  for (Part& part : parts) {
    if (!part.answer.data) continue;
    size_t bad = 0;
    for (json::value& item : part.answer.data->get_array()) {
      if (IsTile(item)) {
        tiles.push_back(WithKeys(std::move(item.get_object()), part));
      } else {
        ++bad;
      }
    }
    if (bad > 0) {
      part.answer.errors.push_back(
          {"invalid answer", std::to_string(bad) + " tiles have no id, type or title", "error"});
    }
  }
  json::object out;
  out["data"] = std::move(tiles);
  out["errors"] = enrich::ErrorsOf(parts);
  out["coverage"] = enrich::CoverageOf(parts);
  co_return out;
}

io::Task<Result<json::object>> Dashboard::Tile(std::string module_instance_id, std::string tile_id,
                                               relay::Caller caller) {
  CO_TRY(Part part, co_await enricher_.AskOne(std::move(module_instance_id), "/tiles/tile",
                                              json::object{{"tile_id", tile_id}}, Shape::kObject,
                                              enricher_.options().timeout, std::move(caller)));
  if (SaysNotFound(part)) co_return Fail(Code::kNotFound, "the module has no such tile");
  json::object out;
  if (part.answer.data) {
    if (IsTile(*part.answer.data)) {
      out["data"] = WithKeys(std::move(part.answer.data->get_object()), part);
    } else {
      part.answer.errors.push_back(
          {"invalid answer", "the tile has no id, type or title", "fatal"});
    }
  }
  out["errors"] = enrich::ErrorsOf({part});
  co_return out;
}

io::Task<Result<json::object>> Dashboard::Data(std::string module_instance_id, std::string tile_id,
                                               std::string period, relay::Caller caller) {
  if (period.empty()) {
    CO_TRY(const json::object tile, co_await Tile(module_instance_id, tile_id, caller));
    const json::value* data = tile.if_contains("data");
    if (data != nullptr) period = TextOf(data->get_object(), "default_period");
    if (period.empty()) period = "last_24_hours";
  }
  if (std::find(std::begin(kPeriods), std::end(kPeriods), period) == std::end(kPeriods)) {
    co_return Fail(Code::kInvalid,
                   "period: must be one of last_hour, last_24_hours, last_7_days, "
                   "last_30_days, last_60_days, last_90_days");
  }
  // Also when it is remembered, whether the caller may still see the module is asked anew.
  CO_TRY(const modules::ModuleInstance instance,
         co_await enricher_.registry().FindInstance(caller.org_id, module_instance_id,
                                                    caller.user_id));
  const std::string of_org = caller.org_id + "\n" + instance.id + "\n" +
                             std::to_string(ToEpochMicros(instance.updated)) + "\n" + tile_id +
                             "\n" + period + "\n";
  const std::string of_user = of_org + caller.user_id;
  for (const std::string& key : {of_user, of_org}) {
    if (const json::object* known = Find(key)) {
      co_return json::object{{"data", *known}, {"errors", json::array()}};
    }
  }
  const json::object body{{"tile_id", tile_id}, {"period", period}};
  CO_TRY(Part part,
         co_await enricher_.AskOne(std::move(module_instance_id), "/tiles/tile-data", body,
                                   Shape::kObject, enricher_.options().timeout, std::move(caller)));
  if (SaysNotFound(part)) co_return Fail(Code::kNotFound, "the module has no such tile");
  json::object out;
  if (part.answer.data) {
    DropBadLinks(*part.answer.data);
    json::object& data = part.answer.data->get_object();
    if (part.answer.errors.empty()) {
      const json::value* valid = data.if_contains("valid_time");
      const auto end = valid != nullptr && valid->is_object()
                           ? ParseTime(TextOf(valid->get_object(), "end_time"))
                           : Result<Time>(Fail(Code::kInvalid, ""));
      // Without a scope it may be one person's.
      const bool is_orgs = TextOf(data, "cache_scope") == "org";
      if (end) Remember(is_orgs ? of_org : of_user, data, *end);
    }
    out["data"] = std::move(data);
  }
  out["errors"] = enrich::ErrorsOf({part});
  co_return out;
}

const json::object* Dashboard::Find(const std::string& key) {
  const auto found = remembered_.find(key);
  if (found == remembered_.end()) return nullptr;
  if (found->second.until <= clock_.Now()) {
    order_.erase(found->second.used);
    remembered_.erase(found);
    return nullptr;
  }
  order_.splice(order_.end(), order_, found->second.used);
  return &found->second.data;
}

void Dashboard::Remember(const std::string& key, const json::object& data, Time until) {
  const Time now = clock_.Now();
  until = std::min(until, now + Duration(options_.max_life));
  if (until <= now || options_.max_remembered == 0) return;
  if (const auto old = remembered_.find(key); old != remembered_.end()) {
    order_.erase(old->second.used);
    remembered_.erase(old);
  }
  order_.push_back(key);
  remembered_[key] = {data, until, std::prev(order_.end())};
  if (remembered_.size() > options_.max_remembered) {
    remembered_.erase(order_.front());
    order_.pop_front();
  }
}

}  // namespace mailreeve::response::dashboard
