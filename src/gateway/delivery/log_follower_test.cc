#include "gateway/delivery/log_follower.h"

#include "base/random.h"
#include "io/event.h"
#include "io/scope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace mailreeve::gateway::delivery {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
namespace fs = std::filesystem;

const Time kNow = *ParseTime("2026-11-24T04:21:45Z");

// Keeps records in memory, drops events it has already, and fails when told to.
class FakeStore final : public tracking::Store {
 public:
  mail::Mid NextMid() override { return ++next_; }
  mail::Icid NextIcid() override { return ++next_; }
  io::Task<Result<void>> Append(mail::MessageRecord record) override {
    records[record.mid] = std::move(record);
    co_return Result<void>();
  }
  io::Task<Result<void>> AppendEvents(mail::Mid mid, std::vector<mail::Event> events) override {
    ++append_calls;
    if (failures > 0) {
      --failures;
      co_return Fail(Code::kUnavailable, "disk full");
    }
    if (refuse) co_return Fail(Code::kInvalid, "refused");
    const auto found = records.find(mid);
    if (found == records.end()) co_return Fail(Code::kNotFound, "no such message");
    for (mail::Event& event : events) {
      const auto& have = found->second.events;
      if (std::none_of(have.begin(), have.end(),
                       [&](const mail::Event& e) { return e.dedup_key == event.dedup_key; })) {
        found->second.events.push_back(std::move(event));
      } else {
        ++repeats;
      }
    }
    co_return Result<void>();
  }
  io::Task<Result<tracking::Page>> Search(tracking::Query) override {
    co_return Fail(Code::kInternal, "not used");
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) override {
    const auto found = records.find(mid);
    if (found == records.end()) co_return Fail(Code::kNotFound, "no such message");
    co_return found->second;
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string queue_id,
                                                      Time not_after) override {
    ++finds;
    const mail::MessageRecord* best = nullptr;
    for (const auto& [mid, record] : records) {
      if (record.queue_id == queue_id && record.received <= not_after) best = &record;
    }
    if (best == nullptr) co_return Fail(Code::kNotFound, "no such queue id");
    co_return *best;
  }
  io::Task<Result<tracking::Coverage>> Held() override { co_return tracking::Coverage{}; }
  std::map<mail::Mid, mail::MessageRecord> records;
  mail::Mid next_ = 0;
  int failures = 0, repeats = 0, finds = 0, append_calls = 0;
  bool refuse = false;
};

class LogFollowerTest : public testing::Test {
 protected:
  LogFollowerTest() : folder_(fs::temp_directory_path() / ("follower-test-" + RandomToken(8))) {
    fs::create_directory(folder_);
    options_.file.path = (folder_ / "mail.log").string();
    options_.file.poll_interval = 1ms;
    options_.file.rotation_grace = 5ms;
    options_.position_file = (folder_ / "position").string();
    options_.time.utc = true;
    options_.save_interval = 2ms;
    options_.retry_delay = 1ms;
    options_.unknown_delay = 1ms;
  }
  ~LogFollowerTest() override { fs::remove_all(folder_); }

  void Add(mail::Mid mid, const std::string& queue_id, std::vector<std::string> recipients) {
    mail::MessageRecord record;
    record.mid = mid;
    record.queue_id = queue_id;
    record.received = kNow - 4s + 500ms;
    for (const auto& address : recipients) {
      record.recipients.push_back(
          {static_cast<uint32_t>(record.recipients.size()), address, "<" + address + ">"});
    }
    store_.records[mid] = std::move(record);
  }

  void Write(const std::string& lines) {
    std::ofstream(options_.file.path, std::ios::app | std::ios::binary) << lines;
  }

  static std::string Line(const std::string& queue_id, const std::string& to,
                          const std::string& status, const std::string& more = "") {
    return "Nov 24 04:21:41 mta postfix/lmtp[1]: " + queue_id + ": to=<" + to + ">, " + more +
           "relay=mx[192.0.2.1]:24, delay=0.31, delays=0/0/0/0, dsn=2.0.0, status=" + status +
           " (words)\n";
  }

