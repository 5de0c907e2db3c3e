#pragma once

#include "gateway/reporting/reports.h"

#include <chrono>
#include <string>
#include <string_view>

namespace mailreeve::gateway::enrich {

// Tiles of the platform's dashboard drawn from this gateway's reports: mail flow, top senders,
// verdicts, remediation (threat-response-api.md 2.6). Whole hours, so a tile shows up to an hour
// more than its period.
//
// Threads: one executor. Ownership: borrows store and clock. Errors: kNotFound a tile of another
// id; those of the store.
class ReportTiles {
 public:
  ReportTiles(tracking::Store& store, const Clock& clock) : reports_(store), clock_(clock) {}

  // {"id","type","title",…} without periods.
  static json::array Definitions();
  // Its tile data without "tile_id" and "period".
  io::Task<Result<json::object>> Data(std::string id, std::chrono::hours span);

 private:
  io::Task<Result<json::object>> MailFlow(Time from, Time until);
  io::Task<Result<json::object>> TopSenders(Time from, Time until);
  io::Task<Result<json::object>> Verdicts(Time from, Time until);
  io::Task<Result<json::object>> Remediation(Time from, Time until);

  reporting::Reports reports_;
  const Clock& clock_;
};

}  // namespace mailreeve::gateway::enrich
