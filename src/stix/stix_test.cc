#include "ctim/model.h"
#include "ctim/validate.h"
#include "stix/cyber_observable.h"
#include "stix/from_stix.h"
#include "stix/ids.h"
#include "stix/to_stix.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace mailreeve::stix {
namespace {

const Time kNow = *ParseTime("2026-03-01T00:00:00Z");

json::object Parsed(std::string_view text) {
  auto out = json::Parse(text);
  EXPECT_TRUE(out && out->is_object()) << text;
  return out && out->is_object() ? out->get_object() : json::object();
}

const json::array& Objects(const json::object& bundle) { return bundle.at("objects").get_array(); }

json::object Of(const json::object& bundle, std::string_view type) {
  for (const auto& each : Objects(bundle))
    if (each.at("type") == json::value(type)) return each.get_object();
  ADD_FAILURE() << "no " << type;
  return {};
}

FromStixResult Taken(const json::value& document) {
  auto out = FromStix(document, {.source = "feed", .now = kNow});
  EXPECT_TRUE(out) << (out ? "" : out.error().ToString());
  if (!out) return {};
  const auto checked = ctim::Validate("bundle", out->bundle);
  EXPECT_TRUE(checked.ok()) << (checked.ok() ? "" : checked.ToError().ToString());
  return *std::move(out);
}

TEST(StixIds, AreTheStandards) {
  // RFC 9562 version 5 of {"value":"198.51.100.3"} in the namespace of the standard.
  EXPECT_EQ(ObjectOf("ip", "198.51.100.3").at("id"),
            "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4");
  EXPECT_EQ(IdFor("indicator",
                  "https://h/ctia/judgement/judgement-0123abcd-0123-4abc-8def-"
                  "0123456789ab"),
            "indicator--0123abcd-0123-4abc-8def-0123456789ab");
  EXPECT_EQ(IdFor("indicator", "transient:x"), IdFor("indicator", "transient:x"));
  EXPECT_NE(IdFor("indicator", "transient:x"), IdFor("indicator", "transient:y"));
  EXPECT_EQ(TlpOfMarking("marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"), "white");
  EXPECT_EQ(TlpOfMarking(MarkingOf("red")), "red");
  EXPECT_EQ(TlpOfMarking("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"), "red")
      << "amber+strict";
  EXPECT_FALSE(TlpOfMarking("x"));
  EXPECT_FALSE(TypeOfId("indicator--x"));
}

// Every observable type leaves as a pattern and as an object, and comes back the same.
TEST(StixObservables, EveryTypeComesBack) {
  for (const auto& type : ctim::TheModel().Words("observable_type")->words) {
    const std::string value = type == "ip" ? "192.0.2.1" : type == "ipv6" ? "2001:db8::1" : "it's";
    const auto pattern = ReadPattern("[" + PatternOf(type, value) + "]");
    ASSERT_TRUE(pattern) << type;
    ASSERT_EQ(pattern->terms.size(), 1u) << type;
    EXPECT_EQ(ObservableOf(pattern->terms[0]), (Observed{type, value})) << type;
    const json::object object = ObjectOf(type, value);
    EXPECT_EQ(ObservablesOf(object), (std::vector<Observed>{{type, value}})) << type;
    EXPECT_TRUE(IsCyberObservable(std::string_view(object.at("type").get_string()))) << type;
  }
  EXPECT_EQ(ObservableOf({"email-message:from_ref.value", "a@b"}), (Observed{"email", "a@b"}));
  EXPECT_EQ(ObservableOf({"file:hashes.sha256", "ab"}), (Observed{"sha256", "ab"}));
  EXPECT_EQ(ObservableOf({"ipv4-addr:value", "192.0.2.1/32"}), (Observed{"ip", "192.0.2.1"}));
  EXPECT_FALSE(ObservableOf({"ipv4-addr:value", "192.0.2.0/24"})) << "a network is no address";
  EXPECT_FALSE(ObservableOf({"file:size", "5"}));
  EXPECT_FALSE(ObservableOf({"x", "5"}));
}

constexpr std::string_view kCtim = R"j({"type":"bundle","source":"mail",
 "judgements":[{"id":"https://h/ctia/judgement/judgement-0123abcd-0123-4abc-8def-000000000001",
  "type":"judgement","observable":{"type":"domain","value":"bad.example"},"disposition":2,
  "disposition_name":"Malicious","priority":95,"severity":"High","confidence":"High",
  "source":"list","reason":"phishing","tlp":"green","created":"2026-01-01T00:00:00.000Z",
  "valid_time":{"start_time":"2026-01-01T00:00:00.000Z","end_time":"2026-06-01T00:00:00.000Z"}}],
 "indicators":[{"id":"https://h/ctia/indicator/indicator-0123abcd-0123-4abc-8def-000000000002",
  "type":"indicator","producer":"us","title":"Kit","tags":["phishing"],"tlp":"amber",
  "external_ids":["gw-1"]},
  {"id":"transient:alone","type":"indicator","producer":"us","title":"Alone"}],
 "sightings":[{"id":"transient:s","type":"sighting","count":3,"tlp":"red","title":"seen",
  "observed_time":{"start_time":"2026-02-01T10:00:00.000Z"},
  "observables":[{"type":"sha256","value":"ab"},{"type":"email","value":"from@bad.example"}]},
  {"id":"transient:empty","type":"sighting","observed_time":{"start_time":"2026-02-01T10:00:00Z"}}],
 "malwares":[{"id":"transient:m","type":"malware","title":"Bot","description":"d",
  "short_description":"s","labels":["bot"],"abstraction_level":"family"}],
 "notes":[{"id":"transient:n","type":"note","content":"hello","note_class":"default",
  "related_entities":[{"entity_type":"malware","entity_id":"transient:m"}]}],
 "verdicts":[{"type":"verdict","disposition":1,"observable":{"type":"ip","value":"192.0.2.1"},
  "valid_time":{}}],
 "relationships":[
  {"id":"transient:r1","type":"relationship","relationship_type":"element-of",
   "source_ref":"https://h/ctia/judgement/judgement-0123abcd-0123-4abc-8def-000000000001",
   "target_ref":"https://h/ctia/indicator/indicator-0123abcd-0123-4abc-8def-000000000002"},
  {"id":"transient:r2","type":"relationship","relationship_type":"sighting-of",
   "source_ref":"transient:s",
   "target_ref":"https://h/ctia/indicator/indicator-0123abcd-0123-4abc-8def-000000000002"},
  {"id":"transient:r3","type":"relationship","relationship_type":"indicates",
   "source_ref":"https://h/ctia/indicator/indicator-0123abcd-0123-4abc-8def-000000000002",
   "target_ref":"transient:m"},
  {"id":"transient:r4","type":"relationship","relationship_type":"indicates",
   "source_ref":"transient:gone","target_ref":"transient:m"}]})j";

