#pragma once

#include "json/json.h"
#include "response/intel_query/query.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Whether a document fits a query, and the words that a text index keeps. Pure; thread-safe.
namespace mailreeve::response::intel_query {

// Calls `visit` with every scalar at the dotted path; lists are gone through at each step. Ends
// early when it answers false.
bool ForEachValue(const json::object& document, std::string_view path,
                  const std::function<bool(const json::value&)>& visit);

// Lower-case words of a text: runs of letters and digits; each CJK character is a word. Words are
// cut at 64 bytes.
std::vector<std::string> WordsOf(std::string_view text);
// Lower case of ASCII, Latin-1, Greek and Cyrillic; other bytes as they are.
std::string FoldCase(std::string_view text);

// "http://host/ctia/actor/actor-<uuid>" -> "actor-<uuid>"; also what ends in a short id after '*'
// or '/'. Other text as it is.
std::string_view ShortIdOf(std::string_view text);
// Fields whose values are ids, which compare by their short form.
bool IsIdField(std::string_view field);
// Fields that are searched by word as well as whole.
bool IsTextField(std::string_view field);

// `searched` are the fields for terms that name none.
bool Matches(const Node& node, const json::object& document,
             const std::vector<std::string>& searched);

}  // namespace mailreeve::response::intel_query
