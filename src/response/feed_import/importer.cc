#include "response/feed_import/importer.h"

#include "base/text.h"
#include "io/deadline.h"
#include "io/event.h"

#include <fmt/format.h>

#include <algorithm>

namespace mailreeve::response::feed_import {
namespace {

constexpr size_t kPiece = 64 * 1024;
constexpr size_t kMaxAuthorizationBytes = 16 * 1024;
constexpr std::string_view kTaxiiType = "application/taxii+json;version=2.1";

// What servers of feeds say wrongly is mostly a page for people.
Result<void> CheckJson(const http::Response& answer) {
  const std::string type = AsciiLower(answer.headers.Get("Content-Type"));
  if (type.empty() || type.find("json") != std::string::npos || type.starts_with("text/plain"))
    return {};
  return Fail(Code::kInvalid,
              "the server answers " + std::string(CutUtf8(type, 60)) + " instead of JSON");
}

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  Options out;
  out.batch = static_cast<size_t>(snapshot.Integer("feeds.batch"));
  out.max_document_bytes = static_cast<size_t>(snapshot.Integer("feeds.max_bytes"));
  out.max_pages = static_cast<size_t>(snapshot.Integer("feeds.max_pages"));
  out.page_size = static_cast<size_t>(snapshot.Integer("feeds.page_size"));
  out.max_shrink_percent = snapshot.Integer("feeds.max_shrink_percent");
  out.run_timeout = std::chrono::seconds(snapshot.Integer("feeds.run_timeout"));
  out.first_retry = std::chrono::seconds(snapshot.Integer("feeds.first_retry"));
  out.max_text_entries = static_cast<size_t>(snapshot.Integer("feeds.max_entries"));
  out.stix.max_objects = static_cast<size_t>(snapshot.Integer("feeds.max_objects"));
  out.stix.pattern.max_bytes = static_cast<size_t>(snapshot.Integer("feeds.max_pattern_bytes"));
  out.misp.max_events = static_cast<size_t>(snapshot.Integer("feeds.max_events"));
  out.misp.max_attributes = static_cast<size_t>(snapshot.Integer("feeds.max_attributes"));
  return out;
}

// One run of one feed.
struct Importer::Work {
  Feed feed;
  FeedState state;
  Report report;
  bool fresh = false;  // not conditional: validity must be told anew
};

Importer::Importer(Library& library, Source& source, io::Files& files, io::Pool& pool,
                   StateFolder states, const Clock& clock, log::Logger& logger, Options options)
    : library_(library),
      source_(source),
      files_(files),
      pool_(pool),
      states_(std::move(states)),
      clock_(clock),
      logger_(logger),
      options_(std::move(options)) {}

Time Importer::DueAt(const Feed& feed, const FeedState& state) const {
  if (!state.tried) return Time();
  std::chrono::seconds wait = feed.interval;
  if (state.failures > 0) {
    const int doublings = static_cast<int>(std::min<int64_t>(state.failures - 1, 12));
    wait = std::min(wait, options_.first_retry * (int64_t{1} << doublings));
  }
  return *state.tried + wait;
}

io::Task<void> Importer::Run(std::vector<Feed> feeds) {
  std::erase_if(feeds, [](const Feed& feed) { return !feed.enabled; });
  if (feeds.empty()) co_return;
  // Due times are kept in memory: reading all states for every feed would be many files.
  std::vector<Time> due;
  for (const auto& feed : feeds) {
    StateFolder states = states_;
    auto state = co_await pool_.Run(
        [states, name = feed.name]() mutable -> Result<FeedState> { return states.Load(name); });
    due.push_back(state ? DueAt(feed, *state) : Time());
  }
  while (true) {
    const auto next = std::min_element(due.begin(), due.end());
    const Time now = clock_.Now();
    if (*next > now) {
      // The clock may be set: not for long at a time.
      co_await io::Sleep(std::min<std::chrono::nanoseconds>(*next - now, std::chrono::minutes(1)));
      continue;
    }
    const Feed& feed = feeds[static_cast<size_t>(next - due.begin())];
    const auto report = co_await Take(feed);
    if (!report && report.error().code == Code::kCancelled) co_return;
    StateFolder states = states_;
    auto state = co_await pool_.Run(
        [states, name = feed.name]() mutable -> Result<FeedState> { return states.Load(name); });
    // Even when the state could not be kept, the feed is not taken again at once.
    *next = std::max(state ? DueAt(feed, *state) : Time(),
                     clock_.Now() + std::chrono::seconds(options_.first_retry));
  }
}

io::Task<Result<Report>> Importer::Take(Feed feed) {
  Work work{std::move(feed), {}, {}, false};
  StateFolder states = states_;
  const std::string name = work.feed.name;
  auto loaded = co_await pool_.Run(
      [states, name]() mutable -> Result<FeedState> { return states.Load(name); });
  if (loaded) work.state = *std::move(loaded);
  const Time now = clock_.Now();
  work.feed.terms.now = now;
  work.feed.text.max_entries = options_.max_text_entries;
  work.state.tried = now;
  work.state.generation = std::max(work.state.generation + 1, ToEpochMillis(now));
  // An entry that lives so long from its reading on must be read again in time.
  if (work.feed.terms.life && work.state.read_whole)
    work.fresh = now >= *work.state.read_whole + *work.feed.terms.life / 2;

  const Result<void> done =
      co_await io::WithDeadline(TakeAny(work), options_.run_timeout, "feed " + work.feed.name);
  FeedState& state = work.state;
  state.documents = work.report.documents;
  state.removed = work.report.removed;
  if (done) {
    state.succeeded = now;
    state.failures = 0;
    state.error.clear();
    if (!work.report.unchanged) state.skipped = work.report.counts.skipped;
  } else {
    ++state.failures;
    state.error = done.error().ToString();
  }
  const auto saved = co_await pool_.Run(
      [states, name, state]() mutable -> Result<void> { return states.Save(name, state); });
  if (!saved)
    logger_.Error("feed_state_not_saved", {{"feed", name}, {"error", saved.error().ToString()}});
  if (!done) {
    logger_.Warn("feed_failed",
                 {{"feed", name}, {"failures", state.failures}, {"error", state.error}});
    co_return Fail(done.error());
  }
  logger_.Info("feed_taken", {{"feed", name},
                              {"unchanged", work.report.unchanged},
                              {"documents", work.report.documents},
                              {"removed", work.report.removed}});
  co_return std::move(work.report);
}

io::Task<Result<void>> Importer::TakeAny(Work& work) {
  switch (work.feed.kind) {
    case Kind::kList:
    case Kind::kCsv:
      co_return co_await TakeText(work);
    case Kind::kStix:
      co_return co_await TakeStix(work);
    case Kind::kTaxii:
      co_return co_await TakeTaxii(work);
    case Kind::kMisp:
      co_return co_await TakeMisp(work);
  }
  co_return Result<void>{};
}

io::Task<Result<std::optional<http::Response>>> Importer::Fetch(Work& work, std::string url,
                                                                bool whole, std::string accept) {
  http::Headers headers;
  headers.Add("Accept", std::move(accept));
  headers.Add("User-Agent", "Mailreeve");
  if (!work.feed.authorization_file.empty()) {
    CO_TRY(const std::string text, co_await pool_.Run([this, path = work.feed.authorization_file] {
      return io::ReadWhole(files_, path, kMaxAuthorizationBytes);
    }));
    headers.Add("Authorization", std::string(TrimSpace(text)));
  }
  if (whole && !work.fresh) {
    if (!work.state.etag.empty()) headers.Add("If-None-Match", work.state.etag);
    if (!work.state.last_modified.empty())
      headers.Add("If-Modified-Since", work.state.last_modified);
  }
  CO_TRY(http::Response answer, co_await source_.Get(std::move(url), std::move(headers)));
  if (whole && answer.status == 304) co_return std::nullopt;
  if (answer.status != 200) {
    const Code code = answer.status == 401 || answer.status == 403   ? Code::kDenied
                      : answer.status == 404 || answer.status == 410 ? Code::kNotFound
                                                                     : Code::kUnavailable;
    co_return Fail(code, fmt::format("the server answers {} {}", answer.status,
                                     http::ReasonOf(answer.status)));
  }
  co_return answer;
}

io::Task<Result<std::optional<std::string>>> Importer::ReadDocument(Work& work, std::string url,
                                                                    bool whole,
                                                                    std::string accept) {
  if (url.starts_with('/')) {
    CO_TRY(std::string text, co_await pool_.Run([this, url] {
      return io::ReadWhole(files_, url, options_.max_document_bytes);
    }));
    co_return std::move(text);
  }
  CO_TRY(std::optional<http::Response> answer,
         co_await Fetch(work, std::move(url), whole, std::move(accept)));
  if (!answer) co_return std::nullopt;
  CO_TRY_VOID(CheckJson(*answer));
  if (whole) {
    work.state.etag = std::string(answer->headers.Get("ETag"));
    work.state.last_modified = std::string(answer->headers.Get("Last-Modified"));
  }
  co_return std::move(answer->body);
}

io::Task<Result<void>> Importer::PutDocuments(Work& work, std::string set,
                                              std::vector<json::object> documents) {
  for (size_t at = 0; at < documents.size(); at += options_.batch) {
    const size_t end = std::min(documents.size(), at + options_.batch);
    std::vector<json::object> batch(
        std::make_move_iterator(documents.begin() + static_cast<std::ptrdiff_t>(at)),
        std::make_move_iterator(documents.begin() + static_cast<std::ptrdiff_t>(end)));
    work.report.documents += batch.size();
    CO_TRY_VOID(co_await library_.Put(set, work.state.generation, std::move(batch)));
  }
  co_return Result<void>{};
}

io::Task<Result<void>> Importer::PutEntries(Work& work, std::vector<feed_formats::Entry> entries) {
  std::vector<json::object> documents;
  documents.reserve(entries.size());
  for (const auto& entry : entries)
    documents.push_back(feed_formats::JudgementOf(entry, work.feed.terms));
  co_return co_await PutDocuments(work, work.feed.name, std::move(documents));
}

Result<void> Importer::CheckSize(const Work& work, uint64_t entries) const {
  const uint64_t before = work.state.entries;
  if (before < options_.shrink_from) return {};
  const auto least = before - before * static_cast<uint64_t>(options_.max_shrink_percent) / 100;
  if (entries >= least) return {};
  return Fail(Code::kInvalid,
              fmt::format("the feed lists {} entries instead of {} before; nothing is removed",
                          entries, before));
}

// What this run did not meet is not listed any more.
io::Task<Result<void>> Importer::FinishWhole(Work& work, uint64_t entries) {
  CO_TRY_VOID(CheckSize(work, entries));
  CO_TRY(const uint64_t removed,
         co_await library_.RemoveOlder(work.feed.name, work.state.generation));
  work.report.removed += removed;
  work.state.entries = entries;
  work.state.read_whole = work.feed.terms.now;
  co_return Result<void>{};
}

io::Task<Result<void>> Importer::TakeText(Work& work) {
  feed_formats::TextFeed reader(work.feed.text);
  std::vector<feed_formats::Entry> entries;
  std::string etag, last_modified;
  if (work.feed.IsFile()) {
    CO_TRY(std::unique_ptr<io::File> file, co_await pool_.Run([this, path = work.feed.url] {
      return files_.Open(path, io::OpenMode::kRead);
    }));
    for (uint64_t at = 0;;) {
      CO_TRY(const std::string piece,
             co_await pool_.Run([&file, at] { return file->ReadAt(at, kPiece); }));
      if (piece.empty()) break;
      at += piece.size();
      CO_TRY_VOID(reader.Read(piece, entries));
      if (entries.size() >= options_.batch)
        CO_TRY_VOID(co_await PutEntries(work, std::exchange(entries, {})));
    }
  } else {
    CO_TRY(const std::optional<http::Response> answer,
           co_await Fetch(work, work.feed.url, true, "text/plain, text/csv, */*;q=0.5"));
    if (!answer) {
      work.report.unchanged = true;
      co_return Result<void>{};
    }
    const std::string_view body = answer->body;
    for (size_t at = 0; at < body.size(); at += kPiece) {
      CO_TRY_VOID(reader.Read(body.substr(at, kPiece), entries));
      if (entries.size() >= options_.batch)
        CO_TRY_VOID(co_await PutEntries(work, std::exchange(entries, {})));
    }
    etag = std::string(answer->headers.Get("ETag"));
    last_modified = std::string(answer->headers.Get("Last-Modified"));
  }
  CO_TRY_VOID(reader.Finish(entries));
  CO_TRY_VOID(co_await PutEntries(work, std::move(entries)));
  work.report.counts = reader.counts();
  CO_TRY_VOID(co_await FinishWhole(work, reader.counts().entries));
  // Only now: after a failure the whole answer is wanted again.
  work.state.etag = std::move(etag);
  work.state.last_modified = std::move(last_modified);
  co_return Result<void>{};
}

io::Task<Result<void>> Importer::TakeStix(Work& work) {
  const std::string etag = work.state.etag;
  const std::string last_modified = work.state.last_modified;
  CO_TRY(std::optional<std::string> text,
         co_await ReadDocument(work, work.feed.url, true,
                               "application/stix+json;version=2.1, application/json"));
  if (!text) {
    work.report.unchanged = true;
    co_return Result<void>{};
  }
  std::string new_etag = std::exchange(work.state.etag, etag);
  std::string new_modified = std::exchange(work.state.last_modified, last_modified);
  CO_TRY(const json::value document,
         json::Parse(*text, {.max_bytes = options_.max_document_bytes}));
  text.reset();
  CO_TRY(feed_formats::Documents taken,
         feed_formats::StixDocuments(document, work.feed.terms, options_.stix, false));
  work.report.counts = taken.counts;
  CO_TRY_VOID(CheckSize(work, taken.counts.entries));
  CO_TRY_VOID(co_await PutDocuments(work, work.feed.name, std::move(taken.documents)));
  CO_TRY_VOID(co_await FinishWhole(work, taken.counts.entries));
  work.state.etag = std::move(new_etag);
  work.state.last_modified = std::move(new_modified);
  co_return Result<void>{};
}

io::Task<Result<void>> Importer::TakeTaxii(Work& work) {
  const std::string added_after = work.fresh ? std::string() : work.state.added_after;
  std::string next;
  for (size_t page = 0; page < options_.max_pages; ++page) {
    std::string url = work.feed.url + "objects/?limit=" + std::to_string(options_.page_size);
    if (!added_after.empty()) url += "&added_after=" + http::PercentEncode(added_after);
    if (!next.empty()) url += "&next=" + http::PercentEncode(next);
    CO_TRY(const std::optional<http::Response> answer,
           co_await Fetch(work, std::move(url), false, std::string(kTaxiiType)));
    CO_TRY_VOID(CheckJson(*answer));
    CO_TRY(const json::value document,
           json::Parse(answer->body, {.max_bytes = options_.max_document_bytes}));
    CO_TRY(const json::object* envelope, json::AsObject(document, ""));
    CO_TRY(feed_formats::Documents taken,
           feed_formats::StixDocuments(document, work.feed.terms, options_.stix, true));
    work.report.counts.entries += taken.counts.entries;
    for (const auto& [reason, count] : taken.counts.skipped)
      work.report.counts.skipped[reason] += count;
    const bool empty = taken.documents.empty() && taken.withdrawn.empty();
    CO_TRY_VOID(co_await PutDocuments(work, work.feed.name, std::move(taken.documents)));
    if (!taken.withdrawn.empty()) {
      CO_TRY(const uint64_t removed,
             co_await library_.Remove(work.feed.name, std::move(taken.withdrawn)));
      work.report.removed += removed;
    }
    // A later failure goes on from here.
    const std::string_view last = answer->headers.Get("X-TAXII-Date-Added-Last");
    if (!last.empty() && ParseTime(last)) work.state.added_after = std::string(last);
    CO_TRY(const bool more, json::OptionalBool(*envelope, "more", false));
    if (!more) {
      work.report.unchanged = page == 0 && empty;
      work.state.read_whole = work.feed.terms.now;
      work.state.entries += work.report.counts.entries;
      co_return Result<void>{};
    }
    CO_TRY(std::string following, json::RequireString(*envelope, "next"));
    if (following.empty() || following == next)
      co_return Fail(Code::kInvalid, "the server's pages go round in circles");
    next = std::move(following);
  }
  co_return Fail(Code::kLimited, fmt::format("more than {} pages", options_.max_pages));
}

io::Task<Result<void>> Importer::TakeEvent(Work& work, feed_formats::MispEvent event) {
  CO_TRY(
      const std::optional<std::string> text,
      co_await ReadDocument(work, work.feed.url + event.uuid + ".json", false, "application/json"));
  CO_TRY(const json::value document,
         json::Parse(*text, {.max_bytes = options_.max_document_bytes}));
  CO_TRY(feed_formats::Documents taken,
         feed_formats::MispDocuments(document, work.feed.terms, options_.misp));
  work.report.counts.entries += taken.counts.entries;
  for (const auto& [reason, count] : taken.counts.skipped)
    work.report.counts.skipped[reason] += count;
  const std::string set = work.feed.name + "/" + event.uuid;
  CO_TRY_VOID(co_await PutDocuments(work, set, std::move(taken.documents)));
  CO_TRY(const uint64_t removed, co_await library_.RemoveOlder(set, work.state.generation));
  work.report.removed += removed;
  work.state.events[event.uuid] = event.timestamp;
  co_return Result<void>{};
}

io::Task<Result<void>> Importer::TakeMisp(Work& work) {
  const std::string etag = work.state.etag, last_modified = work.state.last_modified;
  CO_TRY(const std::optional<std::string> text,
         co_await ReadDocument(work, work.feed.url + "manifest.json", true, "application/json"));
  if (!text) {
    work.report.unchanged = true;
    co_return Result<void>{};
  }
  std::string new_etag = std::exchange(work.state.etag, etag);
  std::string new_modified = std::exchange(work.state.last_modified, last_modified);
  CO_TRY(const json::value manifest,
         json::Parse(*text, {.max_bytes = options_.max_document_bytes}));
  CO_TRY(const std::vector<feed_formats::MispEvent> events,
         feed_formats::ReadManifest(manifest, options_.misp, work.report.counts));
  CO_TRY_VOID(CheckSize(work, events.size()));
  std::map<std::string, std::string> gone = work.state.events;
  size_t failed = 0;
  std::string first_failure;
  for (const auto& event : events) {
    gone.erase(event.uuid);
    const auto known = work.state.events.find(event.uuid);
    const bool same = known != work.state.events.end() && known->second == event.timestamp;
    if (same && !work.fresh) continue;
    const Result<void> taken = co_await TakeEvent(work, event);
    if (taken) continue;
    // One bad event does not keep the others out; the library's own failure does.
    if (taken.error().code == Code::kCancelled || ++failed > options_.max_event_failures)
      co_return Fail(taken.error());
    if (first_failure.empty()) first_failure = event.uuid + ": " + taken.error().ToString();
  }
  for (const auto& [uuid, timestamp] : gone) {
    CO_TRY(const uint64_t removed,
           co_await library_.RemoveOlder(work.feed.name + "/" + uuid, work.state.generation));
    work.report.removed += removed;
    work.state.events.erase(uuid);
  }
  work.state.entries = events.size();
  if (failed > 0) {
    co_return Fail(Code::kUnavailable,
                   fmt::format("{} events could not be taken: {}", failed, first_failure));
  }
  work.state.read_whole = work.feed.terms.now;
  work.state.etag = std::move(new_etag);
  work.state.last_modified = std::move(new_modified);
  co_return Result<void>{};
}

}  // namespace mailreeve::response::feed_import
