#include "gateway/milter/session.h"

#include "base/bytes.h"
#include "gateway/milter/answer.h"
#include "gateway/milter/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::gateway::milter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Z(std::initializer_list<std::string_view> strings) {
  std::string out;
  for (const auto text : strings) out.append(text).push_back('\0');
  return out;
}

std::string OfferData(uint32_t version, uint32_t actions, uint32_t steps) {
  std::string out;
  AppendNumber(out, version);
  AppendNumber(out, actions);
  AppendNumber(out, steps);
  return out;
}

std::string ConnectData(std::string_view host, std::string_view address, char family = '4',
                        uint16_t port = 25) {
  std::string out = Z({host});
  out += family;
  out += static_cast<char>(port >> 8);
  out += static_cast<char>(port & 0xff);
  return out + Z({address});
}

constexpr uint32_t kAllActions = 0x1ff, kAllSteps = 0x1fffff;

class SessionTest : public testing::Test {
 protected:
  void Begin(StageSet asked = {}, uint32_t version = 6, uint32_t steps = kAllSteps) {
    session_ = std::make_unique<Session>(options_, asked, counters_, serial_);
    Go('O', OfferData(version, kAllActions, steps));
  }

  Step Go(char command, std::string_view data = {}) {
    auto step = session_->Take({command, data});
    EXPECT_TRUE(step.has_value()) << command << ": " << (step ? "" : step.error().ToString());
    return step ? *std::move(step) : Step{};
  }

  void Envelope() {
    Go('C', ConnectData("mx.example.org", "192.0.2.1"));
    Go('H', Z({"helo.example.org"}));
    Go('M', Z({"<a@example.org>", "SIZE=10"}));
    Go('R', Z({"<b@example.net>"}));
  }

  MilterMessage Finish() {
    EXPECT_EQ(Go('E').kind, Step::Kind::kAskMessage);
    MilterMessage message = session_->TakeMessage();
    session_->MessageDone();
    return message;
  }

  Options options_;
  Counters counters_;
  uint64_t serial_ = 0;
  std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, RebuildsTheMessageExactly) {
  Begin();
  Envelope();
  Go('L', Z({"Subject", " two\n lines"}));
  Go('L', Z({"X-Tight", "no space"}));
  Go('L', Z({"X-Crlf", " a\r\n\tb"}));
  Go('L', Z({"X-Empty", ""}));
  Go('N');
  Go('B', "body\r\n");
  Go('B', std::string_view("nul\0 and \xff\r\n.\r\n", 15));
  const MilterMessage message = Finish();
  EXPECT_EQ(message.raw,
            std::string(
                "Subject: two\r\n lines\r\nX-Tight:no space\r\nX-Crlf: a\r\n\tb\r\nX-Empty:\r\n\r\n"
                "body\r\n") +
                std::string("nul\0 and \xff\r\n.\r\n", 15));
  EXPECT_EQ(message.raw.substr(message.header_bytes, 4), "\r\nbo");
}

TEST_F(SessionTest, TellsConnectionAndEnvelope) {
  Begin();
  Go('D', "C" + Z({"j", "mta.example", "{daemon_name}", "smtpd", "{client_ptr}", "ptr.example",
                   "{nobody_asked}", "x"}));
  Go('C', ConnectData("mx.example.org", "::ffff:192.0.2.7", '6', 40001));
  Go('H', Z({"first"}));
  Go('H', Z({"second"}));
  Go('D',
     "M" + Z({"{tls_version}", "TLSv1.3", "{cipher}", "X", "{auth_authen}", "alice", "i", "4Q1"}));
  Go('M', Z({"<>"}));
  Go('R', Z({"<b@example.net>", "NOTIFY=NEVER"}));
  Go('R', Z({"<c@example.net>"}));
  Go('D', "E" + Z({"i", "4Q2long"}));
  const MilterMessage message = Finish();
  EXPECT_EQ(message.connection.address, "192.0.2.7");
  EXPECT_EQ(message.connection.port, 40001);
  EXPECT_EQ(message.connection.helo, "second");
  EXPECT_EQ(message.connection.mta_host, "mta.example");
  EXPECT_EQ(message.connection.daemon_name, "smtpd");
  EXPECT_EQ(message.connection.client_ptr, "ptr.example");
  EXPECT_EQ(message.connection.tls_version, "TLSv1.3");
  EXPECT_EQ(message.connection.auth_authen, "alice");
  EXPECT_EQ(message.queue_id, "4Q2long");
  EXPECT_EQ(message.from.address(), "");
  EXPECT_EQ(message.from.raw, "<>");
  ASSERT_EQ(message.recipients.size(), 2U);
  EXPECT_EQ(message.recipients[0].address(), "b@example.net");
  EXPECT_THAT(message.recipients[0].arguments, ElementsAre("NOTIFY=NEVER"));
}

