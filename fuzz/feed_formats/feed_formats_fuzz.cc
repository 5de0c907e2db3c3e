#include "base/check.h"
#include "ctim/validate.h"
#include "response/feed_formats/misp.h"
#include "response/feed_formats/text_feed.h"

#include <cstddef>
#include <cstdint>

// First byte: 'm' a MISP event, 'M' a manifest, 's' STIX, 'c' CSV, else a list. Whatever is taken
// is valid as stored, and where the bytes of a text are cut does not matter.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve;
  using namespace mailreeve::response::feed_formats;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  Terms terms;
  terms.feed = "fuzz";
  terms.source = "fuzz";
  terms.now = FromEpochMillis(1'770'000'000'000);
  terms.life = std::chrono::hours(1);
  ctim::ValidateOptions stored;
  stored.stored = true;
  if (data[0] == 'm' || data[0] == 'M' || data[0] == 's') {
    auto parsed = json::Parse(text);
    if (!parsed) return 0;
    Counts counts;
    if (data[0] == 'M') {
      (void)ReadManifest(*parsed, {.max_events = 100}, counts);
      return 0;
    }
    const auto taken = data[0] == 'm' ? MispDocuments(*parsed, terms, {.max_attributes = 200})
                                      : StixDocuments(*parsed, terms, {.max_objects = 200}, true);
    if (!taken) return 0;
    for (const auto& document : taken->documents)
      CHECK(ctim::Check(std::string_view(document.at("type").get_string()), document, stored));
    return 0;
  }
  TextFormat format;
  format.csv = data[0] == 'c';
  format.max_line = 1000;
  if (format.csv) {
    format.reason = "2";
    format.confidence = "3";
    format.from = "4";
    format.until = "5";
  }
  TextFeed whole(format), pieces(format);
  std::vector<Entry> at_once, cut;
  CHECK(whole.Read(text, at_once) && whole.Finish(at_once));
  for (size_t at = 0; at < text.size(); at += 7) CHECK(pieces.Read(text.substr(at, 7), cut));
  CHECK(pieces.Finish(cut));
  CHECK(at_once.size() == cut.size());
  for (size_t i = 0; i < cut.size(); ++i) {
    const json::object judgement = JudgementOf(cut[i], terms);
    CHECK(judgement == JudgementOf(at_once[i], terms));
    CHECK(ctim::Check("judgement", judgement, stored));
  }
  return 0;
}
