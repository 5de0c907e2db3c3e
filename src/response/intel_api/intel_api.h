#pragma once

#include "base/secret.h"
#include "base/time.h"
#include "ctim/ids.h"
#include "http/router.h"
#include "log/log.h"
#include "response/graphql/query.h"
#include "response/identity/token.h"
#include "response/intel/observables.h"
#include "response/intel/store.h"
#include "response/intel_api/answers.h"
#include "response/intel_api/life.h"
#include "response/intel_api/parameters.h"
#include "response/intel_api/rules.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

// The intelligence API: /ctia over the private and the global store (threat-response-api.md 5,
// docs/intelligence.md).
//
// Which store answers: requests to the host of `global_url` ask the global one. On the other host
// they ask the private one; a caller whose token has no capability there, but has it on the global
// store, asks that. Records by id and observables are read through: what the private store does not
// have is taken from the global one when the token may read there.
//
// Threads: one executor. Ownership: borrows the stores, clock and logger; outlives the handlers.
// Errors: as HTTP answers.
//
//   IntelApi api(*private_store, global_store.get(), clock, logger, options);
//   for (auto& route : api.Routes()) server.Add(route);
namespace mailreeve::response::intel_api {

struct Options {
  std::string public_url;  // "https://response.example.org": of private ids
  std::string global_url;  // of global ids; empty: public_url with the global store read through
  std::string build = "0.1.0";
  int min_tlp = 0;  // white
  QueryLimits query;
  size_t max_body_bytes = 16 * 1024 * 1024;
  size_t max_bundle_bytes = 64 * 1024 * 1024;
  size_t max_bulk = 2000;      // entities of one bulk request
  size_t max_bundle = 100000;  // entities of one bundle
  size_t max_export = 1000;    // relationships of one record in an export
  size_t max_feed_entries = 2000000;
  graphql::Limits graphql;
  size_t max_graphql_records = 10000;  // read for one query
  size_t max_snapshots = 200;          // of one investigation
  size_t max_snapshot_observables = 1000;
  // What feeds' secrets are stored under. Null: they are not kept, and no feed can be read.
  std::shared_ptr<const crypto::SealingKeys> feed_keys;
};
Options FromSettings(const settings::Snapshot& snapshot);

// Which store, and whether the other is read beside it.
struct Access {
  bool global = false;
  bool also_global = false;
  bool granted = false;
};
Access AccessFor(const Rule& rule, const identity::ScopeSet& scopes, bool global_host);
// 401 and 403 as /ctia words them.
http::Response NotAuthenticated();
http::Response MissingCapability(const Rule& rule, const identity::Caller& caller);

class IntelApi {
 public:
  using Handler = std::function<io::Task<http::Response>(http::Request, identity::Caller)>;
  struct Route {
    const Rule* rule;
    Handler handler;
  };

  IntelApi(intel::Store& private_store, intel::Store* global_store, const Clock& clock,
           log::Logger& logger, Options options);
  IntelApi(const IntelApi&) = delete;

  // Who answers what is known now of observables, for snapshots: {"deliberate","observe"}, each the
  // answer of enrichment. Without one they are refused.
  using Enricher = std::function<io::Task<Result<json::object>>(
      json::array observables, identity::Caller caller, std::string request_id)>;
  void set_enricher(Enricher enricher) { enricher_ = std::move(enricher); }

  // One for each of Rules().
  std::vector<Route> Routes();
  // Whether `request` came to the host of the global store.
  bool IsGlobalHost(const http::Request& request) const;
  const Options& options() const { return options_; }
  const ctim::IdSpace& private_ids() const { return private_realm_.ids; }
  intel::Store& private_store() { return *private_realm_.store; }

 private:
  struct Realm {
    intel::Store* store;
    ctim::IdSpace ids;
    bool global;
  };
  // A request on its way: what it asks, who asks, and of which store.
  struct Call {
    http::Request request;
    identity::Caller caller;
    intel::Asker asker;
    const Realm* realm;
    const Realm* other = nullptr;  // read through when the first has nothing
    Time now;
  };
  using Member = io::Task<http::Response> (IntelApi::*)(Call);
  using EntityMember = io::Task<http::Response> (IntelApi::*)(const ctim::Entity&, Call);
  io::Task<http::Response> Serve(const Rule* rule,
                                 std::function<io::Task<http::Response>(Call)> member,
                                 http::Request request, identity::Caller caller);
  void On(std::string_view method, const std::string& pattern, Member member);
  void On(std::string_view method, const std::string& pattern, const ctim::Entity& entity,
          EntityMember member);
  void OnFunction(std::string_view method, const std::string& pattern,
                  std::function<io::Task<http::Response>(Call)> member);
  const Rule* RuleOf(std::string_view method, std::string_view pattern) const;

  Answered<json::value> ReadBody(const http::Request& request, size_t max_bytes) const;
  // The short id in the segment: 404 for what is none, 400 for another server's.
  Answered<std::string> ReadId(const Call& call, std::string_view type,
                               std::string_view segment) const;
  Life LifeOf(intel::Tables& tables, const Call& call) const {
    return {tables,   call.realm->ids,         call.asker, call.realm->store->options().visibility,
            call.now, options_.feed_keys.get()};
  }
  json::object ShownTo(const Call& call, const intel::Record& record) const;
  // A page as an answer: projected, with its headers.
  http::Response PageAnswer(const Call& call, const intel::Page& page,
                            const intel::Paging& paging) const;
  http::Response Failed(const Error& error, const Call& call) const;