TEST_F(SessionTest, MacrosOfOneMessageDoNotReachTheNext) {
  Begin();
  Go('C', ConnectData("h", "192.0.2.1"));
  Go('D', "M" + Z({"i", "ONE", "{auth_authen}", "alice"}));
  Go('M', Z({"<a@a>"}));
  Go('R', Z({"<b@b>"}));
  EXPECT_EQ(Finish().queue_id, "ONE");
  // The second one ends by abort between its macros and its command.
  Go('D', "M" + Z({"i", "TWO", "{auth_authen}", "bob"}));
  Go('A');
  Go('M', Z({"<a@a>"}));
  Go('R', Z({"<b@b>"}));
  const MilterMessage third = Finish();
  EXPECT_EQ(third.queue_id, "");
  EXPECT_EQ(third.connection.auth_authen, "");
  EXPECT_EQ(third.index, 2U);
  EXPECT_EQ(third.connection.serial, 1U);
}

TEST_F(SessionTest, NewMessageWithoutAbortAbortsTheOldOne) {
  Begin();
  Envelope();
  Go('L', Z({"Subject", " old"}));
  const Step macros = Go('D', "M" + Z({"i", "NEW"}));
  ASSERT_TRUE(macros.abort.has_value());
  EXPECT_EQ(macros.abort->stage, Stage::kHeader);
  EXPECT_FALSE(Go('M', Z({"<z@z>"})).abort.has_value());
  Go('R', Z({"<b@b>"}));
  const MilterMessage message = Finish();
  EXPECT_EQ(message.queue_id, "NEW");
  EXPECT_EQ(message.from.address(), "z@z");
  EXPECT_EQ(message.raw, "\r\n");
}

// Every command in every place: it goes on, begins anew, or breaks the dialogue.
TEST_F(SessionTest, OrderOfCommands) {
  const std::vector<std::pair<char, std::string>> commands = {{'C', ConnectData("h", "192.0.2.1")},
                                                              {'H', Z({"h"})},
                                                              {'M', Z({"<a@a>"})},
                                                              {'R', Z({"<b@b>"})},
                                                              {'T', ""},
                                                              {'L', Z({"A", " b"})},
                                                              {'N', ""},
                                                              {'B', "x"},
                                                              {'E', ""},
                                                              {'U', Z({"XYZ"})},
                                                              {'A', ""},
                                                              {'Q', ""},
                                                              {'K', ""},
                                                              {'O', OfferData(6, 0, 0)},
                                                              {'D', "M"},
                                                              {'?', ""}};
  // Letters: + fine, a fine after an implied abort, - the connection ends.
  //                     C H M R T L N B E U A Q K O D ?
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "+--------++++-+-"},       {"C", "-++------++++-+-"},
      {"CM", "-aa++++++++++-+-"},     {"CMR", "-aa++++++++++-+-"},
      {"CMRT", "-aa--++++++++-+-"},   {"CMRTL", "-aa--++++++++-+-"},
      {"CMRTLN", "-aa----++++++-+-"}, {"CMRTLNB", "-aa----++++++-+-"},
  };
  for (const auto& [before, row] : table) {
    ASSERT_EQ(row.size(), commands.size()) << before;
    for (size_t i = 0; i < commands.size(); ++i) {
      Begin();
      for (const char c : before) {
        for (const auto& [command, data] : commands) {
          if (command == c) Go(c, data);
        }
      }
      const auto step = session_->Take({commands[i].first, commands[i].second});
      const std::string where = "after '" + before + "' comes " + commands[i].first;
      if (row[i] == '-') {
        EXPECT_FALSE(step.has_value()) << where;
        continue;
      }
      ASSERT_TRUE(step.has_value()) << where << ": " << step.error().ToString();
      if (row[i] == 'a') EXPECT_TRUE(step->abort.has_value()) << where;
    }
  }
}

