#include "ctim/validate.h"
#include "response/feed_formats/misp.h"
#include "response/feed_formats/stix_feed.h"

#include <gtest/gtest.h>

namespace mailreeve::response::feed_formats {
namespace {

json::value Parsed(std::string_view text) {
  auto out = json::Parse(text);
  EXPECT_TRUE(out) << text;
  return out ? *out : json::value();
}

Terms Demo() {
  Terms terms;
  terms.feed = "demo";
  terms.source = "Demo";
  terms.now = *ParseTime("2026-03-01T00:00:00Z");
  return terms;
}

void AllValid(const Documents& taken) {
  for (const auto& document : taken.documents) {
    const auto checked =
        ctim::Check(std::string_view(document.at("type").get_string()), document, {.stored = true});
    EXPECT_TRUE(checked) << json::Serialize(document);
  }
}

const json::object* Of(const Documents& taken, std::string_view type, size_t skip = 0) {
  for (const auto& document : taken.documents)
    if (document.at("type") == json::value(type) && skip-- == 0) return &document;
  return nullptr;
}

constexpr std::string_view kEvent = R"j({"Event":{"uuid":"5E0A4B7C-0000-4000-8000-000000000001",
 "info":"Phish kit","threat_level_id":"1","timestamp":"1767225600","Orgc":{"name":"CERT"},
 "Tag":[{"name":"tlp:green"},{"name":"TLP:AMBER"},{"name":"phishing"}],
 "Attribute":[
  {"type":"ip-dst|port","value":"192.0.2.1|443","to_ids":true,"comment":"c2"},
  {"type":"domain|ip","value":"bad.example|192.0.2.2","to_ids":true},
  {"type":"domain","value":"bad.example","to_ids":true},
  {"type":"filename|md5","value":"a|b.exe|d41d8cd98f00b204e9800998ecf8427e","to_ids":"1"},
  {"type":"domain","value":"gone.example","to_ids":true,"deleted":true},
  {"type":"link","value":"https://blog.example","to_ids":false},
  {"type":"yara","value":"rule x","to_ids":true},
  {"type":"md5","value":"zz","to_ids":true}, 5],
 "Object":[{"name":"email","Attribute":[
   {"type":"email-src","value":"a@bad.example","to_ids":true}]}]}})j";

TEST(Misp, EventBecomesIndicatorAndJudgements) {
  auto taken = MispDocuments(Parsed(kEvent), Demo(), {});
  ASSERT_TRUE(taken) << taken.error().ToString();
  AllValid(*taken);
  EXPECT_EQ(taken->documents.size(), 11u)
      << "an indicator, five judgements and their relationships";
  const json::object& indicator = *Of(*taken, "indicator");
  EXPECT_EQ(indicator.at("title"), "Phish kit");
  EXPECT_EQ(indicator.at("producer"), "CERT");
  EXPECT_EQ(indicator.at("tlp"), "amber") << "the strictest";
  EXPECT_EQ(indicator.at("severity"), "High");
  const json::object& judgement = *Of(*taken, "judgement");
  EXPECT_EQ(json::Serialize(judgement.at("observable")), R"({"type":"ip","value":"192.0.2.1"})");
  EXPECT_EQ(judgement.at("reason"), "Phish kit: c2");
  EXPECT_EQ(judgement.at("valid_time").at("start_time"), "2026-03-01T00:00:00.000Z");
  const json::object& relationship = *Of(*taken, "relationship");
  EXPECT_EQ(relationship.at("source_ref"), judgement.at("id"));
  EXPECT_EQ(relationship.at("target_ref"), indicator.at("id"));
  EXPECT_EQ(taken->counts.skipped,
            (std::map<std::string, size_t>{
                {"no observable", 1}, {"not for detection", 1}, {"type yara", 1}}));
  EXPECT_EQ(MispDocuments(Parsed(kEvent), Demo(), {})->documents, taken->documents);
}

TEST(Misp, LimitsAndManifest) {
  EXPECT_EQ(MispDocuments(Parsed(kEvent), Demo(), {.max_attributes = 3}).error().code,
            Code::kLimited);
  for (const char* bad : {"[]", "{}", R"({"Event":5})", R"({"Event":{"uuid":"../x"}})"})
    EXPECT_FALSE(MispDocuments(Parsed(bad), Demo(), {})) << bad;
  Counts counts;
  const auto events = ReadManifest(
      Parsed(R"({"5e0a4b7c-0000-4000-8000-000000000001":{"timestamp":"5"},)"
             R"("5e0a4b7c-0000-4000-8000-000000000002":{"timestamp":7},"../../etc/passwd":{},)"
             R"("5e0a4b7c-0000-4000-8000-000000000003":1})"),
      {}, counts);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[0].timestamp, "5");
  EXPECT_EQ((*events)[1].timestamp, "7");
  EXPECT_EQ(counts.skipped.at("manifest: not an event"), 2u);
  EXPECT_EQ(ReadManifest(Parsed(R"({"a":1,"b":2})"), {.max_events = 1}, counts).error().code,
            Code::kLimited);
}

constexpr std::string_view kIndicator = R"j({"objects":[{"type":"indicator",
  "id":"indicator--00000000-0000-4000-8000-000000000002","name":"C2",
  "pattern":"[ipv4-addr:value = '192.0.2.1']","pattern_type":"stix",
  "valid_from":"2026-01-01T00:00:00Z"}]})j";
constexpr std::string_view kOtherPage = R"j({"more":false,"objects":[
 {"type":"malware","id":"malware--00000000-0000-4000-8000-000000000003","name":"Bot",
  "revoked":true},
 {"type":"relationship","id":"relationship--00000000-0000-4000-8000-000000000004",
  "relationship_type":"indicates",
  "source_ref":"indicator--00000000-0000-4000-8000-000000000002",
  "target_ref":"threat-actor--00000000-0000-4000-8000-000000000005"}]})j";

TEST(StixFeed, PagesMeetInTheirIds) {
  auto first = StixDocuments(Parsed(kIndicator), Demo(), {}, true);
  ASSERT_TRUE(first) << first.error().ToString();
  AllValid(*first);
  ASSERT_EQ(first->documents.size(), 3u);
  EXPECT_EQ(Of(*first, "relationship")->at("source_ref"), Of(*first, "judgement")->at("id"));
  auto second = StixDocuments(Parsed(kOtherPage), Demo(), {}, true);
  ASSERT_TRUE(second);
  AllValid(*second);
  ASSERT_EQ(second->documents.size(), 1u);
  EXPECT_EQ(second->documents[0].at("source_ref"), Of(*first, "indicator")->at("id"));
  EXPECT_TRUE(
      std::string_view(second->documents[0].at("target_ref").get_string()).starts_with("actor-"));
  ASSERT_EQ(second->withdrawn.size(), 1u);
  EXPECT_EQ(second->withdrawn[0].type, "malware");
  EXPECT_TRUE(StixDocuments(Parsed(kOtherPage), Demo(), {}, false)->documents.empty())
      << "a whole document must hold both ends";
}

}  // namespace
}  // namespace mailreeve::response::feed_formats
