#include "base/check.h"
#include "ctim/validate.h"
#include "stix/from_stix.h"
#include "stix/pattern.h"
#include "stix/to_stix.h"

#include <cstddef>
#include <cstdint>

// First byte 'p': the rest is a pattern. Else a STIX document: what is taken of it is a valid CTIM
// bundle, and goes back out as STIX.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('p')) {
    stix::PatternLimits limits;
    limits.max_terms = 100;
    const auto pattern = stix::ReadPattern(text.substr(1), limits);
    if (pattern) CHECK(pattern->terms.size() <= limits.max_terms);
    return 0;
  }
  auto parsed = json::Parse(text);
  if (!parsed) return 0;
  stix::FromStixOptions options;
  options.source = "fuzz";
  options.now = FromEpochMillis(1'770'000'000'000);
  options.max_objects = 1000;
  options.max_observables = 100;
  const auto taken = stix::FromStix(*parsed, options);
  if (!taken) return 0;
  const auto checked = ctim::Validate("bundle", taken->bundle);
  CHECK(checked.ok());
  const auto out = stix::ToStix(checked.document.get_object(), {.now = options.now});
  CHECK(out.bundle.contains("objects"));
  return 0;
}
