#include "response/api/operations.h"

namespace mailreeve::response::api {

using std::chrono::steady_clock;

Operations::Operations(Options options, metrics::Registry& metrics, log::Logger& logger)
    : options_(std::move(options)),
      metrics_(metrics),
      logger_(logger),
      pool_("readiness", 1, options_.max_pending) {
  router_.Add("GET", "/health", [this](http::Request r) { return Health(std::move(r)); });
  router_.Add("GET", "/ready", [this](http::Request r) { return Ready(std::move(r)); });
  router_.Add("GET", "/metrics", [this](http::Request r) { return Metrics(std::move(r)); });
}

io::Task<http::Response> Operations::Health(http::Request) {
  co_return http::Response::Json(200, json::object{{"status", "ok"}});
}

io::Task<http::Response> Operations::Ready(http::Request) {
  if (stopping_) co_return http::Response::Json(503, json::object{{"status", "stopping"}});
  const bool there = co_await AskDatabase();
  if (!there) co_return http::Response::Json(503, json::object{{"status", "no_database"}});
  co_return http::Response::Json(200, json::object{{"status", "ready"}});
}

io::Task<http::Response> Operations::Metrics(http::Request) {
  const bool there = co_await AskDatabase();
  metrics_.Set("mailreeve_database_up", "1: the database answers and has our tables.", {},
               there ? 1 : 0);
  co_return http::Response::Text(200, metrics_.Render(),
                                 "text/plain; version=0.0.4; charset=utf-8");
}

io::Task<bool> Operations::AskDatabase() {
  if (asked_ && steady_clock::now() - *asked_ < options_.keep) co_return there_;
  const auto start = steady_clock::now();
  const Result<void> done = co_await pool_.Run([this] { return AskNow(); });
  metrics_.Observe("mailreeve_database_ping_seconds", "Time of a small question to the database.",
                   {}, steady_clock::now() - start);
  // Too many at once says nothing about the database.
  if (!done && done.error().code == Code::kLimited) co_return there_;
  if (!done && (there_ || !asked_))
    logger_.Error("database_unavailable", {{"error", done.error().ToString()}});
  if (done && !there_ && asked_) logger_.Info("database_available");
  there_ = done.has_value();
  asked_ = steady_clock::now();
  co_return there_;
}

Result<void> Operations::AskNow() {
  if (!database_) {
    TRY(sql::Database opened, sql::Database::Open(options_.database));
    database_.emplace(std::move(opened));
  }
  for (const std::string component : {"identity", "exchange"}) {
    TRY(const int64_t version, database_->VersionOf(component));
    if (version < static_cast<int64_t>(sql::MigrationsOf(component).size()))
      return Fail(Code::kUnavailable, "the tables of " + component + " are not migrated");
  }
  return {};
}

}  // namespace mailreeve::response::api
