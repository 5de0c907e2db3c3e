#pragma once

#include "json/json.h"

#include <string_view>

// Checks documents against CTIM's closed schemas (threat-response-api.md 4.1-4.4) as far as
// Mailreeve makes them. Pure; thread-safe. Errors: kInvalid with the path of the first thing that
// is wrong.
namespace mailreeve::ctim {

Result<void> ValidateSighting(const json::value& document);
Result<void> ValidateVerdict(const json::value& document);
Result<void> ValidateJudgement(const json::value& document);
// True for the observed relations of the vocabulary that mail uses.
bool IsMailRelation(std::string_view relation);

}  // namespace mailreeve::ctim
