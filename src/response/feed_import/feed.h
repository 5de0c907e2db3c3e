#pragma once

#include "json/json.h"
#include "response/feed_formats/documents.h"
#include "response/feed_formats/text_feed.h"

#include <chrono>
#include <string>
#include <vector>

// What an administrator says about a feed (docs/feeds.md).
//
// Threads: a value. Errors: kInvalid naming the feed and what is wrong in it.
//
//   TRY(auto feeds, ReadFeeds(*json::Parse(R"({"feeds":[{"name":"demo","kind":"list",
//       "url":"https://feeds.example/bad.txt"}]})")));
namespace mailreeve::response::feed_import {

enum class Kind { kList, kCsv, kStix, kTaxii, kMisp };
std::string_view KindName(Kind kind);

struct Feed {
  std::string name;  // [a-z0-9-], at most 64: in ids, so it must not change
  Kind kind = Kind::kList;
  // http(s)://… or an absolute path. TAXII: the collection; MISP: the folder of manifest.json.
  std::string url;
  std::string authorization_file;  // its text is sent as Authorization; empty: none
  std::chrono::seconds interval{3600};
  bool enabled = true;
  feed_formats::Terms terms;  // `now` is set by each run
  feed_formats::TextFormat text;
  bool IsFile() const { return url.starts_with('/'); }
};

// {"feeds":[…]}: names are unique; unknown keys are refused.
Result<std::vector<Feed>> ReadFeeds(const json::value& document);

}  // namespace mailreeve::response::feed_import
