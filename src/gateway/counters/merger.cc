#include "gateway/counters/bounded.h"
#include "gateway/counters/reader_impl.h"
#include "gateway/counters/table_impl.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace mailreeve::gateway::counters {
namespace {

template <class V>
Values ValuesAt(const Shapes& shapes, const Group<V>& group, uint32_t row) {
  Values out;
  const std::vector<Metric>& metrics = shapes.At(group.At(row).shape);
  for (size_t i = 0; i < metrics.size(); ++i) {
    if (const uint64_t value = group.ValuesOf(row)[i]; value != 0)
      out.emplace_back(metrics[i], value);
  }
  return out;
}

// Takes away what rows have; never below 0, whatever a damaged table says.
void Subtract(Values& from, const Values& row) {
  size_t at = 0;
  for (const auto& [metric, value] : row) {
    while (at < from.size() && from[at].first < metric) ++at;
    if (at < from.size() && from[at].first == metric)
      from[at].second -= std::min(from[at].second, value);
  }
}

}  // namespace

struct Merger::Impl {
  explicit Impl(Question q)
      : question(std::move(q)),
        from(HourOf(question.from)),
        until(question.until == Time::min() ? from : HourOf(question.until - Duration(1)) + 1),
        filtered(question.dimension != Dimension::kAll &&
                 (question.key_is || question.key_begins_with)),
        series(question.series != Question::Bucket::kNone) {}

  bool Fits(std::string_view key) const {
    return (!question.key_is || key == *question.key_is) &&
           (!question.key_begins_with || key.starts_with(*question.key_begins_with));
  }
  bool Within(int64_t hour) const { return hour >= from && hour < until; }
  int64_t BucketOf(int64_t hour) const {
    if (question.series != Question::Bucket::kDay) return hour;
    return (hour >= 0 ? hour / 24 : -((23 - hour) / 24)) * 24;
  }

  template <class W>
  void AddTotals(uint32_t shape, const W* values) {
    rows.AddTotals(shapes, shape, values);
  }
  template <class W>
  void AddPoint(int64_t hour, uint32_t shape, const W* values) {
    if (!series) return;
    const int64_t bucket = BucketOf(hour);
    AddAt(points, std::string_view(reinterpret_cast<const char*>(&bucket), sizeof bucket), shape,
          values);
  }
  // The values of a row; with `hour` its series too.
  template <class W>
  void AddRow(std::string_view key, uint32_t shape, const W* values, Bounds bounds) {
    rows.Add(shapes, key, shape, values, bounds);
    if (filtered) AddTotals(shape, values);
  }
  template <class W>
  void AddRowPoint(int64_t hour, std::string_view key, uint32_t shape, const W* values) {
    if (filtered) AddPoint(hour, shape, values);
    if (!series || !question.row_series) return;
    const int64_t bucket = BucketOf(hour);
    point_key.assign(reinterpret_cast<const char*>(&bucket), sizeof bucket);
    point_key += key;
    AddAt(row_points, point_key, shape, values);
  }
  template <class W>
  void AddAt(Group<uint64_t>& group, std::string_view key, uint32_t shape, const W* values) {
    group.AddValues(shapes, group.FindOrInsert(HashOf(key), key), shape, values);
  }
  std::vector<Point> Series() const;
  void AddRowSeries(std::vector<Row>& to) const;

  // A shape of another Shapes in ours.
  uint32_t Translate(const Shapes& other, uint32_t shape, std::vector<uint32_t>& known) {
    if (known.size() <= shape) known.resize(other.size(), UINT32_MAX);
    if (known[shape] == UINT32_MAX) {
      Shapes::Mask mask{};
      for (const Metric metric : other.At(shape)) mask[metric / 64] |= uint64_t{1} << (metric % 64);
      known[shape] = shapes.Of(mask);
    }
    return known[shape];
  }

  const Question question;
  const int64_t from, until;
  const bool filtered, series;
  Shapes shapes;
  Decompressor decompress;
  Bounded rows;                // row 0: totals
  Group<uint64_t> points;      // by the hour a bucket begins with
  Group<uint64_t> row_points;  // by that and the key
  std::string point_key;
};

std::vector<Point> Merger::Impl::Series() const {
  std::vector<Point> out;
  for (uint32_t row = 1; row <= points.rows(); ++row) {
    int64_t bucket = 0;
    std::memcpy(&bucket, points.KeyOf(row).data(), sizeof bucket);
    out.push_back({TimeOfHour(bucket), ValuesAt(shapes, points, row)});
  }
  std::sort(out.begin(), out.end(),
            [](const Point& a, const Point& b) { return a.begin < b.begin; });
  return out;
}

