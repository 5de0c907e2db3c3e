#include "response/enrich/answer.h"

#include <gtest/gtest.h>

namespace mailreeve::response::enrich {
namespace {

Answer Read(std::string_view text, Shape shape, AnswerLimits limits = {}) {
  return ReadAnswer(json::Parse(text).value(), shape, limits);
}
std::string Codes(const Answer& answer) {
  std::string out;
  for (const ModuleError& error : answer.errors) out += error.code + "/" + error.type + ";";
  return out;
}
std::string Data(const Answer& answer) {
  return answer.data ? json::Serialize(*answer.data) : "none";
}

TEST(AnswerTest, NoDataAndAnEmptyListOfErrorsIsAFailureWithAName) {
  const Answer answer = Read(R"({"errors":[]})", Shape::kVerdicts);
  EXPECT_FALSE(answer.data.has_value());
  ASSERT_EQ(answer.errors.size(), 1U);
  EXPECT_EQ(answer.errors[0].type, "fatal");
}

TEST(AnswerTest, TakesGoodBundles) {
  const Answer answer = Read(
      R"({"data":{"sightings":{"count":7,"docs":[{"id":"transient:sighting-1"}]}},"coverage":{"complete":true}})",
      Shape::kBundle);
  // Transient ids stay, the count is what there is.
  EXPECT_EQ(Data(answer), R"({"sightings":{"count":1,"docs":[{"id":"transient:sighting-1"}]}})");
  EXPECT_EQ(Codes(answer), "");
  EXPECT_EQ(json::Serialize(*answer.coverage), R"({"complete":true})");
  EXPECT_EQ(Data(Read(R"({"data":{}})", Shape::kBundle)), "{}");
  EXPECT_EQ(Data(Read(R"({"data":null})", Shape::kVerdicts)), "{}");
}

TEST(AnswerTest, KeepsOnlyVerdictsOfADeliberation) {
  EXPECT_EQ(
      Data(Read(R"({"data":{"verdicts":{"count":0,"docs":[]},"sightings":{"count":0,"docs":[]}}})",
                Shape::kVerdicts)),
      R"({"verdicts":{"count":0,"docs":[]}})");
}

TEST(AnswerTest, TurnsMalformedAnswersIntoErrors) {
  for (const char* text : {"[]", "1", "null", "\"x\"", "{}", R"({"code":404,"message":"x"})",
                           R"({"data":[]})", R"({"data":"x"})", R"({"data":3})"}) {
    const Answer answer = Read(text, Shape::kBundle);
    EXPECT_EQ(Data(answer), "none") << text;
    EXPECT_EQ(Codes(answer), "invalid answer/fatal;") << text;
  }
  const Answer partly = Read(
      R"({"data":{"sightings":{"count":1,"docs":[1,{"id":"a"}]},"verdicts":[],"judgements":{"docs":5},"x y":{}}})",
      Shape::kBundle);
  EXPECT_EQ(Data(partly), R"({"sightings":{"count":1,"docs":[{"id":"a"}]}})");
  EXPECT_EQ(partly.errors.size(), 4u);
}

TEST(AnswerTest, TakesErrorsWithAndWithoutData) {
  const Answer failed =
      Read(R"({"errors":[{"code":"oauth error","message":"no","type":"fatal"}]})", Shape::kBundle);
  EXPECT_EQ(Data(failed), "none");
  EXPECT_EQ(Codes(failed), "oauth error/fatal;");
  const Answer partial =
      Read(R"({"data":{},"errors":[{"code":"x","message":"m","type":"warning"},{"type":"odd"},7]})",
           Shape::kBundle);
  EXPECT_EQ(Data(partial), "{}");
  EXPECT_EQ(Codes(partial), "x/warning;unknown/fatal;invalid answer/error;");
  EXPECT_EQ(Codes(Read(R"({"errors":"x"})", Shape::kBundle)), "invalid answer/error;");
}

TEST(AnswerTest, HoldsTheLimits) {
  AnswerLimits limits;
  limits.max_documents = 2;
  limits.max_errors = 3;
  limits.max_text_bytes = 5;
  const Answer cut =
      Read(R"({"data":{"sightings":{"count":3,"docs":[{},{},{}]}}})", Shape::kBundle, limits);
  EXPECT_EQ(Data(cut), R"({"sightings":{"count":2,"docs":[{},{}]}})");
  EXPECT_EQ(Codes(cut), "too long/warning;");
  EXPECT_EQ(Read(R"({"errors":[{},{},{},{},{},{}]})", Shape::kBundle, limits).errors.size(), 4u);
  EXPECT_EQ(
      Read(R"({"errors":[{"message":"0123456789"}]})", Shape::kBundle, limits).errors[0].message,
      "01234");
  limits.max_bytes = 1000;
  const Answer longer =
      Read(R"({"data":{"sightings":{"count":1,"docs":[{"t":")" + std::string(2000, 'x') + "\"}]}}}",
           Shape::kBundle, limits);
  EXPECT_EQ(Data(longer), "none");
  EXPECT_EQ(Codes(longer), "too long/fatal;");
}

TEST(AnswerTest, LinksLeadToTheWebOnly) {
  const Answer answer = Read(R"json({"data":[
      {"id":"a","title":"t","description":"d","url":"https://gw.example/x","categories":["c",1]},
      {"id":"b","title":"t","description":"d","url":"javascript:alert(1)"},
      {"id":"c","title":"t","description":"d","url":"https://x\n/"},
      {"id":"d","title":"t","url":5}, {"title":"t"}, 3]})json",
                             Shape::kRefs);
  EXPECT_EQ(
      Data(answer),
      R"([{"id":"a","title":"t","description":"d","categories":["c"],"url":"https://gw.example/x"}])");
  EXPECT_EQ(Codes(answer), "invalid answer/error;");
  EXPECT_EQ(Data(Read(R"({"data":{}})", Shape::kRefs)), "[]");
  EXPECT_EQ(Data(Read(R"({"data":{"x":1}})", Shape::kRefs)), "none");
}

