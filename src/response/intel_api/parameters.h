#pragma once

#include "base/time.h"
#include "http/message.h"
#include "response/intel/fields.h"
#include "response/intel/search.h"
#include "response/intel_api/answers.h"

// Query parameters of lists, searches and metrics (threat-response-api.md 5.5, 5.6). Pure;
// thread-safe. Errors: the 400 answer that names the parameter.
namespace mailreeve::response::intel_api {

struct QueryLimits {
  intel_query::Limits language;
  int64_t default_limit = 100;
};

// What documents are meant: query, simple_query, search_fields, from, to and the filters.
Answered<intel::Selection> ReadSelection(const http::Request& request,
                                         const intel::EntityFields& fields,
                                         const QueryLimits& limits, Time now);
// sort_by, sort_order, offset, limit, search_after.
Answered<intel::Paging> ReadPaging(const http::Request& request, const intel::EntityFields& fields,
                                   const QueryLimits& limits);
// false when absent.
Answered<bool> ReadFlag(const http::Request& request, std::string_view name);

struct MetricQuestion {
  intel::Selection selection;
  std::string aggregate_on;
  int64_t limit = 10;
  bool descending = true;
  intel::Granularity granularity = intel::Granularity::kDay;
  std::chrono::minutes zone{0};
  json::object filters;  // as the answer repeats them
};
enum class Metric { kHistogram, kTopN, kCardinality, kAverage };
Answered<MetricQuestion> ReadMetric(const http::Request& request, const intel::EntityFields& fields,
                                    Metric metric, const QueryLimits& limits, Time now);

}  // namespace mailreeve::response::intel_api
