// Round trips and added latency of relay calls over the device channel: a platform and a gateway,
// each with an io_context and a thread of its own, over TLS with client certificates on loopback.
// Beside it the same bodies as HTTPS requests, one keep-alive connection for each request in
// flight. One JSON line a figure; --quick for a look.
#include "channel/device_end.h"
#include "channel/hub.h"
#include "crypto/x509.h"
#include "http/server.h"
#include "io/file.h"
#include "io/tls.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

using namespace mailreeve;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

namespace {

constexpr size_t kBodyBytes = 1024;
constexpr std::string_view kPath = "/device/v1/channel";

class EchoModule final : public relay::Module {
 public:
  io::Task<Result<json::value>> Ask(relay::Call call) override { co_return std::move(call.body); }
};

class OpenGate final : public channel::Gate {
 public:
  io::Task<Result<channel::Admission>> Admit(const http::Request& request) override {
    co_return channel::Admission{request.peer_certificate_subject_cn, "org", "bench"};
  }
  void OnConnected(const channel::Admission&, const channel::Link&) override {}
  void OnDisconnected(const channel::Link&, const std::string&) override {}
  void OnClone(const channel::Link&, const std::string&) override {}
};

json::value Body() { return {{"observables", std::string(kBodyBytes - 18, 'x')}}; }

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Outcome {
  uint64_t count = 0;
  uint64_t failed = 0;
  double seconds = 0;
  double cpu_us = 0;  // of both sides, for each call
  std::vector<double> latencies_us;
  double rate() const { return static_cast<double>(count) / seconds; }
  double Percentile(double part) {
    if (latencies_us.empty()) return 0;
    const auto at = static_cast<size_t>(part * static_cast<double>(latencies_us.size() - 1));
    std::nth_element(latencies_us.begin(), latencies_us.begin() + static_cast<long>(at),
                     latencies_us.end());
    return latencies_us[at];
  }
};

io::Task<void> AskMany(std::shared_ptr<relay::Module> module, Steady::time_point until,
                       Outcome* out, size_t* left) {
  const json::value body = Body();
  while (Steady::now() < until) {
    const auto began = Steady::now();
    const auto answer =
        co_await module->Ask({.route = "/observe/observables", .body = body, .deadline = 30s});
    out->latencies_us.push_back(
        std::chrono::duration<double, std::micro>(Steady::now() - began).count());
    ++(answer ? out->count : out->failed);
  }
  --*left;
}

io::Task<void> PostMany(io::TlsContext tls, uint16_t port, Steady::time_point until, Outcome* out,
                        size_t* left) {
  asio::ssl::stream<asio::ip::tcp::socket> stream(co_await asio::this_coro::executor, *tls);
  auto [connected] = co_await stream.lowest_layer().async_connect(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), io::kTuple);
  if (!connected) stream.lowest_layer().set_option(asio::ip::tcp::no_delay(true));
  auto [shaken] = co_await stream.async_handshake(asio::ssl::stream_base::client, io::kTuple);
  const std::string body = json::Serialize(Body());
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
      "application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  std::string buffer;
  while (!connected && !shaken && Steady::now() < until) {
    const auto began = Steady::now();
    auto [put_error, put] = co_await asio::async_write(stream, asio::buffer(request), io::kTuple);
    auto [head_error, head] = co_await asio::async_read_until(stream, asio::dynamic_buffer(buffer),
                                                              "\r\n\r\n", io::kTuple);
    if (put_error || head_error) {
      ++out->failed;
      break;
    }
    buffer.erase(0, head);
    if (buffer.size() < body.size()) {
      auto [body_error, got] = co_await asio::async_read(
          stream, asio::dynamic_buffer(buffer), asio::transfer_exactly(body.size() - buffer.size()),
          io::kTuple);
      if (body_error) {
        ++out->failed;
        break;
      }
    }
    if (!json::Parse(std::string_view(buffer).substr(0, body.size()))) ++out->failed;
    buffer.erase(0, body.size());
    out->latencies_us.push_back(
        std::chrono::duration<double, std::micro>(Steady::now() - began).count());
    ++out->count;
  }
  if (connected || shaken) ++out->failed;
  --*left;
}

