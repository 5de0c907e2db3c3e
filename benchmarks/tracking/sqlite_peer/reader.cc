#include "reader.h"

#include "base/text.h"
#include "gateway/tracking/fold.h"
#include "gateway/tracking/observables_of.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

namespace mailreeve::bench::sqlite {
namespace {

using observable::Type;

constexpr std::string_view kColumns =
    "received, mid, icid, direction, queue_id, client_address, subject, kinds";

bool Before(const Place& a, const Place& b) {
  return std::pair(a.received, a.mid) < std::pair(b.received, b.mid);
}

// An observable asked for: its posting leads to the message, and the message is asked again, since
// different values can share a fingerprint.
bool ShowsOneOf(const mail::MessageRecord& record,
                const std::vector<observable::Observable>& wanted) {
  std::unordered_set<std::string> asked;
  for (const auto& each : wanted) asked.insert(static_cast<char>(each.type) + each.value);
  for (const auto& shown : ObservablesOf(record)) {
    if (asked.contains(static_cast<char>(shown.type) + shown.value)) return true;
  }
  return false;
}

bool Has(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

observable::Observable AddressObservable(const std::string& ip) {
  return {ip.find(':') == std::string::npos ? Type::kIp : Type::kIpv6, ip};
}

}  // namespace

// A query made ready: what the index answers, what the columns answer and what only the record can
// confirm.
struct Reader::Asked {
  std::vector<Group> groups;
  std::vector<std::vector<observable::Observable>> confirm;  // the record must show one of each
  std::string subject;                                       // folded
  Place after;                                               // the page starts below
  int64_t from = INT64_MIN, until = INT64_MAX;
};

// Candidates, newest first: one row source, or the merge of several.
class Reader::Walk {
 public:
  // From one statement whose rows begin with received, mid.
  void Add(sql::Statement statement) { sources_.push_back({std::move(statement), std::nullopt}); }

  // False at the end. A place that several sources have comes once.
  Result<bool> Next(Place& place) {
    if (!started_) {
      started_ = true;
      for (auto& source : sources_) TRY_VOID(Advance(source));
    }
    Source* newest = nullptr;
    for (auto& source : sources_) {
      if (source.at && (newest == nullptr || Before(*newest->at, *source.at))) newest = &source;
    }
    if (newest == nullptr) return false;
    place = *newest->at;
    for (auto& source : sources_) {
      if (source.at && source.at->mid == place.mid && source.at->received == place.received) {
        TRY_VOID(Advance(source));
      }
    }
    return true;
  }

