#include "peers.h"
#include "session.h"
#include "sqlite_peer/store.h"

namespace mailreeve::bench {
namespace {

class SqlitePeer final : public Peer {
 public:
  std::string name() const override { return "sqlite"; }
  std::string note() const override { return "WAL, synchronous=FULL, groups of 4,096"; }

  Result<void> Open(const std::string& folder) override {
    session_ = std::make_unique<Session>(
        [folder](io::Executor executor, log::Logger& logger, const Clock& clock) {
          return sqlite::OpenSqliteStore({.dir = folder, .max_batch = kPeerGroup}, executor, logger,
                                         clock);
        });
    return session_->Start();
  }

  Result<void> Append(std::vector<Made>& messages) override {
    for (size_t at = 0; at < messages.size(); at += kPeerGroup) {
      const size_t end = std::min(at + kPeerGroup, messages.size());
      size_t left = end - at;
      std::optional<Error> failed;
      for (size_t i = at; i < end; ++i)
        asio::co_spawn(session_->context(), One(messages[i], left, failed),
                       [](std::exception_ptr thrown) {
                         if (thrown) std::rethrow_exception(thrown);
                       });
      while (left > 0) {
        if (session_->context().run_one() == 0) session_->context().restart();
      }
      if (failed) return Fail(*failed);
    }
    return {};
  }

  Result<void> Settle() override {
    // Its log is moved into the main file when it is closed.
    session_->Stop();
    return session_->Start();
  }

  Result<std::vector<mail::Mid>> Lookup(const observable::Observable& observable,
                                        size_t limit) override {
    gateway::tracking::Query query;
    query.any_of = {observable};
    query.limit = limit;
    TRY(const auto page, session_->Run(session_->store().Search(query)));
    std::vector<mail::Mid> out;
    for (const auto& record : page.records) out.push_back(record.mid);
    return out;
  }

  Result<uint64_t> CountSubjects(const std::string& folded) override {
    gateway::tracking::Query query;
    query.subject = folded;
    query.limit = gateway::tracking::kMaxPage;
    uint64_t count = 0;
    do {
      TRY(const auto page, session_->Run(session_->store().Search(query)));
      count += page.records.size();
      query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    return count;
  }

  Result<std::vector<std::pair<std::string, uint64_t>>> TopSenders(Time, Time, size_t) override {
    return Fail(Code::kUnavailable,
                "it has no column of senders; every record would have to be read");
  }

 private:
  io::Task<void> One(Made& made, size_t& left, std::optional<Error>& failed) {
    const mail::Mid mid = made.record.mid;
    auto done = co_await session_->store().Append(std::move(made.record));
    if (done && !made.later.empty())
      done = co_await session_->store().AppendEvents(mid, std::move(made.later));
    if (!done) failed = std::move(done).error();
    --left;
  }

  std::unique_ptr<Session> session_;
};

}  // namespace

std::unique_ptr<Peer> MakeSqlitePeer() { return std::make_unique<SqlitePeer>(); }

}  // namespace mailreeve::bench
