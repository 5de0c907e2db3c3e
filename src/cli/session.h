#pragma once

#include "cli/cli.h"
#include "http/message.h"
#include "json/json.h"

#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One command of `mailreeve` as it runs: what was asked, how to ask the gateway, where to write.
// Threads: one. Ownership: options, language and streams outlive it. Every command answers the exit
// status.
namespace mailreeve::cli {

// One text in the reader's language.
class Language {
 public:
  explicit Language(bool chinese) : chinese_(chinese) {}
  std::string operator()(const char* en, const char* zh) const { return chinese_ ? zh : en; }

 private:
  bool chinese_;
};

struct Options {
  std::string socket = "/run/mailreeve/gateway.sock";
  int timeout_ms = 30000;
  bool json = false;

  std::string server, token, token_file, ca_file;
  uint64_t mid = 0;
  std::vector<std::string> text;
  std::string sender, recipient, subject, message_id, ip, file, sha256, url, domain, since, until,
      cursor;
  int limit = 50;
  bool count = false;
  std::string direction, status, event, network, queue_id, reply_to, sender_domain, url_prefix,
      subject_is, subject_begins;
  bool subject_empty = false;

  std::string user, role, email, passphrase_file;

  std::string report, counter, order_by, key, key_begins;
  int top = 10;
  bool ascending = false;

  std::string history_file = "-";          // of an export
  std::vector<std::string> history_files;  // of an import
  std::string format = "records";
  bool postfix = false;
  bool cancel = false;  // a check

  std::string shell;
};

inline constexpr size_t kMaxLineBytes =
    60 * 1024 * 1024;  // below what the gateway takes in one request
inline constexpr size_t kMaxAnswerBytes = 256 * 1024 * 1024;

// How much of a file goes into one request.
struct PartLimits {
  size_t bytes = 0, lines = 0;
};

// Says how far a long command is, now and then.
class Progress {
 public:
  bool Due();

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The value at "a.b.c", or null.
json::value At(const json::value& root, std::string_view path);
// A value as text that may go to a terminal; null is empty.
std::string TextOf(const json::value& value);
// 0 when there is no number.
uint64_t NumberAt(const json::value& root, std::string_view path);
// A secret from a file, or from a line of standard input when `path` is "-".
Result<std::string> ReadSecret(const std::string& path);

class Session {
 public:
  Session(const Options& options, const Language& say, std::ostream& out, std::ostream& err)
      : options_(options), say_(say), out_(out), err_(err) {}

  int Status();
  int Device();
  int Register();
  int Deregister();
  int Version();
  int Track();
  int CheckTracking();
  int CancelCheck();
  int ExportHistory();
  int ImportHistory();
  int ImportLog();
  int Message();
  int ListUsers();
  int AddUser();
  int SetPassphrase();
  int SetRole();
  int RemoveUser();
  int ListReports();
  int Report();

 private:
  // Of a file, or typed twice without echo at a terminal.
  Result<std::string> ReadPassphrase() const;
  // The query of what was asked for.
  std::string TrackQuery() const;
  // One exchange with the gateway; `max_answer_bytes` of its body. Empty as for Ask.
  std::optional<http::Response> Exchange(const std::string& method, const std::string& target,
                                         const std::string& body, const std::string& content_type,
                                         size_t max_answer_bytes, int& exit);
  // Of the gateway's settings. Empty as for Ask.
  std::optional<PartLimits> ReadPartLimits(int& exit);
  // Asks the gateway in JSON. Empty when it failed: the complaint is written and `exit` set.
  std::optional<json::value> Ask(const std::string& method, const std::string& target,
                                 const std::string& body, int& exit);
  int Json(const json::value& answer);
  // A complaint about the command line.
  int Wrong(const std::string& what);

  const Options& options_;
  const Language& say_;
  std::ostream& out_;
  std::ostream& err_;
};

}  // namespace mailreeve::cli
