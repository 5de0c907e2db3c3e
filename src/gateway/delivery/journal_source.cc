#include "gateway/delivery/log_source.h"
#include "io/deadline.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace mailreeve::gateway::delivery {
namespace {

constexpr size_t kMaxJsonLine = 1 << 20;
constexpr size_t kMaxBatch = 2000;

// Text, or an array of bytes when it is not UTF-8.
std::optional<std::string> TextOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string(value->get_string());
  if (!value->is_array()) return std::nullopt;
  std::string out;
  for (const json::value& item : value->get_array()) {
    boost::system::error_code error;
    const auto byte = item.to_number<uint8_t>(error);
    if (error) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return out;
}

class JournalSource final : public LogSource {
 public:
  JournalSource(const JournalOptions& options, io::Executor executor, log::Logger& logger)
      : options_(options), logger_(logger), pipe_(executor) {}
  ~JournalSource() override { Stop(); }

  void Begin(json::object position) override {
    const json::value* cursor = position.if_contains("cursor");
    if (cursor != nullptr && cursor->is_string()) cursor_ = cursor->get_string();
  }

  io::Task<Result<Batch>> Read(std::chrono::milliseconds wait) override {
    if (!pipe_.is_open()) {
      if (started_once_) co_await io::Sleep(options_.restart_delay);
      started_once_ = true;
      CO_TRY_VOID(Start());
    }
    Batch batch;
    Parse(batch);
    if (batch.lines.empty()) {
      using namespace asio::experimental::awaitable_operators;
      // Fill keeps what it read itself, so that a tie with the timer loses nothing.
      co_await (Fill() || io::Sleep(wait));
      Parse(batch);
    }
    if (batch.lines.empty() && ended_) {
      Stop();
      co_return Fail(Code::kUnavailable, options_.program + " has ended; it is started again");
    }
    if (!cursor_.empty()) batch.position = {{"cursor", cursor_}};
    co_return batch;
  }

 private:
  io::Task<void> Fill() {
    char buffer[65536];
    const auto [error, got] = co_await pipe_.async_read_some(asio::buffer(buffer), io::kTuple);
    buffer_.append(buffer, got);
    if (error && error != asio::error::operation_aborted) ended_ = true;
  }

  void Parse(Batch& batch) {
    size_t begin = 0;
    while (batch.lines.size() < kMaxBatch) {
      const size_t newline = buffer_.find('\n', begin);
      if (newline == std::string::npos) break;
      const std::string_view line = std::string_view(buffer_).substr(begin, newline - begin);
      begin = newline + 1;
      if (std::exchange(skipping_, false)) continue;
      ParseOne(line, batch);
    }
    buffer_.erase(0, begin);
    if (buffer_.size() > kMaxJsonLine && buffer_.find('\n') == std::string::npos) {
      buffer_.clear();
      skipping_ = true;
      ++batch.lines_too_long;
    }
  }

  void ParseOne(std::string_view line, Batch& batch) {
    const auto parsed = json::Parse(line, {.max_bytes = kMaxJsonLine, .max_depth = 8});
    if (!parsed || !parsed->is_object()) return;
    const json::object& entry = parsed->get_object();
    if (const auto cursor = TextOf(entry, "__CURSOR")) cursor_ = *cursor;
    const auto message = TextOf(entry, "MESSAGE");
    const auto tag = TextOf(entry, "SYSLOG_IDENTIFIER");
    if (!message || !tag) return;
    if (message->size() > options_.max_line_bytes) {
      ++batch.lines_too_long;
      return;
    }
    RawLine out{*message, *tag, {}};
    for (const std::string_view key : {"_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"}) {
      const auto text = TextOf(entry, key);
      if (!text || text->empty() || text->size() > 18 ||
          text->find_first_not_of("0123456789") != std::string::npos)
        continue;
      out.time_us = std::stoll(*text);
      break;
    }
    batch.lines.push_back(std::move(out));
  }

  Result<void> Start() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return Fail(Code::kUnavailable, std::string("cannot make a pipe: ") + std::strerror(errno));
    std::vector<std::string> arguments = {options_.program, "--follow",   "--output=json",
                                          "--all",          "--no-pager", "--quiet"};
    if (cursor_.empty()) {
      arguments.emplace_back("--lines=0");
    } else {
      arguments.push_back("--after-cursor=" + cursor_);
      arguments.emplace_back("--no-tail");
    }
    arguments.insert(arguments.end(), options_.matches.begin(), options_.matches.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    const int error =
        ::posix_spawnp(&child_, options_.program.c_str(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (error != 0) {
      ::close(ends[0]);
      child_ = -1;
      return Fail(Code::kUnavailable,
                  "cannot run '" + options_.program + "': " + std::strerror(error));
    }
    pipe_.assign(ends[0]);
    ended_ = false;
    buffer_.clear();
    logger_.Info("journal_follow", {{"from", cursor_.empty() ? "now" : "cursor"}});
    return {};
  }

  void Stop() {
    boost::system::error_code ignored;
    if (pipe_.is_open()) pipe_.close(ignored);
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);  // it has nothing to lose
    while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
  }

  const JournalOptions options_;
  log::Logger& logger_;
  asio::posix::stream_descriptor pipe_;
  pid_t child_ = -1;
  std::string cursor_;
  std::string buffer_;
  bool started_once_ = false, ended_ = false, skipping_ = false;
};

}  // namespace

std::unique_ptr<LogSource> MakeJournalSource(const JournalOptions& options, io::Executor executor,
                                             log::Logger& logger) {
  return std::make_unique<JournalSource>(options, executor, logger);
}

}  // namespace mailreeve::gateway::delivery
