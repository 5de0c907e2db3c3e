#pragma once

#include "base/result.h"
#include "ctim/model.h"
#include "settings/settings.h"

#include <string>
#include <string_view>
#include <vector>

// Checks a document against the model and brings it into the form that is stored: times in
// milliseconds form, whole numbers as such, disposition and disposition_name both. All that is
// wrong is told at once, in the words of the wire (threat-response-api.md 5.2).
//
// Threads: pure functions. Ownership: the answer owns its copy of the document.
// Errors: never fails; what is wrong stands in the answer. Time and memory are bounded by
// ValidateLimits whatever comes in.
//
//   auto checked = ctim::Validate("sighting", body);
//   if (!checked.ok()) return Answer(400, checked.Body());
//   Store(ctim::Complete(…, std::move(checked.document), …));
namespace mailreeve::ctim {

struct ValidateLimits {
  size_t max_depth = 48;                // of free parts (meta, rows, specification)
  size_t max_values = 2'000'000;        // JSON values in the document
  size_t max_text_bytes = 1024 * 1024;  // of a text without a limit of its own
  size_t max_errors = 500;              // more are not told
};

// The settings ctim.* of the program response.
ValidateLimits LimitsFrom(const settings::Snapshot& snapshot);

struct ValidateOptions {
  bool partial = false;   // PATCH: nothing is required
  bool needs_id = false;  // bulk PUT and PATCH: `id` must be there
  bool stored = false;    // id, type and schema_version must be there
  bool lenient = false;   // of relay modules: see Validate
  bool strict = false;  // of what we make ourselves: usual words only, rows that fit their columns
  ValidateLimits limits;
};

// A rule that is broken though every field is of its type.
struct SpecError {
  enum class Kind { kRule, kMismatch };  // kMismatch: disposition against its name
  std::string path;                      // "targets[0].observed_time"
  std::string message;
  Kind kind = Kind::kRule;
};

struct Validation {
  std::string type;
  json::value document;         // in stored form as far as it fits
  json::value errors;           // nested as the document; null when there are none
  std::vector<SpecError> spec;  // in document order
  size_t remarks = 0;           // lenient: keys and values that were let pass
  bool ok() const { return errors.is_null() && spec.empty(); }
  // The body of the 400 answer: {"errors":…}, "Spec Validation Client Error", or the mismatch of a
  // disposition and its name. REQUIRES: !ok().
  json::object Body() const;
  // kInvalid naming the first thing that is wrong. REQUIRES: !ok().
  Error ToError() const;
};

// Lenient: schema_version may be anything, unknown keys and words outside closed vocabularies stay
// (but for observable types and times), texts over their limit are cut, null counts as absent, and
// the disposition's number goes before its name.
Validation Validate(const Entity& entity, json::value document,
                    const ValidateOptions& options = {});
// REQUIRES: `type` is one of the model.
Validation Validate(std::string_view type, json::value document,
                    const ValidateOptions& options = {});
// A component on its own, such as "Observable".
Validation ValidateComponent(std::string_view component, json::value document,
                             const ValidateOptions& options = {});

// ok(), or the first error.
Result<void> Check(std::string_view type, const json::value& document,
                   const ValidateOptions& options = {});

// "Malicious" for 2; "" outside 1 to 5. And back; 0 when unknown.
std::string_view DispositionWord(int64_t number);
int64_t DispositionNumber(std::string_view word);

}  // namespace mailreeve::ctim