TEST(ToStix, MapsEntities) {
  const json::object bundle = Parsed(kCtim);
  ASSERT_TRUE(ctim::Check("bundle", bundle));
  const ToStixResult out = ToStix(bundle, {.producer = "Mail gateway", .now = kNow});
  EXPECT_EQ(out.left_out,
            (std::map<std::string, size_t>{{"verdict", 1},
                                           {"sighting: without observables", 1},
                                           {"relationship: end not in the bundle", 1}}));
  EXPECT_EQ(out.bundle, ToStix(bundle, {.producer = "Mail gateway", .now = kNow}).bundle)
      << "the same each time";
  std::set<std::string> ids;
  for (const auto& each : Objects(out.bundle)) {
    const json::object& object = each.get_object();
    EXPECT_EQ(object.at("spec_version"), "2.1");
    const std::string id(std::string_view(object.at("id").get_string()));
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_EQ(json::value(*TypeOfId(id)), object.at("type")) << id;
  }
  for (const auto& each : Objects(out.bundle)) {
    for (const char* key : {"created_by_ref", "source_ref", "target_ref", "sighting_of_ref"})
      if (const auto* ref = each.get_object().if_contains(key))
        EXPECT_TRUE(ids.contains(std::string(std::string_view(ref->get_string())))) << key;
    for (const char* key : {"object_refs", "object_marking_refs", "observed_data_refs"})
      if (const auto* refs = each.get_object().if_contains(key))
        for (const auto& ref : refs->get_array())
          EXPECT_TRUE(ids.contains(std::string(std::string_view(ref.get_string())))) << key;
  }
  std::map<std::string, json::object> indicators;
  for (const auto& each : Objects(out.bundle))
    if (each.at("type") == "indicator")
      indicators[std::string(std::string_view(each.at("name").get_string()))] = each.get_object();
  const json::object& judgement = indicators.at("bad.example");
  EXPECT_EQ(judgement.at("pattern"), "[domain-name:value = 'bad.example']");
  EXPECT_EQ(json::Serialize(judgement.at("indicator_types")), R"(["malicious-activity"])");
  EXPECT_EQ(judgement.at("valid_until"), "2026-06-01T00:00:00.000Z");
  EXPECT_EQ(judgement.at("confidence"), 85);
  EXPECT_EQ(json::Serialize(judgement.at("object_marking_refs")),
            R"(["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"])");
  EXPECT_EQ(indicators.at("Kit").at("pattern"), "[domain-name:value = 'bad.example']")
      << "of its judgements";
  EXPECT_EQ(indicators.at("Alone").at("pattern"), "[x-ctim-indicator:id = 'transient:alone']");
  EXPECT_EQ(Of(out.bundle, "sighting").at("sighting_of_ref"), indicators.at("Kit").at("id"));
  EXPECT_EQ(Of(out.bundle, "observed-data").at("number_observed"), 3);
  EXPECT_EQ(Of(out.bundle, "malware").at("is_family"), true);
  EXPECT_EQ(Of(out.bundle, "relationship").at("relationship_type"), "element-of");
}

