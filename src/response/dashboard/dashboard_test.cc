#include "response/dashboard/dashboard.h"

#include "response/modules/fake_modules.h"

#include <gtest/gtest.h>

namespace mailreeve::response::dashboard {
namespace {

class DashboardTest : public testing::Test {
 protected:
  DashboardTest() {
    module_ = source_.Add("m", "gateway", [this](const relay::Call& call) -> Result<json::value> {
      if (call.route == "/tiles") return json::Parse(tiles_);
      if (call.route == "/tiles/tile") return json::Parse(tile_);
      return json::Parse(data_);
    });
  }
  template <class T>
  T Get(io::Task<T> task) {
    std::optional<T> out;
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      out = std::move(value);
    });
    context_.restart();
    context_.run();
    return *std::move(out);
  }
  static relay::Caller As(std::string user) {
    relay::Caller caller;
    caller.org_id = "org";
    caller.user_id = std::move(user);
    return caller;
  }
  Result<json::object> Data(std::string user = "u", std::string period = "last_hour") {
    return Get(dashboard_.Data("m", "t", period, As(user)));
  }

  asio::io_context context_;
  log::NullLogger logger_;
  io::Scope scope_{context_.get_executor(), logger_};
  FakeClock clock_{ParseTime("2026-03-01T10:00:00Z").value()};
  modules::FakeSource source_;
  modules::Registry registry_{{&source_}};
  enrich::Enricher enricher_{registry_, scope_, clock_, logger_, {}};
  Dashboard dashboard_{enricher_, clock_, {.max_remembered = 2}};
  std::shared_ptr<modules::FakeModule> module_;
  std::string tiles_ =
      R"({"data":[{"id":"t","type":"donut_graph","title":"T","module":"lie"},{"id":"x"},7]})";
  std::string tile_ =
      R"({"data":{"id":"t","type":"donut_graph","title":"T","default_period":"last_7_days"}})";
  std::string data_ = R"json({"data":{"valid_time":{"end_time":"2026-03-01T10:05:00Z"},
    "cache_scope":"org","data":[{"value":1,"link_uri":"javascript:alert(1)"},
    {"value":2,"link_uri":"https://x.example/"}]}})json";
};

TEST_F(DashboardTest, ListsTilesWithTheirModules) {
  source_.Add("dead", "dead", [](const relay::Call&) -> Result<json::value> {
    return Fail(Code::kUnavailable, "not connected");
  });
  const auto tiles = Get(dashboard_.Tiles({}, As("u")));
  ASSERT_TRUE(tiles);
  ASSERT_EQ(tiles->at("data").as_array().size(), 1u);
  EXPECT_EQ(tiles->at("data").at(0).at("module"), "gateway");
  EXPECT_EQ(tiles->at("data").at(0).at("module_instance_id"), "m");
  EXPECT_EQ(tiles->at("errors").as_array().size(), 2u);
}

TEST_F(DashboardTest, OneTile) {
  EXPECT_EQ(Get(dashboard_.Tile("m", "t", As("u")))->at("data").at("module"), "gateway");
  EXPECT_EQ(Get(dashboard_.Tile("nobody", "t", As("u"))).error().code, Code::kNotFound);
  tile_ = R"({"errors":[{"code":"not found","message":"m"}]})";
  EXPECT_EQ(Get(dashboard_.Tile("m", "t", As("u"))).error().code, Code::kNotFound);
}

TEST_F(DashboardTest, RemembersDataWhileItIsValid) {
  const auto data = Data();
  ASSERT_TRUE(data);
  EXPECT_EQ(json::Serialize(data->at("data").at("data")),
            R"([{"value":1},{"value":2,"link_uri":"https://x.example/"}])");
  EXPECT_TRUE(Data("other"));
  EXPECT_EQ(module_->calls.size(), 1u);
  EXPECT_TRUE(Data("u", "last_7_days"));
  EXPECT_EQ(module_->calls.size(), 2u);
  clock_.Advance(std::chrono::minutes(5));
  EXPECT_TRUE(Data());
  EXPECT_EQ(module_->calls.size(), 3u);
  EXPECT_LE(dashboard_.remembered(), 2u);
}

TEST_F(DashboardTest, WhatIsOnePersonsIsNotToldToAnother) {
  data_ = R"({"data":{"valid_time":{"end_time":"2026-03-01T10:05:00Z"},"data":[]}})";
  Data("u");
  Data("u");
  EXPECT_EQ(module_->calls.size(), 1u);
  Data("other");
  EXPECT_EQ(module_->calls.size(), 2u);
}

TEST_F(DashboardTest, Periods) {
  EXPECT_EQ(Data("u", "ever").error().code, Code::kInvalid);
  ASSERT_TRUE(Data("u", ""));
  EXPECT_EQ(module_->calls.back().body.at("period"), "last_7_days");
}

}  // namespace
}  // namespace mailreeve::response::dashboard
