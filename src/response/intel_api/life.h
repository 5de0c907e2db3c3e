#pragma once

#include "base/secret.h"
#include "base/time.h"
#include "crypto/seal.h"
#include "ctim/ids.h"
#include "response/intel/tables.h"
#include "response/intel_api/answers.h"

#include <optional>
#include <string>

// How records come into being, change and go, each with its event (threat-response-api.md 5.1, 5.4,
// 5.8). Everything here runs inside a transaction of the store, on its thread.
//
// Threads: one at a time, as the tables. Ownership: borrows all of Life. Errors: Refused is an
// answer to the caller, after which nothing was written; an Error undoes the transaction.
//
//   CO_TRY(auto answered, co_await store.Write([&](Tables& tables) {
//     return Life{tables, ids, asker, visibility, now}.Create(*entity, checked);
//   }));
namespace mailreeve::response::intel_api {

// A document that fits its entity, not yet completed.
struct Checked {
  const ctim::Entity* entity = nullptr;
  json::object document;
  std::string given_id;  // transient or empty
  std::string new_id;    // short id that it gets; empty: one is made
};
// Checks `body` as a new document: fields, rules, and that the caller chose no id.
Answered<Checked> CheckNew(const ctim::Entity& entity, json::value body, int min_tlp);

struct Life {
  intel::Tables& tables;
  const ctim::IdSpace& ids;
  intel::Asker asker;
  intel::Visibility visibility;
  Time now;
  const crypto::SealingKeys* feed_keys = nullptr;  // what secrets of feeds are sealed with
  bool events = true;                              // importers make none

  // What is stored: id, envelope, defaults. `id`: empty for a new one.
  Result<intel::Record> Complete(const Checked& checked, const intel::Record* previous) const;
  Result<intel::Record> Create(const Checked& checked);
  // Adds a record that is complete.
  void Add(intel::Record record);

  // The record, when there is one and the asker may read it.
  Result<Answered<intel::Record>> Read(std::string_view type, const std::string& id);
  // The same for changing.
  Result<Answered<intel::Record>> ToChange(std::string_view type, const std::string& id);

  // `after` has its new content; `modified` and the event are made here.
  Result<intel::Record> Change(const intel::Record& before, intel::Record after);
  // PUT: all of it is new but what the store keeps.
  Result<Answered<intel::Record>> Replace(const ctim::Entity& entity, const std::string& id,
                                          const Checked& checked);
  // PATCH: objects are merged, all else is replaced.
  Result<Answered<intel::Record>> Patch(const ctim::Entity& entity, const std::string& id,
                                        const json::object& part, int min_tlp);
  Result<void> Remove(const intel::Record& record);
};

// The secret of a stored feed. kCorrupt: the key that sealed it is not there.
Result<Secret> FeedSecret(const intel::Record& feed, const crypto::SealingKeys& keys);

}  // namespace mailreeve::response::intel_api
