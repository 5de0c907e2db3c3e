#include "response/modules/catalogue.h"

#include "response/module_store/key_file.h"
#include "response/modules/builtin_types.h"
#include "response/modules/form.h"
#include "response/modules/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::response::modules {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

json::object Object(std::string_view text) {
  auto value = json::Parse(text);
  EXPECT_TRUE(value) << text;
  return value->get_object();
}

class CatalogueTest : public testing::Test {
 protected:
  CatalogueTest() {
    auto store = module_store::Store::Open(*sql::Database::Open({.path = ":memory:"}),
                                           crypto::SealingKeys::Make());
    EXPECT_TRUE(store) << store.error().ToString();
    CatalogueOptions options;
    options.max_instances = 5;
    options.addresses = std::make_shared<const http::AddressPolicy>(
        http::AddressPolicy::Parse({"127.0.0.0/8"}).value());
    auto opened = Catalogue::Open(
        *std::move(store),
        {&EmailGatewayType(), &CustomRelayType(), &PrivateIntelligenceType(), &ApplianceType()},
        options, clock_);
    EXPECT_TRUE(opened) << opened.error().ToString();
    catalogue_ = *std::move(opened);
  }
  template <class T>
  T Get(io::Task<T> task) {
    asio::io_context context;
    std::optional<T> out;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      out = std::move(value);
    });
    context.run();
    return *std::move(out);
  }
  json::object MakeType(std::string_view more = "") {
    auto made = Get(catalogue_->MakeType(
        me_, Object(R"({"title":"T","default_name":"D","properties":{"url":"https://relay.example",
          "supported-apis":["health","observe/observables"],"auth-type":"configuration-token",
          "configuration-token-alg":"HS256","configuration-token-key":"hunter2"},
          "configuration_spec":[{"key":"custom_key","type":"api_key","label":"K","required":true},
            {"key":"custom_limit","type":"integer","label":"L","default_value":100},
            {"key":"custom_region","type":"options","label":"R","strict-options":true,
             "options":[{"value":"eu","label":"Europe"}]}])" +
                    std::string(more) + "}")));
    EXPECT_TRUE(made) << made.error().ToString();
    return *made;
  }
  json::object Relay(std::string_view name = "relay") {
    return {{"name", name},
            {"module_type_id", kCustomRelayTypeId},
            {"visibility", "org"},
            {"settings",
             {{"url", "http://127.0.0.1:9090"},
              {"auth-type", "authorization-header"},
              {"authorization-header", "Bearer hunter2"},
              {"supported-apis", {"health", "deliberate/observables"}}}}};
  }

  FakeClock clock_{ParseTime("2026-03-01T10:00:00Z").value()};
  std::unique_ptr<Catalogue> catalogue_;
  Asker me_{.org_id = "o1", .user_id = "u1", .client_id = "client-1", .sees_secrets = true};
  Asker reader_{.org_id = "o1", .user_id = "u2"};
  Asker stranger_{.org_id = "o2", .user_id = "u3", .sees_secrets = true};
};

