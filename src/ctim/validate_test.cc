#include "ctim/validate.h"

#include <gtest/gtest.h>

namespace mailreeve::ctim {
namespace {

json::value Parsed(std::string_view text) {
  auto out = json::Parse(text);
  EXPECT_TRUE(out) << text;
  return out ? *out : json::value();
}

std::string Errors(std::string_view type, std::string_view text,
                   const ValidateOptions& options = {}) {
  return json::Serialize(Validate(type, Parsed(text), options).errors);
}

std::string Rules(std::string_view type, std::string_view text,
                  const ValidateOptions& options = {}) {
  std::string out;
  for (const auto& each : Validate(type, Parsed(text), options).spec)
    out += each.path + ": " + each.message + "\n";
  return out;
}

constexpr std::string_view kJudgement =
    R"j({"confidence":"High","observable":{"type":"ip","value":"192.0.2.1"},"priority":95,)j"
    R"j("severity":"Low","source":"list","valid_time":{"start_time":"2026-01-01T00:00:00Z"}})j";

TEST(Validate, TellsAllErrorsAtOnceAndMirrorsTheDocument) {
  EXPECT_EQ(
      Errors("sighting", R"j({"tilte":"x","confidence":"high","count":"1","internal":1,)j"
                         R"j("observables":[{"type":"ip","value":"a"},{"type":"mid","value":"a"},)j"
                         R"j({"type":"ip"},{"type":"ip","value":"b"}]})j"),
      R"j({"tilte":"disallowed-key",)j"
      R"j("confidence":"(not (#{\"High\" \"Info\" \"Low\" \"Medium\" \"None\" \"Unknown\"})j"
      R"j( \"high\"))","count":"(not (integer? \"1\"))","internal":"(not (boolean? 1))",)j"
      R"j("observables":[null,{"type":"(not (#{\"acudid\" \"amp_computer_guid\")j"
      R"j( \"certificate_common_name\" \"certificate_issuer\" \"certificate_serial\")j"
      R"j( \"cisco_cm_id\" \"cisco_mid\" \"cisco_uc_id\" \"cortex_agent_id\")j"
      R"j( \"crowdstrike_id\" \"cvm_id\" \"cybereason_id\" …} \"mid\"))"},)j"
      R"j({"value":"missing-required-key"},null],"observed_time":"missing-required-key"})j");
  EXPECT_EQ(Errors("sighting", "[]"), R"j("(not (map? a-list))")j");
  EXPECT_EQ(Errors("note", R"j({"content":5,"note_class":null,"related_entities":{}})j"),
            R"j({"content":"(not (string? 5))","note_class":"(not (string? nil))",)j"
            R"j("related_entities":"(not (sequential? a-map))"})j");
}

TEST(Validate, RefusesAnotherType) {
  EXPECT_EQ(Errors("judgement", R"j({"type":"sighting"})j", {.partial = true}),
            R"j({"type":"(not (= \"judgement\" \"sighting\"))"})j");
  EXPECT_EQ(Errors("feed", R"j({"feed_type":"x","output":"observables"})j"),
            R"j({"feed_type":"(not (= \"indicator\" \"x\"))"})j");
}

TEST(Validate, BringsValuesIntoStoredForm) {
  const auto checked = Validate(
      "sighting", Parsed(R"j({"observed_time":{"start_time":"2026-01-02T03:04:05.123456+02:00",)j"
                         R"j("end_time":"2026-01-02T03:04:06Z"},"count":2.0})j"));
  ASSERT_TRUE(checked.ok()) << checked.ToError().ToString();
  EXPECT_EQ(json::Serialize(checked.document),
            R"j({"observed_time":{"start_time":"2026-01-02T01:04:05.123Z",)j"
            R"j("end_time":"2026-01-02T03:04:06.000Z"},"count":2})j");
  json::value judgement = Parsed(kJudgement);
  judgement.get_object()["disposition_name"] = "Malicious";
  EXPECT_EQ(Validate("judgement", judgement).document.at("disposition"), 2);
  judgement.get_object().erase("disposition_name");
  judgement.get_object()["disposition"] = 3;
  EXPECT_EQ(Validate("judgement", judgement).document.at("disposition_name"), "Suspicious");
  const auto actor = Validate(
      "actor", Parsed(R"j({"title":"t","description":"d","short_description":"s","source":"x",)j"
                      R"j("actor_type":"Hacker"})j"));
  ASSERT_TRUE(actor.ok());
  EXPECT_EQ(json::Serialize(actor.document.at("actor_types")), R"j(["Hacker"])j");
  EXPECT_FALSE(actor.document.get_object().contains("actor_type"));
}

TEST(Validate, TellsBrokenRulesWithTheirPlace) {
  EXPECT_EQ(
      Rules("sighting",
            R"j({"id":"sighting-1","title":")j" + std::string(1025, 'x') +
                R"j(","source_uri":"http://a b","observed_time":)j"
                R"j({"start_time":"2026-01-02T00:00:00Z","end_time":"2026-01-01T00:00:00Z"},)j"
                R"j("timestamp":"1969-12-31T23:59:59Z","count":0,"targets":[{"type":"x",)j"
                R"j("observables":[],"observed_time":{"start_time":"2526-01-01T00:00:00Z"}}]})j"),
      "id: is not an id such as type-<uuid>, its long form, or transient:…: "
      "\"sighting-1\"\n"
      "title: must be at most 1024 characters long\n"
      "source_uri: is not a URI: \"http://a b\"\n"
      "observed_time: start_time must not be after end_time\n"
      "timestamp: must lie within the years 1970 to 2525\n"
      "count: must be at least 1\n"
      "targets[0].observed_time.start_time: must lie within the years 1970 to 2525\n");
  const std::string umlauts = [] {
    std::string out;
    for (int i = 0; i < 1024; ++i) out += "ä";
    return out;
  }();
  EXPECT_EQ(Rules("note", R"j({"language":")j" + umlauts + R"j("})j", {.partial = true}), "")
      << "limits count characters";
  EXPECT_EQ(Rules("indicator",
                  R"j({"producer":"p","kill_chain_phases":[{"kill_chain_name":)j"
                  R"j("lockheed-martin-cyber-kill-chain","phase_name":"delivery"},)j"
                  R"j({"kill_chain_name":"lockheed-martin-cyber-kill-chain","phase_name":"x"},)j"
                  R"j({"kill_chain_name":"own","phase_name":"x"}]})j"),
            "kill_chain_phases[1]: phase_name is no phase of the kill chain: \"x\"\n");
}

TEST(Validate, MakesTheBodyOfTheAnswer) {
  json::value judgement = Parsed(kJudgement);
  judgement.get_object()["disposition"] = 1;
  judgement.get_object()["disposition_name"] = "Malicious";
  const auto mismatch = Validate("judgement", judgement);
  ASSERT_FALSE(mismatch.ok());
  EXPECT_EQ(mismatch.Body().at("error"),
            "Mismatched disposition and dispositon_name for judgement");
  EXPECT_TRUE(mismatch.Body().at("judgement").is_object());
  const auto rule = Validate("relationship", Parsed(R"j({"relationship_type":"related-to",)j"
                                                    R"j("source_ref":"a","target_ref":"b",)j"
                                                    R"j("revision":-1})j"));
  ASSERT_FALSE(rule.ok());
  EXPECT_EQ(rule.Body().at("error"), "Spec Validation Client Error");
  EXPECT_EQ(rule.Body().at("type"), "Invalid Entity Error");
  EXPECT_EQ(rule.Body().at("message"), "revision: must be at least 0");
  EXPECT_EQ(json::Serialize(Validate("note", Parsed("{}"), {.needs_id = true}).Body()),
            R"j({"errors":{"content":"missing-required-key","note_class":"missing-required-key",)j"
            R"j("related_entities":"missing-required-key","id":"missing-required-key"}})j");
}

TEST(Validate, EnvelopeIsAcceptedOnWrite) {
  json::value judgement = Parsed(kJudgement);
  for (const char* key : {"owner", "client_id"}) judgement.get_object()[key] = "x";
  for (const char* key : {"created", "modified"})
    judgement.get_object()[key] = "2026-01-01T00:00:00.000Z";
  judgement.get_object()["groups"] = json::array{"g"};
  judgement.get_object()["schema_version"] = "1.0.11";
  EXPECT_TRUE(Validate("judgement", judgement).ok());
  judgement.get_object()["schema_version"] = "one";
  EXPECT_FALSE(Validate("judgement", judgement).ok());
}

TEST(Validate, InvestigationIsOpen) {
  EXPECT_TRUE(Validate("investigation", Parsed(R"j({"source":"s","own":{"x":[1]},"targets":[{)j"
                                               R"j("type":"x","observables":[],"more":1,)j"
                                               R"j("observed_time":{"start_time":)j"
                                               R"j("2026-01-01T00:00:00Z"}}]})j"))
                  .ok());
  EXPECT_FALSE(Validate("investigation", Parsed(R"j({"own":1})j")).ok());
}

TEST(Validate, LenientTakesWhatModulesSend) {
  const std::string text =
      R"j({"schema_version":"beta","id":"x","new_field":1,"confidence":"Very High","source":null,)j"
      R"j("title":")j" +
      std::string(2000, 'x') +
      R"j(","observed_time":{"start_time":"2026-01-01T00:00:00.123456Z"}})j";
  EXPECT_FALSE(Validate("sighting", Parsed(text)).ok());
  const auto taken = Validate("sighting", Parsed(text), {.lenient = true});
  ASSERT_TRUE(taken.ok()) << taken.ToError().ToString();
  EXPECT_EQ(taken.remarks, 3u);
  EXPECT_EQ(taken.document.at("title").get_string().size(), 1024u);
  EXPECT_FALSE(taken.document.get_object().contains("source"));
  EXPECT_FALSE(Validate("sighting", Parsed("{}"), {.lenient = true}).ok())
      << "observed_time is still required";
}

