#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Counters, gauges and latency histograms, and the text in which Prometheus reads them
// (docs/operations.md).
//
// Threads: safe; collectors run on the thread that calls Render. Ownership: collectors must not
// outlive what they read. Labels come from closed sets (route patterns, statuses), never from what
// a stranger sends: each new one is kept for ever; over `max_series` they are counted as dropped.
//
//   metrics::Registry registry;
//   registry.Add("mailreeve_requests_total", "Requests answered.", {{"status", "200"}});
//   registry.Observe("mailreeve_request_seconds", "Time to answer.", {{"route", "/x"}}, took);
//   std::string text = registry.Render();
namespace mailreeve::metrics {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class Registry {
 public:
  explicit Registry(size_t max_series = 20000) : max_series_(max_series) {}
  Registry(const Registry&) = delete;

  // A counter; its name ends in _total.
  void Add(std::string_view name, std::string_view help, const Labels& labels, double by = 1);
  void Set(std::string_view name, std::string_view help, const Labels& labels, double value);
  // A histogram of seconds, from 1 ms to 60 s.
  void Observe(std::string_view name, std::string_view help, const Labels& labels,
               std::chrono::nanoseconds took);
  // For what is known elsewhere: called at each Render, to Set it.
  void OnRender(std::function<void(Registry&)> collect);

  // Text format 0.0.4, families and series in order of name.
  std::string Render();

 private:
  static constexpr std::array<double, 15> kBounds = {
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  struct Series {
    double value = 0;  // of a histogram: the sum
    uint64_t count = 0;
    std::array<uint64_t, kBounds.size()> buckets{};  // not yet summed up
  };
  struct Family {
    std::string help;
    std::string_view type;
    std::map<std::string, Series, std::less<>> series;  // by labels as text
  };
  // Null: there are too many.
  Series* Find(std::string_view name, std::string_view help, std::string_view type,
               const Labels& labels);

  const size_t max_series_;
  std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
  size_t series_ = 0;
  uint64_t dropped_ = 0;
  std::vector<std::function<void(Registry&)>> collectors_;
};

// process_resident_memory_bytes, process_cpu_seconds_total, process_open_fds, process_threads,
// process_start_time_seconds of this process, from /proc.
void CollectProcess(Registry& registry);

}  // namespace mailreeve::metrics
