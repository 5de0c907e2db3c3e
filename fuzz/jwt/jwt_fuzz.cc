// Tokens against one key: none is accepted but those that were signed with it. The key below is for
// this test only.
#include "base/check.h"
#include "base/text.h"
#include "crypto/jwt.h"

#include <cstdint>

namespace crypto = mailreeve::crypto;

namespace {

constexpr std::string_view kKey = R"(-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDVcr2QqaFrsmMF
mVVruHQCg05NmLgVFZodF1nWHSQRE0UlCN+ZbnoXwzkqM/RzDCzByBZGuy0fO5iq
Uwep2oU6EMdgfEsyFMb2cGQ1jScIU1SiiyP4RNCh4K2o4TX8ygM/tc7K6EgMr04y
Jg7Co7O/QoIiafhFlr0t9hWLkLp+aA8da88nT1ETFgjQVvxtJiqz2UMUjKoE7dSY
JR4gI9Obm1Nk3WKSAhlt0bgKkYowyDm1Uhv+vcy+arYFRfrvcxGf46djugeSJ6+p
jPu9aZ86cFcXdJyZOVtAIji7quGaBEVNM9o+tXAEIp4a4dFkezH/3r+8UudcpxmA
SRyO8t+zAgMBAAECggEAXca4ZCsyoTdRa+9O6TGzvjrkFxFmptTDzc4piPlqlBns
QfYhDq7L806w+cqztiv+KfD3YIHxtAwh6YrrDgPUjos6nThebRVVyIXecOyf3neF
8pfA6N2K7+PfSBgR+Qrj3ITK4riklvYaG8w+peL4IKpetDHsgt5UJTI9iwC9/rR5
ojxtYnye2BORcze+hOVX+N1gZIKV9bMoGZg8ho73VU9lpHICHf+vr2tRPgrpdyf8
WF+wUIfas64Z6Ip+NLY4pw5R+IduUns28AbDO0X8dr9hQW3+OrsrLZnQvTDQi3QB
b/Fi0X5JYESTyaDek+CrCpjPWvl0YuDHP/TPHTIq4QKBgQDvU1dbVPr+2+I3iO5M
HjlWlHiZGMCYKDpUWmz6EoK1aSEsSU/r01UdVU9M3SW8JTw+Tr4Cj2dTDns0QQdN
pcWur3fYNR9pmhNOX/QnmrjqNReb8hID9G+F0MYgsw9x0FC/4OVWCS1vzawcH46W
/6wHh0BCLCnP21QKmpC3jlbB4wKBgQDkUdh+m3HjzOW5BGU28twI2oEhvz2KxNq2
ViGR4JeB+FdKl9yJLQh+hsj9bFClpweLnoVMbFJ9dhDDWaM4Ghj0v/laxdrdeD+K
15SxKGV5L72Sw7uHD0Xh6UPWCQm0sO9OOlcv9WYwd+tTpg3ZcrHjbegeIOZMjhu6
YaJjeRuT8QKBgQDX5kVeXVF47QAsvVjMTk/HrXUGF/BW06ObSWAaUOydn1OP0itJ
QYL9TWKWosJR8v1f8EU1pgy+Psgioa9m+u9U4XKqF3JZH+fewm1N9SRwFKlRw5VB
ABhDjc3O3fpG4HiYQNhjPzBANjjXvhgyXD/jIr5zc8fcfa5ZSorXLI9TpQKBgBAR
Qm8GeWlSjggLKyRGyv1Egzngv2/4knuqbApcB815sIrrTPXKWYKt8Y8EBFjj/D/z
E+Zg6R0zJdLZiAb2rzLqH54ntlNHlxEqQqiE8z8oAOtHIvdKN9zCEagKUsiIew7C
REh3uI1IoyLr2KWo0KP0pBUas5pHlePz4v2lFC/BAoGANw/HxVH9lSRHMu8mX0V4
L2hll2wqdsLEFyp8QMfP/hYfVRsBR8PBt1x1QBWRIQnIYvcyOQ19zeKjrJPzBMXF
V0xsi3AuVAWWr3cFdKWg7Kzh0NP2LgptBd6TXV53ewxihctCJIKVV0HNp3MNOZdl
oWCxeo+Lfb7vFAS++ZBVhM8=
-----END PRIVATE KEY-----
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const crypto::SigningKey key = *crypto::SigningKey::FromPem(kKey);
  static const std::string valid = *key.SignJwt({{"sub", "u-1"}});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto claims = key.VerifyJwt(text);
  // The one signature an outsider can know is that of the seed.
  if (claims) CHECK(*claims == (mailreeve::json::object{{"sub", "u-1"}}));
  // The input in place of each part of a valid token.
  const auto parts = mailreeve::Split(valid, '.');
  for (int i = 0; i < 3; ++i) {
    std::string token;
    for (int j = 0; j < 3; ++j) {
      token += (j == 0 ? "" : ".") + std::string(j == i ? text : parts[static_cast<size_t>(j)]);
    }
    const bool same = text == parts[static_cast<size_t>(i)];
    CHECK(key.VerifyJwt(token).has_value() == same);
  }
  return 0;
}
