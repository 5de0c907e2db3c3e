#include "session.h"

#include "io/asio.h"

#include <algorithm>
#include <thread>
#include <unordered_set>

namespace mailreeve::bench {

Session::Session(Open open)
    : open_(std::move(open)), logger_(log::MakeLogger("", log::Level::kWarn)) {}
Session::~Session() { Stop(); }

Result<void> Session::Start(const Open& open) {
  context_.restart();
  TRY(store_, open(context_.get_executor(), *logger_, clock_));
  return {};
}

void Session::Stop() {
  store_.reset();
  context_.restart();
  context_.poll();
}

void Session::Rest(Duration time) {
  const double until = Now() + std::chrono::duration<double>(time).count();
  while (Now() < until) {
    context_.restart();
    context_.poll();
    std::this_thread::sleep_for(std::min<Duration>(time, std::chrono::milliseconds(20)));
  }
  context_.restart();
  context_.poll();
}

namespace {

// Messages made ahead by some threads.
class Batch {
 public:
  Batch(const Generator& generator, uint64_t first, size_t count, Truth* truth) : made_(count) {
    const size_t parts = std::max(1u, std::thread::hardware_concurrency());
    std::vector<Truth::Findings> findings(parts);
    std::vector<double> spent(parts);
    std::vector<std::thread> threads;
    for (size_t part = 0; part < parts; ++part) {
      threads.emplace_back([&, part] {
        const size_t end = count * (part + 1) / parts;
        for (size_t i = count * part / parts; i < end; ++i) {
          generator.Make(first + i, made_[i]);
          if (truth != nullptr) truth->Look(made_[i], findings[part]);
        }
        spent[part] = ThreadSeconds();
      });
    }
    for (auto& thread : threads) thread.join();
    for (size_t part = 0; part < parts; ++part) {
      seconds_ += spent[part];
      if (truth != nullptr) truth->Take(findings[part]);
    }
  }
  std::vector<Made>& made() { return made_; }
  double seconds() const { return seconds_; }  // processor time

 private:
  std::vector<Made> made_;
  double seconds_ = 0;
};

// Appends one batch: `in_flight` coroutines take from it.
class Pump {
 public:
  Pump(Session& session, const LoadOptions& options, Load& load, std::vector<Made>& made)
      : session_(session), options_(options), load_(load), made_(made) {}

  Result<void> Run() {
    left_ = std::min(options_.in_flight, made_.size());
    for (size_t i = left_; i > 0; --i) Spawn(One());
    while (left_ > 0 || probes_ > 0) {
      if (session_.context().run_one() == 0) session_.context().restart();
    }
    if (failed_) return Fail(*failed_);
    return {};
  }

