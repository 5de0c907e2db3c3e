#include "response/intel/store.h"

#include "base/random.h"
#include "response/intel/fields.h"
#include "response/intel/import.h"
#include "response/intel/observables.h"
#include "sql/test_databases.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <set>

namespace mailreeve::response::intel {
namespace {

const Asker kAlice{"alice", "org-1", ""}, kBob{"bob", "org-1", ""}, kEve{"eve", "org-2", ""};

json::object Document(std::string_view type, std::string_view more, const Asker& owner = kAlice,
                      std::string_view created = "2026-02-01T10:00:00.000Z") {
  json::object out = json::Parse("{" + std::string(more) + "}").value().get_object();
  out["id"] = std::string(type) + "-" + RandomUuid();
  out["type"] = type;
  out["owner"] = owner.login;
  out["groups"] = json::array{json::value(owner.org)};
  for (const char* key : {"created", "modified", "timestamp"})
    if (!out.contains(key)) out[key] = created;
  if (!out.contains("tlp")) out["tlp"] = "green";
  return out;
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.database = place.options();
    options.search.max_examined = 1000;
    store = Store::Open(options).value();
  }

  template <class T>
  T Wait(io::Task<T> task) {
    std::optional<T> out;
    asio::co_spawn(
        context,
        [](io::Task<T> inner, std::optional<T>& out) -> io::Task<void> {
          out.emplace(co_await std::move(inner));
        }(std::move(task), out),
        [](std::exception_ptr thrown) {
          if (thrown) std::rethrow_exception(thrown);
        });
    context.restart();
    context.run();
    return std::move(*out);
  }
  std::string Add(std::string type, json::object document) {
    const std::string id(document["id"].as_string());
    const auto done = Wait(store->Write([&](Tables& tables) -> Result<int> {
      tables.Add({.type = type, .document = document});
      return 1;
    }));
    EXPECT_TRUE(done) << done.error().ToString();
    return id;
  }
  Result<Page> Find(Selection selection, Paging paging = {}, Asker asker = kAlice) {
    return Wait(store->Read([&](Tables& tables) {
      return Search(tables, selection, paging, asker, store->options().visibility,
                    store->options().search);
    }));
  }
  // Titles of what a query finds, in order; the index, the count and the documents must agree.
  std::string Titles(std::string type, std::string_view query, Paging paging = {},
                     Asker asker = kAlice) {
    Selection selection{.type = type};
    if (!query.empty()) selection.query = intel_query::ParseQuery(query, {}).value();
    const auto page = Find(selection, paging, asker);
    if (!page) return page.error().ToString();
    const auto count = Wait(store->Read([&](Tables& tables) {
      return Count(tables, selection, asker, store->options().visibility, store->options().search);
    }));
    EXPECT_EQ(page->total, count.value_or(-1)) << query;
    std::string out;
    for (const Record& record : page->records)
      out += (out.empty() ? "" : " ") + std::string(record.document.at("title").as_string());
    return out;
  }

