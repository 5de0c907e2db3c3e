#include "ctim/ids.h"

#include <gtest/gtest.h>

namespace mailreeve::ctim {
namespace {

constexpr std::string_view kShort = "asset-mapping-0123abcd-0123-4abc-8def-0123456789ab";
constexpr std::string_view kLong =
    "https://intel.example:9443/x/ctia/asset-mapping/"
    "asset-mapping-0123abcd-0123-4abc-8def-0123456789ab";

TEST(Ids, ShortForm) {
  const auto id = ShortId::Parse(kShort);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->type, "asset-mapping");
  EXPECT_EQ(id->text(), kShort);
  for (const char* bad :
       {"", "sighting", "sighting-", "0123abcd-0123-4abc-8def-0123456789ab",
        "-0123abcd-0123-4abc-8def-0123456789ab", "s-0123abcd-0123-4abc-8def-0123456789ab",
        "Sighting-0123abcd-0123-4abc-8def-0123456789ab",
        "sighting-0123ABCD-0123-4abc-8def-0123456789ab",
        "sighting-0123abcd-0123-4abc-8def_0123456789ab",
        "sighting 0123abcd-0123-4abc-8def-0123456789ab"}) {
    EXPECT_FALSE(ShortId::Parse(bad)) << bad;
  }
  const ShortId fresh = ShortId::New("judgement");
  EXPECT_EQ(ShortId::Parse(fresh.text()), fresh);
}

TEST(Ids, LongFormOfThisServer) {
  const IdSpace space("https://intel.example:9443/x/");
  EXPECT_EQ(space.Long(kShort), kLong);
  EXPECT_EQ(space.Long("transient:x"), "transient:x");
  for (const auto& text :
       {std::string(kShort), std::string(kLong),
        std::string("HTTPS://Intel.Example:9443/x") + std::string(kLong.substr(28)),
        std::string("https%3A%2F%2Fintel.example%3A9443%2Fx%2Fctia%2Fasset-mapping%2F") +
            std::string(kShort)}) {
    const auto id = space.Read(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(id->text(), kShort) << text;
  }
}

TEST(Ids, OtherServersAndOtherTextsAreRefused) {
  const IdSpace space("https://intel.example:9443");
  EXPECT_EQ(space.Read(kLong).error().message, "Invalid hostname in ID") << "another prefix";
  EXPECT_EQ(IdSpace("https://other.example").Read(kLong).error().message, kForeignId);
  for (const char* bad : {"", "transient:x", "x", "%", "https://", "https:///ctia/a/a-1",
                          "https://intel.example:9443/ctia/sighting/"
                          "asset-mapping-0123abcd-0123-4abc-8def-0123456789ab"}) {
    EXPECT_FALSE(space.Read(bad)) << bad;
    EXPECT_FALSE(space.Ours(bad)) << bad;
  }
  EXPECT_TRUE(IsAnyId("transient:x"));
  EXPECT_TRUE(IsAnyId(kLong));
  EXPECT_FALSE(IsAnyId("https://intel.example/x"));
  EXPECT_FALSE(IsAnyId(std::string("transient:") + std::string(3000, 'x')));
}

}  // namespace
}  // namespace mailreeve::ctim