  // Follows until `done`, then ends as a killed program does.
  void Follow(const std::function<bool(const LogFollower&)>& done) {
    asio::io_context context(1);
    io::Pool pool("test", 1, 16);
    io::Scope scope(context.get_executor(), logger_);
    LogFollower follower(options_, store_, pool, clock_, logger_);
    scope.Spawn("follow", follower.Run());
    const auto end = std::chrono::steady_clock::now() + 120s;
    while (!done(follower) && std::chrono::steady_clock::now() < end) context.run_one_for(10ms);
    EXPECT_TRUE(done(follower)) << "hangs";
    counters_ = follower.counters();
    scope.Cancel();
    context.run();
    EXPECT_EQ(scope.size(), 0U);
  }
  void FollowLines(uint64_t lines) {
    Follow([&](const LogFollower& f) { return f.counters().lines >= lines && PositionSays(); });
  }
  // The position on disk is at the end of the log.
  bool PositionSays() const {
    std::ifstream file(options_.position_file);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    struct stat info = {};
    if (::stat(options_.file.path.c_str(), &info) != 0) return false;
    return text.find("\"offset\":" + std::to_string(info.st_size)) != std::string::npos &&
           text.find("\"inode\":" + std::to_string(info.st_ino)) != std::string::npos;
  }

  std::vector<std::string> Events(mail::Mid mid) {
    std::vector<std::string> out;
    for (const mail::Event& event : store_.records[mid].events) {
      out.push_back(std::string(mail::EventName(event.kind)) +
                    (event.rid ? " " + std::to_string(*event.rid) : ""));
    }
    return out;
  }

  fs::path folder_;
  FakeStore store_;
  FakeClock clock_{kNow};
  log::NullLogger logger_;
  Options options_;
  Counters counters_;
};

TEST_F(LogFollowerTest, TiesLinesToRecipients) {
  Add(1, "0A1B2C3D4E", {"a@x", "B@X", "list@x", "a@x"});
  Write(Line("0A1B2C3D4E", "a@x", "sent"));
  Write(Line("0A1B2C3D4E", "b@x", "deferred"));
  Write(Line("0A1B2C3D4E", "member@y", "bounced", "orig_to=<list@x>, "));
  Write(Line("0A1B2C3D4E", "archive@y", "sent"));
  Write(Line("FFFFFFFFFF", "a@x", "sent"));
  Write("Nov 24 04:21:41 mta postfix/qmgr[1]: 0A1B2C3D4E: removed\n");
  FollowLines(6);
  EXPECT_THAT(Events(1), ElementsAre("delivered 0", "delivered 3", "deferred 1", "bounced 2"));
  const mail::Event& first = store_.records[1].events[0];
  EXPECT_EQ(first.relay, "mx[192.0.2.1]:24");
  EXPECT_EQ(first.dsn, "2.0.0");
  EXPECT_EQ(first.delay_ms, 310U);
  EXPECT_EQ(first.detail, "words");
  EXPECT_EQ(first.time, store_.records[1].received)
      << "a second's rounding must not put it before it came";
  EXPECT_EQ(counters_.unmatched_recipients, 1U);
  EXPECT_EQ(counters_.unknown, 1U);
}

TEST_F(LogFollowerTest, CountsWhatWasRefusedBeforeItWasRead) {
  const std::string head = "Nov 24 04:21:41 mta postfix/smtpd[1]: NOQUEUE: reject: ";
  Write(head + "RCPT from unknown[192.0.2.1]: 554 5.7.1 <x@y>: Relay access denied\n");
  Write(head + "RCPT from unknown[192.0.2.1]: 450 4.2.0 <x@y>: come again\n");
  Write(head + "CONNECT from unknown[192.0.2.1]: 554 5.7.1 go away\n");
  Write("Nov 24 04:21:41 mta other/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 x\n");
  FollowLines(4);
  EXPECT_EQ(counters_.refused, (std::array<uint64_t, 5>{1, 0, 0, 2, 0}));
  EXPECT_EQ(counters_.refused_for_now, 1U);
}

TEST_F(LogFollowerTest, GoesOnWhereItWas) {
  Add(1, "0A1B2C3D4E", {"a@x", "b@x", "c@x"});
  Write(Line("0A1B2C3D4E", "a@x", "sent"));
  FollowLines(1);
  Write(Line("0A1B2C3D4E", "b@x", "sent").substr(0, 50));  // half a line
  Follow([](const LogFollower& f) { return f.counters().lines == 0; });
  Write(Line("0A1B2C3D4E", "b@x", "sent").substr(50));
  FollowLines(1);
  EXPECT_EQ(counters_.lines, 1U);
  EXPECT_THAT(Events(1), ElementsAre("delivered 0", "delivered 1"));
  EXPECT_EQ(store_.repeats, 0);
}

