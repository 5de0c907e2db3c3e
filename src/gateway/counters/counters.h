#pragma once

#include "base/result.h"
#include "base/time.h"
#include "mail/message_record.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Report counters: per hour, dimension (sender domain, recipient, URL …) and key, how often what
// happened. Counted as messages are appended, so that no report reads messages. Pure values; one
// object belongs to one thread at a time, const calls are safe from any.
namespace mailreeve::gateway::counters {

// What the key of a row is. The stored number is the format: add at the end only.
enum class Dimension : uint8_t {
  kAll,                // one row, key ""
  kSenderDomain,       // of the envelope sender
  kSenderIp,           // client address
  kSender,             // envelope sender
  kRecipient,          // envelope recipient
  kDestinationDomain,  // of recipients
  kSubject,
  kUrl,
  kUrlDomain,       // host of URLs
  kFile,            // "sha256 name"
  kFileType,        // sniffed, or else declared type
  kAuthentication,  // domain of the authenticated user, or the sender's
  kTls,             // protocol and cipher; "" for none
  kPolicy,          // "engine: reason" of verdicts and policy that acted
  kRemediation,     // by outcome ("removed", "already_gone", …)
  kUser,            // people of ours: recipients of incoming and internal mail (counted as
                    // incoming), senders of outgoing and internal mail (as outgoing)
};
inline constexpr uint8_t kMaxDimension = static_cast<uint8_t>(Dimension::kUser);
inline constexpr size_t kDimensions = size_t{kMaxDimension} + 1;

// Metrics are numbered by metrics.h; a row holds only those that are not 0.
using Metric = uint16_t;
using Values = std::vector<std::pair<Metric, uint64_t>>;  // sorted by metric

struct Question {
  Time from, until;  // [from, until), widened to whole hours
  Dimension dimension = Dimension::kAll;
  std::optional<Metric> order_by;    // absent: by the sum of all
  std::vector<Metric> order_by_sum;  // when not empty: by the sum of these, whatever order_by says
  std::vector<Metric> having;        // when not empty: keys that have none of these are no rows
  bool ascending = false;
  size_t offset = 0;
  size_t top = 10;  // rows of the answer
  // With one of these totals, series and others are of the keys that fit and are held.
  std::optional<std::string> key_is, key_begins_with;
  enum class Bucket : uint8_t { kNone, kHour, kDay };
  Bucket series = Bucket::kNone;  // also answer a series of the totals
  bool row_series = false;        // and one of each row
};

struct Point {
  Time begin;
  Values values;
};
struct Row {
  std::string key;
  Values values;
  std::vector<Point> series;
  uint64_t missed = 0;  // each value is at least what it says, and at most this more
};
struct Answer {
  std::vector<Row> rows;
  uint64_t keys = 0;  // that were counted one by one
  Values others;      // all that is not in `rows`
  Values totals;
  std::vector<Point> series;
  // False: there were more keys than are kept. Each value of a row is at least what it says and at
  // most the row's `missed` more; one of a key that is not held is at most `missed`. Totals are
  // exact always, and series of totals; series of rows are at least what they say.
  bool exact = true;
  uint64_t missed = 0;
  // Set by the store: what could not be read.
  bool complete = true;
  std::string why;
};

// Counters being made.
class Table {
 public:
  Table();
  Table(Table&&) noexcept;
  Table& operator=(Table&&) noexcept;
  ~Table();
  // A message as it is appended, with the events it has then.
  void Count(const mail::MessageRecord& record);
  // Events that came later; `before` has the events it had before.
  void Count(const mail::MessageRecord& before, const std::vector<mail::Event>& added);
  size_t memory_bytes() const;
  // Keeps `max_keys` keys of a dimension over the whole span (up to eight times as many when it is
  // of many days) and half as many of each hour: a quarter of them by what harm they did
  // (group.h: IsNotable), the others by the sum of their values. The rest goes into "others", with
  // a note of the largest that was dropped. Totals are kept exactly.
  std::string Encode(size_t max_keys) const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// An encoded table, read in parts. Trusts nothing: kCorrupt names what.
class Reader {
 public:
  // `read` gives exactly `size` bytes at an offset of the table; it outlives the reader. Threads:
  // as `read`.
  using Read = std::function<Result<std::string>(uint64_t offset, size_t size)>;
  static Result<std::unique_ptr<Reader>> Open(Read read, uint64_t size);
  ~Reader();
  Time from() const;  // first and, plus one hour, last hour that was counted
  Time until() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Merges any number of tables into one answer.
class Merger {
 public:
  explicit Merger(Question question);
  ~Merger();
  void Add(const Table& table);
  Result<void> Add(const Reader& reader);
  Answer Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Several encoded tables as one.
Result<std::string> MergeTables(const std::vector<const Reader*>& tables, size_t max_keys);

}  // namespace mailreeve::gateway::counters