  sql::TestDatabase place;
  asio::io_context context;
  std::unique_ptr<Store> store;
};

TEST(Fields, HaveNumbersOfTheirOwn) {
  std::set<int64_t> codes = {SharedCode()};
  size_t count = 1;
  for (const EntityFields& fields : AllFields()) {
    codes.insert(KindCode(fields.type));
    codes.insert(WordCode(fields.type));
    count += 2 + fields.indexed.size();
    for (const std::string& field : fields.indexed) codes.insert(FieldCode(fields.type, field));
  }
  EXPECT_EQ(codes.size(), count);
}

TEST(Fields, NumbersKeepTheirOrderAsText) {
  const double numbers[] = {-1e300, -2, -1.5, -0.0, 1e-300, 1, 1.5, 2, 10, 1e300};
  for (size_t i = 1; i < std::size(numbers); ++i) {
    EXPECT_LT(IndexNumber(numbers[i - 1]), IndexNumber(numbers[i]));
    EXPECT_EQ(NumberOfIndexValue(IndexNumber(numbers[i])), numbers[i]);
  }
  EXPECT_EQ(IndexNumber(-0.0), IndexNumber(0.0));
}

TEST(Migrations, OfBothStoresAreTheSame) {
  const auto own = sql::MigrationsOf("intel"), global = sql::MigrationsOf("global_intel");
  ASSERT_EQ(own.size(), global.size());
  ASSERT_FALSE(own.empty());
  const auto statements = [](std::string_view sql, const std::string& prefix) {
    std::string out(sql.substr(sql.find("CREATE")));
    for (size_t at = out.find(prefix); at != std::string::npos; at = out.find(prefix, at + 1))
      out.replace(at, prefix.size(), "X");
    return out;
  };
  for (size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(statements(own[i].sql, "intel_"), statements(global[i].sql, "global_intel_"));
    EXPECT_EQ(statements(own[i].postgresql, "intel_"),
              statements(global[i].postgresql, "global_intel_"));
  }
}

TEST_F(StoreTest, KeepsDocumentsAndFindsThem) {
  const std::string id =
      Add("actor", Document("actor", R"("title":"Ape Gang","source":"feed","actor_types":["Hacker"],
    "external_ids":["x-1","X-2"])"));
  const auto got = Wait(store->Read([&](Tables& t) { return t.Get("actor", id); })).value();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->document.at("title"), "Ape Gang");
  EXPECT_FALSE(Wait(store->Read([&](Tables& t) { return t.Get("malware", id); })).value());
  const auto ids = [&](const char* org, const char* external) {
    return Wait(store->Read(
                    [&](Tables& t) { return t.IdsByExternalId("actor", org, "alice", external); }))
        .value()
        .size();
  };
  EXPECT_EQ(ids("org-1", "x-1"), 1u);
  EXPECT_EQ(ids("org-1", "X-1"), 0u);
  EXPECT_EQ(ids("org-2", "x-1"), 0u);

  // A changed document is found by what is in it now.
  const auto changed = Wait(store->Write([&](Tables& tables) -> Result<int> {
    TRY(auto before, tables.Get("actor", id));
    Record after = *before;
    after.document["title"] = "Bee Gang";
    after.document["actor_types"] = json::array{"Hacktivist"};
    TRY_VOID(tables.Replace(*before, after));
    return 1;
  }));
  ASSERT_TRUE(changed) << changed.error().ToString();
  EXPECT_EQ(Titles("actor", "ape"), "");
  EXPECT_EQ(Titles("actor", "bee"), "Bee Gang");
  EXPECT_EQ(Titles("actor", "actor_types:hacker"), "");
  EXPECT_EQ(Titles("actor", "actor_types:HACKTIVIST"), "Bee Gang");
  ASSERT_TRUE(Wait(store->Write([&](Tables& tables) -> Result<int> {
    TRY(auto before, tables.Get("actor", id));
    TRY_VOID(tables.Remove(*before));
    return 1;
  })));
  EXPECT_EQ(Titles("actor", ""), "");
  const auto left = Wait(store->Read([&](Tables& tables) -> Result<int64_t> {
    TRY(auto* count, tables.Use("SELECT (SELECT COUNT(*) FROM intel_term) + (SELECT COUNT(*) FROM "
                                "intel_document)"));
    TRY_VOID(count->Step());
    const int64_t out = count->Integer(0);
    count->Reset();
    return out;
  }));
  EXPECT_EQ(left.value(), 0);
}

TEST_F(StoreTest, AnIdComesOnce) {
  json::object document = Document("actor", R"("title":"a")");
  Add("actor", document);
  const auto again = Wait(store->Write([&](Tables& tables) -> Result<int> {
    tables.Add({.type = "actor", .document = document});
    TRY_VOID(tables.Flush());
    return 1;
  }));
  EXPECT_EQ(again.error().code, Code::kConflict);
}

TEST_F(StoreTest, AnswersQueriesByIndexAndByDocument) {
  Add("incident",
      Document("incident", R"("title":"One","description":"phish kit seen","severity":"Low",
    "status":"Open","confidence":"High","source":"Mail Gateway","techniques":["T1566","T1204"],
    "scores":{"global":10},"incident_time":{"opened":"2026-01-05T00:00:00.000Z"})",
               kAlice, "2026-02-01T10:00:00.000Z"));
  Add("incident",
      Document("incident", R"("title":"Two","description":"kit of phish","severity":"Critical",
    "status":"Closed","confidence":"High","source":"api","techniques":["T1566"],
    "scores":{"global":300},"incident_time":{"opened":"2026-01-03T00:00:00.000Z"})",
               kAlice, "2026-02-02T10:00:00.000Z"));
  Add("incident",
      Document("incident", R"("title":"Three","description":"钓鱼邮件","severity":"High",
    "status":"New","confidence":"Low","source":"api",
    "incident_time":{"opened":"2026-01-04T00:00:00.000Z"})",
               kAlice, "2026-02-03T10:00:00.000Z"));
  const std::pair<const char*, const char*> cases[] = {
      {"", "One Two Three"},
      {"*", "One Two Three"},
      {"phish", "One Two"},
      {"\"phish kit\"", "One"},
      {"description:\"kit of\"", "Two"},
      {"phi*", "One Two"},
      {"ph?sh", "One Two"},
      {"鱼", "Three"},
      {"severity:low OR severity:high", "One Three"},
      {"NOT severity:low", "Two Three"},
      {"NOT phish", "Three"},
      {"source:\"mail gateway\"", "One"},
      {"source:ap*", "Two Three"},
      {"techniques:(T1204 OR T9999)", "One"},
      {"_exists_:techniques", "One Two"},
      {"NOT _exists_:scores", "Three"},
      {"scores.global:>=300", "Two"},
      {"scores.global:10", "One"},
      {"incident_time.opened:[2026-01-04T00:00:00Z TO *]", "One Three"},
      {"incident_time.opened:[2026-01-04 TO 2026-01-05}", "Three"},
      {"created:{2026-02-01T10:00:00.000Z TO 2026-02-03}", "Two"},
      {"created:<2026-02-02T10:00:00.000Z", "One"},
      {"tlp:green", "One Two Three"},
      {"tlp:red", ""},
      {"phish AND (severity:critical OR NOT confidence:high)", "Two"},
      {"status:Open -status:Closed", "One"},
      {"nowhere:x", ""},
      {"title:one", "One"},
      {"\"...\"", ""},
  };
  for (const auto& [query, titles] : cases) EXPECT_EQ(Titles("incident", query), titles) << query;

  const auto sorted = [&](std::vector<SortKey> keys) {
    return Titles("incident", "", {.sort = std::move(keys)});
  };
  EXPECT_EQ(sorted({{"severity", false}}), "One Three Two");
  EXPECT_EQ(sorted({{"severity", true}}), "Two Three One");
  EXPECT_EQ(sorted({{"scores.global", true}}), "Two One Three");
  EXPECT_EQ(sorted({{"scores.global", false}}), "One Two Three");
  EXPECT_EQ(sorted({{"incident_time.opened", false}}), "Two Three One");
  EXPECT_EQ(sorted({{"confidence", false}, {"created", true}}), "Two One Three");
  EXPECT_EQ(sorted({{"created", true}}), "Three Two One");
  EXPECT_TRUE(sorted({{"nonsense", true}}).find("sort_by") != std::string::npos);
}