TEST_F(LogFollowerTest, ReadsTwiceRecordsOnce) {
  Add(1, "0A1B2C3D4E", {"a@x", "b@x"});
  Write(Line("0A1B2C3D4E", "a@x", "deferred") + Line("0A1B2C3D4E", "b@x", "sent"));
  FollowLines(2);
  fs::remove(options_.position_file);  // as after a crash between the append and the position
  FollowLines(2);
  EXPECT_THAT(Events(1), ElementsAre("deferred 0", "delivered 1"));
  EXPECT_EQ(store_.repeats, 2);
}

TEST_F(LogFollowerTest, Rotation) {
  Add(1, "0A1B2C3D4E", {"a@x", "b@x", "c@x", "d@x"});
  Write(Line("0A1B2C3D4E", "a@x", "sent"));
  int stage = 0;
  Follow([&](const LogFollower& f) {
    if (stage == 0 && f.counters().lines == 1) {
      fs::rename(options_.file.path, options_.file.path + ".1");
      // The writer has not heard of it yet.
      std::ofstream(options_.file.path + ".1", std::ios::app) << Line("0A1B2C3D4E", "b@x", "sent");
      Write(Line("0A1B2C3D4E", "c@x", "sent"));
      stage = 1;
    }
    if (stage == 1 && f.counters().lines == 3) {
      fs::resize_file(options_.file.path, 0);  // copytruncate
      stage = 2;
      Write(Line("0A1B2C3D4E", "d@x", "sent", "orig_to=<a longer line than before>, "));
    }
    return stage == 2 && f.counters().lines == 4;
  });
  EXPECT_THAT(Events(1), ElementsAre("delivered 0", "delivered 1", "delivered 2", "delivered 3"));
}

TEST_F(LogFollowerTest, RotatedWhileNobodyLooked) {
  Add(1, "0A1B2C3D4E", {"a@x", "b@x", "c@x", "d@x"});
  Write(Line("0A1B2C3D4E", "a@x", "sent"));
  FollowLines(1);
  const auto old = [](const std::string& path, std::chrono::seconds age) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - age);
  };
  Write(Line("0A1B2C3D4E", "b@x", "sent"));
  fs::rename(options_.file.path, options_.file.path + ".2");
  old(options_.file.path + ".2", 300s);
  Write(Line("0A1B2C3D4E", "c@x", "sent"));
  fs::rename(options_.file.path, options_.file.path + ".1");
  old(options_.file.path + ".1", 200s);
  Write(Line("0A1B2C3D4E", "d@x", "sent"));
  FollowLines(3);
  EXPECT_EQ(counters_.lines, 3U);
  EXPECT_THAT(Events(1), ElementsAre("delivered 0", "delivered 1", "delivered 2", "delivered 3"));
}

TEST_F(LogFollowerTest, FileThatComesLater) {
  Add(1, "0A1B2C3D4E", {"a@x"});
  bool written = false;
  int polls = 0;
  Follow([&](const LogFollower& f) {
    if (!written && ++polls > 3) {
      Write(Line("0A1B2C3D4E", "a@x", "sent"));
      written = true;
    }
    return f.counters().lines == 1 && PositionSays();
  });
  EXPECT_THAT(Events(1), ElementsAre("delivered 0"));
}

TEST_F(LogFollowerTest, LongLinesAndNonsense) {
  options_.file.max_line_bytes = 1000;
  options_.file.read_bytes = 77;
  Add(1, "0A1B2C3D4E", {"a@x"});
  Write(std::string(5000, 'x') + "\n" + std::string("\0\xff\n\n\r\n", 6) +
        Line("0A1B2C3D4E", "a@x", "sent") + std::string(999, 'y') + "\n");
  FollowLines(4);
  EXPECT_EQ(counters_.lines_too_long, 1U);
  EXPECT_THAT(Events(1), ElementsAre("delivered 0"));
}

TEST_F(LogFollowerTest, StoreThatFailsForAWhile) {
  Add(1, "0A1B2C3D4E", {"a@x"});
  store_.failures = 3;
  Write(Line("0A1B2C3D4E", "a@x", "sent"));
  FollowLines(1);
  EXPECT_THAT(Events(1), ElementsAre("delivered 0"));
  EXPECT_EQ(counters_.store_errors, 3U);

  store_.refuse = true;  // it must not stand in the way of what comes after
  Write(Line("0A1B2C3D4E", "a@x", "deferred"));
  FollowLines(1);
  EXPECT_EQ(counters_.store_refused, 1U);
}

