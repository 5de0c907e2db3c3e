#include "response/module_store/store.h"

#include "response/module_store/key_file.h"
#include "sql/test_databases.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace mailreeve::response::module_store {
namespace {

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = testing::TempDir() + "/mailreeve-modules-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    Open();
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }
  void Open(std::chrono::seconds rotate_after = {}) {
    store_.reset();
    auto keys = LoadOrMakeKeys(folder_ + "/keys", now_, rotate_after);
    ASSERT_TRUE(keys) << keys.error().ToString();
    auto store = Store::Open(*sql::Database::Open(database_.options()), *std::move(keys));
    ASSERT_TRUE(store) << store.error().ToString();
    store_.emplace(*std::move(store));
  }
  Record Make(std::string id, std::string org = "o1") {
    Record record;
    record.id = std::move(id);
    record.org_id = std::move(org);
    record.parent_id = "t1";
    record.document = {{"name", "n"}};
    record.secret = {{"settings", {{"custom_key", "hunter2hunter2"}}}};
    record.created = record.updated = now_;
    return record;
  }
  std::string folder_;
  sql::TestDatabase database_;
  Time now_ = ParseTime("2026-03-01T10:00:00Z").value();
  std::optional<Store> store_;
};

TEST_F(StoreTest, KeepsRecords) {
  ASSERT_TRUE(store_->Insert(Make("i1")));
  ASSERT_TRUE(store_->Insert(Make("i2", "o2")));
  Record global = Make("i3", "o2");
  global.visibility = "global";
  ASSERT_TRUE(store_->Insert(global));
  EXPECT_EQ(store_->Insert(Make("i1")).error().code, Code::kConflict);

  Open();
  auto mine = store_->List(Kind::kInstance, "o1");
  ASSERT_TRUE(mine) << mine.error().ToString();
  ASSERT_EQ(mine->size(), 2u);
  EXPECT_EQ((*mine)[0].id, "i1");
  EXPECT_EQ((*mine)[1].id, "i3");
  EXPECT_EQ((*mine)[0].secret, Make("i1").secret);
  EXPECT_EQ(store_->List(Kind::kInstance, "o1", "other")->size(), 0u);
  EXPECT_EQ(store_->List(Kind::kType, "o1")->size(), 0u);
  EXPECT_EQ(*store_->CountOf(Kind::kInstance, "t1", "o2"), 2);
  EXPECT_EQ(*store_->CountOf(Kind::kInstance, "t1", ""), 3);
  EXPECT_EQ(store_->Find(Kind::kType, "i1").error().code, Code::kNotFound);
  ASSERT_TRUE(store_->Remove(Kind::kInstance, "i1"));
  EXPECT_EQ(store_->Remove(Kind::kInstance, "i1").error().code, Code::kNotFound);
}

TEST_F(StoreTest, LateWritersLose) {
  ASSERT_TRUE(store_->Insert(Make("i1")));
  const int64_t before = *store_->Changes();
  Record one = *store_->Find(Kind::kInstance, "i1"), two = one;
  one.document["name"] = "one";
  ASSERT_TRUE(store_->Update(one));
  EXPECT_EQ(store_->Update(two).error().code, Code::kConflict);
  EXPECT_TRUE(store_->Update(one));
  EXPECT_EQ(store_->Find(Kind::kInstance, "i1")->document.at("name"), "one");
  EXPECT_GT(*store_->Changes(), before);
}

TEST_F(StoreTest, SecretsAreNotInTheDatabase) {
  ASSERT_TRUE(store_->Insert(Make("i1")));
  store_.reset();
  const std::string stored = database_.Contents();
  EXPECT_EQ(stored.find("hunter2"), std::string::npos);
  EXPECT_NE(stored.find("i1"), std::string::npos);
  struct stat info {};
  ASSERT_EQ(::stat((folder_ + "/keys").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(StoreTest, RowsCannotTakeEachOthersSecrets) {
  ASSERT_TRUE(store_->Insert(Make("i1")));
  ASSERT_TRUE(store_->Insert(Make("i2")));
  auto db = sql::Database::Open(database_.options());
  ASSERT_TRUE(
      db->Execute("UPDATE module_record SET sealed = (SELECT sealed FROM module_record "
                  "WHERE id = 'i1') WHERE id = 'i2'"));
  EXPECT_EQ(store_->Find(Kind::kInstance, "i2").error().code, Code::kCorrupt);
  EXPECT_TRUE(store_->Find(Kind::kInstance, "i1"));
}

TEST_F(StoreTest, KeysRotate) {
  ASSERT_TRUE(store_->Insert(Make("i1")));
  EXPECT_EQ(*store_->Reseal(), 0);
  now_ = SystemClock().Now() + std::chrono::hours(48);
  Open(std::chrono::hours(24));
  EXPECT_EQ(store_->keys().size(), 2u);
  EXPECT_EQ(store_->Find(Kind::kInstance, "i1")->secret, Make("i1").secret);
  EXPECT_EQ(*store_->Reseal(), 1);
  store_->keys().ForgetOldKeys();
  ASSERT_TRUE(SaveKeys(folder_ + "/keys", store_->keys()));
  Open();
  EXPECT_EQ(store_->keys().size(), 1u);
  EXPECT_EQ(store_->Find(Kind::kInstance, "i1")->secret, Make("i1").secret);
}

TEST_F(StoreTest, KeyFilesOfOthersAreRefused) {
  ::chmod((folder_ + "/keys").c_str(), 0640);
  EXPECT_EQ(LoadOrMakeKeys(folder_ + "/keys", now_, {}).error().code, Code::kDenied);
  ::chmod((folder_ + "/keys").c_str(), 0600);
  std::ofstream(folder_ + "/keys") << "x";
  EXPECT_EQ(LoadOrMakeKeys(folder_ + "/keys", now_, {}).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace mailreeve::response::module_store
