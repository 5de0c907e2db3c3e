#include "response/modules/registry.h"

#include "response/modules/fake_modules.h"

#include <gtest/gtest.h>

namespace mailreeve::response::modules {
namespace {

template <class T>
T RunTask(io::Task<T> task) {
  asio::io_context context;
  std::optional<T> out;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    out = std::move(value);
  });
  context.run();
  return *std::move(out);
}

Result<json::value> Ok(const relay::Call&) {
  return json::value(json::object{{"data", json::object()}});
}

TEST(RegistryTest, ListsByNameAndOnlyTheOrganisationsOwn) {
  FakeSource source;
  source.Add("b", "beta", Ok);
  source.Add("a", "alpha", Ok);
  source.Add("c", "gamma", Ok);
  source.instances.back().org_id = "other";
  Registry registry({&source});
  const auto list = RunTask(registry.Instances("org"));
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].name, "alpha");
  EXPECT_EQ((*list)[1].name, "beta");
  EXPECT_TRUE(RunTask(registry.FindInstance("org", "b")));
  EXPECT_EQ(RunTask(registry.FindInstance("org", "c")).error().code, Code::kNotFound);
}

TEST(RegistryTest, SaysSoWhenASourceCannotBeRead) {
  FakeSource source;
  source.error = Error(Code::kUnavailable, "disk");
  Registry registry({&source});
  EXPECT_EQ(RunTask(registry.Instances("org")).error().code, Code::kUnavailable);
}

TEST(RegistryTest, ShowsTypeAndInstanceAsTheIntegrationServiceDoes) {
  FakeSource source;
  source.Add("a", "alpha", Ok);
  Registry registry({&source});
  ASSERT_EQ(registry.Types().size(), 1u);
  EXPECT_EQ(registry.Types()[0]->id, kEmailGatewayTypeId);
  const json::object type = ToJson(EmailGatewayType(), "org");
  for (const char* key : {"id", "title", "default_name", "record", "org_id", "user_id", "client_id",
                          "enabled", "visibility", "created_at"}) {
    EXPECT_TRUE(type.contains(key)) << key;
  }
  const json::object instance = ToJson(source.instances[0]);
  for (const char* key : {"name", "module_type_id", "visibility", "settings"})
    EXPECT_TRUE(instance.contains(key)) << key;
}

}  // namespace
}  // namespace mailreeve::response::modules
