#include "mailbox/imap/imap_store.h"

#include "base/random.h"
#include "mailbox/imap/fake_imap.h"

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace mailreeve::mailbox::imap {
namespace {

using testing::HasSubstr;

std::string Mail(const std::string& body, const std::string& message_id = "<m1@x.test>") {
  std::string out =
      "Return-Path: <spam@bad.test>\r\nDelivered-To: bob@x.test\r\nReceived: from a by b\r\n"
      "From: Spam <spam@bad.test>\r\nTo: bob@x.test\r\nSubject: offer\r\n";
  if (!message_id.empty()) out += "Message-ID: " + message_id + "\r\n";
  return out + "\r\n" + body + "\r\n";
}

class ImapStoreTest : public testing::Test {
 protected:
  ImapStoreTest() : scope_(context_.get_executor(), logger_), server_(scope_) {
    secret_ = testing::TempDir() + "imap-secret-" + RandomUuid();
    std::ofstream(secret_) << "s3cret\n";
    identity_.message_id = "<m1@x.test>";
    identity_.content_digest = mail::ContentDigest(Mail("pay here"));
    identity_.envelope_from = "spam@bad.test";
    identity_.recipient = "bob@x.test";
    identity_.received = *ParseTime("2026-11-24T04:00:00Z");
    options_.host = "127.0.0.1";
    options_.port = server_.port();
    options_.security = Security::kPlain;
    options_.allow_plain = true;
    options_.master_user = "master";
    options_.secret_file = secret_;
    options_.io_timeout = std::chrono::seconds(20);
    server_.folders["INBOX"] = {};
  }
  ~ImapStoreTest() override {
    server_.Stop();
    scope_.Cancel();
    context_.restart();
    context_.run();
    std::remove(secret_.c_str());
  }

  template <class T>
  T Run(io::Task<T> task) {
    std::optional<T> out;
    scope_.Spawn("test", Into<T>(std::move(task), &out));
    context_.restart();
    while (!out && context_.run_one() > 0) {
    }
    return std::move(*out);
  }
  template <class T>
  static io::Task<void> Into(io::Task<T> task, std::optional<T>* out) {
    *out = co_await std::move(task);
  }

  Result<FindResult> Find() { return Run(FindTask()); }
  io::Task<Result<FindResult>> FindTask() {
    store_ = *ImapStore::Make(options_);
    CO_TRY(mailbox_, co_await store_->Open(identity_.recipient));
    co_return co_await mailbox_->Find(identity_);
  }
  io::Task<Result<void>> RemoveAllTask() {
    CO_TRY(const FindResult found, co_await FindTask());
    for (const Location& location : found.confirmed)
      CO_TRY_VOID(co_await mailbox_->Remove(location));
    co_await mailbox_->Close();
    co_return Result<void>();
  }
  bool Commanded(std::string_view part) const {
    return std::any_of(server_.commands.begin(), server_.commands.end(),
                       [&](const std::string& c) { return c.find(part) != std::string::npos; });
  }

  asio::io_context context_{1};
  log::NullLogger logger_;
  io::Scope scope_;
  FakeImap server_;
  std::string secret_;
  MessageIdentity identity_;
  ImapOptions options_;
  std::unique_ptr<ImapStore> store_;
  std::unique_ptr<Mailbox> mailbox_;
};

// B01: same Message-ID, other content: only the right one goes, and what the user marked stays.
TEST_F(ImapStoreTest, RemovesOnlyTheConfirmedOne) {
  server_.folders["INBOX"].messages = {
      {.uid = 3, .bytes = Mail("a good mail")},
      {.uid = 4, .bytes = Mail("pay here"), .flags = {"\\Seen", "\\Answered"}},
      {.uid = 5, .bytes = Mail("mine", "<m5@x>"), .flags = {"\\Deleted"}}};
  server_.folders["Archive"].messages = {{.uid = 1, .bytes = Mail("pay here")}};
  const auto found = Find();
  ASSERT_TRUE(found) << found.error().ToString();
  ASSERT_EQ(found->confirmed.size(), 2u);
  EXPECT_EQ(found->confirmed[1].uid, 4u);
  EXPECT_EQ(found->confirmed[1].flags, "\\Answered \\Seen");
  ASSERT_EQ(found->others.size(), 1u);
  EXPECT_EQ(found->others[0].location.uid, 3u);
  EXPECT_THAT(found->others[0].why, HasSubstr("digest_differs"));
  EXPECT_EQ(found->folders_searched, 2u);
  ASSERT_TRUE(Run(RemoveAllTask()));
  ASSERT_EQ(server_.folders["INBOX"].messages.size(), 2u);
  EXPECT_EQ(server_.folders["INBOX"].messages[0].uid, 3u);
  EXPECT_TRUE(server_.folders["INBOX"].messages[1].flags.contains("\\Deleted"));
  EXPECT_TRUE(server_.folders["Archive"].messages.empty());
}

TEST_F(ImapStoreTest, FindsByDateWhenTheMessageIdCannotBeSearched) {
  // A sender can write white space into a Message-ID; its canonical form has none.
  server_.folders["INBOX"].messages = {{.uid = 8, .bytes = Mail("pay here", "<m1 @x.test>")}};
  identity_.content_digest = mail::ContentDigest(Mail("pay here", "<m1 @x.test>"));
  auto found = Find();
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_EQ(found->confirmed.size(), 1u);
  // And one may have none.
  server_.folders["INBOX"].messages = {{.uid = 1, .bytes = Mail("pay here", "<other@x.test>")},
                                       {.uid = 2, .bytes = Mail("pay here", "")},
                                       {.uid = 3, .bytes = Mail("else", "")}};
  identity_.message_id.clear();
  identity_.content_digest = mail::ContentDigest(Mail("pay here", ""));
  found = Find();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->confirmed.size(), 1u);
  EXPECT_EQ(found->confirmed[0].uid, 2u);
  EXPECT_EQ(found->others.size(), 1u);
  EXPECT_FALSE(Commanded("HEADER Message-ID \"\""));
}

TEST_F(ImapStoreTest, EnvelopeAndTimeMustFit) {
  const std::string good = Mail("pay here");
  Fetched fetched{.internal_date = identity_.received, .has_date = true};
  EXPECT_EQ(WhyNotIt(identity_, good, fetched, options_), "");
  std::string other = good;
  other.replace(other.find("<spam@bad.test>"), 15, "<else@bad.test>");
  EXPECT_THAT(WhyNotIt(identity_, other, fetched, options_), HasSubstr("envelope_differs"));
  other = good;
  other.replace(other.find("Delivered-To: bob"), 17, "Delivered-To: eve");
  EXPECT_THAT(WhyNotIt(identity_, other, fetched, options_), HasSubstr("envelope_differs"));
  // What a sender wrote stands below the first Received field and saves no message from removal.
  other = good;
  other.insert(other.find("From:"), "Delivered-To: eve@x.test\r\nReturn-Path: <else@bad.test>\r\n");
  EXPECT_EQ(WhyNotIt(identity_, other, fetched, options_), "");
  other = good.substr(good.find("Received:"));
  EXPECT_EQ(WhyNotIt(identity_, other, fetched, options_), "");
  fetched.internal_date = identity_.received + std::chrono::hours(24 * 30);
  EXPECT_THAT(WhyNotIt(identity_, good, fetched, options_), HasSubstr("time_differs"));
  // "bob+news" is bob's mailbox.
  identity_.recipient = "bob+news@x.test";
  fetched.internal_date = identity_.received;
  EXPECT_EQ(WhyNotIt(identity_, good, fetched, options_), "");
  identity_.content_digest.clear();
  EXPECT_THAT(WhyNotIt(identity_, good, fetched, options_), HasSubstr("digest_unknown"));
}

TEST_F(ImapStoreTest, DroppedAtEachCommand) {
  for (const char* verb : {"greeting", "CAPABILITY", "AUTHENTICATE", "NAMESPACE", "LIST", "EXAMINE",
                           "UID SEARCH", "UID FETCH", "SELECT", "UID STORE", "UID EXPUNGE"}) {
    server_.folders["INBOX"].messages = {{.uid = 4, .bytes = Mail("pay here")}};
    server_.drop_at = verb;
    const auto done = Run(RemoveAllTask());
    ASSERT_FALSE(done) << verb;
    EXPECT_EQ(done.error().code, Code::kUnavailable) << verb << ": " << done.error().ToString();
    EXPECT_EQ(server_.folders["INBOX"].messages.size(), 1u) << verb;
  }
}

TEST_F(ImapStoreTest, NonsenseAtEachCommand) {
  for (const char* verb : {"CAPABILITY", "AUTHENTICATE", "NAMESPACE", "LIST", "EXAMINE",
                           "UID SEARCH", "UID FETCH", "SELECT", "UID STORE", "UID EXPUNGE"}) {
    server_.folders["INBOX"].messages = {{.uid = 4, .bytes = Mail("pay here")}};
    server_.nonsense_at = verb;
    const auto done = Run(RemoveAllTask());
    ASSERT_FALSE(done) << verb;
    EXPECT_EQ(done.error().code, Code::kInvalid) << verb << ": " << done.error().ToString();
  }
}

TEST_F(ImapStoreTest, LiesAboutLengthsAreRefused) {
  server_.folders["INBOX"].messages = {{.uid = 4, .bytes = Mail("pay here")}};
  server_.say_at = "UID FETCH";
  server_.say = "* 1 FETCH (UID 4 BODY[] {4000000000}\r\nabc";
  EXPECT_EQ(Find().error().code, Code::kLimited);
  server_.say = "* 1 FETCH (UID 4 BODY[] {" + std::string(2000, '9') + "}\r\n";
  EXPECT_EQ(Find().error().code, Code::kInvalid);
  server_.say = "* 1 FETCH (UID 4 X " + std::string(5000, '(') + "\r\n";
  EXPECT_EQ(Find().error().code, Code::kLimited);
  options_.max_line = 1000;
  server_.say = std::string(5000, 'x');
  EXPECT_EQ(Find().error().code, Code::kLimited);
  options_.max_responses = 10;
  server_.say.clear();
  for (int i = 0; i < 50; ++i) server_.say += "* 1 EXISTS\r\n";
  EXPECT_EQ(Find().error().code, Code::kLimited);
  // An answer to a command that was not given.
  server_.say = "m99 OK done\r\n";
  EXPECT_EQ(Find().error().code, Code::kInvalid);
  server_.say = "+ more\r\n";
  EXPECT_EQ(Find().error().code, Code::kInvalid);
}

// B03
TEST_F(ImapStoreTest, AFolderMadeAnewIsNotTouched) {
  server_.folders["INBOX"].messages = {{.uid = 4, .bytes = Mail("pay here")}};
  const auto found = Find();
  ASSERT_TRUE(found);
  server_.folders["INBOX"].uid_validity = 2;
  server_.folders["INBOX"].messages[0].bytes = Mail("another");
  const auto removed = Run(mailbox_->Remove(found->confirmed.at(0)));
  EXPECT_EQ(removed.error().code, Code::kConflict);
  EXPECT_EQ(Run(mailbox_->Fetch(found->confirmed.at(0))).error().code, Code::kConflict);
  EXPECT_FALSE(Commanded("STORE"));
}

TEST_F(ImapStoreTest, WithoutUidplusNothingIsMarked) {
  server_.capabilities = "IMAP4rev1 AUTH=PLAIN";  // no SASL-IR and LITERAL+ either
  server_.folders["INBOX"].messages = {{.uid = 4, .bytes = Mail("pay here")}};
  // The log-in then goes by a continuation, which the fake does not ask for: it takes the command
  // alone.
  server_.login_answer = "OK fine";
  const auto removed = Run(RemoveAllTask());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Code::kDenied);
  EXPECT_FALSE(Commanded("STORE"));
  EXPECT_FALSE(Commanded("EXPUNGE"));
}