TEST_F(CatalogueTest, TypesLiveAndDie) {
  const json::object made = MakeType();
  EXPECT_EQ(made.at("record"), json::value(kRelayRecord));
  EXPECT_EQ(made.at("visibility"), "org");
  EXPECT_EQ(made.at("org_id"), "o1");
  EXPECT_EQ(made.at("client_id"), "client-1");
  EXPECT_EQ(made.at("enabled"), true);
  const std::string id(made.at("id").get_string());
  EXPECT_EQ(*Get(catalogue_->GetType(me_, id)), made);
  EXPECT_EQ(Get(catalogue_->GetType(stranger_, id)).error().code, Code::kNotFound);
  EXPECT_EQ(Get(catalogue_->ListTypes(me_, {}))->size(), 5u);
  EXPECT_EQ(Get(catalogue_->ListTypes(stranger_, {}))->size(), 4u);

  const auto patched = Get(catalogue_->PatchType(
      me_, id, Object(R"({"tips":"new","short_description":"s","enabled":false,
        "properties":{"url":null,"custom_x":"y"}})")));
  ASSERT_TRUE(patched) << patched.error().ToString();
  EXPECT_EQ(patched->at("tips"), "new");
  EXPECT_EQ(patched->at("enabled"), false);
  const json::object& properties = patched->at("properties").get_object();
  EXPECT_FALSE(properties.contains("url"));
  EXPECT_EQ(properties.at("custom_x"), "y");
  EXPECT_EQ(properties.at("configuration-token-key"), "hunter2");
  EXPECT_FALSE(Get(catalogue_->PatchType(me_, id, Object(R"({"short_description":null})")))
                   ->contains("short_description"));
  EXPECT_EQ(Get(catalogue_->PatchType(me_, id, Object(R"({"title":null})"))).error().code,
            Code::kInvalid);
  EXPECT_EQ(Get(catalogue_->PatchType(stranger_, id, {})).error().code, Code::kNotFound);
  EXPECT_EQ(Get(catalogue_->DeleteType(stranger_, id)).error().code, Code::kNotFound);
  EXPECT_TRUE(Get(catalogue_->DeleteType(me_, id)));
  EXPECT_EQ(Get(catalogue_->GetType(me_, id)).error().code, Code::kNotFound);
  EXPECT_EQ(Get(catalogue_->DeleteType(me_, std::string(kCustomRelayTypeId))).error().code,
            Code::kDenied);
}

TEST_F(CatalogueTest, NamesEverythingThatIsWrong) {
  const auto made = Get(catalogue_->MakeType(
      me_, Object(R"({"default_name":7,"x":1,"flags":"f","logo":"data:text/html,<script>",
        "configuration_spec":[{"key":"a","type":"nonsense","label":"A"},{"key":"a","type":"string"}],
        "properties":{"url":"http://10.0.0.1/","auth-type":"magic"},"max_nb_instances":-1})")));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kInvalid);
  std::vector<std::string> keys;
  for (const std::string& note : made.error().notes)
    keys.push_back(note.substr(0, note.find(": ")));
  EXPECT_THAT(keys, UnorderedElementsAre(
                        "title", "default_name", "x", "flags", "logo", "configuration_spec[0].type",
                        "configuration_spec[1].label", "configuration_spec[1].key",
                        "properties.url", "properties.auth-type", "max_nb_instances"));
}

TEST_F(CatalogueTest, InstancesEchoTheirSettings) {
  const auto made = Get(catalogue_->MakeInstance(me_, Relay()));
  ASSERT_TRUE(made) << made.error().ToString();
  EXPECT_EQ(made->at("settings"), Relay().at("settings"));
  EXPECT_EQ(made->at("enabled"), true);
  const std::string id(made->at("id").get_string());
  EXPECT_EQ(Get(catalogue_->GetInstance(me_, id))->at("settings"), Relay().at("settings"));

  // Who may only read sees no secret, in the list neither.
  const auto read = Get(catalogue_->GetInstance(reader_, id));
  EXPECT_EQ(read->at("settings").at("authorization-header"), json::value(kMask));
  EXPECT_EQ(read->at("settings").at("url"), "http://127.0.0.1:9090");
  EXPECT_EQ(json::Serialize(*Get(catalogue_->ListInstances(reader_, {}, {}))).find("hunter2"),
            std::string::npos);

  // What was read masked and is written back changes nothing.
  const auto patched = Get(
      catalogue_->PatchInstance(me_, id, {{"name", "new"}, {"settings", read->at("settings")}}));
  ASSERT_TRUE(patched) << patched.error().ToString();
  EXPECT_EQ(patched->at("name"), "new");
  EXPECT_EQ(patched->at("settings").at("authorization-header"), "Bearer hunter2");
  const auto removed = Get(catalogue_->PatchInstance(
      me_, id, Object(R"({"settings":{"auth-type":null,"authorization-header":null}})")));
  EXPECT_FALSE(removed->at("settings").get_object().contains("auth-type"));
  EXPECT_EQ(Get(catalogue_->DeleteInstance(stranger_, id)).error().code, Code::kNotFound);
  EXPECT_TRUE(Get(catalogue_->DeleteInstance(me_, id)));
  EXPECT_EQ(Get(catalogue_->DeleteInstance(me_, id)).error().code, Code::kNotFound);

  json::object bare{
      {"name", "intel"}, {"module_type_id", kPrivateIntelligenceTypeId}, {"visibility", "org"}};
  EXPECT_EQ(Get(catalogue_->MakeInstance(me_, bare))->at("settings"), json::object());
}

TEST_F(CatalogueTest, SettingsFollowTheForm) {
  const std::string type(MakeType().at("id").get_string());
  const auto with = [&](std::string_view settings) {
    return Get(catalogue_->MakeInstance(me_, {{"name", "n"},
                                              {"module_type_id", type},
                                              {"visibility", "org"},
                                              {"settings", Object(settings)}}));
  };
  const auto bad = with(
      R"({"custom_limit":"many","custom_region":"us","url":"ftp://x","supported-apis":"all"})");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().notes, ElementsAre("settings.custom_key: missing-required-key",
                                             "settings.custom_limit: must be a whole number",
                                             "settings.custom_region: is not one of the options",
                                             "settings.supported-apis: must be a list of texts",
                                             testing::StartsWith("settings.url: ")));
  EXPECT_THAT(with(R"({"custom_key":" "})").error().notes,
              Contains("settings.custom_key: missing-required-key"));
  EXPECT_THAT(with(R"({"custom_key":"********"})").error().notes,
              Contains(testing::HasSubstr("mask")));
  ASSERT_TRUE(with(R"({"custom_key":"hunter2","custom_limit":"50","custom_region":"eu"})"));
  clock_.Advance(std::chrono::seconds(1));
  ASSERT_TRUE(with(R"({"custom_key":"hunter2"})"));
  const auto asked = Get(catalogue_->Instances("o1", "u1"));
  ASSERT_TRUE(asked);
  ASSERT_EQ(asked->size(), 2u);
  EXPECT_EQ((*asked)[1].settings.at("custom_limit"), 100);
  EXPECT_EQ((*asked)[1].settings.at("custom_key"), "hunter2");
  EXPECT_TRUE((*asked)[1].Supports("observe/observables"));
  EXPECT_FALSE((*asked)[1].Supports("refer/observables"));
  EXPECT_EQ(Get(catalogue_->DeleteType(me_, type)).error().code, Code::kConflict);
  EXPECT_TRUE(Get(catalogue_->PatchType(me_, type, {{"enabled", false}})));
  EXPECT_EQ(Get(catalogue_->Instances("o1", "u1"))->size(), 0u);
}

TEST_F(CatalogueTest, VisibilityAndLimits) {
  json::object mine = Relay("mine");
  mine["visibility"] = "user";
  const auto made = Get(catalogue_->MakeInstance(me_, mine));
  ASSERT_TRUE(made);
  const std::string id(made->at("id").get_string());
  EXPECT_EQ(Get(catalogue_->GetInstance(reader_, id)).error().code, Code::kNotFound);
  EXPECT_EQ(Get(catalogue_->ListInstances(reader_, {}, {}))->size(), 0u);
  EXPECT_EQ(Get(catalogue_->Instances("o1", "u2"))->size(), 0u);
  EXPECT_EQ(Get(catalogue_->Instances("o1", "u1"))->size(), 1u);

  json::object everybodys = Relay("everybody's");
  everybodys["visibility"] = "global";
  EXPECT_EQ(Get(catalogue_->MakeInstance(me_, everybodys)).error().code, Code::kDenied);
  Asker operator_ = me_;
  operator_.is_operator = true;
  const auto global = Get(catalogue_->MakeInstance(operator_, everybodys));
  ASSERT_TRUE(global);
  const std::string global_id(global->at("id").get_string());
  const auto seen = Get(catalogue_->GetInstance(stranger_, global_id));
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->at("settings").at("authorization-header"), json::value(kMask));
  EXPECT_EQ(Get(catalogue_->Instances("o2", "u3"))->at(0).org_id, "o2");
  EXPECT_EQ(Get(catalogue_->DeleteInstance(stranger_, global_id)).error().code, Code::kDenied);
  EXPECT_EQ(Get(catalogue_->PatchInstance(me_, global_id, {{"name", "x"}})).error().code,
            Code::kDenied);

  for (const char* name : {"3", "4", "5"})
    EXPECT_TRUE(Get(catalogue_->MakeInstance(me_, Relay(name))));
  EXPECT_EQ(Get(catalogue_->MakeInstance(me_, Relay("6"))).error().code, Code::kConflict);

  json::object device = Relay();
  device["module_type_id"] = kEmailGatewayTypeId;
  EXPECT_THAT(Get(catalogue_->MakeInstance(me_, device)).error().notes,
              Contains(testing::StartsWith("module_type_id: ")));
  device["module_type_id"] = "nonsense";
  EXPECT_THAT(Get(catalogue_->MakeInstance(me_, device)).error().notes,
              ElementsAre("module_type_id: there is no such module type"));
}

