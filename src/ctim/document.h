#pragma once

#include "base/time.h"
#include "ctim/ids.h"
#include "ctim/model.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What happens to checked documents: completing them for the store, merging a patch, choosing
// fields, finding references, choosing a verdict.
//
// Threads: pure functions. Errors: none; documents are what Validate let pass (other values in
// them are left as they are).
//
//   json::object stored = ctim::Complete(entity, checked.document.get_object(),
//                                        {ctim::ShortId::New(entity.type), "alice", {"org-1"}},
//                                        clock.Now());
namespace mailreeve::ctim {

inline constexpr std::string_view kNoEnd = "2525-01-01T00:00:00.000Z";

struct Envelope {
  ShortId id;
  std::string owner;                // login
  std::vector<std::string> groups;  // organisation ids
  std::string client_id;            // may be empty
  std::string default_tlp = "green";
};

// The stored form of a new document: envelope, times and defaults. With `previous` (PUT, or a
// PATCH after MergePatch) created, owner, groups and client_id are those of before; timestamp, tlp
// and the start of validity are kept when not given. `id` is the short form.
json::object Complete(const Entity& entity, json::object fresh, const Envelope& envelope, Time now,
                      const json::object* previous = nullptr);

// PATCH: objects merge, everything else is replaced.
void MergePatch(json::object& into, const json::object& patch);

// Only what `fields` name ("title", "observed_time.start_time"; into every element of lists).
// No fields: everything. A name that is there nowhere is passed over.
json::object Project(const json::object& document, std::span<const std::string> fields);

// Calls `change` for every text that names another entity (source_ref, asset_ref, entity_id, …),
// also inside components and bundles; what it returns takes the text's place.
void RewriteRefs(const Entity& entity, json::object& document,
                 const std::function<std::string(std::string_view)>& change);

// start ≤ at < end; what is missing does not bound.
bool ValidAt(const json::object& document, Time at);

// The verdict of what is known of one observable: of the judgements valid at `at`, the one with
// the highest priority, then the lowest disposition, then the earliest start, then the lowest id.
// nullopt when none is valid. The verdict's judgement_id is as the judgement's id.
std::optional<json::object> ChooseVerdict(std::span<const json::object> judgements, Time at);

}  // namespace mailreeve::ctim