TEST_F(ImapStoreTest, ARefusedExpungeTakesTheMarkBack) {
  server_.folders["INBOX"].messages = {{.uid = 4, .bytes = Mail("pay here")}};
  server_.say_at = "UID EXPUNGE";
  server_.say = "m9 NO [NOPERM] no\r\n";
  const auto found = Find();
  ASSERT_TRUE(found);
  // Commands of this session so far: CAPABILITY m1, AUTHENTICATE m2, CAPABILITY m3, NAMESPACE m4,
  // LIST m5, EXAMINE m6, SEARCH m7, FETCH m8; then SELECT m9, STORE m10, EXPUNGE m11.
  server_.say = "m11 NO [NOPERM] no\r\n";
  const auto removed = Run(mailbox_->Remove(found->confirmed.at(0)));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Code::kDenied) << removed.error().ToString();
  EXPECT_FALSE(server_.folders["INBOX"].messages[0].flags.contains("\\Deleted"));
}

TEST_F(ImapStoreTest, ReadOnlyAndUnreadableFoldersAreTold) {
  server_.folders["INBOX"] = {.messages = {{.uid = 4, .bytes = Mail("pay here")}},
                              .read_only = true};
  server_.folders["Locked"] = {.refuses = true};
  const auto found = Find();
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_EQ(found->folders_unreadable, std::vector<std::string>{"Locked"});
  EXPECT_EQ(found->folders_searched, 1u);
  EXPECT_EQ(Run(mailbox_->Remove(found->confirmed.at(0))).error().code, Code::kDenied);
  EXPECT_FALSE(Commanded("STORE"));
}