TEST_F(CatalogueTest, MostInstancesOfAType) {
  const std::string type(MakeType(R"(,"max_nb_instances":1)").at("id").get_string());
  const json::object body{{"name", "n"},
                          {"module_type_id", type},
                          {"visibility", "org"},
                          {"settings", {{"custom_key", "k"}}}};
  EXPECT_TRUE(Get(catalogue_->MakeInstance(me_, body)));
  EXPECT_EQ(Get(catalogue_->MakeInstance(me_, body)).error().code, Code::kConflict);
}

TEST_F(CatalogueTest, Lists) {
  for (const char* name : {"beta", "Alpha", "gamma", "alphabet"}) {
    ASSERT_TRUE(Get(catalogue_->MakeInstance(me_, Relay(name))));
    clock_.Advance(std::chrono::seconds(1));
  }
  const auto names = [&](ListQuery query) {
    std::vector<std::string> out;
    const json::array list = *Get(catalogue_->ListInstances(me_, query, {}));
    for (const json::value& item : list) {
      out.emplace_back(item.at("name").get_string());
    }
    return out;
  };
  EXPECT_THAT(names({}), ElementsAre("beta", "Alpha", "gamma", "alphabet"));
  EXPECT_THAT(names({.sort_by = "name"}), ElementsAre("Alpha", "alphabet", "beta", "gamma"));
  EXPECT_THAT(names({.sort_by = "name", .descending = true, .offset = 1, .limit = 2}),
              ElementsAre("beta", "alphabet"));
  EXPECT_THAT(names({.query = "ALPHA"}), ElementsAre("Alpha", "alphabet"));
  EXPECT_THAT(names({.equals = {{"name", "beta"}, {"enabled", "true"}}}), ElementsAre("beta"));
  EXPECT_THAT(names({.equals = {{"enabled", "false"}}}), ElementsAre());
  EXPECT_THAT(names({.offset = 10}), ElementsAre());
}

