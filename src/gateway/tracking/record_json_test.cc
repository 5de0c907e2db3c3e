#include "gateway/tracking/record_json.h"

#include "gateway/tracking/test_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::gateway::tracking {
namespace {

using testing::HasSubstr;

// No field has its first value.
mail::MessageRecord Full() {
  auto record = RecordOf(7);
  record.direction = mail::Direction::kInternal;
  record.connection = {9,         "192.0.2.1", "mx.example", "helo.example",
                       "TLSv1.3", "AES",       "ann",        "smtp:25"};
  record.envelope_from_raw = "\xff<x>";
  record.recipients = {{0, "a@b.example", "raw \xfe"}, {4'000'000'000u, "", ""}};
  record.verdicts = {{"url", 2, "bad"}, {"policy", 1, ""}};
  auto event = EventAt(Time(Duration(kStart + 123456)), mail::EventKind::kRestored, "key", 3);
  event.detail = "said \"no\"\n";
  event.dsn = "5.1.1";
  event.relay = "mx[192.0.2.2]:25";
  event.delay_ms = UINT64_MAX;
  event.queue_id = "ABC";
  record.events = {event, {}};
  auto& seen = record.inspection;
  seen.addresses = {{mail::AddressRole::kDispositionNotificationTo, "a@b.example", "Ann", "\x80"}};
  seen.subject = "发票 \u202e";
  seen.subject_raw = std::string("\0\xff", 2);
  seen.other_subjects = {"", "two"};
  seen.message_id_raw = "<x>";
  seen.other_message_ids = {"<y@z.example>"};
  seen.date = Time(Duration(-1));
  seen.date_raw = "never";
  seen.received_hosts = {"host.example"};
  seen.urls = {{"http://x.example/", "hxxp", mail::UrlSource::kAttachment}};
  seen.domains = {{"a.b.example", "b.example"}};
  seen.attachments = {{{"a", "\xff"}, "a/b", "c/d", 5, "aa", "bb", "cc", 3, true}};
  seen.authentication = {{"me", "spf", "pass", "x=y"}};
  seen.languages = {"zh"};
  seen.mailer = "Mailer";
  seen.in_reply_to = "<i@r.example>";
  seen.references = {"<r@r.example>"};
  seen.size = 1;
  seen.header_size = 2;
  seen.parts = 3;
  seen.content_digest = "dd";
  seen.raw_sha256 = "ee";
  seen.limits_hit = {"limit:urls"};
  seen.oddities = {"duplicate:from"};
  return record;
}

TEST(RecordJson, LosesNothing) {
  for (const auto& record : {Full(), RecordOf(1), mail::MessageRecord{}}) {
    const std::string line = json::Serialize(RecordToJson(record));
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto read = RecordFromLine(line);
    ASSERT_TRUE(read) << read.error().ToString();
    EXPECT_EQ(*read, record) << line;
  }
  // Times that no calendar has.
  auto record = RecordOf(1);
  for (const int64_t micros : {INT64_MIN, INT64_MAX, int64_t{-62135596800000001}, int64_t{0}}) {
    record.received = Time(Duration(micros));
    const auto read = RecordFromLine(json::Serialize(RecordToJson(record)));
    ASSERT_TRUE(read) << read.error().ToString();
    EXPECT_EQ(read->received, record.received);
  }
}

TEST(RecordJson, IsReadByPeople) {
  const auto out = RecordToJson(RecordOf(3));
  EXPECT_EQ(out.at("mailreeve_record").as_uint64(), 1u);
  EXPECT_EQ(out.at("received").as_string(), "2023-11-14T22:13:23.000000Z");
  EXPECT_EQ(out.at("direction").as_string(), "incoming");
  EXPECT_EQ(out.at("events").as_array()[0].at("kind").as_string(), "received");
  EXPECT_FALSE(out.contains("verdicts")) << "empty fields are left out";
}

TEST(RecordJson, SaysWhereItIsWrong) {
  const auto error = [](std::string_view path, json::value value) {
    json::value record = RecordToJson(Full());
    const size_t slash = path.rfind('/');
    boost::system::error_code failed;
    json::value* parent = record.find_pointer(path.substr(0, slash), failed);
    EXPECT_NE(parent, nullptr) << path;
    const std::string_view key = path.substr(slash + 1);
    if (parent->is_array()) {
      parent->as_array().at(static_cast<size_t>(key[0] - '0')) = std::move(value);
    } else {
      parent->as_object()[key] = std::move(value);
    }
    const auto read = RecordFromJson(record);
    return read ? std::string("taken") : read.error().ToString();
  };
  EXPECT_THAT(error("/recipients/1/rid", -1), HasSubstr("recipients[1].rid: must be a whole"));
  EXPECT_THAT(error("/recipients/1/rid", 5'000'000'000), HasSubstr("recipients[1].rid: is too"));
  EXPECT_THAT(error("/recipients/0/more", 1), HasSubstr("recipients[0].more: is not a field"));
  EXPECT_THAT(error("/events/0/kind", "eaten"), HasSubstr("events[0].kind: "));
  EXPECT_THAT(error("/events", "x"), HasSubstr("events: must be a list"));
  EXPECT_THAT(error("/events/0", "x"), HasSubstr("events[0]: must be an object"));
  EXPECT_THAT(error("/events/0/time", "soon"), HasSubstr("events[0].time: "));
  EXPECT_THAT(error("/direction", 7), HasSubstr("direction: "));
  EXPECT_THAT(error("/verdicts/0/disposition", 6), HasSubstr("verdicts[0].disposition: "));
  EXPECT_THAT(error("/inspection/subject_raw_base64", "!"), HasSubstr("subject_raw_base64: "));
  EXPECT_THAT(error("/inspection/other_subjects/0", 1), HasSubstr("other_subjects[0]: must be"));
  EXPECT_THAT(error("/inspection/attachments/0/is_inline", 1), HasSubstr("is_inline: must be"));
  EXPECT_THAT(error("/connection", 1), HasSubstr("connection: must be an object"));
  EXPECT_THAT(error("/unknown", 1), HasSubstr("unknown: is not a field"));
  EXPECT_THAT(error("/mailreeve_record", 2), HasSubstr("version 2 is not known"));
  EXPECT_FALSE(RecordFromLine("{}"));
  EXPECT_FALSE(RecordFromLine("[]"));
  EXPECT_FALSE(RecordFromLine("{\"mailreeve_record\":1"));
  EXPECT_THAT(RecordFromLine(R"({"mailreeve_record":1,"direction":"incoming"})").error().message,
              HasSubstr("received: is missing"));
}

}  // namespace
}  // namespace mailreeve::gateway::tracking
