#pragma once

#include "json/json.h"

#include <optional>
#include <string_view>

// Operations on a casebook's observables, texts and bundle (threat-response-api.md 5.7): the given
// part merges into the document; where both hold a list, the operation decides.
//
//   add      append, repetitions too
//   remove   drop equal elements
//   replace  the given list takes the place of the old one
//
// What the casebook does not hold yet is put in by every operation, `remove` too: clients rely on
// it. Of other values the given one stands.
//
// Threads: pure functions. Errors: none; a word that is no operation is nullopt.
//
//   auto operation = ctim::ReadCasebookOperation("add");
//   ctim::ChangeCasebook(casebook, *operation, {{"observables", list}});
namespace mailreeve::ctim {

enum class CasebookOperation { kAdd, kRemove, kReplace };
std::optional<CasebookOperation> ReadCasebookOperation(std::string_view word);

void ChangeCasebook(json::object& casebook, CasebookOperation operation, const json::object& part);

}  // namespace mailreeve::ctim
