#pragma once

#include "http/address_policy.h"
#include "io/pool.h"
#include "log/log.h"
#include "response/module_store/store.h"
#include "response/modules/module.h"
#include "settings/settings.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

// Module types that organisations posted, patches to them, integrations, and the module instances
// that people make: all of /iroh/iroh-int (threat-response-api.md 3.1-3.4, docs/modules.md).
//
// Threads: Tasks on one executor, any number at once; the database has a thread of its own.
// Ownership: borrows clock and built-in types. Errors: kInvalid with a note "key: reason" for each
// thing that is wrong with a body; kNotFound, also for another organisation's; kConflict changed
// meanwhile, in use, or as many as there may be; kDenied.
//
//   CO_TRY(json::object made, co_await catalogue.MakeInstance(asker, body));
//   CO_TRY(auto instances, co_await catalogue.Instances(org_id, user_id));
namespace mailreeve::response::modules {

struct CatalogueOptions {
  size_t max_types = 200;      // of one organisation; patches and integrations too
  size_t max_instances = 500;  // of one organisation
  size_t max_pending = 1000;   // calls that wait for the database
  std::shared_ptr<const http::AddressPolicy> addresses;  // for URLs; null: public ones only
};
CatalogueOptions CatalogueOptionsFrom(const settings::Snapshot& snapshot);

// On whose behalf.
struct Asker {
  std::string org_id, user_id, client_id;
  bool sees_secrets = false;  // may write what is read, so sees it whole
  bool is_operator = false;   // of the server: may make what all organisations see
};

// Which records of a list, and in what order. What is empty does not count.
struct ListQuery {
  std::string query;                          // words, all of which must be in a text of the record
  std::map<std::string, std::string> equals;  // top-level key: its value as text
  std::string sort_by;                        // top-level key
  bool descending = false;
  size_t offset = 0;
  std::optional<size_t> limit;
};

class Catalogue {
 public:
  // `builtin` outlive the catalogue. Seals anew what older keys sealed. Blocking.
  static Result<std::unique_ptr<Catalogue>> Open(module_store::Store store,
                                                 std::vector<const ModuleType*> builtin,
                                                 CatalogueOptions options, const Clock& clock);

  // Of every kind below: the wire records of threat-response-api.md 3.1-3.4.
  io::Task<Result<json::array>> ListTypes(Asker asker, ListQuery query);
  io::Task<Result<json::object>> GetType(Asker asker, std::string id);
  io::Task<Result<json::object>> MakeType(Asker asker, json::object body);
  io::Task<Result<json::object>> PatchType(Asker asker, std::string id, json::object body);
  io::Task<Result<void>> DeleteType(Asker asker, std::string id);

  io::Task<Result<json::array>> ListPatches(Asker asker, ListQuery query);
  io::Task<Result<json::object>> GetPatch(Asker asker, std::string id);
  io::Task<Result<json::object>> MakePatch(Asker asker, json::object body, bool dry_run);
  // merge_status "merged" applies the patch to its type, which the asker's organisation must own.
  io::Task<Result<json::object>> PutPatch(Asker asker, std::string id, json::object body,
                                          bool dry_run);
  io::Task<Result<void>> DeletePatch(Asker asker, std::string id);
  io::Task<Result<json::object>> PreviewPatch(Asker asker, std::string id);

  // `also`: instances that are kept elsewhere (devices), listed with ours.
  io::Task<Result<json::array>> ListInstances(Asker asker, ListQuery query,
                                              std::vector<ModuleInstance> also);
  io::Task<Result<json::object>> GetInstance(Asker asker, std::string id);
  io::Task<Result<json::object>> MakeInstance(Asker asker, json::object body);
  io::Task<Result<json::object>> PatchInstance(Asker asker, std::string id, json::object body);
  io::Task<Result<void>> DeleteInstance(Asker asker, std::string id);

  io::Task<Result<json::array>> ListIntegrations(Asker asker, ListQuery query);
  io::Task<Result<json::object>> GetIntegration(Asker asker, std::string id);
  io::Task<Result<json::object>> MakeIntegration(Asker asker, json::object body);
  io::Task<Result<json::object>> PatchIntegration(Asker asker, std::string id, json::object body);
  io::Task<Result<void>> DeleteIntegration(Asker asker, std::string id);

  // One-click set-up (threat-response-api.md 3.3): {"created_new_module?",…}.
  io::Task<Result<json::object>> OneClick(Asker asker, json::object body);

  // For asking them: the instances that the user sees, of types that are enabled, with settings
  // whole and defaults of the form filled in.
  io::Task<Result<std::vector<ModuleInstance>>> Instances(std::string org_id, std::string user_id);
  // Null when the user's organisation sees no such type.
  io::Task<Result<std::shared_ptr<const ModuleType>>> FindType(std::string org_id, std::string id);

 private:
  using Record = module_store::Record;
  using Kind = module_store::Kind;
  using Types = std::map<std::string, std::shared_ptr<const ModuleType>>;
  struct Known {  // of one organisation, as of `changes`
    int64_t changes = -1;
    std::vector<ModuleInstance> instances;
  };

  Catalogue(module_store::Store store, std::vector<const ModuleType*> builtin,
            CatalogueOptions options, const Clock& clock);
  template <class F>
  auto OnDatabase(F work) {
    return database_pool_.Run(std::move(work));
  }

  // All of these run on the database thread.
  Record Fresh(const Asker& asker, Kind kind) const;
  Result<Record> FindOwn(const Asker& asker, Kind kind, const std::string& id);
  Result<Record> FindSeen(const Asker& asker, Kind kind, const std::string& id);
  Result<std::shared_ptr<const ModuleType>> TypeFor(const std::string& org_id,
                                                    const std::string& id);
  Result<Types> TypesFor(const std::string& org_id);
  Result<ModuleInstance> ToInstance(const Record& record, const Types& types) const;
  Result<json::array> List(const Asker& asker, Kind kind, const ListQuery& query,
                           json::array first);
  json::object ToWire(const Asker& asker, const Record& record) const;
  Result<json::object> InsertInstance(const Asker& asker, const json::object& body);
  Result<json::object> ChangeInstance(const Asker& asker, const std::string& id,
                                      const json::object& body);
  Result<void> CheckAgainstType(const ModuleType& type, const Record& record,
                                std::vector<std::string> problems) const;
  Result<Record> Patched(const Asker& asker, const Record& patch, bool to_merge);
  Result<json::object> StorePatch(const Asker& asker, Record record, const json::object& body,
                                  bool is_new, bool dry_run);
  const http::AddressPolicy& policy() const;

  module_store::Store store_;
  const std::vector<const ModuleType*> builtin_;
  const CatalogueOptions options_;
  const Clock& clock_;
  std::map<std::string, Known> known_;  // by organisation; database thread only
  // Last, so that its thread has ended before anything it uses goes.
  io::Pool database_pool_;
};

}  // namespace mailreeve::response::modules
