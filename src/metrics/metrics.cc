#include "metrics/metrics.h"

#include <cmath>
#include <cstdio>

namespace mailreeve::metrics {
namespace {

void AppendNumber(std::string& out, double value) {
  char text[40];
  if (value == std::floor(value) && std::fabs(value) < 1e15) {
    std::snprintf(text, sizeof text, "%.0f", value);
  } else {
    std::snprintf(text, sizeof text, "%.9g", value);
  }
  out += text;
}

// name="value",… with the escapes of the format.
std::string TextOf(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out.append(name).append("=\"");
    for (const char c : value) {
      if (c == '\n') {
        out += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out;
}

void AppendLine(std::string& out, std::string_view name, std::string_view labels, double value) {
  out += name;
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out += ' ';
  AppendNumber(out, value);
  out += '\n';
}

}  // namespace

Registry::Series* Registry::Find(std::string_view name, std::string_view help,
                                 std::string_view type, const Labels& labels) {
  auto family = families_.find(name);
  if (family == families_.end())
    family = families_.emplace(std::string(name), Family{std::string(help), type, {}}).first;
  std::string text = TextOf(labels);
  const auto found = family->second.series.find(text);
  if (found != family->second.series.end()) return &found->second;
  if (series_ >= max_series_) {
    ++dropped_;
    return nullptr;
  }
  ++series_;
  return &family->second.series[std::move(text)];
}

void Registry::Add(std::string_view name, std::string_view help, const Labels& labels, double by) {
  std::lock_guard lock(mutex_);
  if (Series* series = Find(name, help, "counter", labels)) series->value += by;
}

void Registry::Set(std::string_view name, std::string_view help, const Labels& labels,
                   double value) {
  std::lock_guard lock(mutex_);
  // What is counted elsewhere is told by its whole number.
  const std::string_view type = name.ends_with("_total") ? "counter" : "gauge";
  if (Series* series = Find(name, help, type, labels)) series->value = value;
}

void Registry::Observe(std::string_view name, std::string_view help, const Labels& labels,
                       std::chrono::nanoseconds took) {
  const double seconds = std::chrono::duration<double>(took).count();
  std::lock_guard lock(mutex_);
  Series* series = Find(name, help, "histogram", labels);
  if (series == nullptr) return;
  series->value += seconds;
  ++series->count;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    if (seconds <= kBounds[i]) {
      ++series->buckets[i];
      break;
    }
  }
}

void Registry::OnRender(std::function<void(Registry&)> collect) {
  std::lock_guard lock(mutex_);
  collectors_.push_back(std::move(collect));
}

std::string Registry::Render() {
  std::vector<std::function<void(Registry&)>> collectors;
  {
    std::lock_guard lock(mutex_);
    collectors = collectors_;
  }
  for (const auto& collect : collectors) collect(*this);
  Set("mailreeve_metrics_dropped_total", "Values not kept because there are too many series.", {},
      static_cast<double>(dropped_));
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    out.append("# HELP ").append(name).append(" ").append(family.help).append("\n# TYPE ");
    out.append(name).append(" ").append(family.type).append("\n");
    for (const auto& [labels, series] : family.series) {
      if (family.type != "histogram") {
        AppendLine(out, name, labels, series.value);
        continue;
      }
      const std::string before = labels.empty() ? "" : labels + ",";
      uint64_t sum = 0;
      for (size_t i = 0; i < kBounds.size(); ++i) {
        sum += series.buckets[i];
        std::string bound = before + "le=\"";
        AppendNumber(bound, kBounds[i]);
        AppendLine(out, name + "_bucket", bound + "\"", static_cast<double>(sum));
      }
      AppendLine(out, name + "_bucket", before + "le=\"+Inf\"", static_cast<double>(series.count));
      AppendLine(out, name + "_sum", labels, series.value);
      AppendLine(out, name + "_count", labels, static_cast<double>(series.count));
    }
  }
  return out;
}

}  // namespace mailreeve::metrics
