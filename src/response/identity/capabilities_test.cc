#include "response/identity/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::response::identity {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

std::vector<std::string> Of(std::string_view scopes, std::string_view root = kPrivateIntel) {
  return CapabilitiesOf(ScopeSet::Parse(scopes).value(), root);
}

TEST(CapabilitiesTest, TheRootGivesEverythingOfItsAccess) {
  EXPECT_THAT(Of("private-intel:read"), Contains("list-vulnerabilities"));
  EXPECT_THAT(Of("private-intel:read"), Contains("read-verdict"));
  EXPECT_THAT(Of("private-intel:read"), Not(Contains("create-sighting")));
  EXPECT_THAT(Of("private-intel:read"), Not(Contains("import-bundle")));
  EXPECT_THAT(Of("private-intel:write"), Contains("import-bundle"));
  EXPECT_THAT(Of("private-intel:write"), Not(Contains("read-sighting")));
  EXPECT_EQ(Of("private-intel").size(), 26u * 5 + 1);
}

TEST(CapabilitiesTest, OneEntityCasebookAndAssets) {
  EXPECT_THAT(Of("private-intel/judgement"),
              ElementsAre("create-judgement", "delete-judgement", "list-judgements",
                          "read-judgement", "search-judgement"));
  EXPECT_THAT(Of("private-intel/import-bundle:write"), ElementsAre("import-bundle"));
  EXPECT_TRUE(Of("private-intel/import-bundle:read").empty());
  EXPECT_THAT(Of("casebook:read"),
              ElementsAre("list-casebooks", "read-casebook", "search-casebook"));
  EXPECT_EQ(Of("asset:write").size(), 8u);
  EXPECT_TRUE(Of("enrich inspect admin").empty());
  EXPECT_TRUE(Of("").empty());
}

TEST(CapabilitiesTest, StoresDoNotShareThem) {
  EXPECT_TRUE(Of("private-intel casebook asset", kGlobalIntel).empty());
  EXPECT_THAT(Of("global-intel:read", kGlobalIntel), Contains("read-indicator"));
  EXPECT_THAT(Of("global-intel:read", kGlobalIntel), Not(Contains("create-indicator")));
  EXPECT_TRUE(Of("global-intel:read").empty());
}

TEST(CapabilitiesTest, ListAndQuestionAgree) {
  for (const char* scopes : {"", "private-intel", "private-intel:read", "private-intel/feed:write",
                             "casebook:write asset:read", "global-intel:read"}) {
    const ScopeSet held = ScopeSet::Parse(scopes).value();
    for (const std::string_view root : {kPrivateIntel, kGlobalIntel}) {
      const auto list = CapabilitiesOf(held, root);
      for (const std::string& capability : Of("private-intel")) {
        EXPECT_EQ(HasCapability(held, capability, root),
                  std::count(list.begin(), list.end(), capability) == 1)
            << capability << " with " << scopes;
      }
    }
    for (const char* never : {"developer", "specify-id", "read-", "read-nothing", "", "list-actor"})
      EXPECT_FALSE(HasCapability(held, never)) << never;
  }
}

}  // namespace
}  // namespace mailreeve::response::identity
