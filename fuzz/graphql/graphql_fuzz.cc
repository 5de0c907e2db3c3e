// GraphQL queries: no crash, and limits hold for what was read.
#include "base/check.h"
#include "response/graphql/query.h"

#include <cstdint>

namespace {

using namespace mailreeve;
using namespace mailreeve::response::graphql;

size_t Count(const std::vector<Field>& fields, size_t depth) {
  CHECK(depth <= 17);
  size_t count = fields.size();
  for (const Field& field : fields) {
    CHECK(!field.name.empty() && !field.alias.empty());
    count += Count(field.fields, depth + 1);
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const json::object variables{{"a", 1}, {"b", "x"}, {"v", true}};
  for (const char* name : {"", "Q"}) {
    const auto fields = ReadQuery(text, name, variables, {});
    if (fields) {
      CHECK(Count(*fields, 1) <= 2000);
    } else {
      CHECK(!fields.error().message.empty());
    }
  }
  return 0;
}
