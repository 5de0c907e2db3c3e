#include "mail/reader.h"

#include "base/text.h"
#include "json/json.h"
#include "mail/content_digest.h"
#include "observable/observable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

namespace mailreeve::mail {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::string> AddressesOf(const Inspection& i, AddressRole role) {
  std::vector<std::string> out;
  for (const auto& a : i.addresses) {
    if (a.role == role) out.push_back(a.address);
  }
  return out;
}
std::vector<std::string> UrlsOf(const Inspection& i, UrlSource source) {
  std::vector<std::string> out;
  for (const auto& u : i.urls) {
    if (u.source == source) out.push_back(u.url);
  }
  return out;
}
std::vector<std::string> From(std::string_view header) {
  return AddressesOf(Read(std::string(header) + "\r\n\r\n"), AddressRole::kFrom);
}
std::vector<std::string> NamesOf(const std::string& part_header) {
  const auto i = Read("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part_header +
                      "\r\n\r\nx\r\n--b--\r\n");
  EXPECT_THAT(i.attachments, SizeIs(1));
  return i.attachments.empty() ? std::vector<std::string>() : i.attachments[0].names;
}

TEST(Reader, ReadsAnOrdinaryMessage) {
  const std::string message =
      "Return-Path: <bounce@lists.example.org>\r\n"
      "Received: from mx.example.com (helo.example.net [192.0.2.7])\r\n\tby mail.example.org with "
      "ESMTP id x;"
      " Thu, 1 Jan 2026 10:00:00 +0100\r\n"
      "Authentication-Results: mail.example.org; spf=pass smtp.mailfrom=lists.example.org;\r\n"
      "\tdkim=fail (bad) header.d=example.com\r\n"
      "From: =?utf-8?Q?J=C3=B6rg?= <Joerg@Example.com>\r\n"
      "To: \"Doe, Jane\" <jane@example.org>, bob@example.org\r\n"
      "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n  again\r\n"
      "Date: Thu, 01 Jan 2026 09:59:58 +0100\r\n"
      "Message-ID: <a.b@Example.com>\r\n"
      "In-Reply-To: <x@y.example>\r\nReferences: <w@y.example> <x@y.example>\r\n"
      "Content-Language: en, de-DE\r\nX-Mailer: Thing 1.0\r\n"
      "List-Unsubscribe: <https://lists.example.org/u?1>, <mailto:u@lists.example.org>\r\n"
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=b\"\r\n\r\n"
      "--=b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
      "--c\r\nContent-Type: text/plain\r\n\r\nsee http://one.example.co.uk/a\r\n"
      "--c\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      "<base href=3D\"http://b.example/x/\"><a "
      "href=3D\"http://two.example/?a=3D1&amp;b=3D2\">http://shown.exam=\r\n"
      "ple/</a><img srcset=3D'y.png 1x, //three.example/z 2x' "
      "style=3D'background:url(http://four.example/i)'>"
      "<meta http-equiv=3Drefresh content=3D\"0; url=3Dhttp://five.example/\">\r\n"
      "--c--\r\n"
      "--=b\r\nContent-Type: application/octet-stream; name=a.pdf\r\n"
      "Content-Disposition: attachment; filename*0*=utf-8''%C3%A4; filename*1=.pdf\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n"
      "--=b--\r\n";
  const Inspection i = Read(message);
  EXPECT_THAT(AddressesOf(i, AddressRole::kFrom), ElementsAre("joerg@example.com"));
  EXPECT_EQ(i.addresses[1].display_name, "J\xC3\xB6rg");
  EXPECT_THAT(AddressesOf(i, AddressRole::kTo), ElementsAre("jane@example.org", "bob@example.org"));
  EXPECT_EQ(i.addresses[2].display_name, "Doe, Jane");
  EXPECT_THAT(AddressesOf(i, AddressRole::kReturnPath), ElementsAre("bounce@lists.example.org"));
  EXPECT_EQ(i.subject,
            "Gr\xC3\xBC\xC3\x9F"
            "e again");
  EXPECT_EQ(i.subject_raw, "=?iso-8859-1?Q?Gr=FC=DFe?=\r\n  again");
  EXPECT_EQ(i.message_id_raw, "<a.b@Example.com>");
  EXPECT_FALSE(i.message_id.empty());
  ASSERT_TRUE(i.date.has_value());
  EXPECT_EQ(FormatTime(*i.date), "2026-01-01T08:59:58.000Z");
  EXPECT_THAT(i.received_hosts,
              ElementsAre("mx.example.com", "helo.example.net", "192.0.2.7", "mail.example.org"));
  ASSERT_THAT(i.authentication, SizeIs(2));
  EXPECT_EQ(i.authentication[0], (AuthenticationResult{"mail.example.org", "spf", "pass",
                                                       "smtp.mailfrom=lists.example.org"}));
  EXPECT_EQ(i.authentication[1],
            (AuthenticationResult{"mail.example.org", "dkim", "fail", "header.d=example.com"}));
  EXPECT_THAT(UrlsOf(i, UrlSource::kText), ElementsAre("http://one.example.co.uk/a"));
  EXPECT_THAT(UrlsOf(i, UrlSource::kHtmlAttribute),
              UnorderedElementsAre("http://b.example/x/", "http://two.example/?a=1&b=2",
                                   "http://b.example/x/y.png", "http://three.example/z",
                                   "http://five.example/"));
  EXPECT_THAT(UrlsOf(i, UrlSource::kHtmlText), ElementsAre("http://shown.example/"));
  EXPECT_THAT(UrlsOf(i, UrlSource::kHtmlStyle), ElementsAre("http://four.example/i"));
  EXPECT_THAT(UrlsOf(i, UrlSource::kHeader), ElementsAre("https://lists.example.org/u?1"));
  EXPECT_THAT(i.domains, Contains(Inspection::Domain{"one.example.co.uk", "example.co.uk"}));
  ASSERT_THAT(i.attachments, SizeIs(1));
  EXPECT_THAT(i.attachments[0].names, ElementsAre("\xC3\xA4.pdf", "a.pdf"));
  EXPECT_EQ(i.attachments[0].declared_type, "application/octet-stream");
  EXPECT_EQ(i.attachments[0].sniffed_type, "application/pdf");
  EXPECT_EQ(i.attachments[0].size, 9u);
  EXPECT_EQ(i.attachments[0].md5, "6446a98080f5e51ab7f0abc0e8eda635");
  EXPECT_EQ(i.parts, 5u);
  EXPECT_EQ(i.in_reply_to, i.references.at(1));
  EXPECT_THAT(i.languages, ElementsAre("en", "de-de"));
  EXPECT_EQ(i.mailer, "Thing 1.0");
  EXPECT_EQ(i.size, message.size());
  EXPECT_EQ(i.header_size, message.find("\r\n\r\n") + 2);
  EXPECT_EQ(i.content_digest, ContentDigest(message));
  EXPECT_THAT(i.limits_hit, IsEmpty());
  const auto again = DecodeInspection(Encode(i));
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_EQ(*again, i);
}

TEST(Reader, FindsEveryFromThatSomeReaderWouldShow) {
  EXPECT_THAT(From("From: a@x.example\r\nFrom: b@y.example"),
              ElementsAre("a@x.example", "b@y.example"));
  EXPECT_THAT(From("From : a@x.example"), ElementsAre("a@x.example"));
  EXPECT_THAT(From(" From: a@x.example"), ElementsAre("a@x.example"));
  EXPECT_THAT(From("From:\r\n a@x.example"), ElementsAre("a@x.example"));
  EXPECT_THAT(From("From: a@x.example <b@y.example>"),
              UnorderedElementsAre("a@x.example", "b@y.example"));
  EXPECT_THAT(From("From: <a@x.example> <b@y.example>"),
              UnorderedElementsAre("a@x.example", "b@y.example"));
  EXPECT_THAT(From("From: \"open <b@y.example>"), Contains("b@y.example"));
  EXPECT_THAT(From("From: (open <b@y.example>"), Contains("b@y.example"));
  EXPECT_THAT(From("From: \"<b@y.example>\" <a@x.example>"),
              UnorderedElementsAre("a@x.example", "b@y.example"));
  EXPECT_THAT(From("From: Bank, Inc <b@y.example>"), Contains("b@y.example"));
  EXPECT_THAT(From("From: Service [x] b@y.example"), Contains("b@y.example"));
  EXPECT_THAT(From("From: <@a.example,@b.example:b@y.example>"), ElementsAre("b@y.example"));
  EXPECT_THAT(From("From: Friends: a@x.example, B <b@y.example>;"),
              UnorderedElementsAre("a@x.example", "b@y.example"));
  EXPECT_THAT(From("From: a(comment (nested))@x.example"), Contains("a@x.example"));
  EXPECT_THAT(From("From: =?utf-8?Q?=3Cb=40y=2Eexample=3E?= <a@x.example>"),
              UnorderedElementsAre("a@x.example", "b@y.example"));
  EXPECT_THAT(From(std::string("From: a@x.example\0.evil", 23)), Contains("a@x.example"));
  EXPECT_THAT(From("garbage\r\nFrom: a@x.example"), ElementsAre("a@x.example"));
  EXPECT_THAT(From("Subject: x\rFrom: a@x.example"), ElementsAre("a@x.example"));
  EXPECT_THAT(From("From: <b@y.example"), Contains("b@y.example"));
}

TEST(Reader, SurvivesDeepAddresses) {
  const std::string comments(100000, '(');
  EXPECT_THAT(From("From: " + comments + " <b@y.example>"), Contains("b@y.example"));
  std::string groups;
  for (int n = 0; n < 50000; ++n) groups += "g:";
  EXPECT_THAT(From("From: " + groups + "b@y.example"), Contains("b@y.example"));
  EXPECT_THAT(From("From: " + std::string(200000, '<') + "b@y.example>"), Contains("b@y.example"));
}

TEST(Reader, DecodesSubjects) {
  const auto subject = [](std::string_view raw) {
    return Read("Subject: " + std::string(raw) + "\n\n").subject;
  };
  EXPECT_EQ(subject("=?utf-8?B?w6Q=?= =?utf-8?B?w7Y=?="), "\xC3\xA4\xC3\xB6");
  EXPECT_EQ(subject("=?utf-8?B?ww==?= =?utf-8?B?pA==?="), "\xC3\xA4");
  EXPECT_EQ(subject("=?utf-8?Q?a b=3D?= c"), "a b= c");
  EXPECT_EQ(subject("=?nonsense?Q?a=FF?="), "a\xC3\xBF");
  EXPECT_EQ(subject("\xD6\xD0\xCE\xC4"), "\xE4\xB8\xAD\xE6\x96\x87");
  EXPECT_EQ(subject("caf\xE9"), "caf\xC3\xA9");
  EXPECT_EQ(subject("=?utf-8?Q?open"), "=?utf-8?Q?open");
  EXPECT_EQ(subject("=?iso-2022-jp?B?GyRCJCIbKEI=?="), "\xE3\x81\x82");
  const auto two = Read("Subject: one\nSubject: two\n\n");
  EXPECT_EQ(two.subject, "one");
  EXPECT_THAT(two.other_subjects, ElementsAre("two"));
  EXPECT_THAT(two.oddities, Contains("duplicate:subject"));
}

TEST(Reader, ReadsDates) {
  const auto date = [](std::string_view text) {
    const auto found = Read("Date: " + std::string(text) + "\n\n").date;
    return found ? FormatTime(*found) : std::string();
  };
  EXPECT_EQ(date("Tue, 13 Jan 2026 10:00:00 -0800 (PST)"), "2026-01-13T18:00:00.000Z");
  EXPECT_EQ(date("13-Jan-26 10:00 EST"), "2026-01-13T15:00:00.000Z");
  EXPECT_EQ(date("Jan 13 2026 10:00:60 +0000"), "2026-01-13T10:00:59.000Z");
  EXPECT_EQ(date("13 Jan 9999 10:00:00+0100"), "9999-01-13T09:00:00.000Z");
  for (const char* bad :
       {"", "31 Feb 2026 10:00:00", "1 Jan 0 10:00:00", "1 Jan 2026 25:00", "1 Jan 2026 +1:", ":",
        "-:", "1 Jan 99999 10:00", "1 Jan 2026 1:99999999999"}) {
    EXPECT_EQ(date(bad), "") << bad;
  }
}

TEST(Reader, ReadsEveryNameOfAnAttachment) {
  EXPECT_THAT(NamesOf("Content-Disposition: attachment; filename=a.txt; filename*=utf-8''b.exe"),
              UnorderedElementsAre("a.txt", "b.exe"));
  EXPECT_THAT(NamesOf("Content-Disposition: attachment; filename*1=.exe; filename*0=a"),
              Contains("a.exe"));
  EXPECT_THAT(NamesOf("Content-Disposition: attachment; filename=\"=?utf-8?B?YS5leGU=?=\""),
              Contains("a.exe"));
  EXPECT_THAT(NamesOf("Content-Disposition: attachment; filename=my file.exe"),
              Contains("my file.exe"));
  EXPECT_THAT(NamesOf("Content-Type: application/x; name=\"a;b.exe\""), Contains("a;b.exe"));
  EXPECT_THAT(NamesOf("Content-Disposition: attachment;\r\n filename*0*=utf-8''%E2%82;\r\n "
                      "filename*1*=%AC.exe"),
              Contains("\xE2\x82\xAC.exe"));
}

TEST(Reader, TakesAmbiguousStructureEveryWay) {
  const std::string body =
      "--a\r\nContent-Type: application/octet-stream; name=a\r\n\r\nhello a\r\n--a--\r\n"
      "--b\r\nContent-Type: application/octet-stream; name=b\r\n\r\nhello b\r\n--b--\r\n";
  for (const char* type : {"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n",
                           "Content-Type: multipart/mixed; boundary=a\r\nContent-Type: "
                           "multipart/mixed; boundary=b\r\n"}) {
    const auto i = Read(std::string(type) + "\r\n" + body);
    ASSERT_THAT(i.attachments, SizeIs(2)) << type;
    EXPECT_THAT(i.attachments[0].names, Not(i.attachments[1].names));
    EXPECT_THAT(i.oddities, Not(IsEmpty()));
  }
}

TEST(Reader, OpensNestedMessages) {
  const std::string inner =
      "From: inner@x.example\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n"
      "Content-Type: application/zip; name=z.zip\r\n\r\nPK\x03\x04rest\r\n--i--\r\n";
  const auto plain = Read(
      "From: outer@x.example\r\nContent-Type: multipart/mixed; "
      "boundary=o\r\n\r\n--o\r\nContent-Type: "
      "message/rfc822\r\n\r\n" +
      inner + "--o--\r\n");
  ASSERT_THAT(plain.attachments, SizeIs(2));
  EXPECT_EQ(plain.attachments[0].declared_type, "message/rfc822");
  EXPECT_EQ(plain.attachments[1].declared_type, "application/zip");
  EXPECT_EQ(plain.attachments[1].sniffed_type, "application/zip");
  EXPECT_EQ(plain.attachments[1].depth, 1u);
  EXPECT_EQ(plain.attachments[1].size, 8u);
  EXPECT_THAT(AddressesOf(plain, AddressRole::kFrom), ElementsAre("outer@x.example"));
  const auto encoded = Read(
      "Content-Type: multipart/digest; boundary=o\r\n\r\n--o\r\n\r\nSubject: "
      "x\r\n\r\nhttp://in.example/\r\n--o\r\n"
      "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
      "U3ViamVjdDogeA0KDQpodHRwOi8vZW5jb2RlZC5leGFtcGxlLw0K\r\n--o--\r\n");
  EXPECT_THAT(UrlsOf(encoded, UrlSource::kText),
              UnorderedElementsAre("http://in.example/", "http://encoded.example/"));
}

TEST(Reader, ReadsOddEncodings) {
  const auto url_in = [](const std::string& encoding, const std::string& text) {
    return UrlsOf(Read("Content-Type: text/plain\r\nContent-Transfer-Encoding: " + encoding +
                       "\r\n\r\n" + text),
                  UrlSource::kText);
  };
  EXPECT_THAT(url_in("base64", "aHR0cDovL3guZXhhbXBsZS9hYg"), Contains("http://x.example/ab"));
  EXPECT_THAT(url_in("\"BASE64\"", "aHR0cDovL3guZXhh!!bXBsZS8="), Contains("http://x.example/"));
  EXPECT_THAT(url_in("8bit+", "http://x.example/"), Contains("http://x.example/"));
  EXPECT_THAT(url_in("hexa", "http://x.exa=\r\nmple/?a=3D1"), Contains("http://x.example/?a=1"));
  EXPECT_THAT(url_in("quoted-printable", "http://x.exa=\r\nmple/?a=3d1="),
              Contains("http://x.example/?a=1"));
  EXPECT_THAT(url_in("7bit\r\nContent-Transfer-Encoding: base64", "aHR0cDovL3guZXhhbXBsZS8="),
              Contains("http://x.example/"));
  const auto uu = Read("\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n");
  ASSERT_THAT(uu.attachments, SizeIs(1));
  EXPECT_THAT(uu.attachments[0].names, ElementsAre("a.txt"));
  EXPECT_EQ(uu.attachments[0].size, 3u);
  EXPECT_EQ(uu.attachments[0].md5, "fa3ebd6742c360b2d9652b7f78d9bd7d");  // "Cat"
  const auto utf16 =
      Read(std::string("Content-Type: text/plain; charset=utf-16le\r\n"
                       "Content-Transfer-Encoding: base64\r\n\r\n"
                       "aAB0AHQAcAA6AC8ALwB4AC4AZQB4AGEAbQBwAGwAZQAvAA=="));
  EXPECT_THAT(UrlsOf(utf16, UrlSource::kText), ElementsAre("http://x.example/"));
}

TEST(Reader, KeepsLimits) {
  std::string many = "From: a@x.example\r\n";
  for (int n = 0; n < 100000; ++n) many += "X-H: v\r\n";
  many += "Reply-To: late@x.example\r\n\r\nhttp://body.example/";
  const auto headers = Read(many);
  EXPECT_THAT(headers.limits_hit, ElementsAre("limit:headers"));
  EXPECT_THAT(AddressesOf(headers, AddressRole::kReplyTo), ElementsAre("late@x.example"));
  EXPECT_THAT(UrlsOf(headers, UrlSource::kText), ElementsAre("http://body.example/"));
  EXPECT_EQ(headers.content_digest, ContentDigest(many));

  const auto big = Read("X-Big: " + std::string(10'000'000, 'x') + "\r\n\r\nhttp://body.example/");
  EXPECT_THAT(big.limits_hit, ElementsAre("limit:header_bytes"));
  EXPECT_THAT(UrlsOf(big, UrlSource::kText), ElementsAre("http://body.example/"));
  const auto bigger = Read("X: y\r\n" + [] {
    std::string lines;
    for (int n = 0; n < 40; ++n) lines += "X-Big: " + std::string(50'000, 'x') + "\r\n";
    return lines;
  }() + "\r\nhttp://body.example/");
  EXPECT_THAT(bigger.limits_hit, Contains("limit:header_bytes"));
  EXPECT_THAT(UrlsOf(bigger, UrlSource::kText), ElementsAre("http://body.example/"));

  std::string deep = "From: a@x.example\r\n";
  for (int n = 0; n < 10000; ++n) {
    deep += "Content-Type: multipart/mixed; boundary=b" + std::to_string(n) + "\r\n\r\n--b" +
            std::to_string(n) + "\r\n";
  }
  deep += "\r\nhttp://deepest.example/\r\n";
  const auto depth = Read(deep);
  EXPECT_THAT(depth.limits_hit, Contains("limit:depth"));
  EXPECT_LE(depth.parts, 70u);
  EXPECT_THAT(depth.domains, Contains(Inspection::Domain{"deepest.example", "deepest.example"}));

  std::string messages;
  for (int n = 0; n < 10000; ++n) messages += "Content-Type: message/rfc822\r\n\r\n";
  const auto nested = Read(messages + "\r\nhttp://deepest.example/\r\n");
  EXPECT_THAT(nested.limits_hit, Contains("limit:depth"));

  std::string wide = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int n = 0; n < 30000; ++n) wide += "--b\r\n\r\nx\r\n";
  const auto parts = Read(wide + "--b\r\n\r\nhttp://last.example/\r\n--b--\r\n");
  EXPECT_THAT(parts.limits_hit, Contains("limit:parts"));
  EXPECT_LE(parts.parts, 10001u);
  EXPECT_THAT(UrlsOf(parts, UrlSource::kText), Contains("http://last.example/"));

  const auto line = Read("Subject: x\r\n\r\n" + std::string(30'000'000, 'a'));
  EXPECT_THAT(line.limits_hit, ElementsAre("limit:text_bytes"));
  EXPECT_EQ(line.size, 30'000'014u);
  const auto html_line = Read("Content-Type: text/html\r\n\r\n" + std::string(3'000'000, '<'));
  EXPECT_THAT(html_line.urls, IsEmpty());

  ReadLimits few;
  few.max_urls = 2;
  few.max_addresses = 2;
  few.max_attachments = 1;
  const auto cut = Read(
      "To: a@x.example, b@x.example, c@x.example\r\nContent-Type: multipart/mixed; "
      "boundary=b\r\n\r\n"
      "--b\r\n\r\nhttp://a.example/ http://b.example/ http://c.example/\r\n"
      "--b\r\nContent-Type: application/x; name=1\r\n\r\n1\r\n--b\r\nContent-Type: application/x; "
      "name=2\r\n\r\n2\r\n--b--",
      few);
  EXPECT_THAT(cut.urls, SizeIs(2));
  EXPECT_THAT(cut.addresses, SizeIs(2));
  EXPECT_THAT(cut.attachments, SizeIs(1));
  EXPECT_THAT(cut.limits_hit,
              UnorderedElementsAre("limit:addresses", "limit:urls", "limit:attachments"));
}

TEST(Reader, HashesAZipBombWithoutOpeningIt) {
  // The first bytes of a ZIP whose one member claims 4 GiB.
  const std::string head(
      "PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x01\0\0\0a", 31);
  const auto i = Read("Content-Type: application/zip; name=bomb.zip\r\n\r\n" + head);
  ASSERT_THAT(i.attachments, SizeIs(1));
  EXPECT_EQ(i.attachments[0].sniffed_type, "application/zip");
  EXPECT_EQ(i.attachments[0].size, head.size());
}

TEST(Reader, ReadsEveryPrefixAndByte) {
  const std::string message =
      "From: \"a\" <a@x.example>\r\nSubject: =?utf-8?B?w6Q=?=\r\nContent-Type: multipart/mixed; "
      "boundary=\"b\"\r\n\r\n"
      "--b\r\nContent-Type: text/html; charset=gbk\r\nContent-Transfer-Encoding: "
      "quoted-printable\r\n\r\n"
      "<a href=3D\"http://x.example/\">&#x41;</a>\r\n--b\r\nContent-Type: a/b; "
      "name*=utf-8''%41\r\n\r\nz\r\n--b--\r\n";
  Reader reader{ReadLimits{}};
  for (size_t n = 0; n <= message.size(); ++n) {
    EXPECT_EQ(reader.Read(message.substr(0, n)).size, n);
  }
  for (size_t n = 0; n < message.size(); ++n) {
    for (const char c : {'\0', '\n', '"', '<', '(', '\xff'}) {
      std::string changed = message;
      changed[n] = c;
      const auto i = reader.Read(changed);
      EXPECT_TRUE(DecodeInspection(Encode(i)).has_value());
    }
  }
}

// --- data that stands beside the project
// ---------------------------------------------------------------------------

std::filesystem::path TestData() {
  if (const char* path = std::getenv("MAILREEVE_TEST_DATA")) return path;
  return std::filesystem::path(MAILREEVE_SOURCE_DIR) / "../shared/data";
}
std::string Slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// How many attachments another parser found, message parts counted; and its From addresses.
TEST(Reader, AgreesWithAnotherParserOnOddMail) {
  const auto root = TestData() / "mail-oddities";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not here";
  Reader reader{ReadLimits{}};
  size_t mails = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".eml") continue;
    ++mails;
    const std::string lf = Slurp(entry.path());
    std::string crlf;
    for (size_t n = 0; n < lf.size(); ++n) {
      if (lf[n] == '\n' && (n == 0 || lf[n - 1] != '\r')) crlf += '\r';
      crlf += lf[n];
    }
    auto json_path = entry.path();
    json_path.replace_extension(".json");
    const auto expected = boost::json::parse(Slurp(json_path));
    for (const std::string& message : {lf, crlf}) {
      const Inspection i = reader.Read(message);
      EXPECT_TRUE(DecodeInspection(Encode(i)).has_value());
      for (const auto& field : expected.at("parts").at(0).at("headers").as_array()) {
        if (field.at("name") != "from" || !field.at("value").is_object()) continue;
        const std::string text = boost::json::serialize(field.at("value"));
        static const std::regex address("\"address\":\"([^\"]+@[^\"]+)\"");
        for (std::sregex_iterator at(text.begin(), text.end(), address), end; at != end; ++at) {
          std::string want = (*at)[1];
          for (const auto& found : i.addresses) {
            if (found.raw.find(want) != std::string::npos || found.address == want) want.clear();
          }
          EXPECT_EQ(want, "") << entry.path();
        }
      }
      for (const auto& index : expected.at("attachments").as_array()) {
        const auto& part = expected.at("parts").at(static_cast<size_t>(index.as_int64()));
        const auto* binary = part.at("body").if_object()
                                 ? part.at("body").as_object().if_contains("Binary")
                                 : nullptr;
        if (binary == nullptr || !binary->is_array()) continue;
        const bool found =
            std::any_of(i.attachments.begin(), i.attachments.end(),
                        [&](const Attachment& a) { return a.size == binary->as_array().size(); });
        if (!found) {
          std::cout << entry.path() << ": no attachment of " << binary->as_array().size()
                    << " bytes\n";
        }
      }
    }
  }
  EXPECT_GT(mails, 30u);
  std::cout << mails << " odd mails read\n";
}

