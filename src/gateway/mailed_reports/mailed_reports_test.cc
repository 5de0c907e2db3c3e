#include "gateway/mailed_reports/mailed_reports.h"

#include "gateway/counters/table_impl.h"
#include "gateway/mailed_reports/drawing.h"
#include "gateway/reporting/fake_store.h"
#include "io/file.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace mailreeve::gateway::mailed_reports {
namespace {

using reporting::FakeStore;
using reporting::RunTask;
using std::chrono::days;
using std::chrono::hours;

const Time kDay = *ParseTime("2026-05-04T00:00:00.000Z");  // a Monday

// What a hostile sender would like to see run in a report.
constexpr std::string_view kScript = "<script>alert(1)</script>";
constexpr std::string_view kFormula = "=HYPERLINK(\"http://bad.example\",\"x\")";

void Fill(FakeStore& store) {
  for (int i = 0; i < 24 * 7; ++i) {
    const int busy = 3 + (i % 24 > 7 && i % 24 < 19 ? 14 : 0) + i % 5;
    for (int j = 0; j < busy; ++j) {
      mail::MessageRecord record;
      record.received = kDay + hours(i) + std::chrono::minutes(j);
      record.connection.icid = static_cast<mail::Icid>(i * 100 + j + 1);
      if (j % 3 != 0) record.connection.tls_protocol = "TLSv1.3";
      record.direction = j % 4 == 0 ? mail::Direction::kOutgoing : mail::Direction::kIncoming;
      const std::string person = "person" + std::to_string((i + j) % 9) + "@corp.example";
      const std::string outside = "news@domain" + std::to_string(j % 12) + ".example";
      const bool out = record.direction == mail::Direction::kOutgoing;
      record.envelope_from = out ? person : outside;
      record.recipients = {{0, out ? outside : person, ""}};
      constexpr const char* kSubjects[] = {"Weekly numbers", "每周销售报告：第二季度汇总与展望",
                                           "Your invoice", "Réunion de lundi", "お知らせ"};
      record.inspection.subject = kSubjects[(i + j) % 5];
      if (j == 1) record.inspection.subject = kScript;
      if (j == 2) record.inspection.subject = kFormula;
      record.inspection.size = 20000;
      record.inspection.urls = {
          {"https://www.site" + std::to_string(j % 7) + ".example/", "", mail::UrlSource::kText}};
      record.inspection.authentication = {{"mx", "spf", j % 6 == 0 ? "fail" : "pass", ""},
                                          {"mx", "dkim", "pass", ""}};
      if (j % 9 == 0) record.verdicts = {{"url", 2, "listed"}};
      store.table.Count(record);
      mail::Event delivered;
      delivered.time = record.received;
      delivered.kind = mail::EventKind::kDelivered;
      delivered.rid = 0;
      store.table.Count(record, {delivered});
    }
  }
}

class TempFolder {
 public:
  TempFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "mailreeve-reports-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

Options TestOptions(const TempFolder& folder) {
  Options options =
      *FromSettings(*settings::Snapshot::Defaults(settings::Schema::Builtin(), "gateway"));
  options.gateway_name = "gateway.corp.example";
  options.marks_file = folder / "marks.json";
  options.schedule.daily = true;
  options.recipients = {"admin@corp.example"};
  return options;
}

Document MakeDocument(FakeStore& store, Language language, bool weekly) {
  const TempFolder folder;
  const FakeClock clock(kDay + days(8));
  log::NullLogger logger;
  Options options = TestOptions(folder);
  options.language = language;
  options.reports.push_back("mail_virus_type_detail");
  auto mailed = *MailedReports::Make(options, store, clock, logger);
  return *RunTask(mailed->Gather({weekly, kDay, kDay + days(weekly ? 7 : 1)}));
}

std::string Output(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  char buffer[4096];
  for (size_t got; (got = ::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, got);
  ::pclose(pipe);
  return out;
}

TEST(Document, IsSafeHtml) {
  FakeStore store;
  Fill(store);
  const std::string html = RenderHtml(MakeDocument(store, Language::kEnglish, false));
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)&lt;/script&gt;"), std::string::npos);
  EXPECT_NE(html.find("<svg"), std::string::npos);
  EXPECT_NE(html.find("Not available: nothing in this gateway counts it."), std::string::npos);
}

TEST(Document, HidesWhatTurnsTextAround) {
  EXPECT_EQ(Shown("a\u202Egpj.exe\x1b[1m", 100), "a\ufffdgpj.exe\ufffd[1m");
  EXPECT_EQ(Shown("中文字", 4), "中文…");
}

TEST(Document, IsFormulaSafeCsv) {
  EXPECT_EQ(CsvCell("=1+1"), "'=1+1");
  EXPECT_EQ(CsvCell("+1"), "'+1");
  EXPECT_EQ(CsvCell("-1"), "'-1");
  EXPECT_EQ(CsvCell("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(CsvCell("\t=1"), "\"'\t=1\"");
  EXPECT_EQ(CsvCell("\r=1"), "\"'\r=1\"");
  EXPECT_EQ(CsvCell("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
  EXPECT_EQ(CsvCell("plain"), "plain");
  FakeStore store;
  Fill(store);
  for (const Section& section : MakeDocument(store, Language::kEnglish, false).sections) {
    const std::string csv = RenderCsv(section, Language::kEnglish);
    EXPECT_TRUE(csv.starts_with("\xEF\xBB\xBF"));
    EXPECT_EQ(csv.find("\n="), std::string::npos);
    if (section.name == "mail_subject_stats")
      EXPECT_NE(csv.find("\"'=HYPERLINK(\"\"http://bad.example\"\",\"\"x\"\")\""),
                std::string::npos);
    if (section.name == "mail_incoming_traffic_summary")
      EXPECT_NE(csv.find("2026-05-04T23:00:00.000Z"), std::string::npos);
  }
}

TEST(Document, IsPdfInBothLanguages) {
  FakeStore store;
  Fill(store);
  const TempFolder folder;
  const char* keep = std::getenv("MAILREEVE_KEEP_REPORTS");
  for (const Language language : {Language::kEnglish, Language::kChinese}) {
    const Document document = MakeDocument(store, language, language == Language::kChinese);
    const auto pdf = RenderPdf(document);
    ASSERT_TRUE(pdf) << pdf.error().ToString();
    ASSERT_TRUE(pdf->starts_with("%PDF-"));
    const std::string name = language == Language::kEnglish ? "en" : "zh";
    const std::string path =
        keep ? std::string(keep) + "/" + name + ".pdf" : folder / name + ".pdf";
    ASSERT_TRUE(io::WriteFileAtomically(path, *pdf, 0600));
    if (keep) {
      ASSERT_TRUE(io::WriteFileAtomically(std::string(keep) + "/" + name + ".html",
                                          RenderHtml(document), 0600));
    }
    ASSERT_EQ(std::system("command -v pdftotext >/dev/null"), 0) << "tools/setup test installs it";
    const std::string text = Output("pdftotext -layout " + path + " -");
    EXPECT_NE(text.find(document.Title()), std::string::npos) << text.substr(0, 500);
    EXPECT_NE(text.find("gateway.corp.example"), std::string::npos);
    EXPECT_NE(text.find(language == Language::kEnglish ? "Incoming mail by sender domain"
                                                       : "按发件域名的传入邮件"),
              std::string::npos);
    EXPECT_NE(text.find("domain1.example"), std::string::npos);
    EXPECT_NE(text.find("每周销售报告"), std::string::npos) << "Chinese subjects are drawn";
    // A page of pictures and text, not an empty one: what is not white is a good part of it.
    const std::string grey = Output("pdftoppm -gray -r 40 -f 1 -l 1 " + path + " 2>/dev/null");
    ASSERT_GT(grey.size(), 1000U);
    size_t dark = 0;
    for (const char c : grey) dark += static_cast<unsigned char>(c) < 200;
    EXPECT_GT(dark, grey.size() / 20);
  }
}

TEST(Schedule, SendsEachPeriodOnceAndMissedOnesLate) {
  Schedule schedule;
  schedule.daily = schedule.weekly = true;
  const TempFolder folder;
  const Time start = kDay + hours(12);  // Monday noon
  Marks marks = *Marks::Load(folder / "none", start);
  const auto names = [&](Time now) {
    std::string out;
    for (const Period& period : marks.Due(schedule, now)) out += period.Name() + ";";
    return out;
  };
  EXPECT_EQ(names(start), "") << "what ended before the first start is not sent";
  EXPECT_EQ(names(kDay + days(1) + hours(5)), "") << "not before the hour";
  EXPECT_EQ(names(kDay + days(1) + hours(6)), "daily 2026-05-04;");
  marks.MarkSent(marks.Due(schedule, kDay + days(1) + hours(6)).front());
  EXPECT_EQ(names(kDay + days(1) + hours(7)), "");
  EXPECT_EQ(names(kDay + days(3) + hours(6)), "daily 2026-05-05;daily 2026-05-06;");
  const Time later = kDay + days(7) + hours(6);
  EXPECT_EQ(names(later),
            "daily 2026-05-05;daily 2026-05-06;daily 2026-05-07;daily 2026-05-08;daily "
            "2026-05-09;daily 2026-05-10;weekly 2026-05-04;");
  // Through the file.
  ASSERT_TRUE(marks.Save(folder / "marks"));
  marks = *Marks::Load(folder / "marks", later);
  EXPECT_EQ(names(kDay + days(1) + hours(7)), "");
  // A year ahead and back: no period is lost or repeated.
  for (const Period& period : marks.Due(schedule, later + days(365))) marks.MarkSent(period);
  EXPECT_EQ(names(kDay + days(1) + hours(7)), "");
  EXPECT_EQ(names(kDay + days(2) + hours(7)), "daily 2026-05-05;");
  // A day back after sending: not again.
  marks.MarkSent({false, kDay + days(1), kDay + days(2)});
  EXPECT_EQ(names(kDay + days(1) + hours(23)), "");
  EXPECT_EQ(names(kDay + days(2) + hours(7)), "");
  EXPECT_FALSE(Marks::Decode("{\"since\":\"x\"}"));
}

// A mail server of a few lines, on a thread: refuses the first `refusals` letters for now.
class MailServer {
 public:
  explicit MailServer(int refusals) : refusals_(refusals) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~MailServer() {
    stop_ = true;
    asio::io_context context;
    asio::ip::tcp::socket poke(context);
    boost::system::error_code ignored;
    poke.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::vector<std::string> letters;

 private:
  void Serve() {
    while (!stop_) {
      asio::ip::tcp::socket socket(context_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      if (!error && !stop_) Talk(socket);
    }
  }
  void Talk(asio::ip::tcp::socket& socket) {
    boost::system::error_code error;
    std::string buffer;
    const auto say = [&](std::string_view line) {
      asio::write(socket, asio::buffer(std::string(line) + "\r\n"), error);
    };
    const auto until = [&](std::string_view end) {
      const size_t size = asio::read_until(socket, asio::dynamic_buffer(buffer), end, error);
      std::string out = buffer.substr(0, size);
      buffer.erase(0, size);
      return out;
    };
    say("220 test");
    while (!error) {
      const std::string line = until("\r\n");
      if (line.starts_with("DATA")) {
        say("354 go on");
        const std::string letter = until("\r\n.\r\n");
        if (refusals_-- > 0) {
          say("451 later");
        } else {
          letters.push_back(letter);
          say("250 2.0.0 Ok: queued as ABC123");
        }
      } else {
        say("250 ok");
      }
    }
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  std::atomic<bool> stop_{false};
  std::atomic<int> refusals_;
  std::thread thread_;
};

TEST(MailedReports, AreSentOnceThroughRefusalsAndRestarts) {
  FakeStore store;
  Fill(store);
  const TempFolder folder;
  log::NullLogger logger;
  FakeClock clock(kDay + hours(1));
  MailServer server(1);
  Options options = TestOptions(folder);
  options.smtp.port = server.port();
  {
    auto mailed = *MailedReports::Make(options, store, clock, logger);
    EXPECT_EQ(*RunTask(mailed->SendDue()), 0U);
    clock.Advance(days(1) + hours(6));
    EXPECT_FALSE(RunTask(mailed->SendDue())) << "the server refuses for now";
    EXPECT_TRUE(server.letters.empty());
  }
  auto mailed = *MailedReports::Make(options, store, clock, logger);
  EXPECT_EQ(*RunTask(mailed->SendDue()), 1U);
  EXPECT_EQ(*RunTask(mailed->SendDue()), 0U);
  clock.Advance(days(2));
  EXPECT_EQ(*RunTask(mailed->SendDue()), 2U) << "missed days are sent late";
  ASSERT_EQ(server.letters.size(), 3U);
  const std::string& letter = server.letters[0];
  for (const std::string_view part :
       {"From: Mailreeve <mailreeve@gateway.corp.example>\r\n", "To: <admin@corp.example>\r\n",
        "Auto-Submitted: auto-generated\r\n", "text/html", "application/pdf",
        "filename=\"mail-report-2026-05-04.pdf\"",
        "filename=\"mail_subject_stats-2026-05-04.csv\""}) {
    EXPECT_NE(letter.find(part), std::string::npos) << part;
  }
  const auto id = [](const std::string& text) {
    const size_t at = text.find("Message-ID: ");
    return text.substr(at, text.find("\r\n", at) - at);
  };
  EXPECT_NE(id(letter), id(server.letters[1]));
}

TEST(MailedReports, TellWhichSettingCannotBeUsed) {
  const auto with = [](std::string_view name, json::value value) {
    const auto snapshot = settings::Snapshot::FromJson(
        settings::Schema::Builtin(), "gateway",
        json::object{{"revision", 1}, {"values", json::object{{name, std::move(value)}}}});
    EXPECT_TRUE(snapshot);
    const auto options = FromSettings(**snapshot);
    return options ? std::string() : options.error().message;
  };
  EXPECT_EQ(with("reporting.reports", json::array{"mail_nothing"}),
            "reporting.reports: there is no report 'mail_nothing'; docs/reports.md lists them");
  EXPECT_NE(with("reporting.recipients", json::array{"a b@c"}), "");
  EXPECT_NE(with("reporting.sender", "x"), "");
  EXPECT_NE(with("reporting.formats", json::array{"doc"}), "");
  EXPECT_EQ(with("reporting.language", "zh-CN"), "");
}

}  // namespace
}  // namespace mailreeve::gateway::mailed_reports