TEST_F(StoreTest, PagesInEveryOrder) {
  for (int i = 0; i < 25; ++i) {
    Add("indicator",
        Document("indicator",
                 R"("title":"i)" + std::to_string(i) + R"(","producer":"p","confidence":")" +
                     (i % 2 ? "High" : "Low") + "\"",
                 kAlice, i % 3 ? "2026-02-01T10:00:00.000Z" : "2026-02-02T10:00:00.000Z"));
  }
  for (const std::vector<SortKey>& sort :
       {std::vector<SortKey>{}, {{"created", true}}, {{"confidence", true}, {"created", false}}}) {
    for (const char* query : {"*", "NOT nothing:here"}) {
      Selection selection{.type = "indicator", .query = intel_query::ParseQuery(query, {}).value()};
      std::vector<std::string> whole, by_offset, by_after;
      const auto gather = [](const Page& page, std::vector<std::string>& out) {
        for (const Record& record : page.records) out.push_back(record.id());
      };
      gather(Find(selection, {.sort = sort}).value(), whole);
      EXPECT_EQ(whole.size(), 25u);
      Paging paging{.sort = sort, .limit = 7};
      while (true) {
        const Page page = Find(selection, paging).value();
        gather(page, by_offset);
        EXPECT_EQ(page.total, 25);
        if (!page.more) break;
        paging.offset += 7;
      }
      paging = {.sort = sort, .limit = 7};
      while (true) {
        const Page page = Find(selection, paging).value();
        gather(page, by_after);
        if (!page.more) break;
        paging.after.clear();
        for (const json::value& value : page.last_sort)
          paging.after.push_back(value.is_string() ? std::string(value.get_string())
                                                   : json::Serialize(value));
      }
      EXPECT_EQ(by_offset, whole);
      EXPECT_EQ(by_after, whole);
    }
  }
  EXPECT_EQ(Find({.type = "indicator"}, {.offset = 9999, .limit = 2}).error().code, Code::kInvalid);
}

