#include "base/check.h"
#include "ctim/bundle.h"
#include "ctim/casebook.h"
#include "ctim/document.h"
#include "ctim/incident_clock.h"
#include "ctim/validate.h"

#include <cstddef>
#include <cstdint>

// Any document as any entity: nothing may crash; what is taken is taken again unchanged, completes
// to something that is valid as stored, and comes apart and together. The first byte chooses the
// entity, the second the options.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve;
  if (size < 2) return 0;
  const auto& entities = ctim::TheModel().entities();
  const ctim::Entity& entity = *entities[data[0] % entities.size()];
  auto parsed = json::Parse(std::string_view(reinterpret_cast<const char*>(data + 2), size - 2));
  if (!parsed) return 0;
  ctim::ValidateOptions options;
  options.partial = (data[1] & 1) != 0;
  options.lenient = (data[1] & 2) != 0;
  options.strict = (data[1] & 4) != 0;
  options.stored = (data[1] & 8) != 0;
  options.limits.max_errors = 50;
  const auto checked = ctim::Validate(entity, *parsed, options);
  if (!checked.ok()) {
    CHECK(!checked.Body().empty());
    CHECK(!checked.ToError().message.empty());
    return 0;
  }
  const auto again = ctim::Validate(entity, checked.document, options);
  CHECK(again.ok() && again.document == checked.document);
  const json::object& document = checked.document.get_object();
  if (entity.type == "bundle" || entity.type == "casebook") {
    const json::object* bundle = &document;
    const auto* inner = document.if_contains("bundle");
    if (inner != nullptr && inner->is_object()) bundle = &inner->get_object();
    auto parts = ctim::TakeApart(*bundle, {.max_entities = 100});
    ctim::TransientIds ids;
    if (parts)
      for (auto& item : parts->items) ids.Resolve(*item.entity, item.document);
  }
  if (entity.envelope && !options.partial && !options.lenient) {
    const ctim::Envelope envelope{ctim::ShortId::New(entity.type), "fuzz", {"group"}};
    const Time now = FromEpochMillis(1'770'000'000'000);
    json::object stored = ctim::Complete(entity, document, envelope, now);
    ctim::ValidateOptions as_stored;
    as_stored.stored = true;
    const auto valid = ctim::Validate(entity, stored, as_stored);
    // Only validity may be wrong now: a given end before the start that was put in.
    CHECK(valid.errors.is_null());
    for (const auto& rule : valid.spec) CHECK(rule.message.starts_with("start_time"));
    json::object next = ctim::Complete(entity, document, envelope, now, &stored);
    CHECK(next.at("created") == stored.at("created"));
    if (entity.type == "incident") ctim::ApplyStatusClock(next, stored, now);
    ctim::ChangeCasebook(next, ctim::CasebookOperation::kRemove, stored);
  }
  return 0;
}
