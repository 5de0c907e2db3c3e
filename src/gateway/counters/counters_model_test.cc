// Random mail against a model that keeps every number: what tables, encoded tables and merged ones
// answer must be the truth, or within the bounds that they tell.
#include "gateway/counters/counters.h"
#include "gateway/counters/metrics.h"
#include "gateway/counters/table_impl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

namespace mailreeve::gateway::counters {
namespace {

using mail::Direction;
using mail::MessageRecord;
using std::chrono::hours;

const Time kStart = TimeOfHour(480'000);

// hour, key -> metric -> value, of one dimension.
using Model = std::map<std::pair<int64_t, std::string>, std::map<Metric, uint64_t>>;

struct World {
  std::map<Dimension, Model> models;
  std::vector<Table> tables;
};

std::string Zipf(std::mt19937& random, const std::string& prefix, size_t keys,
                 const std::string& suffix) {
  const double u = std::uniform_real_distribution<>(0, 1)(random);
  const auto rank = static_cast<size_t>(std::pow(static_cast<double>(keys), u));
  return prefix + std::to_string(rank) + suffix;
}

// Only what the model counts on its own: senders, sender domains, recipients, URLs, subjects.
void Put(World& world, Table& table, std::mt19937& random, int64_t hour, size_t keys) {
  MessageRecord record;
  record.received = TimeOfHour(hour) + std::chrono::minutes(random() % 60);
  record.direction = static_cast<Direction>(random() % 3);
  const std::string domain = Zipf(random, "d", keys / 4 + 2, ".example");
  record.envelope_from = Zipf(random, "s", keys, "@" + domain);
  std::set<std::string> to, urls;
  for (size_t i = 0; i <= random() % 3; ++i) to.insert(Zipf(random, "r", keys, "@corp.example"));
  for (size_t i = 0; i < random() % 4; ++i)
    urls.insert(Zipf(random, "http://u.example/", keys * 3, "/x"));
  for (const auto& address : to)
    record.recipients.push_back({static_cast<uint32_t>(record.recipients.size()), address, ""});
  for (const auto& url : urls) record.inspection.urls.push_back({url, "", mail::UrlSource::kText});
  record.inspection.subject = Zipf(random, "Subject ", keys, "");
  const bool bad = random() % 20 == 0;
  if (bad) record.verdicts.push_back({"url", 2, "bad"});
  table.Count(record);

  const auto add = [&](Dimension dimension, const std::string& key, Count count, uint64_t value) {
    if (value != 0)
      world.models[dimension][{hour, key}][MetricOf(count, record.direction)] += value;
  };
  const uint64_t n = to.size();
  const auto add_class = [&](Dimension dimension, const std::string& key, uint64_t count) {
    add(dimension, key, Count::kRecipients, count);
    for (const Count c : {Count::kThreat, Count::kMalicious, Count::kMaliciousUrl})
      add(dimension, key, c, bad ? count : 0);
    add(dimension, key, Count::kClean, bad ? 0 : count);
  };
  add(Dimension::kSender, record.envelope_from, Count::kMessages, 1);
  add_class(Dimension::kSender, record.envelope_from, n);
  add(Dimension::kSenderDomain, domain, Count::kMessages, 1);
  add(Dimension::kSenderDomain, domain, Count::kPlain, 1);
  add_class(Dimension::kSenderDomain, domain, n);
  for (const auto& address : to) add_class(Dimension::kRecipient, address, 1);
  for (const auto& url : urls) {
    add(Dimension::kUrl, url, Count::kMessages, 1);
    add(Dimension::kUrl, url, Count::kMalicious, bad ? 1 : 0);
  }
  add(Dimension::kSubject, record.inspection.subject, Count::kMessages, 1);
  add(Dimension::kSubject, record.inspection.subject, Count::kMalicious, bad ? 1 : 0);
}

World MakeWorld(uint32_t seed, size_t messages, size_t keys, int span_hours, int overlap) {
  World world;
  std::mt19937 random(seed);
  constexpr int kTables = 4;
  for (int t = 0; t < kTables; ++t) {
    Table& table = world.tables.emplace_back();
    for (size_t i = 0; i < messages / kTables; ++i) {
      const int64_t hour =
          480'000 + t * span_hours +
          static_cast<int64_t>(random() % static_cast<unsigned>(span_hours + overlap));
      Put(world, table, random, hour, keys);
    }
  }
  return world;
}

struct Truth {
  std::map<std::string, std::map<Metric, uint64_t>> rows;
  std::map<Metric, uint64_t> totals;
  std::map<int64_t, std::map<Metric, uint64_t>> series;
  std::map<std::pair<std::string, int64_t>, std::map<Metric, uint64_t>> row_series;
};
Truth TruthOf(const World& world, const Question& question) {
  Truth out;
  const auto model = world.models.find(question.dimension);
  if (model == world.models.end()) return out;
  for (const auto& [place, values] : model->second) {
    const auto& [hour, key] = place;
    if (TimeOfHour(hour) < question.from || TimeOfHour(hour) >= question.until) continue;
    if (question.key_is && key != *question.key_is) continue;
    if (question.key_begins_with && !key.starts_with(*question.key_begins_with)) continue;
    const int64_t bucket = question.series == Question::Bucket::kDay ? hour / 24 * 24 : hour;
    for (const auto& [metric, value] : values) {
      out.rows[key][metric] += value;
      out.totals[metric] += value;
      out.series[bucket][metric] += value;
      out.row_series[{key, bucket}][metric] += value;
    }
  }
  return out;
}

std::map<Metric, uint64_t> AsMap(const Values& values) { return {values.begin(), values.end()}; }
uint64_t At(const Row& row, Metric metric) {
  for (const auto& [m, value] : row.values) {
    if (m == metric) return value;
  }
  return 0;
}

void ExpectExact(const Answer& answer, const Truth& truth, const Question& question) {
  EXPECT_TRUE(answer.exact);
  EXPECT_EQ(answer.missed, 0U);
  EXPECT_EQ(AsMap(answer.totals), truth.totals);
  EXPECT_EQ(answer.keys, truth.rows.size());
  EXPECT_EQ(answer.rows.size(), std::min(question.top, truth.rows.size()));
  auto others = truth.totals;
  uint64_t last = UINT64_MAX;
  for (const Row& row : answer.rows) {
    const auto found = truth.rows.find(row.key);
    ASSERT_NE(found, truth.rows.end()) << row.key;
    EXPECT_EQ(AsMap(row.values), found->second) << row.key;
    uint64_t weight = 0;
    for (const auto& [metric, value] : found->second) {
      others[metric] -= value;
      if (!question.order_by || *question.order_by == metric) weight += value;
    }
    EXPECT_LE(weight, last);
    last = weight;
    if (question.row_series) {
      std::map<int64_t, std::map<Metric, uint64_t>> series;
      for (const Point& point : row.series) series[HourOf(point.begin)] = AsMap(point.values);
      for (const auto& [place, values] : truth.row_series) {
        if (place.first == row.key) EXPECT_EQ(series[place.second], values);
      }
    }
  }
  // Nothing larger was left out.
  if (!answer.rows.empty() && answer.rows.size() < truth.rows.size()) {
    size_t larger = 0;
    for (const auto& [key, values] : truth.rows) {
      uint64_t weight = 0;
      for (const auto& [metric, value] : values) {
        if (!question.order_by || *question.order_by == metric) weight += value;
      }
      larger += weight > last;
    }
    EXPECT_LE(larger, answer.rows.size());
  }
  std::erase_if(others, [](const auto& value) { return value.second == 0; });
  EXPECT_EQ(AsMap(answer.others), others);
  if (question.series != Question::Bucket::kNone) {
    std::map<int64_t, std::map<Metric, uint64_t>> series;
    for (const Point& point : answer.series) series[HourOf(point.begin)] = AsMap(point.values);
    EXPECT_EQ(series, truth.series);
  }
}

void ExpectBounded(const Answer& answer, const Truth& truth, bool filtered) {
  if (!filtered) EXPECT_EQ(AsMap(answer.totals), truth.totals) << "totals are exact always";
  std::set<std::string> held;
  for (const Row& row : answer.rows) {
    held.insert(row.key);
    const auto found = truth.rows.find(row.key);
    ASSERT_NE(found, truth.rows.end()) << "invented " << row.key;
    EXPECT_LE(row.missed, answer.missed);
    for (const auto& [metric, value] : found->second) {
      EXPECT_LE(At(row, metric), value) << row.key;
      EXPECT_GE(At(row, metric) + row.missed, value) << row.key << " " << metric;
    }
  }
  for (const auto& [key, values] : truth.rows) {
    if (held.contains(key)) continue;
    for (const auto& [metric, value] : values) EXPECT_LE(value, answer.missed) << key;
  }
}

std::vector<Question> Questions(std::mt19937& random, int total_hours, size_t count, bool filters) {
  std::vector<Question> out;
  for (size_t i = 0; i < count; ++i) {
    Question question;
    const auto span = static_cast<unsigned>(total_hours);
    const int64_t a = random() % span, b = random() % span;
    question.from = kStart + hours(random() % 3 == 0 ? -5 : std::min(a, b));
    question.until = kStart + hours(random() % 3 == 0 ? total_hours + 50 : std::max(a, b) + 1);
    constexpr Dimension kAsked[] = {Dimension::kSender, Dimension::kSenderDomain,
                                    Dimension::kRecipient, Dimension::kUrl, Dimension::kSubject};
    question.dimension = kAsked[random() % 5];
    question.top = random() % 2 == 0 ? 10 : 100000;
    if (random() % 2 == 0) {
      question.order_by = MetricOf(random() % 2 == 0 ? Count::kMessages : Count::kMalicious,
                                   static_cast<Direction>(random() % 3));
    }
    question.series = static_cast<Question::Bucket>(random() % 3);
    question.row_series = question.series != Question::Bucket::kNone && random() % 2 == 0;
    if (filters && random() % 4 == 0) question.key_begins_with = "s1";
    if (filters && random() % 8 == 0) question.key_is = "d2.example";
    out.push_back(question);
  }
  return out;
}

std::vector<std::string> EncodeAll(const World& world, size_t max_keys) {
  std::vector<std::string> out;
  for (const Table& table : world.tables) out.push_back(table.Encode(max_keys));
  return out;
}
std::unique_ptr<Reader> Open(const std::string& bytes) {
  return *Reader::Open(
      [&bytes](uint64_t offset, size_t size) -> Result<std::string> {
        return bytes.substr(offset, size);
      },
      bytes.size());
}
Answer Ask(const Question& question, const std::vector<std::unique_ptr<Reader>>& readers) {
  Merger merger(question);
  for (const auto& reader : readers) {
    const auto added = merger.Add(*reader);
    EXPECT_TRUE(added) << added.error().ToString();
  }
  return merger.Finish();
}

TEST(CountersModel, AreExactWhileAllKeysAreHeld) {
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    const World world = MakeWorld(seed, 3000, 120, seed % 2 == 0 ? 7 : 60, 4);
    const std::vector<std::string> encoded = EncodeAll(world, 100000);
    std::vector<std::unique_ptr<Reader>> readers;
    for (const auto& bytes : encoded) readers.push_back(Open(bytes));
    std::vector<const Reader*> some = {readers[0].get(), readers[1].get(), readers[2].get()};
    const auto merged_bytes = MergeTables(some, 100000);
    ASSERT_TRUE(merged_bytes);
    std::vector<std::unique_ptr<Reader>> merged;
    merged.push_back(Open(*merged_bytes));
    merged.push_back(Open(encoded[3]));
    std::mt19937 random(seed);
    for (const Question& question : Questions(random, seed % 2 == 0 ? 32 : 244, 60, true)) {
      const Truth truth = TruthOf(world, question);
      Merger live(question);
      for (const Table& table : world.tables) live.Add(table);
      ExpectExact(live.Finish(), truth, question);
      ExpectExact(Ask(question, readers), truth, question);
      ExpectExact(Ask(question, merged), truth, question);
      if (HasFailure()) return;
    }
  }
}

TEST(CountersModel, TellHowMuchTheyMayMiss) {
  bool inexact = false, tight = false;
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    const int span = seed % 2 == 0 ? 5 : 70;
    const World world = MakeWorld(seed, 4000, 400, span, 3);
    const size_t max_keys = seed % 3 == 0 ? 16 : 100;
    const std::vector<std::string> encoded = EncodeAll(world, max_keys);
    std::vector<std::unique_ptr<Reader>> readers;
    for (const auto& bytes : encoded) readers.push_back(Open(bytes));
    const auto first = MergeTables({readers[0].get(), readers[1].get()}, max_keys);
    ASSERT_TRUE(first);
    const auto first_reader = Open(*first);
    const auto second = MergeTables({first_reader.get(), readers[2].get()}, max_keys);
    ASSERT_TRUE(second);
    std::vector<std::unique_ptr<Reader>> merged;
    merged.push_back(Open(*second));
    merged.push_back(Open(encoded[3]));
    std::mt19937 random(seed);
    for (Question question : Questions(random, span * 4, 60, true)) {
      question.top = 100000;
      const bool filtered = question.key_is || question.key_begins_with;
      const Truth truth = TruthOf(world, question);
      for (const auto* from : {&readers, &merged}) {
        const Answer answer = Ask(question, *from);
        inexact |= !answer.exact;
        for (const Row& row : answer.rows) tight |= row.missed < answer.missed;
        ExpectBounded(answer, truth, filtered);
      }
      if (HasFailure()) return;
    }
  }
  EXPECT_TRUE(inexact && tight) << "the test's limits drop nothing, so it shows nothing";
}

}  // namespace
}  // namespace mailreeve::gateway::counters
