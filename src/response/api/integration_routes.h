#pragma once

#include "response/api/api.h"
#include "response/modules/catalogue.h"
#include "response/modules/registry.h"

namespace mailreeve::response::api {

// /iroh/iroh-int: module types, patches to them, module instances, integrations, one-click set-up
// (threat-response-api.md 3.1-3.4). Every change is in the audit log.
// Threads: the Api's executor. Ownership: borrows all three; outlives their last request.
class IntegrationRoutes {
 public:
  IntegrationRoutes(Api& api, const modules::Registry& registry, modules::Catalogue& catalogue);

 private:
  using Request = http::Request;
  using Caller = identity::Caller;
  using Answer = io::Task<http::Response>;
  using Read = io::Task<Result<json::object>> (modules::Catalogue::*)(modules::Asker, std::string);
  using List = io::Task<Result<json::array>> (modules::Catalogue::*)(modules::Asker,
                                                                     modules::ListQuery);
  using Make = io::Task<Result<json::object>> (modules::Catalogue::*)(modules::Asker, json::object);
  using Patch = io::Task<Result<json::object>> (modules::Catalogue::*)(modules::Asker, std::string,
                                                                       json::object);
  using Delete = io::Task<Result<void>> (modules::Catalogue::*)(modules::Asker, std::string);

  struct Noun {
    std::string name;   // "module-type", as in the path
    std::string word;   // "module_type": of error words and audit entries
    std::string write;  // the scope whose holders see secrets
  };
  Answer DoList(const Noun* noun, List list, Request request, Caller caller);
  Answer DoRead(const Noun* noun, Read read, Request request, Caller caller);
  Answer DoMake(const Noun* noun, Make make, Request request, Caller caller);
  Answer DoPatch(const Noun* noun, Patch patch, Request request, Caller caller);
  Answer DoDelete(const Noun* noun, Delete remove, Request request, Caller caller);
  Answer ListInstances(Request request, Caller caller);
  Answer GetInstance(Request request, Caller caller);
  Answer MakePatch(Request request, Caller caller);
  Answer PutPatch(Request request, Caller caller);
  Answer Preview(Request request, Caller caller);
  Answer OneClick(Request request, Caller caller);

  modules::Asker AskerOf(const Caller& caller, const Noun& noun) const;
  http::Response Failed(const Error& error, const Noun& noun, const Request& request) const;
  // Notes a change that was made; its answer, or why the change must be called failed.
  Answer Noted(const Caller& caller, const Request& request, const Noun& noun, std::string verb,
               std::string id, http::Response answer);

  Api& api_;
  const modules::Registry& registry_;
  modules::Catalogue& catalogue_;
};

}  // namespace mailreeve::response::api
