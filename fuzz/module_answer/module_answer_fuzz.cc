#include "base/check.h"
#include "response/enrich/answer.h"

#include <cstddef>
#include <cstdint>

// What a module answers, as each kind of question reads it: nothing may crash, and what was taken
// must be taken again as it is. The first byte chooses the question.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve;
  using response::enrich::Shape;
  if (size == 0) return 0;
  const auto shape = static_cast<Shape>(data[0] % 7);
  auto parsed = json::Parse(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  if (!parsed) return 0;
  response::enrich::AnswerLimits limits;
  limits.max_bytes = 64 * 1024;
  limits.max_documents = 100;
  const auto answer = response::enrich::ReadAnswer(*parsed, shape, limits);
  CHECK(answer.errors.size() <= limits.max_errors + 80);
  if (!answer.data) {
    CHECK(!answer.errors.empty());
    return 0;
  }
  const auto again =
      response::enrich::ReadAnswer(json::object{{"data", *answer.data}}, shape, limits);
  CHECK(again.data.has_value() && *again.data == *answer.data && again.errors.empty());
  return 0;
}