TEST(Stix, BundleComesBack) {
  const ToStixResult sent = ToStix(Parsed(kCtim), {.now = kNow});
  const FromStixResult back = Taken(sent.bundle);
  EXPECT_TRUE(back.withdrawn.empty());
  const json::object& bundle = back.bundle;
  EXPECT_EQ(bundle.at("malwares").at(0).at("title"), "Bot");
  EXPECT_EQ(bundle.at("notes").at(0).at("content"), "hello");
  const json::object& sighting = bundle.at("sightings").at(0).as_object();
  EXPECT_EQ(sighting.at("observables").as_array().size(), 2u);
  EXPECT_EQ(sighting.at("count"), 3);
  EXPECT_EQ(sighting.at("tlp"), "red");
  std::set<std::string> kinds;
  for (const auto& each : bundle.at("relationships").as_array())
    kinds.insert(std::string(std::string_view(each.at("relationship_type").get_string())));
  EXPECT_EQ(kinds, (std::set<std::string>{"element-of", "indicates", "sighting-of"}));
  bool keeps = false;
  for (const auto& each : bundle.at("indicators").as_array())
    for (const auto& id : each.at("external_ids").as_array()) keeps |= id == "gw-1";
  EXPECT_TRUE(keeps) << "external ids travel";
}

TEST(FromStix, IndicatorGivesJudgements) {
  const FromStixResult taken = Taken(Parsed(R"j({"type":"bundle","id":"bundle--x","objects":[
   {"type":"identity","id":"identity--00000000-0000-4000-8000-000000000001","name":"ACME",
    "identity_class":"organization"},
   {"type":"indicator","spec_version":"2.1",
    "id":"indicator--00000000-0000-4000-8000-000000000002",
    "created_by_ref":"identity--00000000-0000-4000-8000-000000000001",
    "created":"2026-01-01T00:00:00.123456Z","modified":"2026-01-02T00:00:00Z","name":"C2",
    "indicator_types":["malicious-activity"],"confidence":90,"labels":["apt"],
    "pattern":"[ipv4-addr:value IN ('192.0.2.1','192.0.2.2') OR file:size = 5]",
    "pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z",
    "valid_until":"2026-04-01T00:00:00Z",
    "object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
     "marking-definition--unknown"]}]})j"));
  const auto& judgements = taken.bundle.at("judgements").as_array();
  ASSERT_EQ(judgements.size(), 2u);
  EXPECT_EQ(json::Serialize(judgements[1].at("observable")),
            R"({"type":"ip","value":"192.0.2.2"})");
  EXPECT_EQ(judgements[0].at("disposition"), 2);
  EXPECT_EQ(judgements[0].at("confidence"), "High");
  EXPECT_EQ(judgements[0].at("tlp"), "green");
  EXPECT_EQ(judgements[0].at("valid_time").at("end_time"), "2026-04-01T00:00:00.000Z");
  EXPECT_EQ(taken.bundle.at("indicators").at(0).at("producer"), "ACME");
  EXPECT_EQ(taken.bundle.at("relationships").as_array().size(), 2u);
  EXPECT_EQ(taken.left_out, (std::map<std::string, size_t>{{"pattern term file:size", 1}}));
}

TEST(FromStix, LatestVersionCountsAndRevokedIsWithdrawn) {
  const auto version = [](std::string_view modified, std::string_view name, bool revoked) {
    return json::object{{"type", "malware"},
                        {"id", "malware--00000000-0000-4000-8000-000000000001"},
                        {"modified", modified},
                        {"name", name},
                        {"revoked", revoked}};
  };
  const json::value two = json::array{version("2026-01-02T00:00:00Z", "new", false),
                                      version("2026-01-01T00:00:00Z", "old", false)};
  EXPECT_EQ(Taken(two).bundle.at("malwares").at(0).at("title"), "new");
  const json::value gone = json::array{version("2026-01-01T00:00:00Z", "old", false),
                                       version("2026-01-02T00:00:00Z", "new", true)};
  const FromStixResult taken = Taken(gone);
  EXPECT_FALSE(taken.bundle.contains("malwares"));
  EXPECT_EQ(taken.withdrawn,
            std::vector<std::string>{"malware--00000000-0000-4000-8000-000000000001"});
}