TEST_F(ImapStoreTest, HostileFolderNames) {
  const std::vector<std::string> names = {"a\"b\\c",   "x\r\nm9 DELETE INBOX",
                                          "&bad",      "&AGE-",
                                          "\xff\xfe",  "{5+}",
                                          "../../etc", "Pl&AOQ-ne",
                                          "* OK evil", std::string(3000, 'n'),
                                          "%",         "*"};
  for (const std::string& name : names) {
    server_.folders[name].messages = {{.uid = 9, .bytes = Mail("pay here")}};
  }
  server_.folders["Other/eve"].messages = {{.uid = 9, .bytes = Mail("pay here")}};
  server_.folders["Parent"].attributes = "\\Noselect";
  for (const bool literal_plus : {true, false}) {
    if (!literal_plus) server_.capabilities = "IMAP4rev1 SASL-IR UIDPLUS NAMESPACE AUTH=PLAIN";
    const auto found = Find();
    ASSERT_TRUE(found) << found.error().ToString();
    EXPECT_EQ(found->confirmed.size(), names.size());
    for (const auto& location : found->confirmed) EXPECT_TRUE(IsValidUtf8(location.folder));
  }
  ASSERT_TRUE(Run(RemoveAllTask()));
  for (const std::string& name : names) EXPECT_TRUE(server_.folders[name].messages.empty()) << name;
  // Another user's folder is another mailbox.
  EXPECT_EQ(server_.folders["Other/eve"].messages.size(), 1u);
  for (const std::string& command : server_.commands) EXPECT_FALSE(command.starts_with("DELETE"));
}