TEST_F(CatalogueTest, Patches) {
  const std::string type(MakeType().at("id").get_string());
  const json::object body{{"module_type_id", type},
                          {"patch", Object(R"({"tips":"t","properties":{"url":null,"x":1}})")}};
  const auto dry = Get(catalogue_->MakePatch(me_, body, true));
  ASSERT_TRUE(dry) << dry.error().ToString();
  EXPECT_EQ(Get(catalogue_->ListPatches(me_, {}))->size(), 0u);
  const auto made = Get(catalogue_->MakePatch(me_, body, false));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->at("merge_status"), "pending");
  const std::string id(made->at("id").get_string());
  const auto preview = Get(catalogue_->PreviewPatch(me_, id));
  ASSERT_TRUE(preview) << preview.error().ToString();
  EXPECT_EQ(preview->at("tips"), "t");
  EXPECT_FALSE(preview->at("properties").get_object().contains("url"));
  EXPECT_FALSE(Get(catalogue_->GetType(me_, type))->contains("tips"));
  EXPECT_EQ(Get(catalogue_->PreviewPatch(stranger_, id)).error().code, Code::kNotFound);

  json::object merged = *made;
  merged["merge_status"] = "merged";
  merged["merge_message"] = "good";
  const auto put = Get(catalogue_->PutPatch(me_, id, merged, false));
  ASSERT_TRUE(put) << put.error().ToString();
  EXPECT_EQ(put->at("merged_by"), "u1");
  EXPECT_EQ(Get(catalogue_->GetType(me_, type))->at("tips"), "t");
  EXPECT_EQ(Get(catalogue_->PutPatch(me_, id, merged, false)).error().code, Code::kConflict);
  EXPECT_TRUE(Get(catalogue_->DeletePatch(me_, id)));
  EXPECT_EQ(Get(catalogue_->GetPatch(me_, id)).error().code, Code::kNotFound);

  json::object bad = body;
  bad["patch"] = Object(R"({"title":7,"nonsense":1})");
  EXPECT_THAT(Get(catalogue_->MakePatch(me_, bad, false)).error().notes,
              UnorderedElementsAre("patch.title: must be text", "patch.nonsense: disallowed-key"));
  bad = body;
  bad["module_type_id"] = "nonsense";
  EXPECT_EQ(Get(catalogue_->MakePatch(me_, bad, false)).error().code, Code::kInvalid);
  bad["module_type_id"] = kCustomRelayTypeId;
  const auto builtin = Get(catalogue_->MakePatch(me_, bad, false));
  ASSERT_TRUE(builtin) << builtin.error().ToString();
  merged = *builtin;
  merged["merge_status"] = "merged";
  EXPECT_EQ(
      Get(catalogue_->PutPatch(me_, std::string(builtin->at("id").get_string()), merged, false))
          .error()
          .code,
      Code::kDenied);
}

