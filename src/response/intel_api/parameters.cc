#include "response/intel_api/parameters.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::response::intel_api {
namespace {

constexpr std::string_view kCommonFilters[] = {
    "id",        "language", "revision", "source", "source_uri",  "schema_version",
    "timestamp", "title",    "tlp",      "owner",  "external_ids"};

std::string NotOneOf(const std::vector<std::string>& words, std::string_view given) {
  std::string out = "(not (#{";
  for (size_t i = 0; i < words.size(); ++i) out += (i == 0 ? "\"" : " \"") + words[i] + "\"";
  return out + "} \"" + std::string(given) + "\"))";
}

Answered<int64_t> ReadInteger(const http::Request& request, std::string_view name,
                              int64_t otherwise, int64_t min, int64_t max) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return otherwise;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || text->empty())
    return tl::unexpected(BadParameter(name, "(not (integer? \"" + *text + "\"))"));
  if (value < min || value > max) {
    return tl::unexpected(BadParameter(
        name, "(not (<= " + std::to_string(min) + " " + *text + " " + std::to_string(max) + "))"));
  }
  return value;
}

Answered<std::optional<Time>> ReadDate(const http::Request& request, std::string_view name) {
  std::optional<std::string> text = request.Query(name);
  if (!text) return std::optional<Time>();
  // A '+' of an offset that was sent as it is arrives as a space.
  if (text->size() > 6 && (*text)[text->size() - 6] == ' ') (*text)[text->size() - 6] = '+';
  Result<Time> time = ParseTime(*text);
  if (!time && text->size() == 10) time = ParseTime(*text + "T00:00:00Z");
  if (!time) return tl::unexpected(BadParameter(name, "(not (inst? \"" + *text + "\"))"));
  return std::optional<Time>(*time);
}

std::vector<std::string> Split2(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (const std::string_view part : Split(text, separator)) {
    const std::string_view trimmed = TrimSpace(part);
    if (!trimmed.empty()) out.emplace_back(trimmed);
  }
  return out;
}

}  // namespace

Answered<intel::Selection> ReadSelection(const http::Request& request,
                                         const intel::EntityFields& fields,
                                         const QueryLimits& limits, Time now) {
  intel::Selection selection;
  selection.type = fields.type;
  selection.range_field = fields.type == "event" ? "timestamp" : "created";
  using intel_query::Node;
  std::vector<Node> queries;
  if (const auto query = request.Query("query"); query && !TrimSpace(*query).empty()) {
    Result<Node> node = intel_query::ParseQuery(*query, limits.language, now);
    if (!node) return tl::unexpected(BadQuery(node.error().message));
    queries.push_back(*std::move(node));
  }
  if (const auto query = request.Query("simple_query"); query && !TrimSpace(*query).empty()) {
    Result<Node> node = intel_query::ParseSimpleQuery(*query, limits.language);
    if (!node) return tl::unexpected(BadQuery(node.error().message));
    queries.push_back(*std::move(node));
  }
  if (queries.size() == 1) {
    selection.query = std::move(queries.front());
  } else if (queries.size() == 2) {
    selection.query = Node{.kind = Node::Kind::kAnd, .children = std::move(queries)};
  }
  for (const std::string& field : request.QueryAll("search_fields")) {
    for (const std::string& one : Split2(field, ',')) {
      if (std::find(fields.searched.begin(), fields.searched.end(), one) == fields.searched.end())
        return tl::unexpected(BadParameter("search_fields", NotOneOf(fields.searched, one)));
      selection.search_fields.push_back(one);
    }
  }
  auto from = ReadDate(request, "from");
  if (!from) return tl::unexpected(from.error());
  auto to = ReadDate(request, "to");
  if (!to) return tl::unexpected(to.error());
  if (*from) selection.from = ToEpochMicros(**from);
  if (*to) selection.to = ToEpochMicros(**to);
  const auto filter = [&](std::string_view name) {
    std::vector<std::string> values = request.QueryAll(name);
    if (!values.empty()) selection.filters.push_back({std::string(name), std::move(values)});
  };
  for (const std::string_view name : kCommonFilters) {
    if (std::find(fields.filters.begin(), fields.filters.end(), name) == fields.filters.end())
      filter(name);
  }
  for (const std::string& name : fields.filters) filter(name);
  return selection;
}

Answered<intel::Paging> ReadPaging(const http::Request& request, const intel::EntityFields& fields,
                                   const QueryLimits& limits) {
  intel::Paging paging;
  auto limit = ReadInteger(request, "limit", limits.default_limit, 0, 10000);
  if (!limit) return tl::unexpected(limit.error());
  auto offset = ReadInteger(request, "offset", 0, 0, INT32_MAX);
  if (!offset) return tl::unexpected(offset.error());
  paging.limit = *limit;
  paging.offset = *offset;
  const std::string direction = request.Query("sort_order").value_or("asc");
  if (direction != "asc" && direction != "desc")
    return tl::unexpected(BadParameter("sort_order", NotOneOf({"asc", "desc"}, direction)));
  for (const std::string& text : request.QueryAll("sort_by")) {
    for (const std::string& part : Split2(text, ',')) {
      intel::SortKey key{part, direction == "desc"};
      if (const size_t colon = part.rfind(':'); colon != std::string::npos) {
        const std::string word = part.substr(colon + 1);
        if (word != "asc" && word != "desc")
          return tl::unexpected(BadParameter("sort_by", NotOneOf({"asc", "desc"}, word)));
        key = {part.substr(0, colon), word == "desc"};
      }
      if (!fields.IsSortable(key.field))
        return tl::unexpected(BadParameter("sort_by", NotOneOf(fields.sorts, key.field)));
      if (paging.sort.size() >= 16)
        return tl::unexpected(BadParameter("sort_by", "(not (<= (count sort_by) 16))"));
      paging.sort.push_back(std::move(key));
    }
  }
  paging.after = request.QueryAll("search_after");
  return paging;
}

