#include "observable/observable.h"

#include "base/text.h"
#include "json/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>
#include <sstream>

namespace mailreeve::observable {
namespace {

json::value Vectors() {
  std::ifstream file(MAILREEVE_SOURCE_DIR "/src/observable/vectors.json");
  std::stringstream text;
  text << file.rdbuf();
  auto parsed = json::Parse(text.str());
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().ToString());
  return parsed ? *std::move(parsed) : json::value(json::object{});
}

std::string Text(const json::value& value) { return std::string(value.as_string()); }

TEST(Types, AreTheClosedListInOrder) {
  EXPECT_EQ(kTypeCount, 63u);
  for (size_t i = 0; i < kTypeCount; ++i) {
    const auto type = static_cast<Type>(i);
    EXPECT_EQ(TypeFromName(TypeName(type)), type);
  }
  EXPECT_EQ(TypeName(Type::kEmailMessageid), "email_messageid");
  EXPECT_EQ(TypeName(Type::kS1AgentId), "s1_agent_id");
  EXPECT_EQ(TypeFromName("SHA256"), Type::kSha256);
  EXPECT_FALSE(TypeFromName("email_recipient"));
  EXPECT_FALSE(TypeFromName(""));
  EXPECT_FALSE(TypeFromName(std::string(100000, 'a')));
}

TEST(Canonical, Vectors) {
  const json::value vectors = Vectors();
  size_t count = 0;
  for (const auto& entry : vectors.at("canonical").as_array()) {
    const std::string name = Text(entry.at("type")), value = Text(entry.at("value"));
    SCOPED_TRACE(name + " " + value);
    const auto type = TypeFromName(name);
    ASSERT_TRUE(type);
    const auto form = Canonical(*type, value);
    ++count;
    if (entry.at("canonical").is_null()) {
      EXPECT_FALSE(form) << *form;
      if (!form) EXPECT_EQ(form.error().code, Code::kInvalid);
      continue;
    }
    ASSERT_TRUE(form) << form.error().ToString();
    EXPECT_EQ(*form, Text(entry.at("canonical")));
    EXPECT_EQ(Canonical(*type, *form).value_or("none"), *form);
  }
  EXPECT_GE(count, 100u);
}

TEST(Recognise, Vectors) {
  const json::value vectors = Vectors();
  size_t count = 0;
  for (const auto& entry : vectors.at("recognise").as_array()) {
    const std::string text = Text(entry.at("text"));
    std::vector<std::string> expected, found;
    for (const auto& one : entry.at("found").as_array()) {
      expected.push_back(Text(one.as_array().at(0)) + " " + Text(one.as_array().at(1)));
    }
    for (const Observable& one : Recognise(text).observables) {
      found.push_back(std::string(TypeName(one.type)) + " " + one.value);
    }
    EXPECT_EQ(found, expected) << text;
    ++count;
  }
  EXPECT_GE(count, 50u);
}

TEST(FindUrls, Vectors) {
  const json::value vectors = Vectors();
  for (const auto& entry : vectors.at("find_urls").as_array()) {
    const std::string text = Text(entry.at("text"));
    std::vector<std::string> expected, found;
    for (const auto& one : entry.at("found").as_array()) expected.push_back(Text(one));
    for (const FoundUrlText& one : FindUrls(text).urls) {
      EXPECT_EQ(text.substr(one.offset, one.raw.size()), one.raw);
      EXPECT_EQ(CanonicalUrl(one.raw), one.canonical);
      found.push_back(one.raw);
    }
    EXPECT_EQ(found, expected) << text;
  }
}

TEST(RegistrableDomain, Vectors) {
  const json::value vectors = Vectors();
  for (const auto& entry : vectors.at("registrable").as_array()) {
    EXPECT_EQ(RegistrableDomain(Text(entry.at("domain"))), Text(entry.at("registrable")));
  }
}

TEST(UrlHost, OfEachKind) {
  EXPECT_EQ(UrlHost("http://user:p@a.example:8080/x@y"), "a.example");
  EXPECT_EQ(UrlHost("http://[2001:db8::1]:8080/"), "2001:db8::1");
  EXPECT_EQ(UrlHost("http://192.0.2.1/"), "192.0.2.1");
  EXPECT_EQ(UrlHost("http://a.example?x=://b"), "a.example");
  EXPECT_EQ(UrlHost("mailto:a@b.example"), "");
  EXPECT_EQ(UrlHost("data:text/html,http://a.example/"), "");
  EXPECT_EQ(EmailDomain("a@b.example"), "b.example");
  EXPECT_EQ(EmailDomain("none"), "");
  EXPECT_EQ(CanonicalAddress("[2001:DB8::1]"), "2001:db8::1");
  EXPECT_EQ(CanonicalAddress("192.0.2.1"), "192.0.2.1");
  EXPECT_FALSE(CanonicalAddress("example.com"));
}

TEST(Fingerprint, DependsOnTypeAndValue) {
  EXPECT_EQ(Fingerprint(Type::kDomain, "a.example"), Fingerprint(Type::kDomain, "a.example"));
  EXPECT_NE(Fingerprint(Type::kDomain, "a.example"), Fingerprint(Type::kHostname, "a.example"));
  EXPECT_NE(Fingerprint(Type::kDomain, "a.example"), Fingerprint(Type::kDomain, "b.example"));
  // Indexes store it: it never changes.
  EXPECT_EQ(Fingerprint(Type::kUrl, "http://a.example/"), 11929117529906365974u);
}

TEST(Canonical, LimitsWhatComesInAndOut) {
  const std::string fits = "http://a.example/" + std::string(60000, 'a');
  EXPECT_TRUE(Canonical(Type::kUrl, fits));
  EXPECT_EQ(Canonical(Type::kUrl, "http://a.example/" + std::string(70000, 'a')).error().code,
            Code::kLimited);
  EXPECT_EQ(Canonical(Type::kUrl, "http://a.example/" + std::string(60000, ' ') + "a").error().code,
            Code::kLimited);
  EXPECT_EQ(Canonical(Type::kUser, std::string(70000, 'a')).error().code, Code::kLimited);
}

TEST(Canonical, BytesThatAreNoText) {
  EXPECT_EQ(CanonicalUrl("http://a.example/\xff\x01z"), "http://a.example/%FF%01z");
  EXPECT_FALSE(CanonicalUrl("http://\xff.example/"));
  EXPECT_FALSE(CanonicalUrl(std::string("http://a\0.example/", 18)));
  EXPECT_FALSE(CanonicalDomain(std::string("a\0.example", 10)));
  EXPECT_FALSE(CanonicalEmail("\xff@a.example"));
  EXPECT_EQ(CanonicalSubject("a\xff"
                             "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_FALSE(Canonical(Type::kUser, "\xff"));
}

TEST(Canonical, CombiningMarksInAnyNumber) {
  std::string flood = "a";
  for (int i = 0; i < 30000; ++i) flood += i % 2 ? "\u0301" : "\u0323";
  const auto form = Canonical(Type::kEmailSubject, flood);
  ASSERT_TRUE(form);
  EXPECT_EQ(Canonical(Type::kEmailSubject, *form).value_or(""), *form);
}

TEST(Recognise, EveryTypeByItsName) {
  // Types with a shape of their own are found without; all others by their name and a colon.
  const std::map<std::string_view, std::string> shaped = {{"domain", "bad.example.com"},
                                                          {"email", "a@example.com"},
                                                          {"ip", "192.0.2.7"},
                                                          {"ipv6", "2001:db8::7"},
                                                          {"mac_address", "00:11:22:33:44:55"},
                                                          {"md5", std::string(32, 'a')},
                                                          {"sha1", std::string(40, 'a')},
                                                          {"sha256", std::string(64, 'a')},
                                                          {"url", "https://example.com/x"},
                                                          {"cisco_mid", "52"},
                                                          {"email_messageid", "<a@b.example.com>"}};
  for (size_t i = 0; i < kTypeCount; ++i) {
    const auto type = static_cast<Type>(i);
    const std::string name(TypeName(type));
    const auto known = shaped.find(name);
    const std::string value = known == shaped.end() ? "Value-17" : known->second;
    const auto found = Recognise("see\n" + name + ": " + value + "\nbye").observables;
    ASSERT_EQ(found.size(), 1u) << name;
    EXPECT_EQ(found[0].type, type) << name;
    EXPECT_EQ(found[0].value, value) << name;
  }
  EXPECT_EQ(Recognise("Process args: -a b c").observables,
            (std::vector<Observable>{{Type::kProcessArgs, "-a b c"}}));
  EXPECT_EQ(Recognise("user: \"Ann Other\"").observables,
            (std::vector<Observable>{{Type::kUser, "Ann Other"}}));
  EXPECT_TRUE(Recognise("User: please call back").observables.empty());
}

TEST(Recognise, StopsAtItsLimits) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "host" + std::to_string(i) + ".example.com ";
  const auto few = Recognise(text, {.max_found = 10});
  EXPECT_EQ(few.observables.size(), 10u);
  EXPECT_TRUE(few.cut);
  const auto part = Recognise(text, {.max_text_bytes = 18});
  EXPECT_EQ(part.observables.size(), 1u);
  EXPECT_TRUE(part.cut);
  EXPECT_FALSE(Recognise(text).cut);
  EXPECT_TRUE(Recognise("").observables.empty());
}

// Shapes that make careless scanners walk the same bytes again and again: quadratic work on them
// goes far beyond the time that the test is given.
TEST(Recognise, HostileRepetitionsEnd) {
  for (const std::string_view unit :
       {"@",         "a@",     "a@a.b",  "<",      "<a@", "<a@b",     "http://",   "http://%%",
        "www.",      "www.a!", "www.a:", "a.com/", "::",  "a:",       "1.2.3.4-",  "[.]",
        "(at) ",     "hxxp",   "hxxp[",  ".",      "..",  "例",       "例a",       "Subject:\n",
        "http:\\\\", "[",      "(",      "a.",     "://", "ws://ws:", "http://a@", "MID ",
        "\u0301",    "。",     "a。",    "'a'"}) {
    std::string text;
    while (text.size() < 512 * 1024) text += unit;
    const auto found = Recognise(text);
    EXPECT_LE(found.observables.size(), 10000u) << unit;
    EXPECT_LE(FindUrls(text).urls.size(), 10000u) << unit;
  }
}

TEST(FindUrls, StopsAtItsLimits) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += "http://h" + std::to_string(i) + ".example/ ";
  EXPECT_EQ(FindUrls(text, {.max_urls = 5}).urls.size(), 5u);
  EXPECT_TRUE(FindUrls(text, {.max_urls = 5}).cut);
  EXPECT_TRUE(FindUrls(text, {.max_text_bytes = 30}).cut);
  const auto found = FindUrls("http://a.example/" + std::string(70000, 'x') + " http://b.example/");
  ASSERT_EQ(found.urls.size(), 1u);
  EXPECT_EQ(found.urls[0].canonical, "http://b.example/");
  EXPECT_TRUE(found.cut);
}

TEST(FindUrls, ReadsAnyBytes) {
  const auto found = FindUrls("\xff\xfehttp://a.example/x\xff www.b.example\xff");
  ASSERT_EQ(found.urls.size(), 2u);
  EXPECT_EQ(found.urls[0].raw, "http://a.example/x");
  EXPECT_EQ(found.urls[1].canonical, "http://www.b.example/");
}

TEST(IsPlainCanonical, SaysYesOnlyToWhatStaysAsItIs) {
  const std::vector<std::pair<Type, std::string>> plain = {
      {Type::kUrl, "https://mail.example.co.uk/a/b-c_d.html?x=1&y=2"},
      {Type::kDomain, "mail-2.example.com"},
      {Type::kEmail, "ann.b+c=d_e@example.com"},
      {Type::kEmailMessageid, "<20260101.ABC$%@mail.example>"},
      {Type::kEmailSubject, "Re: [list] Invoice (12)"},
      {Type::kFileName, "invoice 12.pdf"},
      {Type::kMd5, std::string(32, 'a')},
      {Type::kSha1, std::string(40, '0')},
      {Type::kSha256, std::string(64, 'f')}};
  std::mt19937_64 random(7);
  const std::string letters = "ab0zAZ.-_/:?#&=@%<>[](){}\\ +~!xn--\t\x7f\xc3\xa9\xe2\x80\x8b..//";
  size_t yes = 0;
  for (const auto& [type, value] : plain) {
    EXPECT_TRUE(IsPlainCanonical(type, value)) << value;
    for (int i = 0; i < 20000; ++i) {
      std::string changed = value;
      for (size_t n = random() % 4; n > 0; --n) {
        const size_t at = random() % (changed.size() + 1);
        switch (random() % 3) {
          case 0:
            changed.insert(at, 1, letters[random() % letters.size()]);
            break;
          case 1:
            if (at < changed.size()) changed[at] = letters[random() % letters.size()];
            break;
          default:
            if (at < changed.size()) changed.erase(at, random() % 3 + 1);
        }
        if (changed.empty()) changed = value;
      }
      if (!IsPlainCanonical(type, changed)) continue;
      ++yes;
      const auto canonical = Canonical(type, changed);
      ASSERT_TRUE(canonical) << changed;
      ASSERT_EQ(*canonical, changed);
    }
  }
  EXPECT_GT(yes, 20000u);
}

}  // namespace
}  // namespace mailreeve::observable
