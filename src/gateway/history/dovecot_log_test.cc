#include "gateway/history/dovecot_log.h"

#include "observable/observable.h"

#include <gtest/gtest.h>

namespace mailreeve::gateway::history {
namespace {

const Time kNow = *ParseTime("2026-11-24T18:00:00Z");
constexpr delivery::TimeOptions kUtc{.utc = true};

std::optional<Saved> Read(std::string_view line) { return ReadSaved(line, kUtc, kNow); }

// Lines of Debian 12's Dovecot 2.3.19.
TEST(DovecotLog, ReadsDeliveriesOfEveryKind) {
  const auto own = Read(
      "Nov 24 12:59:50 lmtp(a@x.test)<17256><QC1LAUaKBWtoQwAAg+zDdQ>: Info: "
      "msgid=<One@sender.example>: saved mail to INBOX");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->user, "a@x.test");
  EXPECT_EQ(own->message_id, *observable::CanonicalMessageId("<One@sender.example>"));
  EXPECT_EQ(own->kind, mail::EventKind::kDelivered);
  EXPECT_EQ(own->detail, "saved mail to INBOX");
  EXPECT_EQ(FormatTime(own->time), "2026-11-24T12:59:50.000Z");
  const auto sieve = Read(
      "Nov 24 04:21:41 mx dovecot: lda(Ann)<17256><QC1LAUaKBWtoQwAAg+zDdQ>: sieve: "
      "msgid=<One@sender.example>: stored mail into mailbox 'Junk'");
  ASSERT_TRUE(sieve);
  EXPECT_EQ(sieve->user, "ann");
  EXPECT_EQ(sieve->detail, "stored mail into mailbox 'Junk'");
  const auto discarded = Read(
      "2026-11-24T04:21:41.123456+00:00 mx dovecot: lmtp(a@x.test)<1><2>: sieve: "
      "msgid=<One@sender.example>: marked message to be discarded if not explicitly delivered "
      "(discard action)");
  ASSERT_TRUE(discarded);
  EXPECT_EQ(discarded->kind, mail::EventKind::kDiscarded);
}

TEST(DovecotLog, OtherLinesGiveNothing) {
  for (const char* line :
       {"", "Nov 24 12:59:50 lmtp(17256): Info: Connect from 127.0.0.1",
        "Nov 24 12:59:50 lmtp(b@x.test)<17256><x>: Info: msgid=unspecified: saved mail to INBOX",
        "Nov 24 12:59:50 mx dovecot: lmtp(a@x.test)<1><2>: msgid=<a@b.c>: save failed to INBOX: "
        "quota",
        "Nov 24 12:59:50 mx dovecot: imap(a@x.test)<1><2>: msgid=<a@b.c>: saved mail to INBOX",
        "Nov 24 12:59:50 mx postfix/cleanup[1]: lmtp(a@x.test)<1><2>: msgid=<a@b.c>: saved mail to "
        "INBOX",
        "Nov 24 12:59:50 mx dovecot: lmtp(a@x.test)<1: msgid=<a@b.c>: saved mail to INBOX",
        "lmtp(a@x.test): msgid=<a@b.c>: saved mail to INBOX"}) {
    EXPECT_FALSE(Read(line)) << line;
  }
}

TEST(DovecotLog, WordsInAMessageIdDoNotSpeakForAnotherMessage) {
  const auto saved = Read(
      "Nov 24 04:21:41 mx dovecot: lmtp(a@x.test)<1><2>: msgid=<victim@x.test>: saved mail to "
      "Junk>: saved mail to INBOX");
  EXPECT_FALSE(saved);
}

TEST(DovecotLog, FindsTheRecipient) {
  mail::MessageRecord record;
  record.recipients = {{0, "ann@x.test", "Ann@X.test"},
                       {1, "bob@x.test", "bob@x.test"},
                       {2, "bob@y.test", "bob@y.test"}};
  EXPECT_EQ(RecipientOf(record, "ann@x.test"), 0u);
  EXPECT_EQ(RecipientOf(record, "ann"), 0u);
  EXPECT_EQ(RecipientOf(record, "bob@y.test"), 2u);
  EXPECT_EQ(RecipientOf(record, "bob"), std::nullopt) << "there are two";
  EXPECT_EQ(RecipientOf(record, "eve@x.test"), std::nullopt);
  // The same line again is the same event; another line is not.
  const auto line = [](const char* mailbox) {
    return *Read(std::string("Nov 24 12:59:50 mx dovecot: lmtp(ann@x.test)<1><2>: msgid=<a@b.c>: "
                             "saved mail to ") +
                 mailbox);
  };
  EXPECT_EQ(EventOf(line("A"), 0, kNow).dedup_key, EventOf(line("A"), 0, kNow).dedup_key);
  EXPECT_NE(EventOf(line("A"), 0, kNow).dedup_key, EventOf(line("B"), 0, kNow).dedup_key);
  EXPECT_EQ(EventOf(line("A"), 0, kNow).time, kNow) << "never before it was received";
}

}  // namespace
}  // namespace mailreeve::gateway::history