  // entity_routes.cc
  void AddEntityRoutes();
  io::Task<http::Response> Create(const ctim::Entity& entity, Call call);
  io::Task<http::Response> Get(const ctim::Entity& entity, Call call);
  io::Task<http::Response> Put(const ctim::Entity& entity, Call call);
  io::Task<http::Response> Patch(const ctim::Entity& entity, Call call);
  io::Task<http::Response> Delete(const ctim::Entity& entity, Call call);
  io::Task<http::Response> ByExternalId(const ctim::Entity& entity, Call call);

  // search_routes.cc
  void AddSearchRoutes();
  io::Task<http::Response> Search(std::string type, Call call);
  io::Task<http::Response> Count(std::string type, Call call);
  io::Task<http::Response> DeleteSearch(std::string type, Call call);
  io::Task<http::Response> AskMetric(std::string type, Metric metric, Call call);
  io::Task<http::Response> FeedbackOf(Call call);
  io::Task<Result<Answered<intel::Page>>> Find(const Call& call, intel::Selection selection,
                                               intel::Paging paging);

  // observable_routes.cc
  void AddObservableRoutes();
  io::Task<http::Response> Verdict(Call call);
  io::Task<http::Response> AboutObservable(std::string type, Call call);
  io::Task<http::Response> RelatedToObservable(std::string source, std::string target,
                                               std::vector<std::string> relationships, Call call);
  static io::Task<Result<std::optional<json::object>>> VerdictOf(const Realm& realm,
                                                                 const Realm* other,
                                                                 intel::VerdictQuestion question,
                                                                 intel::Asker asker);

  // casework_routes.cc
  void AddCaseworkRoutes();
  io::Task<http::Response> Expire(const ctim::Entity& entity, Call call);
  io::Task<http::Response> ChangeCasebook(std::string part, Call call);
  io::Task<http::Response> SetIncidentStatus(Call call);
  io::Task<http::Response> LinkIncident(Call call);

  // event_routes.cc
  void AddEventRoutes();
  io::Task<http::Response> GetEvent(Call call);
  io::Task<http::Response> DeleteEvent(Call call);
  io::Task<http::Response> History(Call call);
  io::Task<http::Response> ByMitreId(Call call);
  io::Task<http::Response> ByCpe(Call call);

  // feed_routes.cc
  void AddFeedRoutes();
  io::Task<http::Response> FeedView(bool text, http::Request request);

  // bulk_routes.cc
  void AddBulkRoutes();
  io::Task<http::Response> BulkCreate(Call call);
  io::Task<http::Response> BulkGet(Call call);
  io::Task<http::Response> BulkChange(bool partly, Call call);
  io::Task<http::Response> BulkDelete(Call call);

  // bundle_routes.cc
  void AddBundleRoutes();
  io::Task<http::Response> ImportBundle(Call call);
  io::Task<http::Response> ExportBundle(Call call);
  http::Response TooManyIds() const;
  struct ExportChoice {
    bool source = true, target = true, include = true;
    std::vector<std::string> source_types, target_types;  // empty: all
  };
  Result<json::object> BundleOf(intel::Tables& tables, const Call& call,
                                const std::vector<std::string>& ids,
                                const ExportChoice& choice) const;

  // case_routes.cc
  void AddCaseRoutes();
  io::Task<http::Response> ActiveCase(Call call);
  io::Task<http::Response> SetActiveCase(Call call);
  io::Task<http::Response> ClearActiveCase(Call call);
  io::Task<http::Response> CaseObservables(Call call);
  io::Task<http::Response> ExportCase(std::string type, Call call);
  io::Task<http::Response> Promote(Call call);

  // snapshot_routes.cc
  void AddSnapshotRoutes();
  io::Task<http::Response> ListSnapshots(Call call);
  io::Task<http::Response> MakeSnapshot(Call call);
  io::Task<http::Response> GetSnapshot(Call call);
  io::Task<http::Response> DeleteSnapshot(Call call);
  io::Task<http::Response> CompareSnapshot(Call call);
  io::Task<Result<Answered<json::object>>> ReadSnapshot(const Call& call);

  // graphql_routes.cc
  void AddGraphQlRoutes();
  io::Task<http::Response> GraphQl(Call call);

  // status_routes.cc
  void AddStatusRoutes();
  io::Task<http::Response> Status(Call call);
  io::Task<http::Response> Version(Call call);
  io::Task<http::Response> Properties(Call call);
  io::Task<http::Response> Metrics(Call call);

  const Clock& clock_;
  log::Logger& logger_;
  const Options options_;
  Realm private_realm_;
  std::unique_ptr<Realm> global_realm_;
  Enricher enricher_;
  std::map<const Rule*, Handler> handlers_;
};

}  // namespace mailreeve::response::intel_api
