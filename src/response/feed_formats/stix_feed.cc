#include "response/feed_formats/stix_feed.h"

#include "ctim/bundle.h"
#include "ctim/document.h"

namespace mailreeve::response::feed_formats {
namespace {

constexpr std::string_view kTransient = "transient:";

// "transient:indicator--<uuid>" names an indicator, whichever page it stands on.
ctim::ShortId IdOf(std::string_view transient, const Terms& terms) {
  const std::string_view stix_id = transient.substr(kTransient.size());
  const std::string_view type = stix::CtimTypeOf(stix_id.substr(0, stix_id.find("--")));
  return StableId(terms, type.empty() ? "sighting" : type, stix_id);
}

}  // namespace

void AddBundle(json::object bundle, const Terms& terms, Documents& out) {
  ctim::TakeApartOptions all;
  all.max_entities = SIZE_MAX;
  auto parts = ctim::TakeApart(std::move(bundle), all);
  if (!parts) return;
  for (auto& item : parts->items) {
    ctim::RewriteRefs(*item.entity, item.document, [&](std::string_view ref) {
      return ref.starts_with(kTransient) ? IdOf(ref, terms).text() : std::string(ref);
    });
    const ctim::ShortId id = StableId(terms, item.entity->type,
                                      std::string_view(item.transient).substr(kTransient.size()));
    out.documents.push_back(Completed(std::move(item.document), id, terms));
    ++out.counts.entries;
  }
}

Result<Documents> StixDocuments(const json::value& document, const Terms& terms,
                                const stix::FromStixOptions& limits, bool part) {
  stix::FromStixOptions options = limits;
  options.source = terms.source;
  options.now = terms.now;
  options.default_tlp = terms.tlp;
  options.priority = terms.priority;
  options.default_confidence = terms.confidence;
  options.default_severity = terms.severity;
  options.far_ends = part;
  TRY(stix::FromStixResult taken, stix::FromStix(document, options));
  Documents out;
  for (auto& [reason, count] : taken.left_out) out.counts.skipped[reason] = count;
  AddBundle(std::move(taken.bundle), terms, out);
  for (const auto& id : taken.withdrawn) {
    const std::string_view type = stix::CtimTypeOf(std::string_view(id).substr(0, id.find("--")));
    if (!type.empty()) out.withdrawn.push_back(StableId(terms, type, id));
  }
  return out;
}

}  // namespace mailreeve::response::feed_formats
