#pragma once

#include "response/feed_formats/documents.h"
#include "stix/from_stix.h"

#include <string>
#include <vector>

// A CTIM bundle with transient ids (of stix/from_stix.h or misp.h) as documents of the store.
//
// Threads: pure functions. Errors: as stix::FromStix.
//
//   TRY(auto taken, feed_formats::StixDocuments(page, terms, {}, /*part=*/true));
namespace mailreeve::response::feed_formats {

struct Documents {
  std::vector<json::object> documents;
  std::vector<ctim::ShortId> withdrawn;
  Counts counts;
};

// `part`: the document is a page of something larger, whose relationships may name objects of
// other pages.
Result<Documents> StixDocuments(const json::value& document, const Terms& terms,
                                const stix::FromStixOptions& limits, bool part);

// Ids and references of every entity of `bundle`, transient until now, made stable.
void AddBundle(json::object bundle, const Terms& terms, Documents& out);

}  // namespace mailreeve::response::feed_formats
