#include "ctim/document.h"

#include "ctim/validate.h"

#include <gtest/gtest.h>

namespace mailreeve::ctim {
namespace {

json::object Parsed(std::string_view text) {
  auto out = json::Parse(text);
  EXPECT_TRUE(out && out->is_object()) << text;
  return out && out->is_object() ? out->get_object() : json::object();
}

const Entity& Type(std::string_view type) { return *TheModel().ByType(type); }

const Time kNow = *ParseTime("2026-03-01T00:00:00Z");

TEST(Complete, NewJudgement) {
  const Envelope envelope{
      {"judgement", "0123abcd-0123-4abc-8def-0123456789ab"}, "alice", {"org"}, "client"};
  const json::object stored = Complete(
      Type("judgement"),
      Parsed(R"({"confidence":"High","observable":{"type":"ip","value":"192.0.2.1"},)"
             R"("priority":95,"severity":"Low","source":"list","owner":"mallory",)"
             R"("groups":["other"],"created":"1999-01-01T00:00:00Z","schema_version":"1.0.1"})"),
      envelope, kNow);
  EXPECT_EQ(stored, Parsed(R"({"confidence":"High","priority":95,"severity":"Low",)"
                           R"("observable":{"type":"ip","value":"192.0.2.1"},"source":"list",)"
                           R"("disposition":5,"disposition_name":"Unknown","owner":"alice",)"
                           R"("groups":["org"],"client_id":"client","tlp":"green",)"
                           R"("created":"2026-03-01T00:00:00.000Z",)"
                           R"("modified":"2026-03-01T00:00:00.000Z",)"
                           R"("timestamp":"2026-03-01T00:00:00.000Z",)"
                           R"("valid_time":{"start_time":"2026-03-01T00:00:00.000Z",)"
                           R"("end_time":"2525-01-01T00:00:00.000Z"},)"
                           R"("id":"judgement-0123abcd-0123-4abc-8def-0123456789ab",)"
                           R"("type":"judgement","schema_version":"1.3.30"})"));
  EXPECT_TRUE(Check("judgement", stored, {.stored = true}));
}

TEST(Complete, ReplacementKeepsWhatIsTheStores) {
  const Envelope first{ShortId::New("judgement"), "alice", {"org"}, "client"};
  const json::object base =
      Parsed(R"({"confidence":"High","observable":{"type":"ip","value":"192.0.2.1"},)"
             R"("priority":95,"severity":"Low","source":"list"})");
  json::object given = base;
  given["tlp"] = "red";
  const json::object previous = Complete(Type("judgement"), given, first, kNow);
  const Envelope second{first.id, "bob", {"other"}, "another"};
  const json::object stored =
      Complete(Type("judgement"), base, second, kNow + std::chrono::hours(1), &previous);
  for (const char* key : {"owner", "groups", "client_id", "created", "timestamp", "tlp", "id"})
    EXPECT_EQ(stored.at(key), previous.at(key)) << key;
  EXPECT_EQ(stored.at("valid_time"), previous.at("valid_time"));
  EXPECT_EQ(stored.at("modified"), "2026-03-01T01:00:00.000Z");
}

TEST(Complete, DefaultsOfEntities) {
  const auto made = [](std::string_view type, std::string_view text) {
    return Complete(Type(type), Parsed(text), {ShortId::New(type), "a", {"g"}}, kNow);
  };
  const json::object sighting =
      made("sighting", R"({"observed_time":{"start_time":"2026-01-01T00:00:00.000Z"}})");
  EXPECT_EQ(sighting.at("count"), 1);
  EXPECT_EQ(sighting.at("confidence"), "Unknown");
  EXPECT_FALSE(sighting.contains("valid_time"));
  EXPECT_FALSE(sighting.contains("client_id"));
  const json::object indicator =
      made("indicator", R"({"producer":"p","valid_time":{"end_time":"2027-01-01T00:00:00.000Z"}})");
  EXPECT_EQ(indicator.at("valid_time").at("start_time"), "2026-03-01T00:00:00.000Z");
  EXPECT_EQ(indicator.at("valid_time").at("end_time"), "2027-01-01T00:00:00.000Z");
  EXPECT_TRUE(made("feed", R"({"feed_type":"indicator","output":"observables"})")
                  .at("lifetime")
                  .is_object());
}

TEST(Document, PatchMergesObjectsAndReplacesLists) {
  json::object into = Parsed(R"({"a":{"b":1,"c":[1,2]},"d":1})");
  MergePatch(into, Parsed(R"({"a":{"c":[3],"e":null},"d":{"x":1},"f":2})"));
  EXPECT_EQ(into, Parsed(R"({"a":{"b":1,"c":[3],"e":null},"d":{"x":1},"f":2})"));
}

TEST(Document, ProjectsNestedFields) {
  const json::object document =
      Parsed(R"({"id":"x","title":"t","observables":[{"type":"ip","value":"1"},{"type":"url"}],)"
             R"("observed_time":{"start_time":"s","end_time":"e"}})");
  const auto project = [&](std::vector<std::string> fields) {
    return json::Serialize(Project(document, fields));
  };
  EXPECT_EQ(project({}), json::Serialize(document));
  EXPECT_EQ(project({"id", "nothing", "title.x"}), R"({"id":"x"})");
  EXPECT_EQ(project({"observed_time.start_time"}), R"({"observed_time":{"start_time":"s"}})");
  EXPECT_EQ(project({"observables.value", "observables.type"}),
            R"({"observables":[{"value":"1","type":"ip"},{"type":"url"}]})");
  EXPECT_EQ(project({"observed_time", "observed_time.end_time"}),
            R"({"observed_time":{"start_time":"s","end_time":"e"}})");
}

TEST(Document, RewritesEveryReference) {
  json::object note = Parsed(
      R"({"content":"transient:1","related_entities":[{"entity_type":"x","entity_id":"a"}]})");
  const auto mark = [](std::string_view ref) { return "<" + std::string(ref) + ">"; };
  RewriteRefs(Type("note"), note, mark);
  EXPECT_EQ(json::Serialize(note), R"({"content":"transient:1","related_entities":)"
                                   R"([{"entity_type":"x","entity_id":"<a>"}]})");
  json::object bundle =
      Parsed(R"({"sighting_refs":["s"],"relationships":[{"source_ref":"a","target_ref":"b"}],)"
             R"("indicators":[{"composite_indicator_expression":{"indicator_ids":["i"]},)"
             R"("specification":{"type":"Judgement","judgements":["j"]}}]})");
  RewriteRefs(Type("bundle"), bundle, mark);
  EXPECT_EQ(json::Serialize(bundle),
            R"({"sighting_refs":["<s>"],"relationships":[{"source_ref":"<a>",)"
            R"("target_ref":"<b>"}],"indicators":[{"composite_indicator_expression":)"
            R"({"indicator_ids":["<i>"]},"specification":{"type":"Judgement",)"
            R"("judgements":["<j>"]}}]})");
}

TEST(Document, ValidityIsHalfOpen) {
  const auto valid = [](std::string_view text, std::string_view at) {
    return ValidAt(Parsed(text), *ParseTime(at));
  };
  constexpr std::string_view kBoth =
      R"({"valid_time":{"start_time":"2026-01-01T00:00:00Z","end_time":"2026-02-01T00:00:00Z"}})";
  EXPECT_FALSE(valid(kBoth, "2025-12-31T23:59:59.999Z"));
  EXPECT_TRUE(valid(kBoth, "2026-01-01T00:00:00Z"));
  EXPECT_TRUE(valid(kBoth, "2026-01-31T23:59:59.999Z"));
  EXPECT_FALSE(valid(kBoth, "2026-02-01T00:00:00Z"));
  EXPECT_TRUE(valid("{}", "2026-02-01T00:00:00Z"));
  EXPECT_FALSE(
      valid(R"({"valid_time":{"end_time":"2026-01-01T00:00:00Z"}})", "2026-01-01T00:00:00Z"));
  EXPECT_TRUE(
      valid(R"({"valid_time":{"start_time":"2026-01-01T00:00:00Z"}})", "2026-01-01T00:00:00Z"));
}

TEST(Document, ChoosesTheVerdict) {
  const auto judgement = [](std::string_view id, int priority, int disposition,
                            std::string_view start, std::string_view end) {
    return json::object{{"id", id},
                        {"priority", priority},
                        {"disposition", disposition},
                        {"observable", json::object{{"type", "ip"}, {"value", "192.0.2.1"}}},
                        {"valid_time", json::object{{"start_time", start}, {"end_time", end}}}};
  };
  const std::string_view early = "2026-01-01T00:00:00.000Z", late = "2026-02-01T00:00:00.000Z";
  std::vector<json::object> list = {
      judgement("expired", 100, 1, early, late), judgement("low", 90, 1, early, kNoEnd),
      judgement("late", 95, 2, late, kNoEnd),    judgement("worse", 95, 3, early, kNoEnd),
      judgement("b", 95, 2, early, kNoEnd),      judgement("a", 95, 2, early, kNoEnd)};
  const auto verdict = ChooseVerdict(list, kNow);
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(*verdict, Parsed(R"({"type":"verdict","disposition":2,"disposition_name":"Malicious",)"
                             R"("judgement_id":"a","observable":{"type":"ip","value":"192.0.2.1"},)"
                             R"("valid_time":{"start_time":"2026-01-01T00:00:00.000Z",)"
                             R"("end_time":"2525-01-01T00:00:00.000Z"}})"));
  EXPECT_TRUE(Check("verdict", *verdict));
  EXPECT_FALSE(ChooseVerdict(std::span(list).first(1), kNow).has_value());
  EXPECT_FALSE(ChooseVerdict({}, kNow).has_value());
}

}  // namespace
}  // namespace mailreeve::ctim
