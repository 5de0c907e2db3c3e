#include "response/api/feed_system.h"

#include "io/event.h"
#include "io/file.h"
#include "outbound/outbound.h"
#include "response/intel/import.h"

namespace mailreeve::response::api {

Result<std::unique_ptr<FeedSystem>> FeedSystem::Open(Options options,
                                                     const settings::Snapshot& snapshot,
                                                     intel::Store& store, const Clock& clock,
                                                     log::Logger& logger) {
  std::unique_ptr<FeedSystem> out(new FeedSystem(store, clock, logger));
  if (options.feeds_file.empty()) return out;
  TRY(const std::string text, io::ReadFile(options.feeds_file, 16 * 1024 * 1024));
  TRY(const json::value document, json::Parse(text));
  TRY(out->feeds_, feed_import::ReadFeeds(document));
  TRY_VOID(io::MakeFolders(options.state_folder, 0750));
  TRY(http::ClientOptions client, outbound::FromSettings(snapshot));
  client.max_body_bytes = static_cast<size_t>(snapshot.Integer("feeds.max_bytes"));
  out->source_ = std::make_unique<feed_import::HttpSource>(std::move(client));
  out->importer_ = std::make_unique<feed_import::Importer>(
      out->library_, *out->source_, io::PosixFiles(), out->pool_,
      feed_import::StateFolder(io::PosixFiles(), options.state_folder), clock, logger,
      feed_import::FromSettings(snapshot));
  return out;
}

void FeedSystem::Start(io::Scope& scope) {
  scope.Spawn("expiry of feeds", RemoveExpired());
  if (importer_) scope.Spawn("feeds", importer_->Run(feeds_));
}

io::Task<void> FeedSystem::RemoveExpired() {
  constexpr int64_t kAtOnce = 500;
  while (true) {
    int64_t removed = kAtOnce;
    while (removed == kAtOnce) {
      const int64_t now = ToEpochMicros(clock_.Now());
      auto some = co_await store_.Write(
          [now](intel::Tables& tables) { return intel::RemoveExpired(tables, now, kAtOnce); });
      if (!some) {
        logger_.Error("expiry_of_feeds_failed", {{"error", some.error().ToString()}});
        break;
      }
      removed = *some;
    }
    co_await io::Sleep(std::chrono::hours(1));
  }
}

}  // namespace mailreeve::response::api