TEST(FromStix, RefusesWhatIsNoBundle) {
  for (const char* bad : {"5", "\"x\"", R"({"objects":5})", R"({"type":"x"})"})
    EXPECT_EQ(FromStix(*json::Parse(bad), {}).error().code, Code::kInvalid) << bad;
  EXPECT_TRUE(FromStix(*json::Parse("{}"), {.now = kNow})) << "an empty page of TAXII";
  const json::value three = json::array{1, 2, 3};
  EXPECT_EQ(FromStix(three, {.now = kNow, .max_objects = 2}).error().code, Code::kLimited);
}

// W10: what no feed should send is counted, and takes bounded time.
TEST(FromStix, CircularRefsFutureVersionsAndStrangeThings) {
  const FromStixResult taken = Taken(Parsed(R"j({"type":"bundle","spec_version":"9.7","objects":[
   5, null, {"type":"malware"}, {"type":"malware","id":"tool--00000000-0000-4000-8000-000000000001"},
   {"type":"quantum-threat","id":"quantum-threat--00000000-0000-4000-8000-000000000001",
    "spec_version":"9.7"},
   {"type":"malware","spec_version":"9.7","id":"malware--00000000-0000-4000-8000-00000000000a",
    "name":"A","created_by_ref":"malware--00000000-0000-4000-8000-00000000000a",
    "new_property":{"x":[]}},
   {"type":"relationship","id":"relationship--00000000-0000-4000-8000-00000000000b",
    "relationship_type":"uses","source_ref":"malware--00000000-0000-4000-8000-00000000000a",
    "target_ref":"malware--00000000-0000-4000-8000-00000000000a"},
   {"type":"relationship","id":"relationship--00000000-0000-4000-8000-00000000000c",
    "relationship_type":"uses","source_ref":"relationship--00000000-0000-4000-8000-00000000000c",
    "target_ref":"relationship--00000000-0000-4000-8000-00000000000c"},
   {"type":"observed-data","id":"observed-data--00000000-0000-4000-8000-00000000000d",
    "first_observed":"0001-01-01T00:00:00Z","last_observed":"9999-12-31T00:00:00Z",
    "number_observed":-5,"object_refs":["observed-data--00000000-0000-4000-8000-00000000000d"]},
   {"type":"indicator","id":"indicator--00000000-0000-4000-8000-00000000000e","name":5,
    "pattern":["x"],"valid_from":{}}]})j"));
  EXPECT_EQ(taken.bundle.at("malwares").as_array().size(), 1u);
  EXPECT_EQ(taken.bundle.at("relationships").as_array().size(), 1u);
  EXPECT_EQ(taken.bundle.at("indicators").as_array().size(), 1u);
  EXPECT_EQ(taken.left_out.at("not an object"), 2u);
  EXPECT_EQ(taken.left_out.at("without type and id"), 2u);
  EXPECT_EQ(taken.left_out.at("type quantum-threat"), 1u);
  EXPECT_EQ(taken.left_out.at("relationship: an end was not taken"), 1u);
  EXPECT_EQ(taken.left_out.at("pattern cannot be read"), 1u);
}

TEST(FromStix, LargeBundleWithPatternBombs) {
  // 25 MB of indicators, each with a pattern of 32 kB of parentheses.
  json::array objects;
  const std::string bomb = "[" + std::string(32'000, '(') + "a:b = 'x'";
  for (int i = 0; i < 800; ++i) {
    std::string number = std::to_string(i);
    number.insert(0, 12 - number.size(), '0');
    objects.push_back(json::object{{"type", "indicator"},
                                   {"id", "indicator--00000000-0000-4000-8000-" + number},
                                   {"name", "bomb"},
                                   {"pattern", bomb}});
  }
  const FromStixResult taken = Taken(json::object{{"type", "bundle"}, {"objects", objects}});
  EXPECT_EQ(taken.left_out.at("the pattern is nested more than 32 deep"), 800u);
  EXPECT_EQ(taken.bundle.at("indicators").as_array().size(), 800u);
  EXPECT_FALSE(taken.bundle.contains("judgements"));
}

}  // namespace
}  // namespace mailreeve::stix
