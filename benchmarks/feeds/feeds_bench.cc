// How long a list of a million entries takes to become documents, and how much memory that needs:
// everything of a run of a feed but the store, in whose place stands one that only counts.

#include "base/random.h"
#include "ctim/validate.h"
#include "response/feed_import/importer.h"

#include <boost/asio/co_spawn.hpp>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace {

using namespace mailreeve;
using namespace mailreeve::response;
using Steady = std::chrono::steady_clock;

class Counting final : public feed_import::Library {
 public:
  io::Task<Result<void>> Put(std::string, int64_t, std::vector<json::object> documents) override {
    count += documents.size();
    co_return Result<void>{};
  }
  io::Task<Result<uint64_t>> RemoveOlder(std::string, int64_t) override { co_return uint64_t{0}; }
  io::Task<Result<uint64_t>> Remove(std::string, std::vector<ctim::ShortId>) override {
    co_return uint64_t{0};
  }
  uint64_t count = 0;
};

double PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void Print(const char* name, double value, const char* unit) {
  std::printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}\n", name, value, unit);
}

// A quarter each of names, addresses, URLs and hashes.
std::string Value(size_t i) {
  char text[128];
  const auto n = static_cast<unsigned>(i);
  switch (i % 4) {
    case 0:
      std::snprintf(text, sizeof text, "host-%u.bad-%u.example", n, n % 1000);
      break;
    case 1:
      std::snprintf(text, sizeof text, "198.%u.%u.%u", 18 + n % 2, n / 256 % 256, n % 256);
      break;
    case 2:
      std::snprintf(text, sizeof text, "http://bad-%u.example/path/%u?x=%u", n % 1000, n, n);
      break;
    default:
      std::snprintf(text, sizeof text, "%056x%08x", 0xabcdef, n);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t entries = argc > 1 && std::strcmp(argv[1], "--quick") == 0 ? 100'000 : 1'000'000;
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("bench-feeds-" + RandomUuid());
  std::filesystem::create_directories(folder);
  const std::string path = folder / "list.txt";
  {
    std::ofstream file(path, std::ios::binary);
    for (size_t i = 0; i < entries; ++i) file << Value(i) << '\n';
  }

  SystemClock clock;
  log::NullLogger logger;
  io::Pool pool("feed files", 1, 100);
  Counting library;
  feed_import::HttpSource source({});
  feed_import::Importer importer(library, source, io::PosixFiles(), pool,
                                 {io::PosixFiles(), folder / "state"}, clock, logger, {});
  auto feeds = feed_import::ReadFeeds(json::object{
      {"feeds", json::array{json::object{{"name", "bench"}, {"kind", "list"}, {"url", path}}}}});
  if (!feeds) return 1;

  const double before = PeakMegabytes();
  const double cpu = CpuSeconds();
  const auto began = Steady::now();
  bool good = false;
  asio::io_context context;
  asio::co_spawn(context, importer.Take(feeds->front()),
                 [&good](std::exception_ptr thrown, const Result<feed_import::Report>& report) {
                   good = !thrown && report.has_value();
                 });
  context.run();
  const double seconds = std::chrono::duration<double>(Steady::now() - began).count();
  std::filesystem::remove_all(folder);
  if (!good || library.count == 0) {
    std::fprintf(stderr, "the feed was not taken\n");
    return 1;
  }
  Print("feed_entries", static_cast<double>(library.count), "documents");
  Print("feed_seconds", seconds, "s");
  Print("feed_cpu", (CpuSeconds() - cpu) * 1e6 / static_cast<double>(library.count), "us/entry");
  Print("feed_memory_added", PeakMegabytes() - before, "MB");

  // What checking costs, of documents as clients send them.
  const json::object judgement = feed_formats::JudgementOf(
      {*feed_formats::ReadObservable("bad.example", ""), "", "why", {}, {}}, [] {
        feed_formats::Terms terms;
        terms.feed = terms.source = "bench";
        return terms;
      }());
  const size_t rounds = entries / 10;
  const double check = CpuSeconds();
  for (size_t i = 0; i < rounds; ++i)
    if (!ctim::Check("judgement", judgement)) return 1;
  Print("ctim_check_judgement", (CpuSeconds() - check) * 1e6 / static_cast<double>(rounds), "us");
  return 0;
}