void Merger::Impl::AddRowSeries(std::vector<Row>& to) const {
  std::unordered_map<std::string_view, Row*> by_key;
  for (Row& row : to) by_key.emplace(row.key, &row);
  for (uint32_t point = 1; point <= row_points.rows(); ++point) {
    const std::string_view key = row_points.KeyOf(point);
    int64_t bucket = 0;
    const auto found = by_key.find(key.substr(sizeof bucket));
    if (found == by_key.end()) continue;
    std::memcpy(&bucket, key.data(), sizeof bucket);
    found->second->series.push_back({TimeOfHour(bucket), ValuesAt(shapes, row_points, point)});
  }
  for (Row& row : to) {
    std::sort(row.series.begin(), row.series.end(),
              [](const Point& a, const Point& b) { return a.begin < b.begin; });
  }
}

Merger::Merger(Question question) : impl_(std::make_unique<Impl>(std::move(question))) {}
Merger::~Merger() = default;

void Merger::Add(const Table& table) {
  Impl& to = *impl_;
  const Table::Impl& source = table.impl();
  std::vector<uint32_t> known;
  const auto add = [&](int64_t hour, const auto& group) {
    const Bounds bounds{group.missed(), group.missed()};
    to.rows.Block(bounds);
    if (!to.filtered) {
      const uint32_t shape = to.Translate(source.shapes, group.At(0).shape, known);
      to.AddTotals(shape, group.ValuesOf(0));
      to.AddPoint(hour, shape, group.ValuesOf(0));
    }
    for (uint32_t row = 1; row <= group.rows(); ++row) {
      const std::string_view key = group.KeyOf(row);
      if (to.filtered && !to.Fits(key)) continue;
      const uint32_t shape = to.Translate(source.shapes, group.At(row).shape, known);
      to.AddRow(key, shape, group.ValuesOf(row), bounds);
      to.AddRowPoint(hour, key, shape, group.ValuesOf(row));
    }
  };
  for (auto at = source.hours.lower_bound(to.from);
       at != source.hours.end() && at->first < to.until; ++at) {
    if (to.question.dimension == Dimension::kAll) {
      add(at->first, at->second.all);
    } else if (const auto& group = at->second.by[static_cast<size_t>(to.question.dimension)]) {
      add(at->first, *group);
    }
  }
}

Result<void> Merger::Add(const Reader& table) {
  Impl& to = *impl_;
  const Reader::Impl& reader = table.impl();
  const Directory& directory = reader.directory;
  const DimensionFrames& frames = directory.dimensions[static_cast<size_t>(to.question.dimension)];
  if (frames.hours.size == 0 || directory.until <= to.from || directory.from >= to.until) return {};
  const bool whole = to.from <= directory.from && to.until >= directory.until;
  const bool all = to.question.dimension == Dimension::kAll;

  // Everything is decoded before anything is added: a damaged table adds nothing.
  std::vector<HourTotals> hours;
  if (all || !whole || to.series) {
    TRY(const std::string raw, reader.Load(frames.hours, to.decompress));
    TRY(hours, DecodeHours(raw, to.shapes));
    std::erase_if(hours, [&](const HourTotals& hour) { return !to.Within(hour.hour); });
  }
  TotalBlock total;
  std::vector<RunBlock> runs;
  if (!all) {
    TRY(const std::string raw, reader.Load(frames.total, to.decompress));
    TRY(total, DecodeTotal(raw, to.shapes));
    if (!whole || (to.series && (to.question.row_series || to.filtered))) {
      for (const Run& run : frames.runs) {
        if (run.last < to.from || run.first >= to.until) continue;
        TRY(const std::string run_raw, reader.Load(run.frame, to.decompress));
        TRY(runs.emplace_back(), DecodeRun(run_raw, total.rows.size(), to.shapes));
      }
    }
  }
  const auto hour_of = [&](int64_t hour) {
    const auto at = std::lower_bound(hours.begin(), hours.end(), hour,
                                     [](const HourTotals& a, int64_t b) { return a.hour < b; });
    return at != hours.end() && at->hour == hour ? &*at : nullptr;
  };
  for (const RunBlock& run : runs) {
    for (const RunBlock::Row& row : run.rows) {
      if (to.Within(row.hour) && hour_of(row.hour) == nullptr)
        return Fail(Code::kCorrupt, "report counters: rows of an hour that is not there");
    }
  }

  for (const HourTotals& hour : hours) {
    if (!to.filtered) to.AddPoint(hour.hour, hour.shape, hour.values.data());
    if (!all && whole) continue;
    if (!to.filtered) to.AddTotals(hour.shape, hour.values.data());
    to.rows.Block(hour.bounds);
  }
  if (!all && whole) {
    to.rows.Block(total.bounds);
    if (!to.filtered) to.AddTotals(total.totals_shape, total.totals.data());
    for (const TotalBlock::Row& row : total.rows) {
      const std::string_view key = total.KeyOf(row);
      if (to.filtered && !to.Fits(key)) continue;
      to.AddRow(key, row.shape, total.values.data() + row.values_at, total.bounds);
    }
  }
  for (const RunBlock& run : runs) {
    for (const RunBlock::Row& row : run.rows) {
      if (!to.Within(row.hour)) continue;
      const std::string_view key = run.KeyOf(row, total);
      if (to.filtered && !to.Fits(key)) continue;
      const uint64_t* values = run.values.data() + row.values_at;
      if (!whole) to.AddRow(key, row.shape, values, hour_of(row.hour)->bounds);
      to.AddRowPoint(row.hour, key, row.shape, values);
    }
  }
  return {};
}

