#pragma once

#include "base/time.h"
#include "gateway/delivery/log_follower.h"
#include "gateway/history/mail_history.h"
#include "gateway/milter/milter.h"
#include "gateway/pipeline/pipeline.h"
#include "gateway/registration/registration.h"
#include "gateway/reporting/reports.h"
#include "gateway/tracking/core.h"
#include "gateway/tracking/store.h"
#include "gateway/users/users.h"
#include "http/router.h"
#include "io/pool.h"
#include "io/scope.h"
#include "relay/relay.h"
#include "settings/settings.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>

// The administration API (schema/openapi/gateway-admin.json). Whoever may open the socket, made
// 0600, may call it.
//
// Threads: one executor. Ownership: everything passed outlives the server that uses router(); this
// outlives the tasks of `scope`.
// Errors: {"error": code, "error_description": sentence} with the status of http::StatusOf.
namespace mailreeve::gateway::api {

struct AdminOptions {
  std::string name;
  std::string version;
  std::string tracking_folder;  // what a check reads
  size_t max_page = 1000;
  std::chrono::milliseconds deadline{30000};  // of a search
};

class AdminApi {
 public:
  // `follower` may be null: no log is followed.
  AdminApi(AdminOptions options, relay::Module& module, tracking::Store& store,
           const pipeline::Pipeline& pipeline, const milter::Server& milter,
           const delivery::LogFollower* follower, registration::Registration& registration,
           users::Users& users, reporting::Reports& reports, const settings::Running& settings,
           const Clock& clock, io::Scope& scope);
  AdminApi(const AdminApi&) = delete;

  const http::Router& router() const { return router_; }

 private:
  using Member = io::Task<http::Response> (AdminApi::*)(http::Request);
  void On(const char* method, const char* pattern, Member member);

  io::Task<http::Response> Version(http::Request request);
  io::Task<http::Response> Status(http::Request request);
  io::Task<http::Response> Settings(http::Request request);
  io::Task<http::Response> SearchMessages(http::Request request);
  io::Task<http::Response> Message(http::Request request);
  io::Task<http::Response> CountMessages(http::Request request);
  io::Task<http::Response> MessageLog(http::Request request);
  io::Task<http::Response> StartCheck(http::Request request);
  io::Task<http::Response> Check(http::Request request);
  io::Task<http::Response> CancelCheck(http::Request request);
  io::Task<http::Response> ExportRecords(http::Request request);
  io::Task<http::Response> ImportRecords(http::Request request);
  io::Task<http::Response> ImportLog(http::Request request);
  io::Task<http::Response> Device(http::Request request);
  io::Task<http::Response> Register(http::Request request);
  io::Task<http::Response> Deregister(http::Request request);
  io::Task<http::Response> ListReports(http::Request request);
  io::Task<http::Response> Report(http::Request request);
  io::Task<http::Response> ListUsers(http::Request request);
  io::Task<http::Response> AddUser(http::Request request);
  io::Task<http::Response> SetPassphrase(http::Request request);
  io::Task<http::Response> SetRole(http::Request request);
  io::Task<http::Response> RemoveUser(http::Request request);

  // Asks the module and takes its envelope apart.
  io::Task<Result<json::object>> Ask(std::string route, json::value body, std::string request_id);
  json::object DeviceJson() const;
  io::Task<void> RunCheck();

  const AdminOptions options_;
  relay::Module& module_;
  tracking::Store& store_;
  const pipeline::Pipeline& pipeline_;
  const milter::Server& milter_;
  const delivery::LogFollower* follower_;
  registration::Registration& registration_;
  users::Users& users_;
  reporting::Reports& reports_;
  const settings::Running& settings_;
  const Clock& clock_;
  io::Scope& scope_;
  const Time started_;
  // One thread may be checking, the other reads and writes history.
  io::Pool history_pool_{"history", 2, 16};
  bool checking_ = false;
  std::shared_ptr<std::atomic<bool>> stop_check_;         // of the check under way
  std::optional<Result<tracking::CheckReport>> checked_;  // the last check
  // The one import of a log under way, between its requests.
  std::shared_ptr<history::MailHistory> log_;
  uint64_t log_session_ = 0;
  bool log_busy_ = false;
  http::Router router_;
};

}  // namespace mailreeve::gateway::api
