#include "ctim/bundle.h"

#include "ctim/validate.h"

#include <gtest/gtest.h>

namespace mailreeve::ctim {
namespace {

json::object Parsed(std::string_view text) {
  auto out = json::Parse(text);
  EXPECT_TRUE(out && out->is_object()) << text;
  return out && out->is_object() ? out->get_object() : json::object();
}

constexpr std::string_view kBundle =
    R"({"source":"mail","relationships":[{"id":"transient:r","relationship_type":"sighting-of",)"
    R"("source_ref":"transient:s","target_ref":"transient:gone"}],)"
    R"("asset_mappings":[{"asset_ref":"transient:a"}],"assets":[{"id":"transient:a"}],)"
    R"("sightings":[{"id":"transient:s","external_ids":["gw-1","x-1","gw-1"]}],)"
    R"("verdicts":[{"type":"verdict"}],"sighting_refs":["sighting-1","sighting-2"]})";

TEST(Bundle, ComesApartInOrderOfCreation) {
  auto parts = TakeApart(Parsed(kBundle));
  ASSERT_TRUE(parts) << parts.error().ToString();
  std::vector<std::string> order;
  for (const auto& item : parts->items) order.push_back(item.entity->type);
  EXPECT_EQ(order,
            (std::vector<std::string>{"asset", "sighting", "asset-mapping", "relationship"}));
  EXPECT_EQ(parts->items[1].transient, "transient:s");
  EXPECT_FALSE(parts->items[1].document.contains("id"));
  EXPECT_EQ(parts->refs.at("sighting"), (std::vector<std::string>{"sighting-1", "sighting-2"}));
  EXPECT_EQ(json::Serialize(parts->head), R"({"source":"mail"})");

  TransientIds ids;
  ids.Know("transient:a", "https://h/ctia/asset/asset-1");
  ids.Know("transient:a", "https://h/ctia/asset/asset-2");
  ids.Know("transient:s", "https://h/ctia/sighting/sighting-1");
  ids.Know("", "nothing");
  EXPECT_TRUE(ids.Resolve(*parts->items[2].entity, parts->items[2].document).empty());
  EXPECT_EQ(parts->items[2].document.at("asset_ref"), "https://h/ctia/asset/asset-1");
  json::object& relationship = parts->items[3].document;
  EXPECT_EQ(ids.Resolve(*parts->items[3].entity, relationship),
            std::vector<std::string>{"transient:gone"});
  EXPECT_EQ(relationship.at("source_ref"), "https://h/ctia/sighting/sighting-1");
  EXPECT_EQ(ids.known().size(), 2u);
}

TEST(Bundle, TooManyEntitiesInTheWiresWords) {
  EXPECT_EQ(TakeApart(Parsed(kBundle), {.max_entities = 3}).error().message,
            "Bundle max nb of entities: 3");
  EXPECT_EQ(TakeApart(Parsed(kBundle), {.max_entities = 3, .bulk = true}).error().message,
            "Bulk max number of entities: 3");
  EXPECT_EQ(TakeApart(Parsed(kBundle), {.max_entities = 3}).error().code, Code::kLimited);
  EXPECT_TRUE(TakeApart(Parsed(kBundle), {.max_entities = 4}));
  EXPECT_EQ(TakeApart(Parsed(R"({"casebooks":[{}],"feeds":[{}]})"), {.bulk = true})->items.size(),
            2u);
  EXPECT_TRUE(TakeApart(Parsed(R"({"source":"x"})"))->items.empty());
}

TEST(Bundle, KeysByPrefix) {
  const json::object document = Parsed(R"({"external_ids":["gw-1","x-1","gw-1","gw-2"]})");
  EXPECT_EQ(KeysOf(document, {}), (std::vector<std::string>{"gw-1", "x-1", "gw-2"}));
  EXPECT_EQ(KeysOf(document, ReadPrefixes("gw-, y-,,")),
            (std::vector<std::string>{"gw-1", "gw-2"}));
  EXPECT_TRUE(KeysOf(Parsed("{}"), {}).empty());
}

TEST(Bundle, IsPutTogether) {
  std::vector<json::object> documents = {Parsed(R"({"type":"indicator","id":"i1"})"),
                                         Parsed(R"({"type":"asset-properties","id":"p"})"),
                                         Parsed(R"({"type":"indicator","id":"i1","again":true})"),
                                         Parsed(R"({"type":"indicator","id":"i2"})"),
                                         Parsed(R"({"type":"casebook","id":"c"})"),
                                         Parsed(R"({"type":"nothing"})")};
  EXPECT_EQ(json::Serialize(PutTogether("ctia", documents)),
            R"({"type":"bundle","source":"ctia","indicators":[{"type":"indicator","id":"i1"},)"
            R"({"type":"indicator","id":"i2"}],)"
            R"("asset_properties":[{"type":"asset-properties","id":"p"}]})");
}

}  // namespace
}  // namespace mailreeve::ctim