Answer Merger::Finish() {
  Impl& in = *impl_;
  const Question& question = in.question;
  const Group<uint64_t>& group = in.rows.group();
  Answer out;
  out.totals = ValuesAt(in.shapes, group, 0);
  out.missed = in.rows.absent();
  out.exact = out.missed == 0;
  if (in.series) out.series = in.Series();

  if (question.dimension == Dimension::kAll) {
    if (out.totals.empty()) return out;
    out.keys = 1;
    if (question.offset == 0 && question.top > 0) {
      out.rows.push_back({"", out.totals, {}, 0});
      if (question.row_series) out.rows.front().series = out.series;
    } else {
      out.others = out.totals;
    }
    return out;
  }

  Shapes::Mask ordered{}, having{};
  const auto set = [](Shapes::Mask& mask, Metric metric) {
    if (metric / 64 < mask.size()) mask[metric / 64] |= uint64_t{1} << (metric % 64);
  };
  for (const Metric metric : question.order_by_sum) set(ordered, metric);
  for (const Metric metric : question.having) set(having, metric);
  if (question.order_by && question.order_by_sum.empty()) set(ordered, *question.order_by);
  const bool by_all = !question.order_by && question.order_by_sum.empty();
  std::vector<std::pair<uint64_t, uint32_t>> order;
  for (uint32_t row = 1; row <= group.rows(); ++row) {
    const std::vector<Metric>& metrics = in.shapes.At(group.At(row).shape);
    uint64_t weight = 0;
    bool fits = question.having.empty();
    for (size_t i = 0; i < metrics.size(); ++i) {
      const uint64_t value = group.ValuesOf(row)[i];
      const auto in_mask = [&](const Shapes::Mask& mask) {
        return (mask[metrics[i] / 64] >> (metrics[i] % 64) & 1) != 0;
      };
      if (by_all || in_mask(ordered)) weight = Saturated(weight, value);
      fits = fits || (value != 0 && in_mask(having));
    }
    if (fits) order.emplace_back(weight, row);
  }
  out.keys = order.size();
  const size_t begin = std::min(question.offset, order.size());
  const size_t end = begin + std::min(question.top, order.size() - begin);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(end), order.end(),
                    [&](const auto& a, const auto& b) {
                      if (a.first != b.first)
                        return question.ascending ? a.first < b.first : a.first > b.first;
                      return group.KeyOf(a.second) < group.KeyOf(b.second);
                    });
  out.others = out.totals;
  for (size_t i = begin; i < end; ++i) {
    const uint32_t row = order[i].second;
    Row& added = out.rows.emplace_back();
    added.key = group.KeyOf(row);
    added.values = ValuesAt(in.shapes, group, row);
    added.missed = in.rows.MissedOf(row);
    Subtract(out.others, added.values);
  }
  if (in.series && question.row_series) in.AddRowSeries(out.rows);
  std::erase_if(out.others, [](const auto& value) { return value.second == 0; });
  return out;
}

}  // namespace mailreeve::gateway::counters
