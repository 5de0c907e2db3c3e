#include "mailbox/imap/wire.h"

#include <gtest/gtest.h>

namespace mailreeve::mailbox::imap {
namespace {

TEST(ParseResponseTest, ReadsTheShapesOfTheProtocol) {
  auto list = ParseResponse("* LIST (\\HasNoChildren \\Junk) \"/\" \"a \\\"b\\\\\"");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->name, "LIST");
  ASSERT_EQ(list->items.size(), 3u);
  EXPECT_EQ(list->items[0].items[1].text, "\\Junk");
  EXPECT_EQ(list->items[2].text, "a \"b\\");

  auto fetch = ParseResponse(
      "* 12 FETCH (UID 7 FLAGS (\\Seen) BODY[HEADER.FIELDS (MESSAGE-ID)] {5}\r\nab)\r\n X \"\" Y "
      "NIL)");
  ASSERT_TRUE(fetch) << fetch.error().message;
  EXPECT_EQ(fetch->number, 12u);
  const auto& items = fetch->items[0].items;
  ASSERT_EQ(items.size(), 10u);
  EXPECT_EQ(items[4].text, "BODY[HEADER.FIELDS (MESSAGE-ID)]");
  EXPECT_EQ(items[5].text, "ab)\r\n");
  EXPECT_TRUE(items[9].is_nil());

  auto no = ParseResponse("m3 NO [AUTHORIZATIONFAILED] who {5}");
  ASSERT_TRUE(no);
  EXPECT_EQ(no->kind, Response::Kind::kTagged);
  EXPECT_EQ(no->code_name(), "AUTHORIZATIONFAILED");
  EXPECT_EQ(no->text, "who {5}");
  EXPECT_EQ(ParseResponse("+ go on")->text, "go on");
  EXPECT_TRUE(ParseResponse("* SEARCH"));
  EXPECT_TRUE(ParseResponse("* SEARCH "));
}

TEST(ParseResponseTest, RefusesWhatIsNoImap) {
  for (const char* bad : {"",
                          " ",
                          "*",
                          "* ",
                          "* 12",
                          "* LIST (",
                          "* LIST (a",
                          "* LIST )",
                          "* LIST \"a",
                          "* LIST \"a\\",
                          "* X {3}\r\nab",
                          "* X {99999999999}\r\n",
                          "* X {3}ab",
                          "* X (a  b)",
                          "* X [",
                          "* X a[b",
                          "m1 FETCH",
                          "* OK [UIDVALIDITY 1",
                          "* X \x01",
                          "* X (a )"}) {
    EXPECT_FALSE(ParseResponse(bad)) << bad;
  }
  EXPECT_EQ(ParseResponse("* X " + std::string(1000, '(')).error().code, Code::kLimited);
  std::string many = "* SEARCH";
  for (int i = 0; i < 400; ++i) many += " 1";
  EXPECT_EQ(ParseResponse(many, {.max_nodes = 100}).error().code, Code::kLimited);
}

TEST(AnnouncedLiteralTest, OnlyWhereOneCanStand) {
  EXPECT_EQ(AnnouncedLiteral("* 1 FETCH (BODY[] {12}", "* 1 FETCH (BODY[] {12}"), 12u);
  EXPECT_EQ(AnnouncedLiteral("* LIST () \"/\" {3}", "* LIST () \"/\" {3}"), 3u);
  EXPECT_FALSE(AnnouncedLiteral("* OK text {12}", "* OK text {12}"));
  EXPECT_FALSE(AnnouncedLiteral("m1 no text {12}", "m1 no text {12}"));
  EXPECT_FALSE(AnnouncedLiteral("+ {12}", "+ {12}"));
  EXPECT_FALSE(AnnouncedLiteral("* X {-1}", "* X {-1}"));
  EXPECT_FALSE(AnnouncedLiteral("* X {99999999999}", "* X {99999999999}"));
}

// B05: no argument can end its command or begin another.
TEST(CommandTest, EncodesEveryArgument) {
  Command command("SELECT ");
  command.Argument("a\"b\\c");
  ASSERT_EQ(command.pieces().size(), 1u);
  EXPECT_EQ(command.pieces()[0].bytes, "SELECT \"a\\\"b\\\\c\"");
  Command literal("SELECT ");
  literal.Argument("x\r\nm9 DELETE INBOX").Words(" y");
  ASSERT_EQ(literal.pieces().size(), 3u);
  EXPECT_TRUE(literal.pieces()[1].is_literal);
  EXPECT_EQ(literal.pieces()[2].bytes, " y");
  Command spoilt("SELECT ");
  spoilt.Argument(std::string("a\0b", 3));
  EXPECT_TRUE(spoilt.spoilt());
}

TEST(MailboxNameTest, RoundTripsAndRefuses) {
  for (const char* name : {"INBOX", "Pl\xc3\xa4ne & \xe8\xae\xa1\xe5\x88\x92", "&", "a&b",
                           "\xf0\x9f\x93\xa7 mail", "~/x"}) {
    const std::string wire = EncodeMailboxName(name);
    for (const char c : wire) EXPECT_TRUE(c >= ' ' && c <= '~');
    auto back = DecodeMailboxName(wire);
    ASSERT_TRUE(back) << wire;
    EXPECT_EQ(*back, name);
  }
  EXPECT_EQ(EncodeMailboxName(
                "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
            "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
  for (const char* bad :
       {"&", "&AO", "&AGE-", "&2AA-", "&3AA-", "\xc3\xa4", "&!-", "a\x01", "&U,BTFw-&ZeVnLIqe-"}) {
    EXPECT_FALSE(DecodeMailboxName(bad)) << bad;
  }
}

TEST(DateTest, WritesAndReads) {
  const auto time = ParseTime("2026-11-24T04:06:01Z");
  EXPECT_EQ(FormatDate(*time), "24-Nov-2026");
  EXPECT_EQ(*ParseInternalDate("24-Nov-2026 05:06:01 +0100"), *time);
  EXPECT_EQ(*ParseInternalDate(" 4-Nov-2026 23:06:01 -0500"), *ParseTime("2026-11-05T04:06:01Z"));
  for (const char* bad :
       {"", "31-Feb-2026 00:00:00 +0000", "4-Nov-2026", "4-Foo-2026 00:00:00 +0000",
        "4-Nov-2026 24:00:00 +0000", "4-Nov-2026 00:00:00 +0099", "4-Nov-2026 00:00:00 +0000 x"}) {
    EXPECT_FALSE(ParseInternalDate(bad)) << bad;
  }
}

TEST(UidSetTest, JoinsRuns) {
  EXPECT_EQ(UidSet({}), "");
  EXPECT_EQ(UidSet({7}), "7");
  EXPECT_EQ(UidSet({3, 1, 2, 9, 4294967295u}), "1:3,9,4294967295");
}

}  // namespace
}  // namespace mailreeve::mailbox::imap