TEST(RenameTransientsTest, KeepsModulesApartAndReferencesWhole) {
  const auto renamed = [](std::string_view module) {
    json::value data = *json::Parse(R"({"sightings":{"docs":[{"id":"transient:sighting-1",
      "title":"transient:sighting-1","target_ref":"transient:x","observed_refs":["transient:sighting-1",
      "http://h/ctia/sighting/sighting-1"],"judgement_id":"transient:attack-pattern-7"}]}})");
    RenameTransients(data, module);
    return data.at("sightings").at("docs").at(0).get_object();
  };
  const json::object a = renamed("a"), b = renamed("b");
  EXPECT_EQ(a, renamed("a"));
  const std::string id(a.at("id").get_string());
  EXPECT_TRUE(id.starts_with("transient:sighting-")) << id;
  EXPECT_EQ(id.size(), std::string("transient:sighting-").size() + 36);
  EXPECT_NE(a.at("id"), b.at("id"));
  EXPECT_EQ(a.at("observed_refs").at(0), a.at("id"));
  EXPECT_EQ(a.at("observed_refs").at(1), "http://h/ctia/sighting/sighting-1");
  EXPECT_EQ(a.at("title"), "transient:sighting-1");
  EXPECT_TRUE(
      std::string(a.at("judgement_id").get_string()).starts_with("transient:attack-pattern-"));
  EXPECT_EQ(std::string(a.at("target_ref").get_string()).size(),
            std::string("transient:").size() + 36);
}

TEST(AnswerTest, StatusesAreOfTheList) {
  EXPECT_EQ(Data(Read(R"({"data":{"status":"ok"}})", Shape::kHealth)), R"({"status":"ok"})");
  EXPECT_EQ(Data(Read(R"({"data":{"status":"ok","quotas":{"day":5},"secret":1}})", Shape::kHealth)),
            R"({"status":"ok","quotas":{"day":5}})");
  EXPECT_EQ(Data(Read(R"({"data":{"status":"success"}})", Shape::kHealth)), "none");
  EXPECT_EQ(Data(Read(R"({"data":[{"id":"t"}]})", Shape::kList)), R"([{"id":"t"}])");
  EXPECT_EQ(Data(Read(R"({"data":{"id":"t"}})", Shape::kList)), "none");
  EXPECT_EQ(Data(Read(R"({"data":{"status":"failure"},"errors":[{}]})", Shape::kTrigger)),
            R"({"status":"failure"})");
  EXPECT_EQ(Data(Read(R"({"data":{"status":1}})", Shape::kTrigger)), "none");
  EXPECT_EQ(Data(Read(R"({"data":[]})", Shape::kTrigger)), "none");
}

}  // namespace
}  // namespace mailreeve::response::enrich