// The yardstick of the sample: the bracketed From address of each message, taken from the raw
// header by a regular expression that knows nothing of our reader, is among the addresses.
TEST(Reader, FindsTheBracketedFromOfRealPhishing) {
  const auto archive = TestData() / "phish" / "phish-sample.tar.xz";
  if (!std::filesystem::exists(archive)) GTEST_SKIP() << archive << " is not here";
  const auto folder =
      std::filesystem::temp_directory_path() / ("mailreeve-phish-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string command = "tar -xJf '" + archive.string() + "' -C '" + folder.string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  static const std::regex from("(?:^|\n)From[ \t]*:((?:[^\n]|\n[ \t])*)", std::regex::icase);
  static const std::regex bracketed("<[ \t]*([^<>\\s\"]+@[^<>\\s\"]+)[ \t]*>");
  Reader reader{ReadLimits{}};
  size_t messages = 0, wanted = 0, found = 0, without_form = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".eml") continue;
    const std::string message = Slurp(entry.path());
    ++messages;
    const Inspection i = reader.Read(message);
    EXPECT_TRUE(DecodeInspection(Encode(i)).has_value()) << entry.path();
    const std::string header =
        message.substr(0, std::min(message.find("\n\n"), message.find("\n\r\n")));
    for (std::sregex_iterator at(header.begin(), header.end(), from), end; at != end; ++at) {
      const std::string value = (*at)[1];
      for (std::sregex_iterator b(value.begin(), value.end(), bracketed); b != end; ++b) {
        const std::string written = (*b)[1];
        const auto canonical = observable::CanonicalEmail(written);
        ++wanted;
        const bool there =
            std::any_of(i.addresses.begin(), i.addresses.end(), [&](const MailAddress& a) {
              return a.role == AddressRole::kFrom &&
                     (canonical ? a.address == *canonical
                                : a.raw.find(written) != std::string::npos);
            });
        EXPECT_TRUE(there) << entry.path() << ": " << written;
        found += there;
        if (!canonical)
          std::cout << entry.path().filename() << ": no canonical form: " << written << "\n";
      }
    }
  }
  std::filesystem::remove_all(folder);
  std::cout << messages << " messages, " << found << " of " << wanted
            << " bracketed From addresses found, " << without_form
            << " of them without a canonical form\n";
  EXPECT_GT(messages, 900u);
}

}  // namespace
}  // namespace mailreeve::mail