 private:
  void Spawn(io::Task<void> task) {
    asio::co_spawn(session_.context(), std::move(task), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  io::Task<void> One() {
    while (next_ < made_.size() && !failed_) {
      const size_t at = next_++;
      Made& made = made_[at];
      const bool probe = options_.probe_every > 0 && at % options_.probe_every == 0;
      mail::Mid mid = made.record.mid;
      if (options_.mid) mid = made.record.mid = options_.mid();
      std::string id = probe ? made.record.inspection.message_id : std::string();
      const double began = Now();
      auto done = co_await session_.store().Append(std::move(made.record));
      if (!done) {
        failed_ = std::move(done).error().Note("append of message " + std::to_string(at));
        break;
      }
      const double acknowledged = Now();
      if (at % 61 == 0) load_.acknowledged.push_back(acknowledged - began);
      if (probe) {
        ++probes_;
        Spawn(Probe(std::move(id), mid, acknowledged));
      }
      ++load_.messages;
      if (made.later.empty() || !options_.events) continue;
      load_.events += made.later.size();
      auto told = co_await session_.store().AppendEvents(mid, std::move(made.later));
      if (!told) failed_ = std::move(told).error().Note("events of message " + std::to_string(at));
    }
    --left_;
  }

  io::Task<void> Probe(std::string id, mail::Mid mid, double acknowledged) {
    gateway::tracking::Query query;
    query.message_id = std::move(id);
    while (true) {
      auto page = co_await session_.store().Search(query);
      if (!page && page.error().code != Code::kLimited) {
        failed_ = std::move(page).error().Note("looking for a message that was just appended");
        break;
      }
      if (page && !page->records.empty() && page->records[0].mid == mid) {
        load_.visible.push_back(Now() - acknowledged);
        break;
      }
      if (Now() - acknowledged > 30) {
        failed_ = Error(Code::kInternal,
                        "MID " + std::to_string(mid) + " was acknowledged and is not found");
        break;
      }
    }
    --probes_;
  }

  Session& session_;
  const LoadOptions& options_;
  Load& load_;
  std::vector<Made>& made_;
  size_t next_ = 0, left_ = 0, probes_ = 0;
  std::optional<Error> failed_;
};

}  // namespace

Result<Load> Append(Session& session, const Generator& generator, const LoadOptions& options,
                    Truth* truth) {
  Load load;
  double said = Now();
  for (uint64_t at = 0; at < options.count;) {
    const size_t size = std::min<uint64_t>(options.batch, options.count - at);
    const double process = ProcessSeconds(), own = ThreadSeconds();
    Batch batch(generator, options.first + at, size, truth);
    load.make_seconds += batch.seconds();
    const double made = ProcessSeconds(), made_own = ThreadSeconds();
    load.background_seconds += std::max(0.0, made - process - batch.seconds() - (made_own - own));
    const double began = Now();
    TRY_VOID(Pump(session, options, load, batch.made()).Run());
    load.seconds += Now() - began;
    const double executor = ThreadSeconds() - made_own;
    load.executor_seconds += executor;
    load.engine_seconds += ProcessSeconds() - made - executor;
    load.peak_mb = std::max(load.peak_mb, ReadResident().all);
    at += size;
    if (options.say && Now() - said > 10) {
      said = Now();
      Say(std::to_string(load.messages) + " messages appended, " +
          std::to_string(static_cast<uint64_t>(static_cast<double>(load.messages) / load.seconds)) +
          "/s");
    }
    if (options.max_seconds > 0 && load.seconds > static_cast<double>(options.max_seconds)) break;
  }
  return load;
}

Answered Ask(Session& session, const Question& question, size_t page_size) {
  Answered out;
  const auto expected = question.Newest();
  std::vector<mail::Mid> got;
  gateway::tracking::Query query = question.query;
  query.limit = page_size;
  const double began = Now();
  bool more = true;
  for (bool first = true; more && got.size() < Question::kKeep; first = false) {
    auto page = session.Run(session.store().Search(query));
    if (first) out.first_page = Now() - began;
    if (!page) {
      out.error = page.error().ToString();
      break;
    }
    for (const auto& record : page->records) {
      got.push_back(record.mid);
      if (first) out.recipients += record.recipients.size();
    }
    if (!page->coverage.complete && page->next_cursor.empty())
      out.error = "incomplete: " + page->coverage.why;
    more = !page->next_cursor.empty();
    query.cursor = page->next_cursor;
  }
  out.all = Now() - began;
  const bool all = question.count <= Question::kKeep;
  if (got.size() > Question::kKeep) got.resize(Question::kKeep);
  const std::unordered_set<mail::Mid> wanted(expected.begin(), expected.end());
  std::unordered_set<mail::Mid> right;
  for (const mail::Mid mid : got) {
    if (wanted.contains(mid)) right.insert(mid);
  }
  out.score = {expected.size(), got.size(), right.size()};
  if (out.error.empty() && out.score.perfect() && got != expected) out.error = "not newest first";
  if (out.error.empty() && all && more && got.size() == expected.size() &&
      question.count < Question::kKeep)
    out.error = "promises a next page";
  return out;
}

Answered AskCount(Session& session, const Question& question) {
  Answered out;
  const double began = Now();
  auto matches = session.Run(session.store().CountMatches(question.query));
  out.all = out.first_page = Now() - began;
  if (!matches) {
    out.error = matches.error().ToString();
    return out;
  }
  out.score.expected = question.count;
  out.score.answered = matches->count;
  out.score.right = std::min(question.count, matches->count);
  if (!matches->exact && matches->count <= question.count) out.score.expected = out.score.right;
  return out;
}

}  // namespace mailreeve::bench
