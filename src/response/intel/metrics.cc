#include "response/intel/fields.h"
#include "response/intel/scan.h"
#include "response/intel_query/match.h"

#include <algorithm>
#include <set>

namespace mailreeve::response::intel {
namespace {

// The start of the day, week (Monday) or month that `micros` lies in, at `zone`.
int64_t BucketOf(int64_t micros, Granularity granularity, std::chrono::minutes zone) {
  using namespace std::chrono;
  const sys_days day = floor<days>(FromEpochMicros(micros) + zone);
  switch (granularity) {
    case Granularity::kDay:
      return ToEpochMicros(Time(day) - zone);
    case Granularity::kWeek: {
      const unsigned since_monday = (weekday(day).c_encoding() + 6) % 7;
      return ToEpochMicros(Time(day - days(since_monday)) - zone);
    }
    case Granularity::kMonth: {
      const year_month_day date(day);
      return ToEpochMicros(Time(sys_days(date.year() / date.month() / 1)) - zone);
    }
  }
  return micros;
}

// "2026-01-05T00:00:00.000+00:00"
std::string KeyOf(int64_t bucket, std::chrono::minutes zone) {
  std::string text = FormatTime(FromEpochMicros(bucket) + zone);
  text.pop_back();
  const int64_t minutes = zone.count() < 0 ? -zone.count() : zone.count();
  char offset[16];
  std::snprintf(offset, sizeof(offset), "%c%02d:%02d", zone.count() < 0 ? '-' : '+',
                static_cast<int>(minutes / 60 % 100), static_cast<int>(minutes % 60));
  return text + offset;
}

// Whether the index alone can tell: the condition is exact, and the field has postings.
bool ByIndex(const Scan& scan, const EntityFields& fields, const std::string& field) {
  return scan.exact() && fields.IsIndexed(field);
}

// The value as documents have it: the index keeps lower case.
Result<json::value> AsWritten(Tables& tables, const std::string& type, const std::string& field,
                              const std::string& value, int64_t n) {
  (void)type;
  TRY(const std::vector<Record> records, tables.GetNumbers(std::span(&n, 1)));
  json::value out(value);
  for (const Record& record : records) {
    intel_query::ForEachValue(record.document, field, [&](const json::value& have) {
      if (IndexValue(field, have) != value) return true;
      out = have;
      return false;
    });
  }
  return out;
}

}  // namespace

Result<json::array> TopN(Tables& tables, const Selection& selection, const Aggregate& aggregate,
                         const Asker& asker, Visibility visibility, const SearchLimits& limits) {
  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  struct Counted {
    std::string value;
    int64_t count = 0, n = 0;
  };
  std::vector<Counted> counted;
  const EntityFields& fields = *FieldsOf(selection.type);
  if (ByIndex(scan, fields, aggregate.field)) {
    SqlText sql = scan.sql();
    // The condition is about d; postings of the field are joined to it.
    sql.text =
        "SELECT v.value, COUNT(*) AS c, MIN(v.n) FROM intel_term v JOIN intel_document d "
        "ON d.n = v.n WHERE v.field = " +
        sql.Put(FieldCode(selection.type, aggregate.field)) + " AND " +
        sql.text.substr(std::string_view(" FROM intel_document d WHERE ").size()) +
        " GROUP BY v.value ORDER BY c " + (aggregate.descending ? "DESC" : "ASC") +
        ", v.value LIMIT " + sql.Put(aggregate.limit);
    TRY(sql::Statement * rows, tables.Query(sql));
    while (true) {
      TRY(const bool some, rows->Step());
      if (!some) break;
      counted.push_back({rows->Text(0), rows->Integer(1), rows->Integer(2)});
    }
  } else {
    std::map<std::string, Counted> all;
    TRY_VOID(scan.ForEach(limits, [&](Record& record) {
      std::set<std::string> values;
      intel_query::ForEachValue(record.document, aggregate.field, [&](const json::value& value) {
        values.insert(IndexValue(aggregate.field, value));
        return true;
      });
      for (const std::string& value : values) {
        Counted& one = all[value];
        if (one.count++ == 0) one.n = record.n;
      }
      return true;
    }));
    for (auto& [value, one] : all) {
      one.value = value;
      counted.push_back(std::move(one));
    }
    std::stable_sort(counted.begin(), counted.end(), [&](const Counted& a, const Counted& b) {
      return aggregate.descending ? a.count > b.count : a.count < b.count;
    });
    if (counted.size() > static_cast<size_t>(aggregate.limit))
      counted.resize(static_cast<size_t>(aggregate.limit));
  }
  json::array out;
  for (const Counted& one : counted) {
    TRY(json::value key, AsWritten(tables, selection.type, aggregate.field, one.value, one.n));
    out.push_back(json::object{{"key", std::move(key)}, {"value", one.count}});
  }
  return out;
}

Result<int64_t> Cardinality(Tables& tables, const Selection& selection, const std::string& field,
                            const Asker& asker, Visibility visibility, const SearchLimits& limits) {
  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  if (ByIndex(scan, *FieldsOf(selection.type), field)) {
    SqlText sql = scan.sql();
    sql.text =
        "SELECT COUNT(DISTINCT v.value) FROM intel_term v JOIN intel_document d ON d.n = v.n "
        "WHERE v.field = " +
        sql.Put(FieldCode(selection.type, field)) + " AND " +
        sql.text.substr(std::string_view(" FROM intel_document d WHERE ").size());
    TRY(sql::Statement * count, tables.Query(sql));
    TRY_VOID(count->Step());
    const int64_t out = count->Integer(0);
    count->Reset();
    return out;
  }
  std::set<std::string> values;
  TRY_VOID(scan.ForEach(limits, [&](Record& record) {
    intel_query::ForEachValue(record.document, field, [&](const json::value& value) {
      values.insert(IndexValue(field, value));
      return true;
    });
    return true;
  }));
  return static_cast<int64_t>(values.size());
}

Result<json::array> Histogram(Tables& tables, const Selection& selection, const std::string& field,
                              Granularity granularity, std::chrono::minutes zone,
                              const Asker& asker, Visibility visibility,
                              const SearchLimits& limits) {
  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  std::map<int64_t, int64_t> buckets;
  const EntityFields& fields = *FieldsOf(selection.type);
  const bool column = IsTimeColumn(field);
  if (scan.exact() && (column || fields.IsIndexed(field))) {
    SqlText sql = scan.sql();
    const std::string condition =
        sql.text.substr(std::string_view(" FROM intel_document d WHERE ").size());
    // A day at UTC is the finest thing that zones of whole minutes do not split: the database
    // counts by quarter of an hour, we add up.
    if (column) {
      const std::string name = field == "timestamp" ? "d.stamp" : "d." + field;
      sql.text = "SELECT " + name + " / 900000000, COUNT(*) FROM intel_document d WHERE " +
                 condition + " GROUP BY 1";
      TRY(sql::Statement * rows, tables.Query(sql));
      while (true) {
        TRY(const bool some, rows->Step());
        if (!some) break;
        buckets[BucketOf(rows->Integer(0) * 900000000, granularity, zone)] += rows->Integer(1);
      }
    } else {
      // "2026-01-05t10:15:…": by minute.
      sql.text =
          "SELECT SUBSTR(v.value, 1, 16), COUNT(*) FROM intel_term v JOIN intel_document d "
          "ON d.n = v.n WHERE v.field = " +
          sql.Put(FieldCode(selection.type, field));
      const auto bound = [&](const std::optional<int64_t>& micros, const char* compare) {
        if (micros)
          sql.text += std::string(" AND v.value ") + compare + " " +
                      sql.Put(intel_query::FoldCase(FormatTime(FromEpochMicros(*micros))));
      };
      bound(selection.from, ">=");
      bound(selection.to, "<");
      sql.text += " AND " + condition + " GROUP BY 1";
      TRY(sql::Statement * rows, tables.Query(sql));
      while (true) {
        TRY(const bool some, rows->Step());
        if (!some) break;
        std::string minute = rows->Text(0);
        if (minute.size() == 16) minute[10] = 'T';
        if (const Result<Time> time = ParseTime(minute + ":00Z"))
          buckets[BucketOf(ToEpochMicros(*time), granularity, zone)] += rows->Integer(1);
      }
    }
  } else {
    TRY_VOID(scan.ForEach(limits, [&](Record& record) {
      intel_query::ForEachValue(record.document, field, [&](const json::value& value) {
        if (!value.is_string()) return true;
        const Result<Time> time = ParseTime(value.get_string());
        if (!time) return true;
        const int64_t micros = ToEpochMicros(*time);
        if ((!selection.from || micros >= *selection.from) &&
            (!selection.to || micros < *selection.to))
          ++buckets[BucketOf(micros, granularity, zone)];
        return true;
      });
      return true;
    }));
  }
  json::array out;
  for (const auto& [bucket, count] : buckets)
    out.push_back(json::object{{"key", KeyOf(bucket, zone)}, {"value", count}});
  return out;
}

Result<Average> AverageOf(Tables& tables, const Selection& selection,
                          const std::string& hidden_path, const Asker& asker, Visibility visibility,
                          const SearchLimits& limits) {
  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  Average out;
  double sum = 0;
  TRY_VOID(scan.ForEach(limits, [&](Record& record) {
    intel_query::ForEachValue(record.hidden, hidden_path, [&](const json::value& value) {
      if (!value.is_number()) return true;
      sum += value.to_number<double>();
      ++out.count;
      return true;
    });
    return true;
  }));
  if (out.count > 0) out.value = sum / static_cast<double>(out.count);
  return out;
}

}  // namespace mailreeve::response::intel