TEST(Validate, CasebookBundleMayBePartial) {
  EXPECT_TRUE(Validate("casebook", Parsed(R"j({"bundle":{"malwares":[{"title":"x"}]}})j")).ok());
  EXPECT_EQ(Errors("casebook", R"j({"bundle":{"malwares":[{"titel":"x"}]}})j"),
            R"j({"bundle":{"malwares":[{"titel":"disallowed-key"}]}})j");
  EXPECT_EQ(Errors("bundle", R"j({"relationships":[{"source_ref":"a"}],"x":1})j"),
            R"j({"relationships":[{"relationship_type":"missing-required-key",)j"
            R"j("target_ref":"missing-required-key"}],"x":"disallowed-key",)j"
            R"j("source":"missing-required-key"})j");
}

TEST(Validate, SpecificationOfAnIndicatorIsToldByItsType) {
  EXPECT_TRUE(Validate("indicator", Parsed(R"j({"producer":"p","specification":)j"
                                           R"j({"type":"Snort","snort_sig":"alert"}})j"))
                  .ok());
  EXPECT_EQ(Errors("indicator", R"j({"producer":"p","specification":{"type":"Snort","x":1}})j"),
            R"j({"specification":{"x":"disallowed-key","snort_sig":"missing-required-key"}})j");
  EXPECT_EQ(Errors("indicator", R"j({"producer":"p","specification":{"type":"Yara"}})j"),
            R"j({"specification":{"type":"(not (#{\"Judgement\" \"OpenIOC\" \"SIOC\" \"Snort\")j"
            R"j( \"ThreatBrain\"} \"Yara\"))"}})j");
}

