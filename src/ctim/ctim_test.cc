#include "ctim/ctim.h"

#include "ctim/validate.h"

#include <gtest/gtest.h>

namespace mailreeve::ctim {
namespace {

using observable::Type;

constexpr auto kMade = [] {
  ValidateOptions out;
  out.stored = out.strict = true;
  return out;
}();

Sighting Sample() {
  Sighting out;
  out.id = TransientId("sighting", "gw|52");
  out.external_ids = {ExternalId("mailreeve", "sighting", "gw|52")};
  out.title = "MID 52 Delivered";
  out.source = "gateway";
  out.observed_time.start = Time(std::chrono::seconds(1'700'000'000));
  out.observed_time.end = Time(std::chrono::seconds(1'700'000'009));
  out.observables = {{Type::kCiscoMid, "52"}};
  out.targets = {
      {"process.email-service", {{Type::kEmail, "bob@example.test"}}, out.observed_time}};
  out.relations = {
      {"gateway", "Sent_To", {Type::kEmailMessageid, "<1@x>"}, {Type::kEmail, "bob@example.test"}}};
  out.data = DataTable{{{"Delivery status", "string"}}, {json::array{"Delivered"}}};
  return out;
}

TEST(Ctim, WhatWeMakeIsValid) {
  auto checked = Check("sighting", ToJson(Sample()), kMade);
  EXPECT_TRUE(checked) << checked.error().ToString();
  Verdict verdict{
      Disposition::kMalicious, {Type::kSha256, std::string(64, 'a')}, {Time(), std::nullopt}};
  EXPECT_TRUE(Check("verdict", ToJson(verdict), kMade));
  Judgement judgement;
  judgement.observable = verdict.observable;
  judgement.source = "gateway";
  judgement.id = TransientId("judgement", "1");
  EXPECT_TRUE(Check("judgement", ToJson(judgement), kMade));
}

TEST(Ctim, TheCheckFindsWhatIsWrong) {
  const json::object good = ToJson(Sample());
  const auto broken = [&good](auto change) {
    json::object bad = good;
    change(bad);
    return !Check("sighting", bad, kMade);
  };
  for (const char* key : {"type", "schema_version", "id", "observed_time"}) {
    EXPECT_TRUE(broken([key](json::object& bad) { bad.erase(key); })) << key;
  }
  EXPECT_TRUE(broken([](json::object& bad) { bad["status"] = "x"; }));
  EXPECT_TRUE(broken([](json::object& bad) { bad["confidence"] = "high"; }));
  EXPECT_TRUE(broken([](json::object& bad) { bad["severity"] = "Bad"; }));
  EXPECT_TRUE(broken([](json::object& bad) { bad["id"] = "sighting-1"; }));
  EXPECT_TRUE(broken(
      [](json::object& bad) { bad["observables"].as_array()[0].as_object()["type"] = "mid"; }));
  EXPECT_TRUE(broken([](json::object& bad) {
    bad["relations"].as_array()[0].as_object()["relation"] = "Sent_From";
  }));
  EXPECT_TRUE(broken(
      [](json::object& bad) { bad["relations"].as_array()[0].as_object().erase("origin"); }));
  EXPECT_TRUE(broken(
      [](json::object& bad) { bad["targets"].as_array()[0].as_object().erase("observed_time"); }));
  EXPECT_TRUE(
      broken([](json::object& bad) { bad["targets"].as_array()[0].as_object()["status"] = "x"; }));
  EXPECT_TRUE(broken([](json::object& bad) {
    bad["data"].as_object()["rows"].as_array()[0].as_array().push_back(1);
  }));
  EXPECT_TRUE(broken([](json::object& bad) {
    bad["observed_time"].as_object()["end_time"] = "1999-01-01T00:00:00Z";
  }));
  json::object verdict = ToJson(Verdict{Disposition::kClean, {Type::kIp, "192.0.2.1"}, {}});
  EXPECT_TRUE(Check("verdict", verdict, kMade));
  verdict["disposition_name"] = "Malicious";
  EXPECT_FALSE(Check("verdict", verdict, kMade));
}

TEST(Ctim, IdsAreStableAndWellFormed) {
  const std::string id = TransientId("sighting", "a");
  EXPECT_EQ(id, TransientId("sighting", "a"));
  EXPECT_NE(id, TransientId("sighting", "b"));
  EXPECT_EQ(id.size(), std::string("transient:sighting-").size() + 36);
  EXPECT_EQ(ExternalId("p", "sighting", "a").size(), std::string("p-sighting-").size() + 64);
}

TEST(Ctim, LongTextsAreCut) {
  Sighting sighting = Sample();
  sighting.title = std::string(1023, 'x') + "äää";
  EXPECT_TRUE(Check("sighting", ToJson(sighting), kMade));
}

}  // namespace
}  // namespace mailreeve::ctim
