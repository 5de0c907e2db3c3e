#pragma once

#include "base/time.h"
#include "gateway/mailed_reports/document.h"
#include "gateway/mailed_reports/letter.h"
#include "gateway/mailed_reports/schedule.h"
#include "gateway/reporting/reports.h"
#include "io/asio.h"
#include "io/pool.h"
#include "log/log.h"
#include "settings/settings.h"
#include "smtp/client.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

// Sends the reports that are due. Each period is sent once; after a stop, missed ones are sent
// late, once. When the mail server's answer to a letter was lost it is sent again under the same
// Message-ID, since a report that is missing is worse than one that came twice.
//
// Threads: one executor. Ownership: what is passed by reference outlives it. Errors are logged
// (mailed_report_failed) and tried again.
//
//   mailed_reports::MailedReports mailed(options, store, clock, logger);
//   scope.Spawn("mailed reports", mailed.Run());
namespace mailreeve::gateway::mailed_reports {

// Settings (schema/settings/reporting.json), but for paths and names.
struct Options {
  std::string gateway_name;
  std::string marks_file;  // which periods were sent

  Schedule schedule;
  std::vector<std::string> reports;     // names of the catalogue
  std::vector<std::string> recipients;  // empty: nothing is sent
  std::string sender;                   // empty: mailreeve@<gateway name>
  Language language = Language::kEnglish;
  Formats formats;
  size_t rows = 10;
  std::chrono::milliseconds check_interval{30000};
  std::chrono::milliseconds retry_delay{600000};
  smtp::Options smtp;
};

// kInvalid names the setting that cannot be used: a report that is not there, an address that
// cannot stand in SMTP, an unknown format.
Result<Options> FromSettings(const settings::Snapshot& snapshot);

class MailedReports {
 public:
  // kInvalid: TLS of the mail server cannot be set up.
  static Result<std::unique_ptr<MailedReports>> Make(Options options, tracking::Store& store,
                                                     const Clock& clock, log::Logger& logger);
  // Until cancelled.
  io::Task<void> Run();
  // Sends what is due now, oldest first; the first that fails ends it.
  io::Task<Result<size_t>> SendDue();
  // Gathers the numbers of one period.
  io::Task<Result<Document>> Gather(Period period);

 private:
  MailedReports(Options options, tracking::Store& store, const Clock& clock, log::Logger& logger,
                std::unique_ptr<smtp::Client> client);
  io::Task<Result<void>> Send(Period period);

  const Options options_;
  reporting::Reports reports_;
  const Clock& clock_;
  log::Logger& logger_;
  const std::unique_ptr<smtp::Client> client_;
  io::Pool pool_{"mailed reports", 1, 4};
};

}  // namespace mailreeve::gateway::mailed_reports