TEST_F(SessionTest, AbortAnywhereIsToldOnceAndFreesMemory) {
  for (size_t stop = 0; stop <= 7; ++stop) {
    for (const bool disconnect : {false, true}) {
      Begin();
      size_t step = 0;
      const auto go = [&](char c, const std::string& data) {
        if (step++ < stop) Go(c, data);
      };
      go('C', ConnectData("h", "192.0.2.1"));
      go('D', "M" + Z({"i", "QID"}));
      go('M', Z({"<a@a>"}));
      go('R', Z({"<b@b>"}));
      go('L', Z({"A", " b"}));
      go('N', "");
      go('B', "body");
      std::optional<Abort> abort = disconnect ? session_->Disconnect() : Go('A').abort;
      EXPECT_EQ(abort.has_value(), stop >= 3) << stop;
      if (abort) {
        EXPECT_EQ(abort->queue_id, "QID");
        EXPECT_EQ(abort->disconnected, disconnect);
      }
      EXPECT_EQ(counters_.buffered_bytes_now, 0U);
      EXPECT_FALSE(session_->Disconnect().has_value());
    }
  }
}

TEST_F(SessionTest, AbortByAWrongCommandIsToldAtTheEnd) {
  Begin();
  Envelope();
  EXPECT_FALSE(session_->Take({'C', ConnectData("h", "192.0.2.1")}).has_value());
  const auto abort = session_->Disconnect();
  ASSERT_TRUE(abort.has_value());
  EXPECT_EQ(abort->stage, Stage::kRcpt);
}

TEST_F(SessionTest, NewConnectionOnTheSameSocket) {
  Begin();
  Envelope();
  Finish();
  Go('K');
  Go('C', ConnectData("other", "2001:DB8::1", '6'));
  Go('M', Z({"<a@a>"}));
  const MilterMessage message = Finish();
  EXPECT_EQ(message.connection.serial, 2U);
  EXPECT_EQ(message.connection.address, "2001:db8::1");
  EXPECT_EQ(message.connection.helo, "");
  EXPECT_EQ(message.index, 1U);
}

TEST_F(SessionTest, AddressFamilies) {
  const auto connect = [&](const std::string& data) {
    Begin();
    Go('C', data);
    return session_->transaction().connection;
  };
  EXPECT_EQ(connect(Z({"h"}) + "U").address, "");
  EXPECT_EQ(connect(ConnectData("h", "/run/x", 'L', 0)).socket_path, "/run/x");
  EXPECT_EQ(connect(ConnectData("h", "IPv6:2001:db8::0001", '6')).address, "2001:db8::1");
  EXPECT_EQ(connect(ConnectData("h", "not an address", '4')).address, "");
}

TEST_F(SessionTest, MalformedPackets) {
  const std::vector<std::pair<char, std::string>> bad = {
      {'C', "no end"},
      {'C', Z({"h"})},
      {'C', Z({"h"}) + "4"},
      {'C', Z({"h"}) + "4\1"},
      {'C', Z({"h"}) + std::string("4\0\1no end", 9)},
      {'C', Z({"h"}) + "X"},
      {'D', ""},
      {'D', "?"},
      {'D', "Mno end"},
      {'D', "M" + Z({"name only"})},
      {'U', "no end"},
  };
  for (const auto& [command, data] : bad) {
    Begin();
    EXPECT_FALSE(session_->Take({command, data}).has_value()) << command << " " << data;
  }
  const std::vector<std::pair<char, std::string>> bad_later = {
      {'H', "no end"},           {'M', ""}, {'M', Z({"<a@a>"}) + "no end"}, {'R', "no end"},
      {'L', Z({"only a name"})}, {'L', ""}};
  for (const auto& [command, data] : bad_later) {
    Begin();
    Go('C', ConnectData("h", "192.0.2.1"));
    if (command == 'R' || command == 'L') Go('M', Z({"<a@a>"}));
    EXPECT_FALSE(session_->Take({command, data}).has_value()) << command << " " << data;
  }
}