TEST_F(LogFollowerTest, RecordThatComesLate) {
  Write(Line("0A1B2C3D4E", "a@x", "sent"));
  Follow([&](const LogFollower& f) {
    if (store_.finds == 2 && store_.records.empty()) Add(1, "0A1B2C3D4E", {"a@x"});
    return f.counters().lines == 1 && PositionSays();
  });
  EXPECT_THAT(Events(1), ElementsAre("delivered 0"));

  // Mail that is not tracked is asked for a few times in a batch, not for each line.
  store_.finds = 0;
  for (int i = 0; i < 50; ++i)
    Write(Line("AAAAAAAA" + std::to_string(10 + i), "a@x", "sent") +
          Line("BBBBBBBBB", "b@x", "sent"));
  FollowLines(100);
  EXPECT_LE(store_.finds, 51 + options_.unknown_attempts * 3);
  EXPECT_EQ(counters_.unknown, 100U);
  // Old lines are not waited for at all.
  store_.finds = 0;
  clock_.Advance(1h);
  Write(Line("CCCCCCCCCC", "a@x", "sent"));
  FollowLines(1);
  EXPECT_EQ(store_.finds, 1);
}

TEST_F(LogFollowerTest, ReinjectionIsFollowedOverARestart) {
  Add(1, "0A1B2C3D4E", {"a@x"});
  Write(
      "Nov 24 04:21:41 mta postfix/smtp[1]: 0A1B2C3D4E: to=<a@x>, "
      "relay=127.0.0.1[127.0.0.1]:10024, delay=1, "
      "delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1F2E3D4C5B)\n");
  FollowLines(1);
  Write(Line("1F2E3D4C5B", "a@x", "sent"));
  FollowLines(1);
  EXPECT_THAT(Events(1), ElementsAre("reinjected 0", "delivered 0"));
  EXPECT_EQ(store_.records[1].events[0].queue_id, "1F2E3D4C5B");
  EXPECT_EQ(store_.records[1].events[1].queue_id, "1F2E3D4C5B");
  // Mail that passed the milter a second time has a record of its own.
  Add(2, "2A2A2A2A2A", {"a@x"});
  Write(
      "Nov 24 04:21:41 mta postfix/smtp[1]: 0A1B2C3D4E: to=<a@x>, "
      "relay=127.0.0.1[127.0.0.1]:10024, delay=1, "
      "delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 2A2A2A2A2A)\n" +
      Line("2A2A2A2A2A", "a@x", "sent"));
  FollowLines(2);
  EXPECT_THAT(Events(2), ElementsAre("delivered 0"));
}

TEST_F(LogFollowerTest, BounceNoticesAreNoUnknownMail) {
  Add(1, "0A1B2C3D4E", {"a@x"});
  Write(Line("0A1B2C3D4E", "a@x", "bounced") +
        "Nov 24 04:21:41 mta postfix/bounce[1]: 0A1B2C3D4E: sender non-delivery notification: "
        "3B3B3B3B3B\n" +
        Line("3B3B3B3B3B", "sender@y", "sent"));
  FollowLines(3);
  EXPECT_THAT(Events(1), ElementsAre("bounced 0"));
  EXPECT_EQ(counters_.unknown, 0U);
  EXPECT_EQ(counters_.notices, 2U);
}

TEST_F(LogFollowerTest, ExpiryConcernsThoseWaiting) {
  Add(1, "0A1B2C3D4E", {"a@x", "b@x", "c@x", "d@x"});
  Write(Line("0A1B2C3D4E", "a@x", "sent") + Line("0A1B2C3D4E", "b@x", "deferred") +
        Line("0A1B2C3D4E", "c@x", "bounced") +
        "Nov 24 04:21:42 mta postfix/qmgr[1]: 0A1B2C3D4E: from=<s@y>, status=expired, returned to "
        "sender\n");
  FollowLines(4);
  EXPECT_THAT(Events(1),
              ElementsAre("delivered 0", "deferred 1", "bounced 2", "expired 1", "expired 3"));
}

