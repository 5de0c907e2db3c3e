#include "gateway/mailed_reports/mailed_reports.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "io/event.h"
#include "smtp/fields.h"

namespace mailreeve::gateway::mailed_reports {

Result<Options> FromSettings(const settings::Snapshot& snapshot) {
  Options out;
  out.schedule.daily = snapshot.Bool("reporting.daily");
  out.schedule.weekly = snapshot.Bool("reporting.weekly");
  out.schedule.hour = static_cast<int>(snapshot.Integer("reporting.hour"));
  out.schedule.catch_up = static_cast<size_t>(snapshot.Integer("reporting.catch_up"));
  out.reports = snapshot.TextList("reporting.reports");
  for (const std::string& name : out.reports) {
    if (reporting::FindReport(name) == nullptr) {
      return Fail(Code::kInvalid, "reporting.reports: there is no report '" + name +
                                      "'; docs/reports.md lists them");
    }
  }
  out.recipients = snapshot.TextList("reporting.recipients");
  out.sender = snapshot.Text("reporting.sender");
  for (const std::string& address : out.recipients) {
    if (!smtp::IsPlainAddress(address)) {
      return Fail(Code::kInvalid,
                  "reporting.recipients: '" + address + "' is no plain mail address (name@domain)");
    }
  }
  if (!out.sender.empty() && !smtp::IsPlainAddress(out.sender)) {
    return Fail(Code::kInvalid,
                "reporting.sender: '" + out.sender + "' is no plain mail address (name@domain)");
  }
  out.language =
      snapshot.Text("reporting.language") == "zh-CN" ? Language::kChinese : Language::kEnglish;
  out.formats = {false, false, false};
  for (const std::string& format : snapshot.TextList("reporting.formats")) {
    if (format == "pdf") {
      out.formats.pdf = true;
    } else if (format == "csv") {
      out.formats.csv = true;
    } else if (format == "html") {
      out.formats.html = true;
    } else {
      return Fail(Code::kInvalid,
                  "reporting.formats: '" + format + "' is none of pdf, csv and html");
    }
  }
  out.rows = static_cast<size_t>(snapshot.Integer("reporting.rows"));
  out.retry_delay = std::chrono::milliseconds(snapshot.Integer("reporting.retry_delay"));
  out.smtp.host = snapshot.Text("reporting.smtp_host");
  out.smtp.port = static_cast<uint16_t>(snapshot.Integer("reporting.smtp_port"));
  const std::string tls = snapshot.Text("reporting.smtp_tls");
  out.smtp.tls = tls == "always"         ? smtp::Options::Tls::kAlways
                 : tls == "when_offered" ? smtp::Options::Tls::kWhenOffered
                                         : smtp::Options::Tls::kNever;
  return out;
}

Result<std::unique_ptr<MailedReports>> MailedReports::Make(Options options, tracking::Store& store,
                                                           const Clock& clock,
                                                           log::Logger& logger) {
  if (options.sender.empty()) options.sender = "mailreeve@" + options.gateway_name;
  if (!smtp::IsPlainAddress(options.sender)) options.sender = "mailreeve@localhost";
  TRY(auto client, smtp::Client::Make(options.smtp));
  return std::unique_ptr<MailedReports>(
      new MailedReports(std::move(options), store, clock, logger, std::move(client)));
}

MailedReports::MailedReports(Options options, tracking::Store& store, const Clock& clock,
                             log::Logger& logger, std::unique_ptr<smtp::Client> client)
    : options_(std::move(options)),
      reports_(store),
      clock_(clock),
      logger_(logger),
      client_(std::move(client)) {}

io::Task<void> MailedReports::Run() {
  if (options_.recipients.empty() || (!options_.schedule.daily && !options_.schedule.weekly))
    co_return;
  while (true) {
    const auto sent = co_await SendDue();
    if (!sent) logger_.Error("mailed_report_failed", {{"error", sent.error().ToString()}});
    co_await io::Sleep(sent ? options_.check_interval : options_.retry_delay);
  }
}

io::Task<Result<size_t>> MailedReports::SendDue() {
  CO_TRY(Marks marks, Marks::Load(options_.marks_file, clock_.Now()));
  // Written before the first period ends, so that "since" outlives a restart.
  CO_TRY_VOID(marks.Save(options_.marks_file));
  size_t sent = 0;
  for (const Period& period : marks.Due(options_.schedule, clock_.Now())) {
    CO_TRY_VOID(co_await Send(period));
    marks.MarkSent(period);
    CO_TRY_VOID(marks.Save(options_.marks_file));
    ++sent;
  }
  co_return sent;
}

io::Task<Result<Document>> MailedReports::Gather(Period period) {
  Document document;
  document.language = options_.language;
  document.gateway = options_.gateway_name;
  document.from = period.from;
  document.until = period.until;
  document.weekly = period.weekly;
  document.made = clock_.Now();
  for (const std::string& name : options_.reports) {
    reporting::ReportRequest request;
    request.report = name;
    request.from = period.from;
    request.until = period.until;
    request.top = options_.rows;
    const reporting::ReportInfo* info = reporting::FindReport(name);
    CO_TRY(auto table,
           co_await reports_.Tabulate(std::move(request), info != nullptr && !info->keyed, false));
    document.sections.push_back(MakeSection(std::move(table), options_.language));
  }
  co_return document;
}

io::Task<Result<void>> MailedReports::Send(Period period) {
  CO_TRY(const Document document, co_await Gather(period));
  // The same each time this period is sent.
  const std::string id =
      "report-" +
      HexEncode(crypto::Sha256(options_.gateway_name + "\n" + period.Name())).substr(0, 32) + "@" +
      options_.sender.substr(options_.sender.rfind('@') + 1);
  const LetterHead head{options_.sender, options_.recipients, id, document.made};
  const Formats formats = options_.formats;
  CO_TRY(std::string letter, co_await pool_.Run([&head, &document, formats] {
    return MakeLetter(head, document, formats);
  }));
  auto mail = std::make_shared<smtp::Letter>();
  mail->envelope_sender = options_.sender;
  mail->to = options_.recipients;
  mail->render = [text = std::move(letter)](bool) { return text; };
  CO_TRY(const smtp::Receipt receipt,
         co_await client_->Send(std::move(mail), std::make_shared<bool>(false)));
  logger_.Info("mailed_report_sent",
               {{"period", period.Name()}, {"message_id", id}, {"queue_id", receipt.queue_id}});
  for (const std::string& refused : receipt.refused)
    logger_.Warn("mailed_report_recipient_refused",
                 {{"period", period.Name()}, {"recipient", refused}});
  co_return Result<void>();
}

}  // namespace mailreeve::gateway::mailed_reports
