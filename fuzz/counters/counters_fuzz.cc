#include "base/check.h"
#include "gateway/counters/counters.h"
#include "gateway/counters/format.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// A whole table, and the blocks of one behind their checksums (the first byte chooses): whatever
// opens can be merged or says what is wrong, and what was merged is read again.
namespace {

using namespace mailreeve;
using namespace mailreeve::gateway::counters;

std::unique_ptr<Reader> Open(std::string_view bytes) {
  auto reader = Reader::Open(
      [bytes](uint64_t offset, size_t size) -> Result<std::string> {
        if (offset > bytes.size() || size > bytes.size() - offset)
          return Fail(Code::kCorrupt, "past the end");
        return std::string(bytes.substr(offset, size));
      },
      bytes.size());
  return reader ? *std::move(reader) : nullptr;
}

void WholeTable(std::string_view bytes) {
  const auto reader = Open(bytes);
  if (!reader) return;
  for (size_t dimension = 0; dimension < kDimensions; ++dimension) {
    Question question;
    question.dimension = static_cast<Dimension>(dimension);
    question.from = reader->from();
    question.until = reader->until();
    if (dimension % 2 == 1) question.from += std::chrono::hours(1);
    question.series = Question::Bucket::kHour;
    question.row_series = true;
    Merger merger(question);
    if (!merger.Add(*reader)) continue;
    const Answer answer = merger.Finish();
    CHECK(answer.rows.size() <= question.top);
  }
  if (const auto merged = MergeTables({reader.get()}, 10)) CHECK(Open(*merged));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  Shapes shapes;
  switch (data[0] % 4) {
    case 0:
      WholeTable(rest);
      break;
    case 1:
      if (const auto block = DecodeTotal(rest, shapes)) {
        for (const auto& row : block->rows) CHECK(block->KeyOf(row).size() == row.key_size);
      }
      break;
    case 2:
      (void)DecodeHours(rest, shapes);
      break;
    case 3:
      if (const auto block = DecodeRun(rest, 7, shapes)) {
        for (const auto& row : block->rows) CHECK(row.key < 7 + block->own_keys.size());
      }
      break;
  }
  return 0;
}
