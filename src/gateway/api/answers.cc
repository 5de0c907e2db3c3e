#include "gateway/api/answers.h"

namespace mailreeve::gateway::api {

http::Response Failed(const Error& error) {
  return http::Response::Json(
      http::StatusOf(error.code),
      json::object{{"error", CodeName(error.code)}, {"error_description", error.ToString()}});
}

json::object CoverageJson(const tracking::Coverage& coverage) {
  json::object out{{"records_held", coverage.records_held},
                   {"records_unreadable", coverage.records_unreadable},
                   {"complete", coverage.complete},
                   {"why", coverage.why},
                   {"oldest", nullptr},
                   {"newest", nullptr}};
  if (coverage.oldest) out["oldest"] = FormatTime(*coverage.oldest);
  if (coverage.newest) out["newest"] = FormatTime(*coverage.newest);
  return out;
}

}  // namespace mailreeve::gateway::api
