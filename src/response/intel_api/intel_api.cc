#include "response/intel_api/intel_api.h"

#include "base/check.h"
#include "base/text.h"
#include "ctim/document.h"
#include "response/identity/capabilities.h"
#include "response/intel_api/entities.h"

#include <algorithm>

namespace mailreeve::response::intel_api {
namespace {

// "https://host:port/x" -> "host:port"
std::string AuthorityOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url = url.substr(scheme + 3);
  return AsciiLower(url.substr(0, url.find('/')));
}

bool HasAll(const Rule& rule, const identity::ScopeSet& scopes, std::string_view root) {
  return std::all_of(rule.capabilities.begin(), rule.capabilities.end(),
                     [&](const std::string& capability) {
                       return identity::HasCapability(scopes, capability, root);
                     });
}

bool OnlyReads(const Rule& rule) {
  return std::none_of(
      rule.capabilities.begin(), rule.capabilities.end(), [](const std::string& capability) {
        return capability.starts_with("create-") || capability.starts_with("delete-") ||
               capability == "import-bundle" || capability == "developer";
      });
}

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  Options options;
  const auto size = [&](const char* name) { return static_cast<size_t>(snapshot.Integer(name)); };
  options.min_tlp = intel::TlpLevel(snapshot.Text("intel.min_tlp"));
  options.query.language.max_bytes = size("intel.max_query_bytes");
  options.query.language.max_depth = size("intel.max_query_depth");
  options.query.language.max_terms = size("intel.max_query_terms");
  options.query.language.max_wildcards = size("intel.max_query_wildcards");
  options.max_body_bytes = size("intel.max_body_bytes");
  options.max_bundle_bytes = size("intel.max_bundle_bytes");
  options.max_bulk = size("intel.max_bulk");
  options.max_bundle = size("intel.max_bundle");
  options.max_export = size("intel.max_export");
  options.max_feed_entries = size("intel.max_feed_entries");
  options.graphql.max_depth = size("intel.max_graphql_depth");
  options.graphql.max_fields = size("intel.max_graphql_fields");
  options.max_graphql_records = size("intel.max_graphql_records");
  options.max_snapshots = size("intel.max_snapshots");
  options.max_snapshot_observables = size("intel.max_snapshot_observables");
  return options;
}

Access AccessFor(const Rule& rule, const identity::ScopeSet& scopes, bool global_host) {
  const bool reads = OnlyReads(rule);
  const bool on_global = reads && HasAll(rule, scopes, identity::kGlobalIntel);
  if (global_host) return {true, false, on_global};
  const bool on_private = HasAll(rule, scopes, identity::kPrivateIntel);
  if (on_private) return {false, on_global && !rule.capabilities.empty(), true};
  return {on_global, false, on_global};
}

http::Response NotAuthenticated() {
  http::Response response =
      JsonAnswer(401, json::object{{"error", "not_authenticated"},
                                   {"message", "Only authenticated users allowed"}});
  response.headers.Set("WWW-Authenticate", "Bearer");
  return response;
}

http::Response MissingCapability(const Rule& rule, const identity::Caller& caller) {
  json::value capabilities;
  if (rule.capabilities.size() == 1) {
    capabilities = json::value(rule.capabilities.front());
  } else {
    json::array list;
    for (const std::string& capability : rule.capabilities) list.emplace_back(capability);
    capabilities = std::move(list);
  }
  return JsonAnswer(403, json::object{{"message", "Missing capability"},
                                      {"error", "missing_capability"},
                                      {"capabilities", std::move(capabilities)},
                                      {"owner", caller.user_id}});
}

IntelApi::IntelApi(intel::Store& private_store, intel::Store* global_store, const Clock& clock,
                   log::Logger& logger, Options options)
    : clock_(clock),
      logger_(logger),
      options_(std::move(options)),
      private_realm_{&private_store, ctim::IdSpace(options_.public_url), false} {
  if (global_store != nullptr) {
    global_realm_ = std::make_unique<Realm>(Realm{
        global_store,
        ctim::IdSpace(options_.global_url.empty() ? options_.public_url : options_.global_url),
        true});
  }
  AddEntityRoutes();
  AddSearchRoutes();
  AddObservableRoutes();
  AddCaseworkRoutes();
  AddEventRoutes();
  AddFeedRoutes();
  AddBulkRoutes();
  AddBundleRoutes();
  AddGraphQlRoutes();
  AddCaseRoutes();
  AddSnapshotRoutes();
  AddStatusRoutes();
}

std::vector<IntelApi::Route> IntelApi::Routes() {
  std::vector<Route> out;
  for (const Rule& rule : Rules()) {
    const auto handler = handlers_.find(&rule);
    CHECK(handler != handlers_.end());
    out.push_back({&rule, handler->second});
  }
  return out;
}

const Rule* IntelApi::RuleOf(std::string_view method, std::string_view pattern) const {
  for (const Rule& rule : Rules()) {
    if (rule.method == method && rule.pattern == pattern) return &rule;
  }
  return nullptr;
}

bool IntelApi::IsGlobalHost(const http::Request& request) const {
  if (!global_realm_ || options_.global_url.empty()) return false;
  const std::string host = AsciiLower(request.headers.Get("Host"));
  return host == AuthorityOf(options_.global_url) && host != AuthorityOf(options_.public_url);
}

