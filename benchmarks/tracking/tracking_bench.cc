// The measures of the tracking store (benchmarks/README.md). One JSON line a figure on standard
// output; recall or precision other than 1 ends it with status 1, whatever goals were missed.
#include "check.h"
#include "gateway/tracking/engine.h"
#include "io/files.h"
#include "measures.h"
#include "peers.h"
#include "sqlite_peer/store.h"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

using namespace mailreeve;
using namespace mailreeve::bench;

namespace {

struct Arguments {
  bool quick = false, no_peers = false, only_peers = false, only_append = false, keep = false,
       check = false;
  uint64_t messages = 0, seed = 1;
  std::string mix = "large", folder, store = "engine";
};

// `packed`: it seals and compacts whatever it has.
Session::Open OpenerOf(const Arguments& arguments, const std::string& folder, bool packed = false) {
  if (arguments.store == "engine") {
    return [folder, packed](io::Executor executor, log::Logger& logger, const Clock& clock) {
      gateway::tracking::EngineOptions options;
      options.core.dir = folder;
      if (packed) {
        options.core.seal_seconds = 1;
        options.core.compact_segments = 2;
      }
      return gateway::tracking::OpenStore(options, io::PosixFiles(), executor, logger, clock);
    };
  }
  (void)arguments;
  return [folder](io::Executor executor, log::Logger& logger, const Clock& clock) {
    return sqlite::OpenSqliteStore({.dir = folder}, executor, logger, clock);
  };
}

Result<void> MeasureStore(const Arguments& arguments, const Generator& generator, Plan plan,
                          const std::string& folder, bool all, Figures& figures, Scores& scores) {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  Session session(OpenerOf(arguments, folder));
  Measures measures(session, generator, folder, plan, figures, scores);
  TRY_VOID(measures.Load());
  measures.Settle();
  if (arguments.only_append) return {};
  measures.Questions();
  measures.Records();
  measures.TopSenders();
  if (all) {
    measures.Hunt();
    measures.Memory();
    TRY_VOID(measures.Restart());
    measures.Cold();
    TRY_VOID(measures.Packed(OpenerOf(arguments, folder, true)));
    TRY_VOID(measures.Watch());
  }
  session.Stop();
  if (!arguments.keep) std::filesystem::remove_all(folder, ignored);
  return {};
}

bool Checked(const Generator& generator, Figures& figures, uint64_t census) {
  if (auto checked = CheckGenerator(generator, 0, 2000); !checked) {
    Say(checked.error().ToString());
    return false;
  }
  const Census seen = TakeCensus(generator, census);
  figures.messages = census;
  figures.Print("generator: observables", seen.observables, "of a message");
  figures.Print("generator: observables seen once", seen.seen_once, "of distinct ones");
  figures.Print("generator: with attachments", seen.with_files, "of messages");
  figures.Print("generator: record", seen.encoded_bytes, "bytes encoded");
  figures.Print("generator: time", seen.make_us, "us/message");
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Measures of the tracking store");
  app.add_flag("--quick", arguments.quick, "1 M messages, in under 3 minutes");
  app.add_option("--messages", arguments.messages, "how many (default 100 M)");
  app.add_option("--seed", arguments.seed, "of the generator");
  app.add_option("--mix", arguments.mix, "office or large")
      ->check(CLI::IsMember({"office", "large"}));
  app.add_option("--folder", arguments.folder,
                 "where stores are made (default: below the temporary folder)");
  app.add_option("--store", arguments.store, "engine or sqlite")
      ->check(CLI::IsMember({"engine", "sqlite"}));
  app.add_flag("--no-peers", arguments.no_peers, "measure the store alone");
  app.add_flag("--only-peers", arguments.only_peers, "measure the others alone");
  app.add_flag("--only-append", arguments.only_append, "stop after the load: for a profile of it");
  app.add_flag("--keep", arguments.keep, "leave the stores");
  app.add_flag("--check", arguments.check, "only check the generator");
  CLI11_PARSE(app, argc, argv);

  if (arguments.messages == 0) arguments.messages = arguments.quick ? 1'000'000 : 100'000'000;
  const bool made_folder = arguments.folder.empty();
  if (made_folder) {
    std::string name =
        (std::filesystem::temp_directory_path() / "mailreeve-tracking-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      std::perror("bench: temporary folder");
      return 2;
    }
    arguments.folder = name;
  }

  Figures figures;
  Scores scores;
  const Mix mix = arguments.mix == "office" ? Mix::kOffice : Mix::kLarge;
  const Generator generator({.seed = arguments.seed, .messages = arguments.messages, .mix = mix});
  int status = Checked(generator, figures, std::min<uint64_t>(arguments.messages, 300'000)) ? 0 : 1;
  if (arguments.check || status != 0) return status;

  Plan plan;
  plan.messages = arguments.messages;
  if (arguments.quick) {
    plan.hunted = 100'000;
    plan.observables = 400;
    plan.counted = 8;
    plan.cold = 100;
    plan.watch_rounds = 8;
  }
  auto done = arguments.only_peers
                  ? Result<void>()
                  : MeasureStore(arguments, generator, plan, arguments.folder + "/store", true,
                                 figures, scores);
  if (!done) {
    Say("the store failed: " + done.error().ToString());
    status = 1;
  }
  uint64_t peers_wrong = 0;
  if (!arguments.no_peers && !arguments.only_append) {
    PeerPlan peers;
    peers.messages = std::min<uint64_t>(arguments.messages, 1'000'000);
    peers.seconds = arguments.quick ? 12 : 300;
    peers.folder = arguments.folder;
    peers.keep = arguments.keep;
    peers_wrong = MeasurePeers(generator, peers, figures);
  }
  if (peers_wrong > 0) Say(std::to_string(peers_wrong) + " answers of peers were wrong");
  figures.messages = plan.messages;
  scores.Print(figures);
  if (!scores.perfect()) {
    Say("recall or precision is not 1 (see WRONG above)");
    status = 1;
  }
  if (figures.missed > 0) Say(std::to_string(figures.missed) + " goals were not met");
  if (made_folder && !arguments.keep) {
    std::error_code ignored;
    std::filesystem::remove_all(arguments.folder, ignored);
  }
  return status;
}