TEST_F(StoreTest, ShowsOnlyWhatTheAskerMaySee) {
  Add("actor", Document("actor", R"("title":"green")"));
  Add("actor", Document("actor", R"("title":"red","tlp":"red")"));
  Add("actor", Document("actor", R"("title":"lent","tlp":"red","authorized_users":["bob"])"));
  Add("actor", Document("actor", R"("title":"group","tlp":"amber","authorized_groups":["org-2"])"));
  EXPECT_EQ(Titles("actor", "", {.sort = {{"title"}}}), "green group lent red");
  EXPECT_EQ(Titles("actor", "", {.sort = {{"title"}}}, kBob), "green group lent");
  EXPECT_EQ(Titles("actor", "", {}, kEve), "group");
  EXPECT_EQ(Titles("actor", "", {}, {"mallory", "org-3", ""}), "");
}

TEST_F(StoreTest, LimitsWhatItLooksAt) {
  const auto done = Wait(store->Write([&](Tables& tables) -> Result<int> {
    for (int i = 0; i < 1200; ++i)
      tables.Add(
          {.type = "actor", .document = Document("actor", R"("title":"t","description":"d")")});
    return 1;
  }));
  ASSERT_TRUE(done) << done.error().ToString();
  Selection selection{.type = "actor", .query = intel_query::ParseQuery("*zzz*", {}).value()};
  EXPECT_EQ(Find(selection).error().code, Code::kLimited);
  selection.query = intel_query::ParseQuery("NOT *zzz*", {}).value();
  const Page page = Find(selection).value();
  EXPECT_EQ(page.records.size(), 100u);
  EXPECT_FALSE(page.total_complete);
  EXPECT_EQ(Find({.type = "actor"}).value().total, 1200);
}

TEST_F(StoreTest, CountsByValueAndTime) {
  const char* days[] = {"2026-01-05T23:30:00.000Z", "2026-01-06T10:00:00.000Z",
                        "2026-02-01T00:00:00.000Z"};
  for (int i = 0; i < 6; ++i) {
    Add("judgement",
        Document("judgement",
                 R"("title":"x","observable":{"type":")" + std::string(i < 4 ? "ip" : "domain") +
                     R"(","value":"v)" + std::to_string(i) +
                     R"("},"confidence":"High","priority":)" + std::to_string(90 + i % 2) +
                     R"(,"disposition":2,"valid_time":{"start_time":")" + days[i % 3] + "\"}",
                 kAlice, days[i % 3]));
  }
  const auto read = [&](auto work) { return Wait(store->Read(work)).value(); };
  const SearchLimits& limits = store->options().search;
  for (const char* query : {"*", "NOT nothing:here"}) {
    Selection all{.type = "judgement", .query = intel_query::ParseQuery(query, {}).value()};
    EXPECT_EQ(json::Serialize(read([&](Tables& t) {
                return TopN(t, all, {"observable.type"}, kAlice, Visibility::kGroup, limits);
              })),
              R"([{"key":"ip","value":4},{"key":"domain","value":2}])");
    EXPECT_EQ(json::Serialize(read([&](Tables& t) {
                return TopN(t, all, {"confidence", 1, false}, kAlice, Visibility::kGroup, limits);
              })),
              R"([{"key":"High","value":6}])");
    EXPECT_EQ(read([&](Tables& t) {
                return Cardinality(t, all, "observable.value", kAlice, Visibility::kGroup, limits);
              }),
              6);
    for (const char* field : {"timestamp", "valid_time.start_time"}) {
      const auto histogram = [&](Granularity g, int zone) {
        return json::Serialize(read([&](Tables& t) {
          return Histogram(t, all, field, g, std::chrono::minutes(zone), kAlice, Visibility::kGroup,
                           limits);
        }));
      };
      EXPECT_EQ(
          histogram(Granularity::kDay, 0),
          R"([{"key":"2026-01-05T00:00:00.000+00:00","value":2},{"key":"2026-01-06T00:00:00.000+00:00","value":2},{"key":"2026-02-01T00:00:00.000+00:00","value":2}])");
      EXPECT_EQ(
          histogram(Granularity::kMonth, 60),
          R"([{"key":"2026-01-01T00:00:00.000+01:00","value":4},{"key":"2026-02-01T00:00:00.000+01:00","value":2}])");
      EXPECT_EQ(
          histogram(Granularity::kDay, 60),
          R"([{"key":"2026-01-06T00:00:00.000+01:00","value":4},{"key":"2026-02-01T00:00:00.000+01:00","value":2}])");
      EXPECT_EQ(
          histogram(Granularity::kWeek, -90),
          R"([{"key":"2026-01-05T00:00:00.000-01:30","value":4},{"key":"2026-01-26T00:00:00.000-01:30","value":2}])");
    }
  }
  EXPECT_EQ(read([&](Tables& t) {
              return Cardinality(t, {.type = "judgement"}, "priority", kEve, Visibility::kGroup,
                                 limits);
            }),
            0);
}

