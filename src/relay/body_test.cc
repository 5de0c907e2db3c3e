#include "relay/body.h"

#include "relay/relay.h"

#include <gtest/gtest.h>

namespace mailreeve::relay {
namespace {

Result<AskedObservables> Read(std::string_view text) {
  auto body = json::Parse(text);
  EXPECT_TRUE(body) << text;
  return ReadObservables(*body, {.max_observables = 3, .max_value_bytes = 100});
}

TEST(ReadObservables, ReadsAndDrops) {
  auto read = Read(
      R"([{"type":"CISCO_MID","value":"52"},{"type":"nonsense","value":"x"},{"type":"cisco_mid","value":"52"}])");
  ASSERT_TRUE(read) << read.error().ToString();
  ASSERT_EQ(read->asked.size(), 1u);
  EXPECT_EQ(read->asked[0].canonical.value, "52");
  read = Read(R"([{"type":"ip","value":"2001:DB8::1"},{"type":"ip","value":"300.1.1.1"}])");
  ASSERT_TRUE(read);
  ASSERT_EQ(read->asked.size(), 1u);
  EXPECT_EQ(read->asked[0].canonical.type, observable::Type::kIpv6);
  EXPECT_EQ(read->unreadable, (std::vector<std::string>{"ip:300.1.1.1"}));
}

TEST(ReadObservables, RefusesAsModulesDo) {
  EXPECT_EQ(Read(R"([{"type":"ip","value":"1.2.3.4","x":1}])").error().message,
            "{0: {'x': ['Unknown field.']}}");
  EXPECT_EQ(Read(R"([{"type":"ip","value":" "}])").error().message,
            "{0: {'value': ['Field may not be blank.']}}");
  EXPECT_EQ(Read(R"([{"type":"","value":"x"}])").error().message,
            "{0: {'type': ['Field may not be blank.']}}");
  for (
      const char* bad :
      {"{}", "null", "\"x\"", "[1]", R"([{"type":"ip"}])", R"([{"value":"x"}])",
       R"([{"type":1,"value":"x"}])", R"([{"type":"ip","value":null}])",
       R"([{"type":"ip","value":"1"},{"type":"ip","value":"1"},{"type":"ip","value":"1"},{"type":"ip","value":"1"}])"}) {
    EXPECT_EQ(Read(bad).error().code, Code::kInvalid) << bad;
  }
  EXPECT_FALSE(Read(R"([{"type":"url","value":")" + std::string(200, 'x') + R"("}])"));
}

TEST(Envelope, CollectsErrors) {
  json::object out{{"data", json::object()}};
  AddError(out, "warning", "a", "b");
  AddError(out, "fatal", ErrorWord(Code::kNotFound), "c");
  EXPECT_EQ(
      json::Serialize(out.at("errors")),
      R"([{"type":"warning","code":"a","message":"b"},{"type":"fatal","code":"not found","message":"c"}])");
}

}  // namespace
}  // namespace mailreeve::relay
