#pragma once

#include "crypto/x509.h"
#include "http/client.h"
#include "http/server.h"
#include "io/deadline.h"
#include "io/tls.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

// For the tests of http: one io_context, a certificate authority in a folder of its own, a raw
// client.
namespace mailreeve::http {

class World : public testing::Test {
 protected:
  using tcp = asio::ip::tcp;

  World() {
    char name[] = "/tmp/mailreeve-http-XXXXXX";
    folder_ = mkdtemp(name);
    Save("ca.pem", ca_.certificate_pem());
  }
  ~World() override {
    scope_.Cancel();
    context_.restart();
    context_.run();
    std::filesystem::remove_all(folder_);
  }

  std::string Save(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  static Time Now() { return SystemClock().Now(); }

  io::TlsContext ServerTls(const std::string& host, bool mutual, Time now = Now()) {
    const auto made = *ca_.IssueServer({host}, now, std::chrono::hours(24));
    io::TlsServerOptions options;
    options.certificate_file = Save("server.pem", made.certificate_pem);
    options.key_file = Save("server.key", made.key_pem);
    if (mutual) options.client_ca_file = folder_ + "/ca.pem";
    return *io::MakeTlsServer(options);
  }
  io::TlsContext ClientTls() { return *io::MakeTlsClient({.ca_file = folder_ + "/ca.pem"}); }
  // With a certificate of `authority` named "device-7".
  io::TlsContext ClientTlsWithCertificate(const crypto::CertificateAuthority& authority) {
    const auto request = *crypto::MakeKeyAndRequest("device");
    client_certificate_ =
        *authority.IssueClient(request.request_pem, "device-7", Now(), std::chrono::hours(1));
    return *io::MakeTlsClient({.ca_file = folder_ + "/ca.pem",
                               .certificate_file = Save("client.pem", client_certificate_),
                               .key_file = Save("client.key", request.key_pem)});
  }

  std::unique_ptr<Server> Listen(io::TlsContext tls = nullptr, ServerLimits limits = {}) {
    auto server =
        Server::Listen({.host = "127.0.0.1"}, std::move(tls), router_, limits, scope_, logger_);
    EXPECT_TRUE(server.has_value());
    return *std::move(server);
  }

  // Runs `task` to its end, and the rest of the world meanwhile.
  void Run(io::Task<void> task) {
    bool done = false;
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr thrown) {
      done = true;
      if (thrown) std::rethrow_exception(thrown);
    });
    context_.restart();
    while (!done && context_.run_one() > 0) {
    }
    ASSERT_TRUE(done);
  }
  template <class T>
  T Get(io::Task<T> task) {
    std::optional<T> out;
    Run(Keep(std::move(task), out));
    return *std::move(out);
  }

  // Sends `bytes` over TCP and reads until the server closes.
  std::string Raw(uint16_t port, std::string bytes) { return Get(RawTask(port, std::move(bytes))); }
  static io::Task<std::string> RawTask(uint16_t port, std::string bytes) {
    tcp::socket socket(co_await asio::this_coro::executor);
    (void)co_await socket.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), port),
                                        io::kTuple);
    (void)co_await asio::async_write(socket, asio::buffer(bytes), io::kTuple);
    std::string out;
    (void)co_await asio::async_read(socket, asio::dynamic_buffer(out), io::kTuple);
    co_return out;
  }
  static size_t Count(const std::string& text, const std::string& word) {
    size_t count = 0;
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
      ++count;
    return count;
  }

  template <class T>
  static io::Task<void> Keep(io::Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
  }

  std::string folder_;
  asio::io_context context_{1};
  log::NullLogger logger_;
  io::Scope scope_{context_.get_executor(), logger_};
  Router router_;
  crypto::CertificateAuthority ca_ = *crypto::CertificateAuthority::Create("Test CA", Now(), 1);
  std::string client_certificate_;
};

}  // namespace mailreeve::http
