#pragma once

#include "json/json.h"

#include <optional>
#include <string>
#include <vector>

// Reads what a module answered, trusting nothing of it (threat-response-api.md 2.4,
// hostile-input.md D04). Pure functions; thread-safe.
namespace mailreeve::response::enrich {

// What a module says went wrong, or we about its answer.
struct ModuleError {
  std::string code = "unknown";
  std::string message;
  std::string type = "fatal";  // "fatal", "error", "warning"
};

struct AnswerLimits {
  size_t max_bytes = 16 * 1024 * 1024;  // of the whole answer, estimated
  size_t max_documents = 20000;         // of one kind
  size_t max_errors = 100;
  size_t max_text_bytes = 2000;  // of codes and messages
};

enum class Shape {
  kBundle,    // {"sightings":{"count","docs"}, …}
  kVerdicts,  // the same with verdicts only
  kRefs,      // [{"id","title","description","url"}]
  kActions,   // [{"id","title","description","query-params"}]
  kHealth,    // {"status"}
  kTrigger,   // {"status"}
  kList,      // any list: tiles
  kObject,    // any object: our own routes
};

struct Answer {
  std::optional<json::value> data;  // absent: nothing usable
  std::vector<ModuleError> errors;
  std::optional<json::object> coverage;
};

// Parts that are not as they must be are left out and become errors with code "invalid answer".
Answer ReadAnswer(json::value envelope, Shape shape, const AnswerLimits& limits);

// Makes the transient ids of one module's documents its own: "transient:sighting-1" becomes
// "transient:sighting-<uuid>", the same uuid for the same id and module in every answer. Changed
// are "id" and what refers to one ("…_ref", "…_refs", "…_id", "…_ids").
void RenameTransients(json::value& data, std::string_view module_instance_id);

// Plural names of entities that a bundle may have.
bool IsBundleKey(std::string_view name);

}  // namespace mailreeve::response::enrich
