#include "settings/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::settings {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kText = R"("text":{"en":"What it does.","zh-CN":"作用。"})";

std::string One(const std::string& fields) {
  return R"({"settings":[{"name":"a.b","program":"gateway",)" + std::string(kText) + "," + fields +
         "}]}";
}
Result<Schema> Parse(const std::string& document) { return Schema::Parse({document}); }

const Schema& Sample() {
  static const std::string document = R"({"settings":[
    {"name":"a.flag","program":"gateway","type":"bool","default":false,)" +
                                      std::string(kText) + R"(},
    {"name":"a.count","program":"gateway","type":"integer","unit":"ms","min":1,"max":10,"default":5,)" +
                                      std::string(kText) + R"(},
    {"name":"a.mode","program":"gateway","type":"choice","choices":["x","y"],"default":"x",)" +
                                      std::string(kText) + R"(},
    {"name":"a.name","program":"gateway","type":"text","max_length":4,"default":"",)" +
                                      std::string(kText) + R"(},
    {"name":"a.list","program":"gateway","type":"text_list","max_length":3,"default":["p"],)" +
                                      std::string(kText) + R"(},
    {"name":"r.x","program":"response","type":"bool","default":true,)" +
                                      std::string(kText) + R"(}]})";
  static const Schema schema = *Parse(document);
  return schema;
}

TEST(SettingsSchema, RefusesBadDocuments) {
  EXPECT_TRUE(Parse(One(R"("type":"bool","default":true)")).has_value());
  for (const std::string& fields :
       {std::string(R"("type":"bool")"), std::string(R"("type":"bool","default":1)"),
        std::string(R"("type":"number","default":1)"),
        std::string(R"("type":"integer","default":1)"),
        std::string(R"("type":"integer","min":5,"max":1,"default":5)"),
        std::string(R"("type":"integer","min":5,"max":9,"default":1)"),
        std::string(R"("type":"choice","default":"x")"),
        std::string(R"("type":"choice","choices":["x"],"default":"y")"),
        std::string(R"("type":"bool","default":true,"colour":"red")"),
        std::string(R"("type":"text","max_length":2,"default":"abc")")}) {
    const auto parsed = Parse(One(fields));
    ASSERT_FALSE(parsed.has_value()) << fields;
    EXPECT_THAT(parsed.error().ToString(), HasSubstr("a.b")) << fields;
  }
  EXPECT_FALSE(Parse("{}").has_value());
  EXPECT_FALSE(Parse("[]").has_value());
  const std::string one = One(R"("type":"bool","default":true)");
  EXPECT_THAT(Schema::Parse({one, one}).error().message, HasSubstr("twice"));
}

TEST(SettingsSchema, BuiltinIsWellFormed) {
  const Schema& schema = Schema::Builtin();
  EXPECT_FALSE(schema.settings().empty());
  for (const Setting& setting : schema.settings()) {
    EXPECT_NE(setting.name.find('.'), std::string::npos) << setting.name;
    EXPECT_FALSE(setting.text_en.empty()) << setting.name;
    EXPECT_FALSE(setting.text_zh.empty()) << setting.name;
  }
}

TEST(SettingsSchema, ChecksValues) {
  const auto check = [](std::string_view name, const json::value& value) {
    return Sample().Check(name, value).has_value();
  };
  EXPECT_TRUE(check("a.count", 1));
  EXPECT_TRUE(check("a.count", 10));
  EXPECT_FALSE(check("a.count", 0));
  EXPECT_FALSE(check("a.count", 11));
  EXPECT_FALSE(check("a.count", 1.5));
  EXPECT_FALSE(check("a.count", "5"));
  EXPECT_FALSE(check("a.flag", 1));
  EXPECT_TRUE(check("a.mode", "y"));
  EXPECT_FALSE(check("a.mode", "z"));
  EXPECT_TRUE(check("a.name", "abcd"));
  EXPECT_FALSE(check("a.name", "abcde"));
  EXPECT_TRUE(check("a.list", json::array{"abc", ""}));
  EXPECT_FALSE(check("a.list", json::array{"abcd"}));
  EXPECT_FALSE(check("a.list", json::array{1}));
  EXPECT_FALSE(check("a.none", 1));
  EXPECT_THAT(Sample().Check("a.count", 99).error().message,
              testing::AllOf(HasSubstr("a.count"), HasSubstr("99"), HasSubstr("1 to 10 (ms)")));
}

TEST(SettingsSnapshot, DefaultsAndValues) {
  const auto defaults = Snapshot::Defaults(Sample(), "gateway");
  EXPECT_FALSE(defaults->Bool("a.flag"));
  EXPECT_EQ(defaults->Integer("a.count"), 5);
  EXPECT_THAT(defaults->TextList("a.list"), ElementsAre("p"));
  const auto document = json::Parse(R"({"revision":3,"values":{"a.count":7,"a.mode":"y"}})");
  const auto snapshot = Snapshot::FromJson(Sample(), "gateway", *document);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ((*snapshot)->revision(), 3);
  EXPECT_EQ((*snapshot)->Integer("a.count"), 7);
  EXPECT_EQ((*snapshot)->Text("a.mode"), "y");
  EXPECT_EQ((*snapshot)->Text("a.name"), "");
  const auto again = Snapshot::FromJson(Sample(), "gateway", (*snapshot)->ToJson());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ((*again)->ToJson(), (*snapshot)->ToJson());
}

TEST(SettingsSnapshot, AllErrorsAtOnce) {
  const auto document = json::Parse(
      R"({"values":{"a.count":99,"a.mode":"z","r.x":true,"a.nothing":1,"a.flag":true}})");
  const auto snapshot = Snapshot::FromJson(Sample(), "gateway", *document);
  ASSERT_FALSE(snapshot.has_value());
  const std::string& text = snapshot.error().message;
  for (const char* name : {"a.count", "a.mode", "r.x", "a.nothing"})
    EXPECT_THAT(text, HasSubstr(name));
  EXPECT_THAT(text, testing::Not(HasSubstr("a.flag")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  for (const char* bad : {"[]", R"({"values":[]})", R"({"vals":{}})", R"({"revision":"x"})"}) {
    EXPECT_FALSE(Snapshot::FromJson(Sample(), "gateway", *json::Parse(bad)).has_value()) << bad;
  }
}

TEST(SettingsSnapshot, UnknownNameIsOurBug) {
  const auto defaults = Snapshot::Defaults(Sample(), "gateway");
  EXPECT_DEATH((void)defaults->Bool("a.nothing"), "no such setting: a.nothing");
}

TEST(SettingsRunning, SwapLeavesTakenSnapshots) {
  Running running(Snapshot::Defaults(Sample(), "gateway"));
  const auto taken = running.Get();
  running.Swap(
      *Snapshot::FromJson(Sample(), "gateway", *json::Parse(R"({"values":{"a.count":7}})")));
  EXPECT_EQ(taken->Integer("a.count"), 5);
  EXPECT_EQ(running.Get()->Integer("a.count"), 7);
}

}  // namespace
}  // namespace mailreeve::settings
