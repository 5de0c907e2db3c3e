#pragma once

#include "response/enrich/enricher.h"
#include "settings/settings.h"

#include <list>
#include <string>
#include <unordered_map>

// The tiles that modules offer, and what they show.
//
// Threads: one executor. Ownership: borrows enricher and clock. Errors: kNotFound a module that was
// named or a tile that it does not have, kInvalid a period, others as the enricher's. A module that
// fails is named in "errors".
//
//   Dashboard dashboard(enricher, clock, FromSettings(snapshot));
//   CO_TRY(json::object tiles, co_await dashboard.Tiles({}, caller));
namespace mailreeve::response::dashboard {

struct Options {
  size_t max_remembered = 2000;         // answers of /tiles/tile-data
  std::chrono::seconds max_life{3600};  // however long a module says its data is valid
};
Options FromSettings(const settings::Snapshot& snapshot);

class Dashboard {
 public:
  Dashboard(enrich::Enricher& enricher, const Clock& clock, Options options)
      : enricher_(enricher), clock_(clock), options_(options) {}

  // {"data":[tile with module keys],"errors","coverage"}
  io::Task<Result<json::object>> Tiles(enrich::Filter filter, relay::Caller caller);
  // {"data":tile with module keys,"errors"}
  io::Task<Result<json::object>> Tile(std::string module_instance_id, std::string tile_id,
                                      relay::Caller caller);
  // {"data":tile data,"errors"}. An empty period is the tile's own.
  io::Task<Result<json::object>> Data(std::string module_instance_id, std::string tile_id,
                                      std::string period, relay::Caller caller);
  size_t remembered() const { return remembered_.size(); }

 private:
  struct Remembered {
    json::object data;
    Time until;
    std::list<std::string>::iterator used;
  };
  const json::object* Find(const std::string& key);
  void Remember(const std::string& key, const json::object& data, Time until);

  enrich::Enricher& enricher_;
  const Clock& clock_;
  const Options options_;
  std::list<std::string> order_;  // longest unused first
  std::unordered_map<std::string, Remembered> remembered_;
};

}  // namespace mailreeve::response::dashboard