TEST(Validate, LimitsAreSettings) {
  const auto snapshot = settings::Snapshot::Defaults(settings::Schema::Builtin(), "response");
  const ValidateLimits read = LimitsFrom(*snapshot), built_in;
  EXPECT_EQ(read.max_depth, built_in.max_depth);
  EXPECT_EQ(read.max_values, built_in.max_values);
  EXPECT_EQ(read.max_text_bytes, built_in.max_text_bytes);
  EXPECT_EQ(read.max_errors, built_in.max_errors);
}

TEST(Validate, LimitsHold) {
  ValidateOptions options;
  options.limits.max_values = 1000;
  json::object incident{{"confidence", "High"},
                        {"status", "New"},
                        {"incident_time", json::object{{"opened", "2026-01-01T00:00:00Z"}}}};
  json::array many;
  for (int i = 0; i < 2000; ++i) many.push_back(i);
  json::object meta{{"m", many}};
  incident["meta"] = meta;
  EXPECT_TRUE(Validate("incident", incident).ok());
  const auto big = Validate("incident", incident, options);
  ASSERT_EQ(big.spec.size(), 1u);
  EXPECT_EQ(big.spec[0].message, "the document holds more than 1000 values");

  json::value deep = 1;
  for (int i = 0; i < 60; ++i) deep = json::object{{"d", deep}};
  incident["meta"] = deep;
  EXPECT_FALSE(Validate("incident", incident).ok());

  // Errors are bounded though every element is wrong.
  json::array wrong(5000, json::value(1));
  incident["meta"] = json::object();
  incident["tactics"] = wrong;
  const auto errors = Validate("incident", incident);
  size_t told = 0;
  for (const auto& each : errors.errors.at("tactics").as_array()) told += !each.is_null();
  EXPECT_EQ(told, ValidateLimits().max_errors);
}

}  // namespace
}  // namespace mailreeve::ctim