TEST_F(StoreTest, WritesOfManyTogetherFailEachOnItsOwn) {
  std::vector<std::optional<Result<int>>> results(50);
  for (int i = 0; i < 50; ++i) {
    asio::co_spawn(
        context,
        [](Store& store, int i, std::optional<Result<int>>& out) -> io::Task<void> {
          out.emplace(co_await store.Write([i](Tables& tables) -> Result<int> {
            tables.Add({.type = "actor",
                        .document = Document("actor", R"("title":")" + std::to_string(i) + "\"")});
            if (i % 5 == 0) return Fail(Code::kDenied, "not this one");
            return i;
          }));
        }(*store, i, results[static_cast<size_t>(i)]),
        [](std::exception_ptr thrown) {
          if (thrown) std::rethrow_exception(thrown);
        });
  }
  context.run();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(results[static_cast<size_t>(i)]);
    EXPECT_EQ(results[static_cast<size_t>(i)]->has_value(), i % 5 != 0) << i;
  }
  EXPECT_EQ(Find({.type = "actor"}).value().total, 40);
}

TEST_F(StoreTest, ChoosesTheVerdictAmongVisibleAndValidJudgements) {
  const auto judge = [&](int priority, int disposition, const char* value, const Asker& owner,
                         const char* until) {
    return Add(
        "judgement",
        Document("judgement",
                 R"("observable":{"type":"domain","value":")" + std::string(value) +
                     R"("},"priority":)" + std::to_string(priority) + R"(,"disposition":)" +
                     std::to_string(disposition) +
                     R"(,"valid_time":{"start_time":"2026-01-01T00:00:00.000Z","end_time":")" +
                     until + "\"}",
                 owner));
  };
  const char* kLong = "2525-01-01T00:00:00.000Z";
  judge(100, 1, "bad.example", kEve, kLong);
  judge(99, 1, "bad.example", kAlice, "2026-01-15T00:00:00.000Z");
  const std::string best = judge(90, 1, "BAD.example.", kAlice, kLong);
  judge(90, 2, "bad.example", kAlice, kLong);
  judge(95, 2, "other.example", kAlice, kLong);
  const auto verdict = [&](const char* value, const Asker& asker, const char* at) {
    const auto record = Wait(store->Read([&](Tables& tables) {
      return BestJudgement(tables,
                           {{"domain", value}, ToEpochMicros(ParseTime(at).value()), {}, {}}, asker,
                           Visibility::kGroup);
    }));
    EXPECT_TRUE(record) << record.error().ToString();
    return *record ? (*record)->id() : std::string();
  };
  EXPECT_EQ(verdict("bad.example", kAlice, "2026-03-01T00:00:00Z"), best);
  EXPECT_NE(verdict("bad.example", kAlice, "2026-01-10T00:00:00Z"), best);
  EXPECT_EQ(verdict("bad.example", {"m", "org-3", ""}, "2026-03-01T00:00:00Z"), "");
  EXPECT_EQ(verdict("bad.example", kAlice, "2025-12-31T00:00:00Z"), "");
  EXPECT_EQ(verdict("none.example", kAlice, "2026-03-01T00:00:00Z"), "");
}

