#pragma once

#include "http/router.h"
#include "io/pool.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "sql/database.h"

#include <chrono>
#include <optional>
#include <string>

// What those who run the server ask, on a listener of its own without tokens (docs/operations.md):
// GET /health (the program answers), /ready (it can serve: the database is there, its tables are
// ours, no stop is under way), /metrics (Prometheus).
//
// Threads: one executor; the database is asked on a thread of its own. Ownership: borrows metrics
// and logger; outlives the server that uses router(). Errors: as 503.
namespace mailreeve::response::api {

class Operations {
 public:
  struct Options {
    sql::OpenOptions database;
    std::chrono::milliseconds keep{1000};  // an answer about the database is good for so long
    size_t max_pending = 64;               // questions that wait for one
  };
  Operations(Options options, metrics::Registry& metrics, log::Logger& logger);
  Operations(const Operations&) = delete;

  const http::Router& router() const { return router_; }
  // From now on it is not ready: a load balancer sends no more.
  void SetStopping() { stopping_ = true; }

 private:
  io::Task<http::Response> Health(http::Request request);
  io::Task<http::Response> Ready(http::Request request);
  io::Task<http::Response> Metrics(http::Request request);
  // Whether the database answers and has our tables.
  io::Task<bool> AskDatabase();
  Result<void> AskNow();  // on the pool's thread

  const Options options_;
  metrics::Registry& metrics_;
  log::Logger& logger_;
  http::Router router_;
  bool stopping_ = false;
  std::optional<std::chrono::steady_clock::time_point> asked_;
  bool there_ = false;
  std::optional<sql::Database> database_;  // the pool's thread
  io::Pool pool_;                          // last: its thread ends before what it uses goes
};

}  // namespace mailreeve::response::api