TEST_F(SessionTest, Negotiation) {
  struct Row {
    uint32_t version, steps;
    StageSet asked;
    uint32_t want_version, want_steps;
  };
  const std::vector<Row> table = {
      {6, kAllSteps, {}, 6, 0x1cf780},
      {6, 0x7fffffff, {}, 6, 0x1cf780},
      {99, kAllSteps, {}, 6, 0x1cf780},
      {6, 0, {}, 6, 0},
      {6,
       kAllSteps,
       {Stage::kConnect, Stage::kHelo, Stage::kMail, Stage::kRcpt, Stage::kData, Stage::kUnknown},
       6,
       0x1c0480},
      {4, kAllSteps, {}, 4, protocol::kNoUnknown | protocol::kNoData},
      {3, kAllSteps, {}, 3, protocol::kNoUnknown},
      {2, kAllSteps, {}, 2, 0},
  };
  for (const Row& row : table) {
    options_ = {};
    Session session(options_, row.asked, counters_, serial_);
    const auto step = session.Take({'O', OfferData(row.version, kAllActions, row.steps)});
    ASSERT_TRUE(step.has_value());
    EXPECT_EQ(session.agreement().version, row.want_version);
    // kNoReplyData and kNoReplyUnknown are not needed where the step itself is left out.
    EXPECT_EQ(session.agreement().protocol, row.want_steps & row.steps)
        << row.version << " " << std::hex << session.agreement().protocol;
    EXPECT_EQ(session.agreement().actions & ~(row.version < 6 ? 0x3fU : kAllActions), 0U);
  }
  for (const uint32_t version : {0U, 1U}) {
    Session session(options_, {}, counters_, serial_);
    EXPECT_FALSE(session.Take({'O', OfferData(version, kAllActions, kAllSteps)}).has_value());
  }
  Session session(options_, {}, counters_, serial_);
  EXPECT_FALSE(session.Take({'O', "short"}).has_value());
  EXPECT_FALSE(Session(options_, {}, counters_, serial_).Take({'M', Z({"<a@a>"})}).has_value());
}

TEST_F(SessionTest, ChoosesMacrosOnlyWhenItMay) {
  Session may(options_, {}, counters_, serial_);
  EXPECT_THAT(may.Take({'O', OfferData(6, kAllActions, kAllSteps)})->packets,
              HasSubstr("{auth_authen}"));
  Session may_not(options_, {}, counters_, serial_);
  EXPECT_EQ(may_not.Take({'O', OfferData(6, kAllActions & ~action::kSetMacros, kAllSteps)})
                ->packets.size(),
            17U);
}

TEST_F(SessionTest, OldMailServersWaitEverywhere) {
  Begin({}, 2);
  std::string answers;
  const auto go = [&](char command, const std::string& data) {
    const Step step = Go(command, data);
    answers += step.packets.size() == 5 ? step.packets[4] : '?';
  };
  go('C', ConnectData("h", "192.0.2.1"));
  go('H', Z({"h"}));
  go('M', Z({"<a@a>"}));
  go('R', Z({"<b@b>"}));
  go('L', Z({"Subject", "x"}));
  go('N', "");
  go('B', "text");
  EXPECT_EQ(answers, "ccccccc");
  // Without the leading-space agreement the mail server has taken one space away.
  EXPECT_EQ(Finish().raw, "Subject: x\r\n\r\ntext");
}

TEST_F(SessionTest, Limits) {
  struct Row {
    std::string name;
    void (*set)(Options&);
  };
  const std::vector<Row> table = {
      {"recipients", [](Options& o) { o.max_recipients = 1; }},
      {"address_bytes", [](Options& o) { o.max_address_bytes = 16; }},
      {"address_arguments", [](Options& o) { o.max_address_arguments = 0; }},
      {"envelope_bytes", [](Options& o) { o.max_envelope_bytes = 40; }},
      {"headers", [](Options& o) { o.max_headers = 1; }},
      {"header_bytes", [](Options& o) { o.max_header_bytes = 20; }},
      {"message_bytes", [](Options& o) { o.max_message_bytes = 40; }},
      {"buffered_bytes", [](Options& o) { o.max_buffered_bytes = 100; }},
  };
  for (const Row& row : table) {
    options_ = {};
    row.set(options_);
    Begin();
    for (int round = 0; round < 2; ++round) {
      if (round == 0) Go('C', ConnectData("h", "192.0.2.1"));
      Go('M', Z({"<a@example.org>", "SIZE=10"}));
      Go('R', Z({"<b@example.net>"}));
      Go('R', Z({"<c@example.net>"}));
      Go('L', Z({"Subject", " one"}));
      Go('L', Z({"Subject", " two"}));
      Go('N');
      Go('B', std::string(64, 'x'));
      Go('B', std::string(64, 'x'));
      EXPECT_EQ(Go('E').kind, Step::Kind::kAskMessage);
      EXPECT_EQ(session_->limit_hit(), row.name);
      EXPECT_EQ(counters_.buffered_bytes_now, 0U) << "what is over a limit is not kept";
      session_->MessageDone();
    }
    options_ = {};
    Go('M', Z({"<a@example.org>"}));
    EXPECT_EQ(Go('E').kind, Step::Kind::kAskMessage);
    EXPECT_EQ(session_->limit_hit(), "");
    session_->MessageDone();
  }
}

