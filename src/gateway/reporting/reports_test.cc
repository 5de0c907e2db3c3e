#include "gateway/reporting/reports.h"

#include "gateway/reporting/fake_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace mailreeve::gateway::reporting {
namespace {

using std::chrono::hours;
using Parameters = std::vector<std::pair<std::string, std::string>>;

const Time kStart = *ParseTime("2026-05-01T00:00:00.000Z");

mail::MessageRecord Message(Time received, std::string from, std::string to, std::string subject) {
  mail::MessageRecord record;
  record.received = received;
  record.envelope_from = std::move(from);
  record.recipients = {{0, std::move(to), ""}};
  record.connection.client_address = "192.0.2.10";
  record.inspection.subject = std::move(subject);
  record.inspection.size = 2000;
  return record;
}

class ReportsTest : public testing::Test {
 protected:
  ReportsTest() {
    for (int i = 0; i < 5; ++i)
      store_.table.Count(
          Message(kStart + hours(i), "a@one.example", "bob@corp.example", "Invoice"));
    auto bad = Message(kStart + hours(1), "b@two.example", "cid@corp.example", "=cmd()");
    bad.verdicts = {{"url", 2, "listed"}};
    store_.table.Count(bad);
    auto sent = Message(kStart + hours(2), "bob@corp.example", "x@far.example", "Re: Invoice");
    sent.direction = mail::Direction::kOutgoing;
    store_.table.Count(sent);
  }
  static Parameters Dates(Parameters more = {}) {
    Parameters out = {{"startDate", "2026-05-01T00:00:00.000Z"},
                      {"endDate", "2026-05-02T00:00:00.000Z"},
                      {"device_type", "esa"}};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  json::value Run(std::string_view report, std::string_view counter, Parameters parameters) {
    auto request = ReadRequest(report, counter, parameters);
    EXPECT_TRUE(request) << request.error().ToString();
    auto answer = RunTask(reports_.Run(*request));
    EXPECT_TRUE(answer) << answer.error().ToString();
    return *answer;
  }
  static const json::value& ResultOf(const json::value& answer) {
    return answer.at("data").at("resultSet");
  }

  FakeStore store_;
  Reports reports_{store_};
};

Error ErrorOf(std::string_view report, const Parameters& parameters,
              std::string_view counter = "") {
  auto request = ReadRequest(report, counter, parameters);
  EXPECT_FALSE(request);
  return request ? Error(Code::kInternal, "") : request.error();
}

TEST(Catalogue, HoldsTheReportsOfTheSpecificationInOrder) {
  size_t compatible = 0, counters = 0;
  std::string_view before;
  for (const ReportInfo& report : Catalogue()) {
    EXPECT_LT(before, report.name);
    before = report.name;
    EXPECT_EQ(FindReport(report.name), &report);
    EXPECT_FALSE(report.title_en.empty() || report.title_zh.empty());
    if (report.name.starts_with("mailreeve_")) {
      EXPECT_TRUE(report.available()) << report.name;
      for (const CounterInfo& counter : report.counters)
        EXPECT_TRUE(counter.available()) << report.name << " " << counter.name;
      continue;
    }
    ++compatible;
    std::set<std::string_view> names;
    for (const CounterInfo& counter : report.counters) {
      ++counters;
      EXPECT_TRUE(names.insert(counter.name).second) << counter.name;
      EXPECT_TRUE(std::is_sorted(counter.metrics.begin(), counter.metrics.end()));
    }
  }
  EXPECT_EQ(compatible, 80U);
  EXPECT_EQ(counters, 411U);
}

TEST_F(ReportsTest, ASummaryIsAListOfSingleCounters) {
  const json::value answer = Run("mail_incoming_traffic_summary", "", Dates());
  EXPECT_EQ(answer.at("meta").at("totalCount"), -1);
  EXPECT_EQ(answer.at("data").at("type"), "mail_incoming_traffic_summary");
  std::map<std::string, int64_t> values;
  for (const json::value& one : ResultOf(answer).as_array()) {
    ASSERT_EQ(one.as_object().size(), 1U);
    values[std::string(one.as_object().begin()->key())] =
        one.as_object().begin()->value().to_number<int64_t>();
  }
  EXPECT_EQ(values["total_recipients"], 6);
  EXPECT_EQ(values["total_clean_recipients"], 5);
  EXPECT_EQ(values["malicious_url"], 1);
  EXPECT_EQ(values["verif_decrypt_fail"], 0);
  EXPECT_TRUE(values.contains("failed_spf")) << "seen in answers beyond the list";
  const auto& missing = answer.at("data").at("mailreeve").at("not_available").as_array();
  const auto has = [&](std::string_view name) {
    return std::any_of(missing.begin(), missing.end(),
                       [&](const json::value& one) { return one.as_string() == name; });
  };
  EXPECT_TRUE(has("verif_decrypt_fail"));
  EXPECT_TRUE(has("detected_spam")) << "no engine has said so";
  EXPECT_FALSE(has("malicious_url")) << "an engine has";
  EXPECT_FALSE(has("total_recipients"));
}

TEST_F(ReportsTest, CountersOfAKeyedReportAreParallel) {
  const json::value answer = Run("mail_incoming_domain_detail", "", Dates({{"top", "5"}}));
  const auto& counters = ResultOf(answer).as_object();
  for (const auto& counter : counters) {
    const auto& rows = counter.value().as_array();
    ASSERT_EQ(rows.size(), 2U) << counter.key();
    EXPECT_TRUE(rows[0].as_object().contains("one.example"));
    EXPECT_TRUE(rows[1].as_object().contains("two.example"));
  }
  EXPECT_EQ(counters.at("total_recipients").at(0).at("one.example"), 5);
  EXPECT_EQ(counters.at("total_threat_recipients").at(1).at("two.example"), 1);
  const json::value& row = answer.at("data").at("mailreeve").at("rows").at(0);
  EXPECT_EQ(row.at("observables").at(0),
            (json::value{{"type", "domain"}, {"value", "one.example"}}));
}

TEST_F(ReportsTest, OneCounterIsAReportOfItsOwn) {
  const json::value answer =
      Run("mail_incoming_domain_detail", "total_threat_recipients", Dates({{"top", "1"}}));
  EXPECT_EQ(answer.at("data").at("type"), "total_threat_recipients");
  EXPECT_EQ(json::Serialize(ResultOf(answer)),
            R"({"total_threat_recipients":[{"two.example":1}]})");
}

TEST_F(ReportsTest, AnExportHasRowsByKey) {
  const json::value answer = Run("mail_users_detail", "",
                                 Dates({{"query_type", "export"},
                                        {"orderBy", "outgoing_total_recipients"},
                                        {"orderDir", "desc"}}));
  const json::value& result = ResultOf(answer);
  const json::value& interval = result.at("time_intervals").at(0);
  EXPECT_EQ(interval.at("begin_time"), "2026-05-01T00:00:00.000Z");
  EXPECT_EQ(interval.at("end_time"), "2026-05-01T23:59:00.000Z");
  EXPECT_EQ(interval.at("begin_timestamp"), 1777593600);
  EXPECT_EQ(interval.at("end_timestamp"), 1777679940);
  EXPECT_EQ(json::Serialize(interval.at("keys")), R"(["bob@corp.example","cid@corp.example"])");
  const auto& names = result.at("counter_names").as_array();
  const auto column = static_cast<size_t>(
      std::find_if(names.begin(), names.end(),
                   [](const json::value& one) { return one == "incoming_total_recipients"; }) -
      names.begin());
  EXPECT_EQ(interval.at("counter_values").at(0).at(column), 5);
}

TEST_F(ReportsTest, AnExportByAddressNamesTheAddressInEachRow) {
  const json::value answer = Run("mail_incoming_ip_hostname_detail", "total_recipients",
                                 Dates({{"query_type", "export"}}));
  const json::value& interval = ResultOf(answer).at("time_intervals").at(0);
  EXPECT_FALSE(interval.as_object().contains("keys"));
  EXPECT_EQ(json::Serialize(interval.at("counter_values")),
            R"([{"key":"192.0.2.10","ip_domain":"192.0.2.10","counter_values":[6]}])");
}

TEST_F(ReportsTest, AGraphHasAPointForEveryHour) {
  const json::value answer =
      Run("mail_incoming_traffic_summary", "total_recipients", Dates({{"query_type", "graph"}}));
  const auto& points = ResultOf(answer).at("total_recipients").as_array();
  ASSERT_EQ(points.size(), 24U);
  EXPECT_EQ(json::Serialize(points[1]), R"({"1777597200/1777600800":2})");
  EXPECT_EQ(json::Serialize(points[9]), R"({"1777626000/1777629600":0})");
}

TEST_F(ReportsTest, PagesAndFilters) {
  const json::value second =
      Run("mail_subject_stats", "", Dates({{"offset", "1"}, {"limit", "1"}}));
  EXPECT_EQ(second.at("meta").at("totalCount"), 3);
  ASSERT_EQ(ResultOf(second).at("num_msgs").as_array().size(), 1U);
  const json::value filtered = Run(
      "mail_subject_stats", "",
      Dates({{"filterBy", "subject"}, {"filterOperator", "begins_with"}, {"filterValue", "Re:"}}));
  EXPECT_EQ(json::Serialize(ResultOf(filtered)), R"({"num_msgs":[{"Re: Invoice":1}]})");
}

TEST_F(ReportsTest, AReportThatNothingFeedsIsEmptyAndSaysSo) {
  const json::value answer = Run("mail_virus_type_detail", "", Dates());
  EXPECT_EQ(json::Serialize(ResultOf(answer).at("total_recipients")), "[]");
  EXPECT_EQ(answer.at("data").at("mailreeve").at("not_available").as_array().size(), 3U);
  EXPECT_EQ(store_.asked, 0U) << "there is nothing to ask";
}

TEST_F(ReportsTest, IncomingAndOutgoingDomainsAreApart) {
  const json::value out = Run("mail_sender_domain_detail", "total_recipients_processed", Dates());
  EXPECT_EQ(json::Serialize(ResultOf(out)),
            R"({"total_recipients_processed":[{"corp.example":1}]})");
}

TEST(ReadRequest, RefusesWhatCannotBeMeant) {
  const auto dates = [](std::string from, std::string until) {
    return Parameters{{"startDate", std::move(from)}, {"endDate", std::move(until)}};
  };
  const Parameters good = dates("2026-05-01T00:00:00.000Z", "2026-05-02T00:00:00.000Z");
  const auto with = [&](Parameters more) {
    Parameters out = good;
    out.insert(out.end(), more.begin(), more.end());
    return out;
  };
  EXPECT_EQ(ErrorOf("mail_nothing", good).code, Code::kNotFound);
  EXPECT_EQ(ErrorOf("mail_nothing", good).message, "Not Found.");
  EXPECT_EQ(ErrorOf("mail_subject_stats", good, "nothing").code, Code::kNotFound);
  const Error minutes =
      ErrorOf("mail_subject_stats", dates("2026-05-01T00:30:00.000Z", "2026-05-02T00:00:00.000Z"));
  EXPECT_EQ(minutes.code, Code::kNotFound);
  EXPECT_EQ(minutes.message,
            "startDate and endDate attribute supports only 00 minutes, 00 seconds and 000 "
            "microseconds.");
  EXPECT_EQ(ErrorOf("mail_subject_stats", {}).code, Code::kInvalid);
  EXPECT_EQ(
      ErrorOf("mail_subject_stats", dates("2026-05-02T00:00:00Z", "2026-05-01T00:00:00Z")).code,
      Code::kInvalid);
  EXPECT_EQ(ErrorOf("mail_subject_stats", dates("yesterday", "now")).code, Code::kInvalid);
  for (const auto& [name, value] : Parameters{{"query_type", "pie"},
                                              {"device_type", "wsa"},
                                              {"orderBy", "num_msgs"},
                                              {"limit", "5"},
                                              {"top", "-1"},
                                              {"top", "x"},
                                              {"filterBy", "subject"}}) {
    EXPECT_EQ(ErrorOf("mail_subject_stats", with({{name, value}})).code, Code::kInvalid) << name;
  }
  EXPECT_EQ(
      ErrorOf("mail_subject_stats",
              with({{"filterBy", "network_name"}, {"filterOperator", "is"}, {"filterValue", "x"}}))
          .code,
      Code::kInvalid);
}

TEST(ReadRequest, ReadsDatesAsClientsWriteThem) {
  for (const char* text :
       {"2026-05-01T00:00:00.000Z", "2026-05-01T00:00:00Z", "2026-05-01T00:00+00:00",
        "2026-05-01T00:00 00:00", "2026-05-01T02:00:00.000+02:00", "2026-05-01T02:00:00 02:00",
        "2026-05-01T00:00:00"}) {
    const auto request = ReadRequest(
        "mail_subject_stats", "", {{"startDate", text}, {"endDate", "2026-05-02T00:00:00.000Z"}});
    ASSERT_TRUE(request) << text << ": " << request.error().ToString();
    EXPECT_EQ(request->from, kStart) << text;
  }
}

}  // namespace
}  // namespace mailreeve::gateway::reporting
