#pragma once

#include "gateway/tracking/store.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

// For tests of gateway/rest: a store in memory that honours dates and paging only, so that what is
// found is what the filter tried on each record.
namespace mailreeve::gateway::rest {

class TestStore final : public tracking::Store {
 public:
  mail::Mid NextMid() override { return records.size() + 1; }
  mail::Icid NextIcid() override { return 1; }
  io::Task<Result<void>> Append(mail::MessageRecord record) override {
    records.push_back(std::move(record));
    co_return Result<void>();
  }
  io::Task<Result<void>> AppendEvents(mail::Mid, std::vector<mail::Event>) override {
    co_return Fail(Code::kNotFound, "not here");
  }
  io::Task<Result<tracking::Page>> Search(tracking::Query query) override {
    ++searches;
    last_query = query;
    largest_limit = std::max(largest_limit, query.limit);
    if (!failure.empty()) co_return Fail(Code::kUnavailable, failure);
    tracking::Page page;
    uint64_t below = query.cursor.empty() ? UINT64_MAX : std::stoull(query.cursor);
    for (auto at = records.rbegin(); at != records.rend(); ++at) {
      if (at->mid >= below || (query.from && at->received < *query.from) ||
          (query.until && at->received >= *query.until) ||
          (query.icid && at->connection.icid != *query.icid))
        continue;
      if (page.records.size() == query.limit) {
        page.next_cursor = std::to_string(page.records.back().mid);
        break;
      }
      page.records.push_back(*at);
      ++read;
    }
    page.coverage.records_held = records.size();
    co_return page;
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) override {
    for (const auto& record : records) {
      if (record.mid == mid) co_return record;
    }
    co_return Fail(Code::kNotFound, "there is no such message");
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string, Time) override {
    co_return Fail(Code::kNotFound, "not here");
  }
  io::Task<Result<tracking::Coverage>> Held() override {
    tracking::Coverage held;
    held.records_held = records.size();
    if (!records.empty()) {
      held.oldest = records.front().received;
      held.newest = records.back().received;
    }
    co_return held;
  }

  std::vector<mail::MessageRecord> records;  // oldest first
  tracking::Query last_query;
  std::string failure;
  size_t searches = 0, read = 0, largest_limit = 0;
};

inline mail::MessageRecord TestMessage(mail::Mid mid, std::string sender = "alice@sender.test",
                                       std::string subject = "Invoice") {
  mail::MessageRecord record;
  record.mid = mid;
  record.received = ParseTime("2026-03-01T10:00:00.000Z").value() +
                    std::chrono::seconds(static_cast<int64_t>(mid));
  record.connection.icid = mid + 1000;
  record.connection.client_address = "192.0.2.10";
  record.envelope_from = std::move(sender);
  record.recipients = {{0, "bob@example.test", ""}};
  record.inspection.subject = std::move(subject);
  record.inspection.message_id = "<" + std::to_string(mid) + "@sender.test>";
  record.inspection.addresses = {{mail::AddressRole::kFrom, record.envelope_from, "", ""}};
  mail::Event event;
  event.time = record.received;
  event.kind = mail::EventKind::kAccepted;
  record.events.push_back(event);
  event.kind = mail::EventKind::kDelivered;
  event.rid = 0;
  record.events.push_back(event);
  return record;
}

template <class T>
T RunTask(io::Task<T> task) {
  asio::io_context context;
  std::optional<T> out;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    out = std::move(value);
  });
  context.run();
  return *std::move(out);
}

}  // namespace mailreeve::gateway::rest
