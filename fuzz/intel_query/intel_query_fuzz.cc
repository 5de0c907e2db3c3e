// Queries of the intelligence API: no crash, limits hold, and what was read can be tried on any
// document. The input is a query; after a NUL byte a document in JSON may follow.
#include "base/check.h"
#include "response/intel_query/match.h"
#include "response/intel_query/query.h"

#include <cstdint>

namespace {

using namespace mailreeve;
using namespace mailreeve::response::intel_query;

size_t Depth(const Node& node) {
  size_t deepest = 0;
  for (const Node& child : node.children) deepest = std::max(deepest, Depth(child));
  return deepest + 1;
}

void Try(const Result<Node>& node, const json::object& document) {
  if (!node) {
    CHECK(!node.error().message.empty());
    return;
  }
  CHECK(Depth(*node) < 200);
  (void)ToString(*node);
  Node inverse{.kind = Node::Kind::kNot};
  inverse.children.push_back(*node);
  const std::vector<std::string> searched = {"title", "observables.value", "a.b"};
  CHECK(Matches(*node, document, searched) != Matches(inverse, document, searched));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  static const json::value fixed =
      json::Parse(R"({"title":"Phish kit","observables":[{"type":"ip","value":"192.0.2.7"}],
                      "count":7,"timestamp":"2026-02-01T10:00:00.000Z","a":{"b":[true,null,1.5]}})")
          .value();
  const size_t end = text.find('\0');
  json::value document = fixed;
  if (end != std::string_view::npos) {
    if (auto parsed = json::Parse(text.substr(end + 1)); parsed && parsed->is_object())
      document = *std::move(parsed);
    text = text.substr(0, end);
  }
  Try(ParseQuery(text, {}, Time(std::chrono::seconds(1772000000))), document.get_object());
  Try(ParseSimpleQuery(text, {}), document.get_object());
  return 0;
}