TEST_F(LogFollowerTest, ManyRecipientsAndMemory) {
  options_.max_known = 4;
  options_.max_links = 4;
  std::vector<std::string> recipients;
  std::string lines;
  for (int i = 0; i < 3000; ++i) {
    recipients.push_back("r" + std::to_string(i) + "@x");
    lines += Line("0A1B2C3D4E", recipients.back(), "sent");
  }
  Add(1, "0A1B2C3D4E", recipients);
  for (int i = 0; i < 50; ++i) {
    const std::string id = "BBBBBBBB" + std::to_string(10 + i);
    Add(static_cast<mail::Mid>(100 + i), id, {"a@x"});
    lines += Line(id, "a@x", "sent");
  }
  Write(lines);
  FollowLines(3050);
  EXPECT_EQ(store_.records[1].events.size(), 3000U);
  EXPECT_EQ(store_.records[149].events.size(), 1U);
  EXPECT_LE(store_.finds, 60) << "a record is fetched once, not for each recipient";
}

TEST_F(LogFollowerTest, DamagedPositionFile) {
  Add(1, "0A1B2C3D4E", {"a@x"});
  std::ofstream(options_.position_file) << "{\"source\": 7";
  Write(Line("0A1B2C3D4E", "a@x", "sent"));
  FollowLines(1);
  EXPECT_EQ(counters_.position_errors, 1U);
  EXPECT_THAT(Events(1), ElementsAre("delivered 0"));
}

TEST_F(LogFollowerTest, Journal) {
  Add(1, "0A1B2C3D4E", {"a@x", "b@x"});
  // Stands in for journalctl: says which arguments it was given, then its lines, and ends; the
  // second time after a cursor.
  const std::string program = (folder_ / "journal").string();
  std::ofstream(program) << R"sh(#!/bin/sh
echo "$*" >> )sh" << (folder_ / "arguments").string()
                         << R"sh(
case "$*" in
  *after-cursor=c2*) exec sleep 1000 ;;
esac
echo 'not json'
echo '{"__CURSOR":"c1","__REALTIME_TIMESTAMP":"1795494101000001","SYSLOG_IDENTIFIER":"postfix/lmtp","MESSAGE":"0A1B2C3D4E: to=<a@x>, relay=none, delay=1, delays=0/0/0/0, dsn=2.0.0, status=sent (x)"}'
echo '{"__CURSOR":"c2","__REALTIME_TIMESTAMP":"1795494101000002","SYSLOG_IDENTIFIER":"postfix/lmtp","MESSAGE":[48,65,49,66,50,67,51,68,52,69,58,32,116,111,61,60,98,64,120,62,44,32,114,101,108,97,121,61,110,111,110,101,44,32,100,101,108,97,121,61,49,44,32,100,115,110,61,50,46,48,46,48,44,32,115,116,97,116,117,115,61,115,101,110,116,32,40,255,41]}'
)sh";
  fs::permissions(program, fs::perms::owner_all);
  options_.file.path.clear();
  options_.journal.program = program;
  options_.journal.restart_delay = 1ms;
  const auto saved = [&] {
    std::ifstream file(options_.position_file);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    return text.find("\"cursor\":\"c2\"") != std::string::npos;
  };
  Follow([&](const LogFollower& f) {
    return f.counters().lines == 2 && f.counters().read_errors == 1 && saved();
  });
  EXPECT_THAT(Events(1), ElementsAre("delivered 0", "delivered 1"));
  EXPECT_EQ(FormatTime(store_.records[1].events[1].time).substr(0, 10), "2026-11-24");
  std::string all;
  Follow([&](const LogFollower&) {
    std::ifstream arguments(folder_ / "arguments");
    all.assign((std::istreambuf_iterator<char>(arguments)), std::istreambuf_iterator<char>());
    return all.find("--after-cursor=c2") != std::string::npos;
  });
  EXPECT_NE(all.find("--lines=0 SYSLOG_FACILITY=2"), std::string::npos) << all;
  EXPECT_NE(all.find("--after-cursor=c2"), std::string::npos) << all;
}

TEST(DeliveryOptionsTest, FromSettings) {
  const auto options =
      Options::FromSettings(*settings::Snapshot::Defaults(settings::Schema::Builtin(), "gateway"));
  EXPECT_EQ(options.tag_prefix, "postfix");
  EXPECT_EQ(options.time.format, TimeFormat::kAuto);
}

}  // namespace
}  // namespace mailreeve::gateway::delivery
