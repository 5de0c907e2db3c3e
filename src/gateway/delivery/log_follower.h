#pragma once

#include "base/time.h"
#include "gateway/delivery/log_source.h"
#include "gateway/delivery/postfix_log.h"
#include "gateway/tracking/store.h"
#include "io/asio.h"
#include "io/pool.h"
#include "log/log.h"
#include "settings/settings.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

// What became of tracked mail: follows the mail server's log and adds delivered, deferred, bounced,
// expired, discarded and re-injected to the records, by queue id. Lines read again after a crash
// add nothing: each event's dedup_key is made of its line. Described in docs/delivery.md.
//
// Threads: the executor that runs Run; file reads and the position file go to `pool`.
// Ownership: store, pool, clock and logger outlive the follower, the follower outlives Run.
// Errors: a store or log that cannot be reached is tried again for ever, and no line is lost;
// counted and logged.
//
//   delivery::Options options = delivery::Options::FromSettings(*settings);
//   options.file.path = "/var/log/mail.log";
//   options.position_file = "/var/lib/mailreeve/delivery-position.json";
//   delivery::LogFollower follower(options, store, pool, clock, logger);
//   scope.Spawn("mail log", follower.Run());
namespace mailreeve::gateway::delivery {

struct Options {
  FileOptions file;  // file.path empty: the journal
  JournalOptions journal;
  std::string position_file;  // written atomically
  std::string tag_prefix = "postfix";
  TimeOptions time;

  std::chrono::milliseconds save_interval = std::chrono::seconds(1);
  std::chrono::milliseconds retry_delay =
      std::chrono::seconds(1);  // of a store or log that cannot be reached
  // A line may be read before its record can be found: so often, so far apart, while the line is as
  // young as that.
  int unknown_attempts = 5;
  std::chrono::milliseconds unknown_delay = std::chrono::milliseconds(100);
  std::chrono::milliseconds unknown_age = std::chrono::seconds(10);
  // The clocks of mail server and gateway may differ by so much.
  std::chrono::milliseconds clock_slack = std::chrono::seconds(60);
  size_t max_known = 20'000;              // messages remembered by queue id
  size_t max_known_recipients = 500'000;  // of all of them
  size_t max_unknown = 20'000;            // queue ids remembered as not ours
  size_t max_links = 10'000;  // re-injections and notices remembered, also in the position file
  size_t max_appends = 32;    // at the same time

  // delivery.tag_prefix, delivery.time_format, delivery.log_is_utc.
  static Options FromSettings(const settings::Snapshot& settings);
};

struct Counters {
  uint64_t lines = 0, lines_too_long = 0, entries = 0;
  uint64_t events = 0;   // handed to the store
  uint64_t unknown = 0;  // entries of mail that is not tracked
  uint64_t notices = 0;  // entries of bounce and delay notices the mail server made itself
  uint64_t unmatched_recipients =
      0;  // not recorded: the address is none of the message's recipients
  // What the mail server turned away before it was read, by stage of the conversation, and how many
  // of these were asked to come again.
  std::array<uint64_t, 5> refused = {};  // by RefusedAt
  uint64_t refused_for_now = 0;
  uint64_t store_errors = 0, store_refused = 0, read_errors = 0, position_errors = 0;
};

class LogFollower {
 public:
  LogFollower(Options options, tracking::Store& store, io::Pool& pool, const Clock& clock,
              log::Logger& logger);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  // Follows until cancelled.
  io::Task<void> Run();
  const Counters& counters() const { return counters_; }

 private:
  struct Known;
  struct Pending;
  using Work = std::vector<std::pair<mail::Mid, std::vector<mail::Event>>>;

  io::Task<void> Take(Batch batch);
  std::optional<Pending> Understand(const RawLine& line);
  void CountRefusal(std::string_view tag, std::string_view message);
  // Null: mail that is not tracked.
  io::Task<std::shared_ptr<const Known>> Resolve(const Pending& pending);
  io::Task<std::shared_ptr<const Known>> Find(std::string queue_id, Time not_after);
  void AddEvents(const Pending& pending, const Known& known, std::vector<mail::Event>& out);
  io::Task<void> AddExpired(const Pending& pending, mail::Mid mid, std::vector<mail::Event>& out);
  io::Task<void> AppendAll(Work& work);
  io::Task<void> AppendRange(Work& work, size_t begin, size_t end);
  io::Task<void> Append(mail::Mid mid, std::vector<mail::Event> events);
  io::Task<void> StoreFailed(const Error& error);
  void Remember(const std::string& queue_id, std::shared_ptr<const Known> known);
  void RememberUnknown(const std::string& queue_id);
  void RememberLink(const std::string& queue_id, mail::Mid mid);
  io::Task<json::object> Load();
  io::Task<void> Save();

  const Options options_;
  tracking::Store& store_;
  io::Pool& pool_;
  const Clock& clock_;
  log::Logger& logger_;
  Counters counters_;
  std::unique_ptr<LogSource> source_;
  json::object position_;
  bool changed_ = false;

  int waits_left_ = 0;  // for records that cannot be found yet, in this batch

  std::unordered_map<std::string, std::shared_ptr<const Known>> known_;
  std::deque<std::string> known_order_;
  size_t known_recipients_ = 0;
  std::unordered_set<std::string> unknown_;
  std::deque<std::string> unknown_order_;
  // Queue ids the mail server gave to what came of a message: its MID, or 0 for a notice or what
  // came of untracked mail.
  std::unordered_map<std::string, mail::Mid> links_;
  std::deque<std::string> links_order_;
};

}  // namespace mailreeve::gateway::delivery