TEST_F(CatalogueTest, Integrations) {
  EXPECT_GT(Get(catalogue_->ListIntegrations(me_, {}))->size(), 0u);
  const auto made = Get(catalogue_->MakeIntegration(
      me_, Object(R"({"title":"I","tips":"t","org_id":"system","user_id":"system",
        "client_id":"system","flags":["default"],"enabled":true})")));
  ASSERT_TRUE(made) << made.error().ToString();
  EXPECT_EQ(made->at("org_id"), "o1");
  EXPECT_EQ(made->at("visibility"), "org");
  const std::string id(made->at("id").get_string());
  EXPECT_EQ(Get(catalogue_->PatchIntegration(me_, id, Object(R"({"tips":"n"})")))->at("tips"), "n");
  EXPECT_EQ(Get(catalogue_->GetIntegration(stranger_, id)).error().code, Code::kNotFound);
  EXPECT_TRUE(Get(catalogue_->DeleteIntegration(me_, id)));
  EXPECT_EQ(Get(catalogue_->GetIntegration(me_, id)).error().code, Code::kNotFound);
}

TEST_F(CatalogueTest, OneClick) {
  const json::object ask{{"module_type_id", kCustomRelayTypeId},
                         {"product_tenant_id", "tenant"},
                         {"type", "one-click"},
                         {"settings", {{"url", "https://relay.example"}}}};
  const auto made = Get(catalogue_->OneClick(me_, ask));
  ASSERT_TRUE(made) << made.error().ToString();
  EXPECT_EQ(made->at("created_new_module?"), true);
  EXPECT_EQ(made->at("module_instances").at(0).at("settings").at("product_tenant_id"), "tenant");
  EXPECT_EQ(Get(catalogue_->OneClick(me_, ask))->at("error"), "already_has_one_click");
  json::object other = ask;
  other["product_tenant_id"] = "second";
  other["type"] = "update-to-one-click";
  EXPECT_EQ(Get(catalogue_->OneClick(me_, other))->at("updated_module_to_one_click?"), true);
  other["type"] = "one-click";
  other["product_tenant_id"] = "third";
  other["settings"] = json::object{{"url", "nonsense"}};
  EXPECT_EQ(Get(catalogue_->OneClick(me_, other))->at("error"), "unable_to_create_module");
  other["module_type_id"] = kEmailGatewayTypeId;
  EXPECT_EQ(Get(catalogue_->OneClick(me_, other))->at("error"),
            "one_click_not_supported_by_module");
  EXPECT_EQ(Get(catalogue_->OneClick(me_, {{"type", "x"}})).error().code, Code::kInvalid);
}

TEST(Form, SecretKeys) {
  const json::array spec{json::object{{"key", "pin"}, {"type", "password"}}};
  for (const char* key : {"pin", "custom_key", "token", "authorization-header",
                          "basic-auth-password", "configuration-token-key", "client_secret"}) {
    EXPECT_TRUE(IsSecretKey(key, spec)) << key;
  }
  for (const char* key : {"url", "supported-apis", "custom_jwks_host", "user", "auth-type"}) {
    EXPECT_FALSE(IsSecretKey(key, spec)) << key;
  }
}

}  // namespace
}  // namespace mailreeve::response::modules
