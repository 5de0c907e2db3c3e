// Reads a folder of raw mails and says how many messages and bytes a second of processor time are
// read: by the reader and recogniser in this process, through the cage (children's time counted),
// and by GMime alone reading and hashing.
//
//   bench_inspect --corpus DIR [--name spam_assassin] [--quick]
#include "gateway/inspection/inspection_pool.h"

#include <boost/asio/detached.hpp>
#include <gmime/gmime.h>
#include <openssl/evp.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using namespace mailreeve;
namespace inspection = gateway::inspection;

double CpuSeconds() {
  double total = 0;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    total += static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  }
  return total;
}

std::vector<std::string> ReadCorpus(const std::string& folder) {
  std::vector<std::string> paths, out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (entry.is_regular_file() && (extension == ".txt" || extension == ".eml"))
      paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return out;
}

void HashPart(GMimeObject*, GMimeObject* part, gpointer context) {
  if (!GMIME_IS_PART(part)) return;
  GMimeDataWrapper* content = g_mime_part_get_content(GMIME_PART(part));
  if (content == nullptr) return;
  GMimeStream* decoded = g_mime_stream_mem_new();
  g_mime_data_wrapper_write_to_stream(content, decoded);
  const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(decoded));
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(bytes->data, bytes->len, digest, nullptr, static_cast<const EVP_MD*>(context),
             nullptr);
  g_object_unref(decoded);
}

void GmimeAlone(const std::vector<std::string>& mails) {
  EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  for (const auto& mail : mails) {
    GMimeStream* stream = g_mime_stream_mem_new_with_buffer(mail.data(), mail.size());
    GMimeParser* parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage* message = g_mime_parser_construct_message(parser, nullptr);
    if (message != nullptr) {
      g_mime_message_foreach(message, HashPart, sha256);
      g_object_unref(message);
    }
    g_object_unref(parser);
    g_object_unref(stream);
  }
  EVP_MD_free(sha256);
}

struct Feed {
  const std::vector<std::string>* mails;
  size_t next = 0, rounds = 1, failed = 0, running = 0;
};

io::Task<void> Send(inspection::InspectionPool& pool, Feed& feed) {
  while (feed.next < feed.mails->size() * feed.rounds) {
    const auto result = co_await pool.Inspect((*feed.mails)[feed.next++ % feed.mails->size()]);
    if (!result) ++feed.failed;
  }
  --feed.running;
}

io::Task<void> StopPool(inspection::InspectionPool& pool) { co_await pool.Stop(); }

void Print(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\"}\n", name.c_str(), value, unit);
}
void Print(const std::string& name, double value, const char* unit, const char* peer,
           double peer_value) {
  std::printf(
      "{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\",\"peer\":\"%s\",\"peer_value\":%.1f,"
      "\"ratio\":%.3f}\n",
      name.c_str(), value, unit, peer, peer_value, value / peer_value);
}

int Run(const std::string& corpus, const std::string& name, bool quick) {
  std::vector<std::string> mails = ReadCorpus(corpus);
  if (mails.empty()) {
    std::fprintf(stderr, "no .txt or .eml files in %s\n", corpus.c_str());
    return 1;
  }
  if (quick && mails.size() > 1000) mails.resize(1000);
  double bytes = 0;
  for (const auto& mail : mails) bytes += static_cast<double>(mail.size());
  const size_t rounds = quick ? 1 : std::max<size_t>(1, 12000 / mails.size());
  const double messages = static_cast<double>(mails.size() * rounds);
  const double megabytes = bytes * static_cast<double>(rounds) / 1e6;
  const std::string prefix = "inspect." + name + ".";
  Print(prefix + "messages", static_cast<double>(mails.size()), "messages");

  g_mime_init();
  GmimeAlone(
      {mails.begin(), mails.begin() + static_cast<long>(std::min<size_t>(50, mails.size()))});
  double start = CpuSeconds();
  for (size_t n = 0; n < rounds; ++n) GmimeAlone(mails);
  const double gmime = CpuSeconds() - start;

  mail::Reader reader{mail::ReadLimits{}};
  reader.Warm();
  size_t urls = 0;
  start = CpuSeconds();
  for (size_t n = 0; n < rounds; ++n) {
    for (const auto& mail : mails) urls += reader.Read(mail).urls.size();
  }
  const double alone = CpuSeconds() - start;

  asio::io_context context{1};
  log::NullLogger logger;
  inspection::InspectionOptions options;
  options.children = 2;
  options.messages_per_child = UINT64_MAX;
  inspection::InspectionPool pool(context.get_executor(), logger, options);
  pool.Start();
  while (pool.ready_children() < options.children) context.run_one();
  // Children's time is counted when they have ended, so what it takes to start and stop them is
  // measured apart.
  Feed feed{&mails};
  feed.rounds = rounds;
  feed.running = 8;
  start = CpuSeconds();
  for (size_t n = 0; n < 8; ++n) asio::co_spawn(context, Send(pool, feed), asio::detached);
  while (feed.running > 0) context.run_one();
  asio::co_spawn(context, StopPool(pool), asio::detached);
  context.run();
  double caged = CpuSeconds() - start;
  {
    asio::io_context idle_context{1};
    inspection::InspectionPool idle(idle_context.get_executor(), logger, options);
    start = CpuSeconds();
    idle.Start();
    while (idle.ready_children() < options.children) idle_context.run_one();
    asio::co_spawn(idle_context, StopPool(idle), asio::detached);
    idle_context.run();
    // The parent's part of starting lies before the measured stretch; the children's lies within
    // it.
    caged -= CpuSeconds() - start;
  }
  if (feed.failed > 0) {
    std::fprintf(stderr, "%zu messages could not be inspected\n", feed.failed);
    return 1;
  }
  Print(prefix + "reader", messages / alone, "messages/s/core", "gmime", messages / gmime);
  Print(prefix + "reader_bytes", megabytes / alone, "MB/s/core", "gmime", megabytes / gmime);
  Print(prefix + "cage", messages / caged, "messages/s/core", "gmime", messages / gmime);
  Print(prefix + "cage_bytes", megabytes / caged, "MB/s/core", "gmime", megabytes / gmime);
  Print(prefix + "urls", static_cast<double>(urls) / messages, "per message");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == inspection::kCageArgument)
    return inspection::RunCageChild(argc, argv);
  std::string corpus, name = "corpus";
  bool quick = false;
  for (int n = 1; n < argc; ++n) {
    const std::string_view argument = argv[n];
    if (argument == "--quick") {
      quick = true;
    } else if (argument == "--corpus" && n + 1 < argc) {
      corpus = argv[++n];
    } else if (argument == "--name" && n + 1 < argc) {
      name = argv[++n];
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: bench_inspect --corpus DIR [--name NAME] [--quick]\n");
    return 2;
  }
  return Run(corpus, name, quick);
}