TEST_F(ImapStoreTest, LogInIsRefused) {
  server_.login_answer = "NO [AUTHENTICATIONFAILED] no";
  EXPECT_EQ(Find().error().code, Code::kUnauthenticated);
  server_.login_answer = "NO no";
  EXPECT_EQ(Find().error().code, Code::kUnauthenticated);
  server_.login_answer = "NO [AUTHORIZATIONFAILED] no such user";
  EXPECT_EQ(Find().error().code, Code::kNotFound);
  server_.login_answer = "NO [UNAVAILABLE] later";
  EXPECT_EQ(Find().error().code, Code::kUnavailable);
  // An address with the separator in it would name another master user.
  const size_t before = server_.commands.size();
  identity_.recipient = "bob*root@x.test";
  EXPECT_EQ(Find().error().code, Code::kNotFound);
  for (size_t i = before; i < server_.commands.size(); ++i) {
    EXPECT_FALSE(server_.commands[i].starts_with("AUTHENTICATE"));
  }
  options_.secret_file = "/nonexistent";
  EXPECT_EQ(Find().error().code, Code::kUnauthenticated);
}

TEST_F(ImapStoreTest, GreetingsThatAreNone) {
  for (const auto& [greeting, code] :
       std::vector<std::pair<std::string, Code>>{{"* BYE overloaded", Code::kUnavailable},
                                                 {"* PREAUTH hello", Code::kInvalid},
                                                 {"220 smtp.example ESMTP", Code::kInvalid},
                                                 {"* 3 EXISTS", Code::kInvalid}}) {
    server_.greeting = greeting;
    EXPECT_EQ(Find().error().code, code) << greeting;
  }
}

TEST_F(ImapStoreTest, PlainTextNeedsToBeAllowed) {
  options_.allow_plain = false;
  EXPECT_EQ(ImapStore::Make(options_).error().code, Code::kInvalid);
  options_.security = Security::kTls;
  options_.ca_file = "/nonexistent/ca.pem";
  EXPECT_EQ(ImapStore::Make(options_).error().code, Code::kInvalid);
}

TEST(MailboxUserTest, CutsTheDetail) {
  EXPECT_EQ(MailboxUser("bob+a+b@x.test", '+'), "bob@x.test");
  EXPECT_EQ(MailboxUser("bob@x.test", '+'), "bob@x.test");
  EXPECT_EQ(MailboxUser("+bob@x.test", '+'), "+bob@x.test");
  EXPECT_EQ(MailboxUser("bob+a@x.test", 0), "bob+a@x.test");
}

}  // namespace
}  // namespace mailreeve::mailbox::imap