io::Task<http::Response> Echo(http::Request request) {
  auto body = json::Parse(request.body);
  if (!body) co_return http::Response::Empty(400);
  co_return http::Response::Json(200, *body);
}

io::Task<void> StopDevice(channel::DeviceEnd& device, http::Server& server, io::Scope& scope) {
  co_await device.Stop();
  co_await server.Stop(100ms);
  scope.Cancel();
}

io::Task<void> StopPlatform(channel::Hub& hub, http::Server& server, io::Scope& scope) {
  co_await hub.Stop();
  co_await server.Stop(100ms);
  scope.Cancel();
}

void Print(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\"}\n", name.c_str(), value, unit);
  std::fflush(stdout);
}
void Print(const std::string& name, double value, const char* unit, const char* peer,
           double peer_value) {
  std::printf(
      "{\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"peer\":\"%s\",\"peer_value\":%.2f,"
      "\"ratio\":%.3f}\n",
      name.c_str(), value, unit, peer, peer_value, peer_value > 0 ? value / peer_value : 0);
  std::fflush(stdout);
}

template <class T>
T Must(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "%s: %s\n", what, result.error().ToString().c_str());
    std::exit(1);
  }
  return std::move(*result);
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const auto spell = quick ? 500ms : 3000ms;

  char name[] = "/tmp/mailreeve-bench-XXXXXX";
  const std::string folder = mkdtemp(name);
  const auto write = [&](const std::string& file, const std::string& text) {
    if (!io::WriteFileAtomically(folder + "/" + file, text, 0600)) std::exit(1);
    return folder + "/" + file;
  };
  const Time now = SystemClock().Now();
  const auto authority = Must(crypto::CertificateAuthority::Create("Bench", now, 1), "authority");
  const auto server_pair =
      Must(authority.IssueServer({"127.0.0.1"}, now, std::chrono::hours(24)), "server certificate");
  const auto keys = Must(crypto::MakeKeyAndRequest("bench"), "key");
  const auto certificate = Must(
      authority.IssueClient(keys.request_pem, "bench", now, std::chrono::hours(24)), "certificate");
  const std::string ca = write("ca.pem", authority.certificate_pem());
  const std::string server_certificate = write("server.pem", server_pair.certificate_pem);
  const std::string server_key = write("server.key", server_pair.key_pem);
  const std::string device_certificate = write("device.pem", certificate);
  const std::string device_key = write("device.key", keys.key_pem);
  const auto server_tls =
      Must(io::MakeTlsServer({server_certificate, server_key, ca}), "server TLS");
  const auto plain_tls =
      Must(io::MakeTlsServer({server_certificate, server_key, ""}), "server TLS");
  const auto client_tls =
      Must(io::MakeTlsClient({ca, device_certificate, device_key}), "client TLS");

  log::NullLogger logger;
  SystemClock clock;
  const auto direct = std::make_shared<EchoModule>();

  asio::io_context platform_context(1), device_context(1);
  io::Scope platform_scope(platform_context.get_executor(), logger),
      device_scope(device_context.get_executor(), logger);

  OpenGate gate;
  channel::HubOptions hub_options;
  channel::Hub hub(gate, hub_options, clock, logger, platform_context.get_executor());
  http::Router no_routes, echo_routes;
  echo_routes.Add("POST", "/echo", Echo);
  auto server = Must(http::Server::Listen({.host = "127.0.0.1"}, server_tls, no_routes, {},
                                          platform_scope, logger),
                     "listen");
  server->OnWebSocket(std::string(kPath), channel::WebSocketLimitsFor(hub_options.session),
                      hub.Handler());
  // What HTTPS answers sits in the gateway's thread, as the module does.
  auto echo_server = Must(
      http::Server::Listen({.host = "127.0.0.1"}, plain_tls, echo_routes, {}, device_scope, logger),
      "listen");

  http::WebSocketTarget target;
  target.host = "127.0.0.1";
  target.port = server->port();
  target.path = std::string(kPath);
  target.tls = client_tls;
  channel::DeviceEndOptions device_options;
  channel::DeviceEnd device(
      channel::Connector(target, channel::WebSocketLimitsFor(device_options.session)),
      channel::Hello{.instance = "bench"}, *direct, device_options, clock, logger,
      device_context.get_executor());
  device_scope.Spawn("device", device.Run());
  auto device_work = asio::make_work_guard(device_context);
  std::thread device_thread([&] { device_context.run(); });

  for (const auto until = Steady::now() + 10s; !hub.connected("bench");) {
    platform_context.run_for(10ms);
    if (Steady::now() > until) {
      std::fprintf(stderr, "the channel does not come up\n");
      std::_Exit(1);
    }
  }

  const auto run = [&](size_t concurrency, auto start) {
    Outcome out;
    size_t left = concurrency;
    const double cpu = CpuSeconds();
    const auto began = Steady::now();
    for (size_t i = 0; i < concurrency; ++i) {
      asio::co_spawn(platform_context, start(began + spell, &out, &left),
                     [](std::exception_ptr thrown) {
                       if (thrown) std::rethrow_exception(thrown);
                     });
    }
    while (left > 0) platform_context.run_one();
    out.seconds = std::chrono::duration<double>(Steady::now() - began).count();
    out.cpu_us = (CpuSeconds() - cpu) * 1e6 / static_cast<double>(std::max<uint64_t>(out.count, 1));
    if (out.failed > 0) {
      std::fprintf(stderr, "%llu calls failed\n", static_cast<unsigned long long>(out.failed));
      std::_Exit(1);
    }
    return out;
  };
  const auto over_channel = [&](Steady::time_point until, Outcome* out, size_t* left) {
    return AskMany(hub.ModuleOf("bench"), until, out, left);
  };
  const auto over_https = [&](Steady::time_point until, Outcome* out, size_t* left) {
    return PostMany(client_tls, echo_server->port(), until, out, left);
  };
  const auto in_process = [&](Steady::time_point until, Outcome* out, size_t* left) {
    return AskMany(direct, until, out, left);
  };

  Outcome alone = run(1, in_process);
  for (const size_t concurrency : {size_t{1}, size_t{32}, size_t{256}}) {
    Outcome ours = run(concurrency, over_channel);
    Outcome https = run(concurrency, over_https);
    const std::string suffix = "_c" + std::to_string(concurrency);
    Print("channel_round_trips" + suffix, ours.rate(), "calls/s", "https_keep_alive", https.rate());
    Print("channel_cpu" + suffix, ours.cpu_us, "us/call", "https_keep_alive", https.cpu_us);
    Print("channel_latency_p50" + suffix, ours.Percentile(0.5), "us", "https_keep_alive",
          https.Percentile(0.5));
    Print("channel_latency_p99" + suffix, ours.Percentile(0.99), "us", "https_keep_alive",
          https.Percentile(0.99));
    if (concurrency == 1) {
      Print("channel_added_latency_p50", ours.Percentile(0.5) - alone.Percentile(0.5), "us");
      Print("channel_added_latency_p99", ours.Percentile(0.99) - alone.Percentile(0.99), "us");
    }
  }

  asio::co_spawn(platform_context, StopPlatform(hub, *server, platform_scope),
                 [](std::exception_ptr) {});
  asio::co_spawn(device_context, StopDevice(device, *echo_server, device_scope),
                 [](std::exception_ptr) {});
  platform_context.run_for(5s);
  device_work.reset();
  device_thread.join();
  std::filesystem::remove_all(folder);
  return 0;
}