TEST_F(StoreTest, GivesTheEntriesOfAnIndicatorInPages) {
  const std::string indicator = Add("indicator", Document("indicator", R"("title":"i")"));
  std::set<std::string> expected;
  const auto done = Wait(store->Write([&](Tables& tables) -> Result<int> {
    expected.clear();
    for (int i = 0; i < 2500; ++i) {
      // Some have run out, and some are another's secret.
      const bool counts = i % 7 != 0 && i % 11 != 0;
      json::object judgement = Document(
          "judgement",
          R"("observable":{"type":"ip","value":"192.0.2.1"},"priority":1,"disposition":2,"tlp":")" +
              std::string(i % 11 == 0 ? "red" : "green") +
              R"(","valid_time":{"start_time":"2026-01-01T00:00:00.000Z","end_time":")" +
              (i % 7 == 0 ? "2026-01-02" : "2525-01-01") + "T00:00:00.000Z\"}",
          i % 11 == 0 ? kBob : kAlice);
      const std::string id(judgement["id"].as_string());
      if (counts) expected.insert(id);
      tables.Add({.type = "judgement", .document = judgement});
      json::object link = Document("relationship", R"("relationship_type":"element-of")");
      link["source_ref"] = "http://h.example/ctia/judgement/" + id;
      link["target_ref"] = "http://h.example/ctia/indicator/" + indicator;
      tables.Add({.type = "relationship", .document = link});
    }
    return 1;
  }));
  ASSERT_TRUE(done) << done.error().ToString();
  std::vector<std::string> found;
  const auto read = Wait(store->Read([&](Tables& tables) -> Result<int> {
    TRY_VOID(ForEachEntry(tables, indicator, {"element-of"},
                          ToEpochMicros(ParseTime("2026-03-01T00:00:00Z").value()), kAlice,
                          Visibility::kGroup, "", [&](Record& record) {
                            found.push_back(record.id());
                            return true;
                          }));
    return 1;
  }));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(found, std::vector<std::string>(expected.begin(), expected.end()));
}

TEST_F(StoreTest, ImportsKeepWhatIsStillNamed) {
  std::vector<json::object> documents;
  for (int i = 0; i < 10; ++i) {
    documents.push_back(
        Document("judgement", R"("title":"t","priority":)" + std::to_string(i) +
                                  R"(,"observable":{"type":"ip","value":"192.0.2.1"},
        "valid_time":{"start_time":"2026-01-01T00:00:00.000Z","end_time":"2026-02-01T00:00:00.000Z"})"));
  }
  const auto run = [&](int64_t generation, std::vector<json::object> some) {
    return Wait(
        store->Write([&](Tables& tables) { return Import(tables, "list", generation, some); }));
  };
  ImportCounts counts = run(1, documents).value();
  EXPECT_EQ(counts.added, 10);
  // Made anew with other times, one changed, two gone, one twice.
  std::vector<json::object> next(documents.begin() + 2, documents.end());
  for (json::object& document : next)
    document["modified"] = document["created"] = "2026-03-01T00:00:00.000Z";
  next[0]["priority"] = 50;
  next.push_back(next[1]);
  counts = run(2, next).value();
  EXPECT_EQ(counts.added, 0);
  EXPECT_EQ(counts.changed, 1);
  EXPECT_EQ(counts.same, 7);
  const auto removed =
      Wait(store->Write([&](Tables& t) { return RemoveOlder(t, "list", 2, 500); }));
  EXPECT_EQ(removed.value(), 2);
  const auto state = Wait(store->Read([&](Tables& t) { return StateOf(t, "list"); })).value();
  EXPECT_EQ(state.documents, 8);
  EXPECT_EQ(state.newest_generation, 2);
  EXPECT_EQ(Find({.type = "judgement"}).value().total, 8);
  const auto person = Document("judgement", R"("title":"t")");
  Add("judgement", person);
  const auto refused =
      Wait(store->Write([&](Tables& t) { return Import(t, "list", 3, {person}); }));
  EXPECT_EQ(refused.error().code, Code::kConflict);
  const std::string id(next[0]["id"].as_string());
  EXPECT_EQ(Wait(store->Write([&](Tables& t) { return RemoveIds(t, "other", {id}); })).value(), 0);
  EXPECT_EQ(Wait(store->Write([&](Tables& t) { return RemoveIds(t, "list", {id}); })).value(), 1);
  EXPECT_EQ(Wait(store->Write([&](Tables& t) {
              return RemoveExpired(t, ToEpochMicros(ParseTime("2026-03-01T00:00:00Z").value()),
                                   500);
            })).value(),
            7);
}

}  // namespace
}  // namespace mailreeve::response::intel
