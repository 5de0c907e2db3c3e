// A milter that accepts every message at once: what Postfix and our protocol cost without
// inspection and tracking.
#include "gateway/milter/milter.h"

#include <boost/asio/signal_set.hpp>

#include <cstdio>

namespace milter = mailreeve::gateway::milter;

class Accept final : public milter::MessageHandler {
 public:
  mailreeve::io::Task<milter::Decision> OnMessage(milter::MilterMessage) override {
    co_return milter::Decision::Accept();
  }
};

int main(int argc, char** argv) {
  milter::Options options;
  for (int i = 1; i < argc; ++i) options.listen.emplace_back(argv[i]);
  mailreeve::asio::io_context context(1);
  const auto logger = mailreeve::log::MakeLogger("", mailreeve::log::Level::kWarn);
  mailreeve::io::Scope scope(context.get_executor(), *logger);
  Accept handler;
  auto server = milter::Server::Listen(options, handler, scope, *logger);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().ToString().c_str());
    return 1;
  }
  mailreeve::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    (*server)->StopAccepting();
    scope.Cancel();
  });
  context.run();
  return 0;
}