io::Task<http::Response> IntelApi::Serve(const Rule* rule,
                                         std::function<io::Task<http::Response>(Call)> member,
                                         http::Request request, identity::Caller caller) {
  const Access access = AccessFor(*rule, caller.scopes, IsGlobalHost(request));
  Call call{std::move(request), std::move(caller), {}, &private_realm_, nullptr, clock_.Now()};
  call.asker = {call.caller.user_id, call.caller.org_id, call.caller.client_id};
  if (access.global) {
    if (!global_realm_) co_return MissingCapability(*rule, call.caller);
    call.realm = global_realm_.get();
  } else if (access.also_global && global_realm_) {
    call.other = global_realm_.get();
  }
  http::Response response = co_await member(std::move(call));
  response.headers.Set("X-Ctia-Version", options_.build);
  response.headers.Set("X-Ctia-Config", "mailreeve");
  if (!response.headers.Has(kCtimVersionHeader))
    response.headers.Set(std::string(kCtimVersionHeader), ctim::TheModel().schema_version());
  response.headers.Set("X-Content-Type-Options", "nosniff");
  co_return response;
}

void IntelApi::OnFunction(std::string_view method, const std::string& pattern,
                          std::function<io::Task<http::Response>(Call)> member) {
  const Rule* rule = RuleOf(method, pattern);
  CHECK(rule != nullptr && !handlers_.contains(rule));
  handlers_[rule] = [this, rule, member = std::move(member)](http::Request request,
                                                             identity::Caller caller) {
    return Serve(rule, member, std::move(request), std::move(caller));
  };
}

void IntelApi::On(std::string_view method, const std::string& pattern, Member member) {
  OnFunction(method, pattern,
             [this, member](Call call) { return (this->*member)(std::move(call)); });
}

void IntelApi::On(std::string_view method, const std::string& pattern, const ctim::Entity& entity,
                  EntityMember member) {
  OnFunction(method, pattern, [this, member, &entity](Call call) {
    return (this->*member)(entity, std::move(call));
  });
}

Answered<json::value> IntelApi::ReadBody(const http::Request& request, size_t max_bytes) const {
  const auto wrong = [](int status, std::string message) {
    return Refuse(status,
                  json::object{{"type", "json-parse-exception"}, {"message", std::move(message)}});
  };
  if (request.body.size() > max_bytes)
    return wrong(413, "The body is longer than " + std::to_string(max_bytes) + " bytes.");
  const std::string_view type = request.headers.Get("Content-Type");
  const std::string_view name = TrimSpace(type.substr(0, type.find(';')));
  if (!name.empty() && !AsciiEqualFold(name, "application/json") && !name.ends_with("+json"))
    return wrong(415, "The body must be application/json.");
  if (TrimSpace(request.body).empty()) return json::value(json::object());
  Result<json::value> body = json::Parse(request.body, {.max_bytes = max_bytes, .max_depth = 64});
  if (!body) return wrong(400, body.error().message);
  return *std::move(body);
}

Answered<std::string> IntelApi::ReadId(const Call& call, std::string_view type,
                                       std::string_view segment) const {
  Result<ctim::ShortId> id = call.realm->ids.Read(segment);
  // What the other store answered is asked for by its own long id.
  if (!id && call.other != nullptr) id = call.other->ids.Read(segment);
  if (!id && id.error().message == ctim::kForeignId) {
    return Refuse(400, json::object{{"error", ctim::kForeignId},
                                    {"id", segment},
                                    {"this-host", AuthorityOf(call.realm->ids.base_url())}});
  }
  if (!id || id->type != type) return tl::unexpected(NotFound(type));
  return id->text();
}

http::Response IntelApi::Failed(const Error& error, const Call& call) const {
  const Refused refused = FromError(error);
  if (refused.status >= 500) {
    logger_.Error("intel_request_failed",
                  {{"request_id", call.request.request_id}, {"error", error.ToString()}});
  }
  return ToResponse(refused);
}

http::Response IntelApi::PageAnswer(const Call& call, const intel::Page& page,
                                    const intel::Paging& paging) const {
  const std::vector<std::string> fields = call.request.QueryAll("fields");
  json::array out;
  out.reserve(page.records.size());
  for (const intel::Record& record : page.records)
    out.push_back(ctim::Project(ShownTo(call, record), fields));
  http::Response response = JsonAnswer(200, out);
  SetPaging(response, page, paging);
  return response;
}

json::object IntelApi::ShownTo(const Call& call, const intel::Record& record) const {
  json::object out = Shown(record, call.realm->ids);
  if (record.type == "feed" && options_.feed_keys) {
    // One that cannot be opened is shown without: the key was lost or changed.
    if (const Result<Secret> secret = FeedSecret(record, *options_.feed_keys)) {
      const json::value* output = record.document.if_contains("output");
      const bool judgements = output != nullptr && *output == "judgements";
      out["secret"] = secret->Reveal();
      out["feed_view_url"] = call.realm->ids.Long(std::string_view(record.id())) +
                             (judgements ? "/view?s=" : "/view.txt?s=") +
                             std::string(secret->Reveal());
    }
  }
  return out;
}

}  // namespace mailreeve::response::intel_api