 private:
  struct Source {
    sql::Statement statement;
    std::optional<Place> at;
  };
  static Result<void> Advance(Source& source) {
    TRY(const bool row, source.statement.Step());
    if (row) {
      source.at = Place{source.statement.Integer(0), source.statement.Integer(1)};
    } else {
      source.at.reset();
    }
    return {};
  }
  std::vector<Source> sources_;
  bool started_ = false;
};

Result<std::unique_ptr<Reader>> Reader::Open(const SqliteOptions& options, const std::string& path,
                                             std::shared_ptr<Damaged> damaged) {
  TRY(auto db, sql::Database::Open({.path = path, .read_only = true}));
  return std::unique_ptr<Reader>(new Reader(options, std::move(db), std::move(damaged)));
}

// One read transaction: page, events and coverage are of the same moment.
template <class F>
auto Reader::Snapshot(F work) {
  using R = decltype(work());
  if (auto begun = db_.Execute("BEGIN"); !begun)
    return R(tl::unexpected<Error>(std::move(begun).error()));
  R result = work();
  (void)db_.Execute("COMMIT");
  return result;
}

Result<Page> Reader::Search(const Query& query) {
  return Snapshot([&] { return SearchInSnapshot(query); });
}

Result<Page> Reader::SearchInSnapshot(const Query& query) {
  Asked asked;
  if (!query.cursor.empty()) {
    TRY(asked.after, ParseCursor(query.cursor));
  }
  if (query.from) asked.from = ToEpochMicros(*query.from);
  if (query.until) asked.until = ToEpochMicros(*query.until);
  if (query.any_of.size() > options_.max_any_of) {
    return Fail(Code::kInvalid, "query: " + std::to_string(query.any_of.size()) +
                                    " observables; at most " + std::to_string(options_.max_any_of) +
                                    " are taken");
  }
  const auto must_show = [&asked](std::vector<observable::Observable> any) {
    Group group;
    for (const auto& each : any) group.push_back(PostingOf(each));
    std::sort(group.begin(), group.end());
    group.erase(std::unique(group.begin(), group.end()), group.end());
    asked.groups.push_back(std::move(group));
    asked.confirm.push_back(std::move(any));
  };
  // The likeliest to be rare comes first: it leads the walk.
  if (!query.message_id.empty()) must_show({{Type::kEmailMessageid, query.message_id}});
  if (!query.file_sha256.empty()) must_show({{Type::kSha256, AsciiLower(query.file_sha256)}});
  if (!query.file_name.empty()) {
    TRY(std::string name, observable::Canonical(Type::kFileName, query.file_name));
    must_show({{Type::kFileName, std::move(name)}});
  }
  if (!query.any_of.empty()) must_show(query.any_of);
  if (!query.sender.empty()) asked.groups.push_back({SenderPosting(query.sender)});
  if (!query.recipient.empty()) asked.groups.push_back({RecipientPosting(query.recipient)});
  if (!query.client_address.empty()) must_show({AddressObservable(query.client_address)});
  if (query.subject) asked.subject = FoldText(*query.subject);

  Walk walk;
  const auto add = [&](std::string_view table, std::string_view condition,
                       std::optional<int64_t> number,
                       std::optional<std::string_view> text) -> Result<void> {
    std::string sql = "SELECT received, mid FROM " + std::string(table) + " WHERE " +
                      std::string(condition) +
                      " (received, mid) < (?1, ?2) AND received >= ?3 AND received < ?4 "
                      "ORDER BY received DESC, mid DESC";
    TRY(auto statement, db_.Prepare(sql));
    statement.Bind(1, asked.after.received)
        .Bind(2, asked.after.mid)
        .Bind(3, asked.from)
        .Bind(4, asked.until);
    if (number) statement.Bind(5, *number);
    if (text) statement.Bind(5, *text);
    walk.Add(std::move(statement));
    return {};
  };
  bool led_by_group = false;
  if (query.mid) {
    TRY_VOID(add("messages", "mid = ?5 AND", static_cast<int64_t>(*query.mid), {}));
  } else if (!query.queue_id.empty()) {
    TRY_VOID(add("messages", "queue_id = ?5 AND", {}, query.queue_id));
  } else if (!asked.groups.empty()) {
    led_by_group = true;
    for (const int64_t fingerprint : asked.groups.front()) {
      TRY_VOID(add("postings", "fingerprint = ?5 AND", fingerprint, {}));
    }
  } else if (query.icid) {
    TRY_VOID(add("messages", "icid = ?5 AND", static_cast<int64_t>(*query.icid), {}));
  } else {
    TRY_VOID(add("messages", "", {}, {}));
  }

  TRY(auto has_posting,
      db_.Prepare("SELECT 1 FROM postings WHERE fingerprint = ?1 AND received = ?2 AND mid = ?3"));
  TRY(auto row_of,
      db_.Prepare("SELECT " + std::string(kColumns) + " FROM messages WHERE mid = ?1"));
  const auto columns_fit = [&](const sql::Statement& row) {
    if (query.mid && row.Integer(1) != static_cast<int64_t>(*query.mid)) return false;
    if (query.icid && row.Integer(2) != static_cast<int64_t>(*query.icid)) return false;
    if (query.direction && row.Integer(3) != static_cast<int64_t>(*query.direction)) return false;
    if (!query.queue_id.empty() && row.Text(4) != query.queue_id) return false;
    if (!query.client_address.empty() && row.Text(5) != query.client_address) return false;
    if ((query.subject || query.subject_match == Query::TextMatch::kIsEmpty) &&
        !SubjectFits(row.Text(6), query.subject_match, asked.subject)) {
      return false;
    }
    return !query.event ||
           (static_cast<uint64_t>(row.Integer(7)) >> static_cast<unsigned>(*query.event) & 1) != 0;
  };

  Page page;
  const size_t limit = std::clamp<size_t>(query.limit, 1, kMaxPage);
  size_t examined = 0, page_bytes = 0, skipped = 0;
  Place place = asked.after;
  while (true) {
    if (page.records.size() == limit || page_bytes >= options_.max_page_bytes) {
      // A next page is promised only when something may be on it.
      Place next;
      TRY(const bool more, walk.Next(next));
      if (more) page.next_cursor = CursorOf(place);
      break;
    }
    if (examined >= options_.max_examined) {
      page.next_cursor = CursorOf(place);
      page.coverage.complete = false;
      page.coverage.why = "stopped after looking at " + std::to_string(examined) +
                          " messages; go on with the cursor, or ask for less";
      break;
    }
    TRY(const bool more, walk.Next(place));
    if (!more) break;
    ++examined;
    TRY(const bool known, row_of.Bind(1, place.mid).Step());
    if (!known) continue;  // a posting whose message was dropped
    const bool fits = columns_fit(row_of);
    row_of.Reset();
    if (!fits) continue;
    bool shown = true;
    for (size_t i = led_by_group ? 1 : 0; i < asked.groups.size() && shown; ++i) {
      shown = false;
      for (size_t k = 0; k < asked.groups[i].size() && !shown; ++k) {
        has_posting.Bind(1, asked.groups[i][k]).Bind(2, place.received).Bind(3, place.mid);
        TRY(shown, has_posting.Step());
        has_posting.Reset();
      }
    }
    if (!shown) continue;
    size_t bytes = 0;
    auto record = Load(static_cast<mail::Mid>(place.mid), &bytes);
    if (!record) {
      if (record.error().code != Code::kCorrupt) return Fail(std::move(record).error());
      ++skipped;
      continue;
    }
    for (const auto& wanted : asked.confirm) shown = shown && ShowsOneOf(*record, wanted);
    if (!query.sender.empty()) shown = shown && Has(SendersOf(*record), query.sender);
    if (!query.recipient.empty()) shown = shown && Has(RecipientsOf(*record), query.recipient);
    if (!shown) continue;
    page_bytes += bytes;
    page.records.push_back(*std::move(record));
  }
  TRY(const Coverage held, Cover());
  page.coverage.oldest = held.oldest;
  page.coverage.newest = held.newest;
  page.coverage.records_held = held.records_held;
  page.coverage.records_unreadable = held.records_unreadable;
  if (skipped > 0) {
    page.coverage.complete = false;
    if (!page.coverage.why.empty()) page.coverage.why += "; ";
    page.coverage.why +=
        std::to_string(skipped) + " messages that may fit are damaged and are not shown";
  }
  return page;
}

Result<mail::MessageRecord> Reader::Load(mail::Mid mid, size_t* bytes) {
  const auto damaged = [&](Error error) {
    if (error.code == Code::kCorrupt) damaged_->Add(mid);
    return Fail(std::move(error).Note("MID " + std::to_string(mid)));
  };
  std::string frame;
  {
    TRY(auto query, db_.Prepare("SELECT record FROM records WHERE mid = ?1"));
    auto row = query.Bind(1, static_cast<int64_t>(mid)).Step();
    if (!row) return damaged(std::move(row).error());
    if (!*row) {
      TRY(auto known, db_.Prepare("SELECT 1 FROM messages WHERE mid = ?1"));
      TRY(const bool there, known.Bind(1, static_cast<int64_t>(mid)).Step());
      if (there) return damaged(Error(Code::kCorrupt, "stored record is missing"));
      return Fail(Code::kNotFound, "MID " + std::to_string(mid) + " is not tracked");
    }
    frame = query.Bytes(0);
  }
  auto encoded = Decompress(frame, options_.max_record_bytes);
  if (!encoded) return damaged(std::move(encoded).error());
  if (bytes != nullptr) *bytes = encoded->size();
  auto record = mail::DecodeMessageRecord(*encoded);
  if (!record) return damaged(std::move(record).error());
  if (record->mid != mid)
    return damaged(Error(Code::kCorrupt, "stored record is of another message"));

  TRY(auto query, db_.Prepare("SELECT event FROM events WHERE mid = ?1 ORDER BY id"));
  query.Bind(1, static_cast<int64_t>(mid));
  while (true) {
    auto row = query.Step();
    if (!row) return damaged(std::move(row).error());
    if (!*row) break;
    auto event = mail::DecodeEvent(query.Bytes(0));
    if (!event) return damaged(std::move(event).error());
    record->events.push_back(*std::move(event));
  }
  std::stable_sort(record->events.begin(), record->events.end(),
                   [](const mail::Event& a, const mail::Event& b) { return a.time < b.time; });
  return record;
}

Result<mail::MessageRecord> Reader::Get(mail::Mid mid) {
  return Snapshot([&] { return Load(mid); });
}

Result<mail::MessageRecord> Reader::FindByQueueId(const std::string& queue_id, Time not_after) {
  return Snapshot([&]() -> Result<mail::MessageRecord> {
    TRY(auto query, db_.Prepare("SELECT mid FROM messages WHERE queue_id = ?1 AND received <= ?2 "
                                "ORDER BY received DESC, mid DESC LIMIT 1"));
    TRY(const bool row,
        query.Bind(1, std::string_view(queue_id)).Bind(2, ToEpochMicros(not_after)).Step());
    if (!row || queue_id.empty())
      return Fail(Code::kNotFound, "no message had queue id " + queue_id);
    const auto mid = static_cast<mail::Mid>(query.Integer(0));
    query.Reset();
    return Load(mid);
  });
}

Result<Coverage> Reader::Held() {
  return Snapshot([&] { return Cover(); });
}

Result<Coverage> Reader::Cover() {
  Coverage coverage;
  for (const bool newest : {false, true}) {
    TRY(auto query,
        db_.Prepare(newest
                        ? "SELECT received FROM messages ORDER BY received DESC, mid DESC LIMIT 1"
                        : "SELECT received FROM messages ORDER BY received, mid LIMIT 1"));
    TRY(const bool row, query.Step());
    if (row) (newest ? coverage.newest : coverage.oldest) = FromEpochMicros(query.Integer(0));
  }
  TRY(auto query, db_.Prepare("SELECT value FROM counters WHERE name = 'records'"));
  TRY(const bool row, query.Step());
  if (row) coverage.records_held = static_cast<uint64_t>(std::max<int64_t>(0, query.Integer(0)));
  coverage.records_unreadable = damaged_->size();
  return coverage;
}

Result<Totals> Reader::Count(Time from, Time until) {
  const auto bits = [](std::initializer_list<mail::EventKind> kinds) {
    uint64_t mask = 0;
    for (const auto kind : kinds) mask |= uint64_t{1} << static_cast<unsigned>(kind);
    return static_cast<int64_t>(mask);
  };
  using enum mail::EventKind;
  TRY(auto query, db_.Prepare("SELECT count(*), sum((kinds & ?3) != 0), sum((kinds & ?4) != 0), "
                              "sum((kinds & ?5) != 0), "
                              "sum((kinds & ?6) != 0), sum((kinds & ?7) != 0) FROM messages "
                              "WHERE received >= ?1 AND received < ?2"));
  TRY(const bool row, query.Bind(1, ToEpochMicros(from))
                          .Bind(2, ToEpochMicros(until))
                          .Bind(3, bits({kDelivered}))
                          .Bind(4, bits({kRejected, kTemporarilyRefused, kDiscarded}))
                          .Bind(5, bits({kQuarantined}))
                          .Bind(6, bits({kBounced, kExpired}))
                          .Bind(7, bits({kRemoved, kMovedFollowed}))
                          .Step());
  Totals totals;
  if (!row) return totals;
  const auto number = [&query](int column) { return static_cast<uint64_t>(query.Integer(column)); };
  totals = {number(0), number(1), number(2), number(3), number(4), number(5)};
  return totals;
}

}  // namespace mailreeve::bench::sqlite