Answered<bool> ReadFlag(const http::Request& request, std::string_view name) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return false;
  if (*text == "true" || *text == "false") return *text == "true";
  // As Python's own words are sent.
  if (*text == "True" || *text == "False") return *text == "True";
  return tl::unexpected(BadParameter(name, "(not (boolean? \"" + *text + "\"))"));
}

Answered<MetricQuestion> ReadMetric(const http::Request& request, const intel::EntityFields& fields,
                                    Metric metric, const QueryLimits& limits, Time now) {
  MetricQuestion out;
  auto selection = ReadSelection(request, fields, limits, now);
  if (!selection) return tl::unexpected(selection.error());
  out.selection = *std::move(selection);
  const auto aggregate_on = request.Query("aggregate-on");
  json::object errors;
  if (!aggregate_on) errors["aggregate-on"] = "missing-required-key";
  if (!out.selection.from) errors["from"] = "missing-required-key";
  const auto granularity = request.Query("granularity");
  if (metric == Metric::kHistogram && !granularity) errors["granularity"] = "missing-required-key";
  if (!errors.empty()) return Refuse(400, json::object{{"errors", std::move(errors)}});
  out.aggregate_on = *aggregate_on;
  static const std::vector<std::string> kIntervals = {
      "intervals.new_to_opened", "intervals.opened_to_closed", "intervals.new_to_contained"};
  const std::vector<std::string>& known = metric == Metric::kHistogram ? fields.histograms
                                          : metric == Metric::kAverage ? kIntervals
                                                                       : fields.aggregates;
  if (std::find(known.begin(), known.end(), out.aggregate_on) == known.end())
    return tl::unexpected(BadParameter("aggregate-on", NotOneOf(known, out.aggregate_on)));
  if (metric == Metric::kHistogram) {
    out.selection.range_field = out.aggregate_on;
    if (*granularity == "day") {
      out.granularity = intel::Granularity::kDay;
    } else if (*granularity == "week") {
      out.granularity = intel::Granularity::kWeek;
    } else if (*granularity == "month") {
      out.granularity = intel::Granularity::kMonth;
    } else {
      return tl::unexpected(
          BadParameter("granularity", NotOneOf({"day", "week", "month"}, *granularity)));
    }
    std::string zone = request.Query("timezone").value_or("+00:00");
    if (!zone.empty() && zone[0] == ' ') zone[0] = '+';
    const bool form = zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
                      std::all_of(zone.begin() + 1, zone.end(),
                                  [](char c) { return c == ':' || (c >= '0' && c <= '9'); });
    const int hours = form ? std::atoi(zone.substr(1, 2).c_str()) : 99;
    const int minutes = form ? std::atoi(zone.substr(4, 2).c_str()) : 99;
    if (hours > 14 || minutes > 59)
      return tl::unexpected(BadParameter("timezone", "(not (timezone? \"" + zone + "\"))"));
    out.zone = std::chrono::minutes(hours * 60 + minutes) * (zone[0] == '-' ? -1 : 1);
  }
  auto limit = ReadInteger(request, "limit", 10, 1, 10000);
  if (!limit) return tl::unexpected(limit.error());
  out.limit = *limit;
  const std::string direction = request.Query("sort_order").value_or("desc");
  if (direction != "asc" && direction != "desc")
    return tl::unexpected(BadParameter("sort_order", NotOneOf({"asc", "desc"}, direction)));
  out.descending = direction == "desc";
  // At most one year, that which ends at `to`.
  if (!out.selection.to) out.selection.to = ToEpochMicros(now);
  constexpr int64_t kYear = int64_t{365} * 24 * 3600 * 1000000;
  out.selection.from = std::max(*out.selection.from, *out.selection.to - kYear);
  out.filters["from"] = FormatTime(FromEpochMicros(*out.selection.from));
  out.filters["to"] = FormatTime(FromEpochMicros(*out.selection.to));
  for (const intel::Filter& filter : out.selection.filters) {
    if (filter.any_of.size() == 1) {
      out.filters[filter.field] = filter.any_of.front();
    } else {
      json::array values;
      for (const std::string& value : filter.any_of) values.emplace_back(value);
      out.filters[filter.field] = std::move(values);
    }
  }
  json::array texts;
  for (const auto& [name, mode] :
       {std::pair{"query", "query_string"}, {"simple_query", "simple_query_string"}}) {
    if (const auto query = request.Query(name))
      texts.push_back(json::object{{"query", *query}, {"query_mode", mode}});
  }
  if (!texts.empty()) out.filters["full-text"] = std::move(texts);
  return out;
}

}  // namespace mailreeve::response::intel_api
