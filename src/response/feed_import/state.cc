#include "response/feed_import/state.h"

namespace mailreeve::response::feed_import {
namespace {

constexpr size_t kMaxStateBytes = 64 * 1024 * 1024;

void Put(json::object& out, std::string_view key, const std::optional<Time>& time) {
  if (time) out[key] = FormatTime(*time);
}

Result<std::optional<Time>> TimeAt(const json::object& from, std::string_view key) {
  TRY(const std::string text, json::OptionalString(from, key, ""));
  if (text.empty()) return std::nullopt;
  TRY(const Time time, ParseTime(text));
  return time;
}

}  // namespace

json::object FeedState::ToJson() const {
  json::object out{{"etag", etag},
                   {"last_modified", last_modified},
                   {"added_after", added_after},
                   {"generation", generation},
                   {"failures", failures},
                   {"error", error},
                   {"entries", entries},
                   {"documents", documents},
                   {"removed", removed}};
  Put(out, "tried", tried);
  Put(out, "succeeded", succeeded);
  Put(out, "read_whole", read_whole);
  json::object versions, reasons;
  for (const auto& [uuid, timestamp] : events) versions[uuid] = timestamp;
  for (const auto& [reason, count] : skipped) reasons[reason] = count;
  out["events"] = std::move(versions);
  out["skipped"] = std::move(reasons);
  return out;
}

Result<FeedState> FeedState::FromJson(const json::value& value) {
  TRY(const json::object* from, json::AsObject(value, ""));
  FeedState out;
  TRY(out.etag, json::OptionalString(*from, "etag", ""));
  TRY(out.last_modified, json::OptionalString(*from, "last_modified", ""));
  TRY(out.added_after, json::OptionalString(*from, "added_after", ""));
  TRY(out.generation, json::OptionalInteger(*from, "generation", 0));
  TRY(out.failures, json::OptionalInteger(*from, "failures", 0));
  TRY(out.error, json::OptionalString(*from, "error", ""));
  TRY(const int64_t entries, json::OptionalInteger(*from, "entries", 0));
  TRY(const int64_t documents, json::OptionalInteger(*from, "documents", 0));
  TRY(const int64_t removed, json::OptionalInteger(*from, "removed", 0));
  out.entries = static_cast<uint64_t>(entries);
  out.documents = static_cast<uint64_t>(documents);
  out.removed = static_cast<uint64_t>(removed);
  TRY(out.tried, TimeAt(*from, "tried"));
  TRY(out.succeeded, TimeAt(*from, "succeeded"));
  TRY(out.read_whole, TimeAt(*from, "read_whole"));
  if (const json::value* events = from->if_contains("events")) {
    TRY(const json::object* versions, json::AsObject(*events, "events"));
    for (const auto& [uuid, timestamp] : *versions) {
      TRY(out.events[std::string(uuid)], json::AsString(timestamp, "events"));
    }
  }
  if (const json::value* skipped = from->if_contains("skipped")) {
    TRY(const json::object* reasons, json::AsObject(*skipped, "skipped"));
    for (const auto& [reason, unused] : *reasons) {
      TRY(const int64_t count, json::RequireInteger(*reasons, reason, "skipped"));
      out.skipped[std::string(reason)] = static_cast<size_t>(count);
    }
  }
  return out;
}

FeedState StateFolder::Load(const std::string& feed) {
  const auto text = io::ReadWhole(files_, PathOf(feed), kMaxStateBytes);
  if (!text) return {};
  const auto document = json::Parse(*text, {.max_bytes = kMaxStateBytes});
  if (!document) return {};
  auto state = FeedState::FromJson(*document);
  return state ? *std::move(state) : FeedState{};
}

Result<void> StateFolder::Save(const std::string& feed, const FeedState& state) {
  TRY_VOID(files_.MakeFolders(folder_));
  return io::ReplaceWhole(files_, PathOf(feed), json::Serialize(state.ToJson()));
}

}  // namespace mailreeve::response::feed_import
