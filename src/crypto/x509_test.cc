#include "crypto/x509.h"

#include "crypto/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace mailreeve::crypto {
namespace {

using std::chrono::hours;
using testing::HasSubstr;

std::string Output(const std::string& command) {
  std::string out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  size_t got;
  while ((got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) out.append(buffer.data(), got);
  pclose(pipe);
  return out;
}

class X509Test : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/mailreeve-x509-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override { (void)std::system(("rm -r " + folder_).c_str()); }
  std::string Save(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  Time now_ = std::chrono::floor<std::chrono::seconds>(SystemClock().Now());
  CertificateAuthority ca_ = *CertificateAuthority::Create("Test CA", now_, 10);
  std::string folder_;
};

TEST_F(X509Test, ClientCertificate) {
  const auto request = MakeKeyAndRequest("what the device calls itself");
  ASSERT_TRUE(request.has_value());
  const auto pem = ca_.IssueClient(request->request_pem, "device-7", now_, hours(24));
  ASSERT_TRUE(pem.has_value());
  const auto info = ReadCertificate(*pem);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->subject_cn, "device-7");
  EXPECT_EQ(info->issuer_cn, "Test CA");
  EXPECT_EQ(info->not_before, now_ - hours(1));
  EXPECT_EQ(info->not_after, now_ + hours(24));
  EXPECT_EQ(info->sha256.size(), 64u);
  EXPECT_EQ(info->serial_hex.size(), 32u);
  const std::string ca = Save("ca", ca_.certificate_pem()), leaf = Save("leaf", *pem);
  EXPECT_THAT(Output("openssl verify -x509_strict -purpose sslclient -CAfile " + ca + " " + leaf),
              HasSubstr(": OK"));
  EXPECT_THAT(Output("openssl verify -purpose sslserver -CAfile " + ca + " " + leaf),
              HasSubstr("nsuitable"));
}

TEST_F(X509Test, ServerCertificate) {
  const auto server = ca_.IssueServer({"mail.example", "127.0.0.1", "::1"}, now_, hours(24));
  ASSERT_TRUE(server.has_value());
  const std::string ca = Save("ca", ca_.certificate_pem()),
                    leaf = Save("leaf", server->certificate_pem);
  const std::string verify = "openssl verify -x509_strict -purpose sslserver -CAfile " + ca + " ";
  EXPECT_THAT(Output(verify + "-verify_hostname mail.example " + leaf), HasSubstr(": OK"));
  EXPECT_THAT(Output(verify + "-verify_ip ::1 " + leaf), HasSubstr(": OK"));
  EXPECT_THAT(Output(verify + "-verify_hostname other.example " + leaf), HasSubstr("mismatch"));
}

TEST_F(X509Test, ServerNamesCannotSmuggle) {
  for (const std::string& name :
       {std::string("a,IP:1.2.3.4"), std::string(""), std::string("a b"), std::string("a\0b", 3)}) {
    EXPECT_EQ(ca_.IssueServer({name}, now_, hours(1)).error().code, Code::kInvalid) << name;
  }
  EXPECT_EQ(ca_.IssueServer({}, now_, hours(1)).error().code, Code::kInvalid);
}

TEST_F(X509Test, RequestCannotAskForMore) {
  const std::string request = Output(
      "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj "
      "'/CN=admin/O=root' -addext basicConstraints=critical,CA:TRUE -addext "
      "subjectAltName=DNS:evil 2>/dev/null");
  const auto pem = ca_.IssueClient(request, "device-8", now_, hours(1));
  ASSERT_TRUE(pem.has_value()) << pem.error().ToString();
  const std::string text = Output("openssl x509 -noout -text -in " + Save("leaf", *pem));
  EXPECT_THAT(text, HasSubstr("CA:FALSE"));
  EXPECT_THAT(text, HasSubstr("Subject: CN = device-8\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("evil")));
}

TEST_F(X509Test, WeakAndForgedRequestsAreRefused) {
  const std::string make = "openssl req -new -nodes -keyout /dev/null -subj /CN=x 2>/dev/null ";
  EXPECT_TRUE(ca_.IssueClient(Output(make + "-newkey rsa:2048"), "d", now_, hours(1)).has_value());
  EXPECT_TRUE(ca_.IssueClient(Output(make + "-newkey ec -pkeyopt ec_paramgen_curve:P-384"), "d",
                              now_, hours(1))
                  .has_value());
  for (const char* kind :
       {"-newkey rsa:1024", "-newkey ed25519", "-newkey ec -pkeyopt ec_paramgen_curve:secp224r1",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit"}) {
    const std::string request = Output(make + kind);
    ASSERT_THAT(request, HasSubstr("BEGIN CERTIFICATE REQUEST")) << kind;
    EXPECT_EQ(ca_.IssueClient(request, "d", now_, hours(1)).error().code, Code::kInvalid) << kind;
  }
  // The signature damaged: the last bytes of the DER.
  std::string forged = MakeKeyAndRequest("x")->request_pem;
  const std::string der = Save("r.pem", forged);
  (void)Output("openssl req -in " + der + " -outform DER -out " + folder_ +
               "/r.der && printf '\\001\\002' | dd of=" + folder_ +
               "/r.der bs=1 conv=notrunc seek=$(( $(stat -c %s " + folder_ +
               "/r.der) - 2 )) 2>/dev/null");
  forged = "-----BEGIN CERTIFICATE REQUEST-----\n" + Output("base64 " + folder_ + "/r.der") +
           "-----END CERTIFICATE REQUEST-----\n";
  EXPECT_EQ(ca_.IssueClient(forged, "d", now_, hours(1)).error().code, Code::kInvalid);
  EXPECT_EQ(ca_.IssueClient("", "d", now_, hours(1)).error().code, Code::kInvalid);
  EXPECT_EQ(ca_.IssueClient(std::string(70000, 'x'), "d", now_, hours(1)).error().code,
            Code::kLimited);
}

TEST_F(X509Test, CommonNameIsChecked) {
  const auto request = *MakeKeyAndRequest("x");
  for (const std::string& name :
       {std::string(), std::string(65, 'x'), std::string("a\0b", 3), std::string("a\nb")}) {
    EXPECT_EQ(ca_.IssueClient(request.request_pem, name, now_, hours(1)).error().code,
              Code::kInvalid);
    EXPECT_EQ(MakeKeyAndRequest(name).error().code, Code::kInvalid);
  }
  EXPECT_TRUE(ca_.IssueClient(request.request_pem, "设备", now_, hours(1)).has_value());
}

TEST_F(X509Test, NeverOutlivesTheAuthority) {
  const auto request = *MakeKeyAndRequest("x");
  const auto late = ca_.IssueClient(request.request_pem, "d", now_, hours(24 * 365 * 40));
  EXPECT_EQ(ReadCertificate(*late)->not_after, ReadCertificate(ca_.certificate_pem())->not_after);
  EXPECT_EQ(
      ca_.IssueClient(request.request_pem, "d", now_ + hours(24 * 365 * 20), hours(1)).error().code,
      Code::kInvalid);
}

TEST_F(X509Test, AuthorityFromPem) {
  const auto again = CertificateAuthority::FromPem(ca_.certificate_pem(), ca_.key_pem());
  ASSERT_TRUE(again.has_value());
  const auto leaf = again->IssueServer({"h"}, now_, hours(1));
  EXPECT_THAT(Output("openssl verify -CAfile " + Save("ca", ca_.certificate_pem()) + " " +
                     Save("leaf", leaf->certificate_pem)),
              HasSubstr(": OK"));
  const auto other = *CertificateAuthority::Create("Other", now_, 1);
  EXPECT_EQ(CertificateAuthority::FromPem(ca_.certificate_pem(), other.key_pem()).error().code,
            Code::kInvalid);
  EXPECT_EQ(CertificateAuthority::FromPem(leaf->certificate_pem, leaf->key_pem).error().code,
            Code::kInvalid);
  EXPECT_EQ(CertificateAuthority::FromPem("", "").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace mailreeve::crypto