TEST_F(SessionTest, TooLargeBodyIsSkippedWhereTheMailServerWaits) {
  options_.max_message_bytes = 10;
  Begin({}, 6, protocol::kSkip);
  Envelope();
  EXPECT_EQ(Go('B', "small").packets[4], 'c');
  EXPECT_EQ(Go('B', "no longer small").packets[4], 's');
}

TEST_F(SessionTest, MacroFlood) {
  Begin();
  std::string flood = "C";
  for (int i = 0; i < 100'000; ++i) flood += Z({"j", "x"});
  Go('D', flood);
  std::string big = "C" + Z({"j", std::string(900'000, 'x')});
  Go('D', big);
  Go('C', ConnectData("h", "192.0.2.1"));
  Go('M', Z({"<a@a>"}));
  EXPECT_EQ(Finish().connection.mta_host, "");
}

TEST_F(SessionTest, RefusedRecipientIsNone) {
  Begin({Stage::kRcpt});
  Go('C', ConnectData("h", "192.0.2.1"));
  Go('M', Z({"<a@a>"}));
  for (const auto& [address, kind] :
       std::vector<std::pair<std::string, Decision::Kind>>{{"<yes@x>", Decision::Kind::kContinue},
                                                           {"<no@x>", Decision::Kind::kReject},
                                                           {"<later@x>", Decision::Kind::kReply}}) {
    const Step step = Go('R', Z({address}));
    ASSERT_EQ(step.kind, Step::Kind::kAskStage);
    EXPECT_EQ(session_->transaction().recipients.back().raw, address);
    session_->Decided(Stage::kRcpt, kind);
  }
  const MilterMessage message = Finish();
  ASSERT_EQ(message.recipients.size(), 1U);
  EXPECT_EQ(message.recipients[0].raw, "<yes@x>");
}

TEST(PacketReaderTest, ByteByByteAndLies) {
  std::string stream;
  AppendPacket(stream, static_cast<Reply>('M'), "one");
  AppendPacket(stream, static_cast<Reply>('N'));
  AppendPacket(stream, static_cast<Reply>('B'), std::string(100'000, 'x'));
  PacketReader reader(1 << 20);
  std::string seen;
  for (const char c : stream) {
    reader.Space()[0] = c;
    reader.Commit(1);
    const auto packet = reader.Next();
    ASSERT_TRUE(packet.has_value());
    if (*packet) seen += (*packet)->command + std::to_string((*packet)->data.size()) + " ";
  }
  EXPECT_EQ(seen, "M3 N0 B100000 ");
  EXPECT_FALSE(reader.partial());

  for (const std::string& lie :
       {std::string("\0\0\0\0", 4), std::string("\xff\xff\xff\xff", 4),
        std::string("\x7f\xff\xff\xff", 4), std::string("\0\x10\0\1", 4)}) {
    PacketReader liar(1 << 20);
    std::copy(lie.begin(), lie.end(), liar.Space().begin());
    liar.Commit(4);
    EXPECT_FALSE(liar.Next().has_value()) << HexEncode(lie);
  }
}

TEST(AnswerTest, RepliesAreSafe) {
  EXPECT_EQ(*ReplyLine(550, "5.7.1", "a\r\nDATA\r\n", 400), "550 5.7.1 a  DATA  ");
  EXPECT_EQ(*ReplyLine(550, "4.0.0", "wrong class", 400), "550 5.7.1 wrong class");
  EXPECT_EQ(*ReplyLine(451, "4.7.1\r\n", "x", 400), "451 4.7.1 x");
  EXPECT_EQ(*ReplyLine(451, "", "100% \xc3\xa9", 400), "451 4.7.1 100%% ??");
  EXPECT_EQ(ReplyLine(550, "", std::string(10'000, 'x'), 400)->size(), 410U);
  for (const int code : {0, 250, 399, 600, -1})
    EXPECT_FALSE(ReplyLine(code, "", "x", 400).has_value());
}

Agreement Everything() { return *Agree({6, kAllActions, kAllSteps}, {}); }

std::string Commands(std::string_view packets) {
  std::string out;
  while (!packets.empty()) {
    const auto size = TakeNumber(packets);
    out += packets[0];
    packets.remove_prefix(*size);
  }
  return out;
}

TEST(AnswerTest, ActionsAtStages) {
  const Options options;
  const Agreement agreement = Everything();
  const std::vector<std::pair<Decision, char>> plain = {
      {Decision::Continue(), 'c'}, {Decision::Accept(), 'a'},
      {Decision::Reject(), 'r'},   {Decision::TempFail(), 't'},
      {Decision::Discard(), 'd'},  {Decision::Reply(550, "5.7.1", "no"), 'y'}};
  for (uint8_t i = 0; i < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    const bool has_message =
        stage != Stage::kConnect && stage != Stage::kHelo && stage != Stage::kUnknown;
    for (const auto& [decision, letter] : plain) {
      const auto packets = EncodeDecision(decision, stage, agreement, options);
      if (decision.kind == Decision::Kind::kDiscard && !has_message) {
        EXPECT_FALSE(packets.has_value());
        continue;
      }
      ASSERT_TRUE(packets.has_value());
      EXPECT_EQ(Commands(*packets), std::string(1, letter));
    }
    for (const Decision& change :
         {Decision::Quarantine("q"), Decision::Accept().With(AddHeader{"A", "b"})}) {
      EXPECT_EQ(EncodeDecision(change, stage, agreement, options).has_value(),
                stage == Stage::kEndOfMessage);
    }
  }
}

TEST(AnswerTest, Changes) {
  const Options options;
  Decision decision = Decision::Quarantine("bad\nmail");
  decision.changes = {AddHeader{"X-A", "v"},
                      InsertHeader{0, "X-B", "v"},
                      ChangeHeader{2, "Subject", "a\r\n b\r\nBcc: x"},
                      DeleteHeader{1, "X-C"},
                      ReplaceBody{std::string(70'000, 'x')},
                      ChangeSender{"s@x", ""},
                      AddRecipient{"<r@x>", ""},
                      AddRecipient{"t@x", "NOTIFY=NEVER"},
                      DeleteRecipient{"<u@x>"}};
  const auto packets = EncodeDecision(decision, Stage::kEndOfMessage, Everything(), options);
  ASSERT_TRUE(packets.has_value()) << packets.error().ToString();
  EXPECT_EQ(Commands(*packets), "himmbbe+2-qa");
  EXPECT_THAT(*packets, HasSubstr(Z({"X-A", " v"})));
  EXPECT_THAT(*packets, HasSubstr(Z({"Subject", " a\n b Bcc: x"})));
  EXPECT_THAT(*packets, HasSubstr("q" + Z({"bad mail"})));
  EXPECT_THAT(*packets, HasSubstr(Z({"<t@x>", "NOTIFY=NEVER"})));

  Decision empty_body = Decision::Accept().With(ReplaceBody{""});
  EXPECT_EQ(Commands(*EncodeDecision(empty_body, Stage::kEndOfMessage, Everything(), options)),
            "ba");

  const std::vector<Modification> refused = {AddHeader{"Bad name", "v"},
                                             AddHeader{"", "v"},
                                             AddHeader{"A:b", "v"},
                                             AddHeader{"A", std::string(100'000, 'x')},
                                             ChangeHeader{1, "A", ""},
                                             AddRecipient{"a\r\n@x", ""},
                                             DeleteRecipient{std::string("a\0b", 3)},
                                             ChangeSender{std::string(5000, 'x'), ""}};
  for (const Modification& change : refused) {
    EXPECT_FALSE(
        EncodeDecision(Decision::Accept().With(change), Stage::kEndOfMessage, Everything(), options)
            .has_value());
  }
  // Not agreed to: not done by halves.
  const Agreement nothing = *Agree({6, 0, kAllSteps}, {});
  for (const Modification& change : decision.changes) {
    EXPECT_FALSE(
        EncodeDecision(Decision::Accept().With(change), Stage::kEndOfMessage, nothing, options)
            .has_value());
  }
  EXPECT_FALSE(EncodeDecision(Decision::Quarantine("x"), Stage::kEndOfMessage, nothing, options)
                   .has_value());
}

}  // namespace
}  // namespace mailreeve::gateway::milter
