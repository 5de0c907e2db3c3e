#include "http/address_policy.h"

#include <gtest/gtest.h>

namespace mailreeve::http {
namespace {

TEST(PublicAddress, Ranges) {
  for (const char* text : {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111",
                           "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"}) {
    EXPECT_TRUE(IsPublicAddress(asio::ip::make_address(text))) << text;
  }
  for (const char* text : {"127.0.0.1",
                           "127.1.2.3",
                           "0.0.0.0",
                           "10.1.1.1",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "169.254.169.254",
                           "100.64.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "198.18.0.1",
                           "192.0.2.1",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd12::1",
                           "ff02::1",
                           "::ffff:127.0.0.1",
                           "::ffff:169.254.169.254",
                           "64:ff9b::10.0.0.1",
                           "2002:7f00:1::",
                           "2001:db8::1",
                           "2001::1",
                           "::127.0.0.1",
                           "fec0::1"}) {
    EXPECT_FALSE(IsPublicAddress(asio::ip::make_address(text))) << text;
  }
}

bool Allows(const std::vector<std::string>& list, std::string_view host, const char* address) {
  const auto policy = AddressPolicy::Parse(list);
  EXPECT_TRUE(policy) << policy.error().ToString();
  return policy->Allows(host, asio::ip::make_address(address));
}

TEST(AddressPolicy, OpensWhatIsListed) {
  EXPECT_FALSE(Allows({}, "h", "10.1.2.3"));
  EXPECT_TRUE(Allows({}, "h", "8.8.8.8"));
  EXPECT_TRUE(Allows({"10.1.0.0/16"}, "h", "10.1.2.3"));
  EXPECT_FALSE(Allows({"10.1.0.0/16"}, "h", "10.2.2.3"));
  EXPECT_TRUE(Allows({"10.1.0.0/16"}, "h", "::ffff:10.1.2.3"));
  EXPECT_TRUE(Allows({"10.1.2.3"}, "h", "10.1.2.3"));
  EXPECT_FALSE(Allows({"10.1.2.3"}, "h", "10.1.2.4"));
  EXPECT_TRUE(Allows({"fd12::/16"}, "h", "fd12::7"));
  EXPECT_FALSE(Allows({"fd12::/16"}, "h", "fd13::7"));
  EXPECT_TRUE(Allows({"0.0.0.0/0"}, "h", "169.254.169.254"));
  EXPECT_TRUE(Allows({"127.0.0.1", "::1"}, "localhost", "::1"));
  EXPECT_TRUE(Allows({"10.128.0.0/9"}, "h", "10.200.0.1"));
  EXPECT_FALSE(Allows({"10.128.0.0/9"}, "h", "10.100.0.1"));
}

TEST(AddressPolicy, NamesOpenOnlyThemselves) {
  EXPECT_TRUE(Allows({"Relay.Corp.example"}, "relay.corp.EXAMPLE.", "192.168.1.1"));
  EXPECT_TRUE(Allows({"relay.corp.example"}, "relay.corp.example", "127.0.0.1"));
  EXPECT_TRUE(Allows({"relay.corp.example"}, "relay.corp.example", "fd12::1"));
  EXPECT_FALSE(Allows({"relay.corp.example"}, "other.corp.example", "192.168.1.1"));
  EXPECT_FALSE(Allows({"relay.corp.example"}, "192.168.1.1", "192.168.1.1"));
  EXPECT_TRUE(Allows({"*.corp.example"}, "a.b.corp.example", "10.0.0.1"));
  EXPECT_FALSE(Allows({"*.corp.example"}, "corp.example", "10.0.0.1"));
  EXPECT_FALSE(Allows({"*.corp.example"}, "evilcorp.example", "10.0.0.1"));
}

TEST(AddressPolicy, NamesNeverReachMetadata) {
  for (const char* address :
       {"169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1",
        "ff02::1", "255.255.255.255", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1",
        "fd00:ec2::254", "::169.254.169.254"}) {
    EXPECT_FALSE(Allows({"relay.corp.example"}, "relay.corp.example", address)) << address;
  }
}

TEST(AddressPolicy, BadEntries) {
  for (const char* bad :
       {"", " ", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0", "1234", "fd00::/129", "*",
        "*.", "a b", "http://h/", "h:80", "a..b", ".a", "host/8"}) {
    EXPECT_FALSE(AddressPolicy::Parse({bad})) << bad;
  }
}

}  // namespace
}  // namespace mailreeve::http
