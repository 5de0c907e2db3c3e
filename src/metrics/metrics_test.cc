#include "metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, TextThatPrometheusReads) {
  Registry registry;
  registry.Add("b_total", "Bs.", {{"route", "/x/{id}"}, {"status", "200"}});
  registry.Add("b_total", "Bs.", {{"route", "/x/{id}"}, {"status", "200"}}, 2);
  registry.Set("a", "An a.", {}, 1.5);
  registry.Set("odd", "Odd.", {{"name", "a\"b\\c\nd"}}, 1);
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("# HELP a An a.\n# TYPE a gauge\na 1.5\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE b_total counter\n"
                              "b_total{route=\"/x/{id}\",status=\"200\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("odd{name=\"a\\\"b\\\\c\\nd\"} 1\n"));
  EXPECT_LT(text.find("# HELP a "), text.find("# HELP b_total "));
}

TEST(Metrics, HistogramsSumUp) {
  Registry registry;
  using std::chrono::milliseconds;
  for (const int ms : {1, 4, 200, 100000})
    registry.Observe("t_seconds", "Time.", {{"route", "r"}}, milliseconds(ms));
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("# TYPE t_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{route=\"r\",le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{route=\"r\",le=\"0.005\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{route=\"r\",le=\"0.25\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{route=\"r\",le=\"60\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{route=\"r\",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_sum{route=\"r\"} 100.205\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_count{route=\"r\"} 4\n"));
}

TEST(Metrics, SeriesAreBounded) {
  Registry registry(2);
  for (const std::string name : {"a", "b", "c"}) registry.Set("x", "X.", {{"name", name}}, 1);
  registry.Set("x", "X.", {{"name", "a"}}, 7);
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("x{name=\"a\"} 7\n"));
  EXPECT_THAT(text, Not(HasSubstr("x{name=\"c\"}")));
}

TEST(Metrics, OfTheProcess) {
  Registry registry;
  registry.OnRender(CollectProcess);
  const std::string text = registry.Render();
  for (const char* name : {"process_resident_memory_bytes", "process_cpu_seconds_total",
                           "process_open_fds", "process_threads", "process_start_time_seconds"})
    EXPECT_THAT(text, HasSubstr(std::string("# TYPE ") + name)) << name;
  EXPECT_THAT(text, Not(HasSubstr("process_threads 0\n")));
}

}  // namespace
}  // namespace mailreeve::metrics
