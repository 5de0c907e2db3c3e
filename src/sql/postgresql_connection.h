#pragma once

#include "base/result.h"
#include "sql/backend.h"

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// One connection to PostgreSQL: made, lost, made anew; every wait has a deadline. Private to this
// folder. Threads, errors: database.h.
namespace mailreeve::sql {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, ClearResult>;

// A parameter as it is sent.
struct PgParameter {
  std::string bytes;
  bool null = true;
  bool binary = false;
};

class PgConnection {
 public:
  // Reads the URL; connects at the first use.
  static Result<std::shared_ptr<PgConnection>> Make(const OpenOptions& options);
  PgConnection(const PgConnection&) = delete;
  ~PgConnection();

  // Connected, and nobody has heard otherwise. Inside a transaction nothing is mended.
  Result<void> Ready();
  // `sql` with $1 parameters is known to the server by a name from now on.
  Result<std::string> Prepared(const std::string& sql);
  Result<PgResult> Run(const std::string& sql, const std::vector<PgParameter>& parameters);
  // Several statements, none with parameters; the result of the last one.
  Result<PgResult> RunText(const std::string& sql);

  Result<void> Begin(Begin kind);
  Result<void> Commit();
  void Rollback();
  bool can_run_again() const { return can_run_again_; }

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  explicit PgConnection(const OpenOptions& options) : options_(options) {}
  Result<void> Connect();
  Result<void> SetUp();
  void Disconnect();
  // Answers the last result of what was sent, or the first error.
  Result<PgResult> Await();
  Result<PgResult> RunOnce(const std::string& sql, const std::vector<PgParameter>& parameters);
  Error Lost(std::string_view doing);
  Error FromResult(const PGresult* result);

  const OpenOptions options_;
  std::vector<std::string> keys_, values_;  // of the connection, without the password
  PGconn* connection_ = nullptr;
  std::unordered_map<std::string, std::string> prepared_;
  uint64_t next_name_ = 0;
  bool in_transaction_ = false;
  bool can_run_again_ = false;  // see DatabaseBackend
  bool doomed_ = false;         // the server said that it closes the connection
  bool stale_plan_ = false;     // the server refused a prepared statement as out of date
  std::chrono::milliseconds patience_;
};

}  // namespace mailreeve::sql
