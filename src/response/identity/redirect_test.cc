#include "response/identity/redirect.h"

#include <gtest/gtest.h>

namespace mailreeve::response::identity {
namespace {

TEST(RedirectTest, OnlySafeAddressesMayBeRegistered) {
  for (const char* good :
       {"https://app.example/back", "https://app.example:8443/back?x=1", "https://app.example",
        "http://localhost:5000/auth", "http://127.0.0.1/cb", "http://[::1]:9/cb",
        "org.example.app:/back", "org.example.app://back"}) {
    EXPECT_TRUE(CheckRedirect(good)) << good;
  }
  for (const char* bad : {"",
                          "/back",
                          "app.example/back",
                          "http://app.example/back",
                          "https://*.example/back",
                          "https://app.example/*",
                          "https://app.example/#x",
                          "https://user@app.example/",
                          "https://app.example@evil.example/",
                          "https:///back",
                          "https:back",
                          "javascript:alert(1)",
                          "data:text/html,x",
                          "file:///etc/passwd",
                          "myapp:/back",
                          "https://app.example/a b",
                          "https://app.example/\nx",
                          "https://app.example/\\evil",
                          "https://app.example:x/",
                          "https://app.example:/",
                          "https://app.example/a/../b",
                          "http://localhost.evil.example/",
                          "http://127.0.0.1.evil.example/",
                          "http://[::1/x",
                          "https://a.example;script-src/b",
                          "\x7fhttps://a.example/",
                          "https://b\xc3\xbc.example/"}) {
    EXPECT_FALSE(CheckRedirect(bad)) << bad;
  }
}

TEST(RedirectTest, MatchIsExactButForThePortOfLoopbackAddresses) {
  EXPECT_TRUE(RedirectMatches("https://a.example/b", "https://a.example/b"));
  EXPECT_TRUE(RedirectMatches("http://127.0.0.1/b", "http://127.0.0.1:49152/b"));
  EXPECT_TRUE(RedirectMatches("http://[::1]:1/b?c=d", "http://[::1]:2/b?c=d"));
  for (const auto& [registered, asked] :
       {std::pair<const char*, const char*>{"https://a.example/b", "https://a.example/b/"},
        {"https://a.example/b", "https://a.example/b?x=1"},
        {"https://a.example/b", "https://a.example/bc"},
        {"https://a.example/b", "https://a.example:8443/b"},
        {"https://a.example/b", "https://A.example/b"},
        {"https://a.example/b", "https://x.a.example/b"},
        {"http://localhost:5000/b", "http://localhost:5001/b"},
        {"http://127.0.0.1/b", "https://127.0.0.1/b"},
        {"http://127.0.0.1/b", "http://127.0.0.1:80@evil.example/b"},
        {"http://127.0.0.1/b", "http://127.0.0.1:1/c"},
        {"http://127.0.0.1/b", "http://[::1]/b"}}) {
    EXPECT_FALSE(RedirectMatches(registered, asked)) << registered << " " << asked;
  }
}

TEST(RedirectTest, SourceForThePolicy) {
  EXPECT_EQ(RedirectSource("https://a.example:8443/b?c"), "https://a.example:8443");
  EXPECT_EQ(RedirectSource("http://127.0.0.1:5/b"), "http://127.0.0.1:5");
  EXPECT_EQ(RedirectSource("org.example.app:/b"), "org.example.app:");
  EXPECT_EQ(RedirectSource("https://a.example;script-src/b"), "");
}

}  // namespace
}  // namespace mailreeve::response::identity
