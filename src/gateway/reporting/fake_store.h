#pragma once

#include "gateway/tracking/store.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <optional>

// For tests: a store that has report counters only, in memory.
namespace mailreeve::gateway::reporting {

class FakeStore final : public tracking::Store {
 public:
  mail::Mid NextMid() override { return 1; }
  mail::Icid NextIcid() override { return 1; }
  io::Task<Result<void>> Append(mail::MessageRecord record) override {
    table.Count(record);
    co_return Result<void>();
  }
  io::Task<Result<void>> AppendEvents(mail::Mid, std::vector<mail::Event>) override {
    co_return Fail(Code::kUnavailable, "not here");
  }
  io::Task<Result<tracking::Page>> Search(tracking::Query) override {
    co_return Fail(Code::kUnavailable, "not here");
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid) override {
    co_return Fail(Code::kNotFound, "not here");
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string, Time) override {
    co_return Fail(Code::kNotFound, "not here");
  }
  io::Task<Result<tracking::Coverage>> Held() override { co_return tracking::Coverage(); }
  io::Task<Result<counters::Answer>> Counters(counters::Question question) override {
    ++asked;
    counters::Merger merger(std::move(question));
    merger.Add(table);
    co_return merger.Finish();
  }

  counters::Table table;
  size_t asked = 0;
};

template <class T>
T RunTask(io::Task<T> task) {
  asio::io_context context;
  std::optional<T> out;
  asio::co_spawn(context, std::move(task), [&out](std::exception_ptr error, T value) {
    if (error) std::rethrow_exception(error);
    out = std::move(value);
  });
  context.run();
  return *std::move(out);
}

}  // namespace mailreeve::gateway::reporting
