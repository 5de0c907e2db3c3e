#include "log/log.h"

#include "base/text.h"
#include "base/time.h"

#include <boost/json.hpp>
#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace mailreeve::log {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warn", "error"};

class SpdLogger final : public Logger {
 public:
  SpdLogger(std::shared_ptr<spdlog::sinks::sink> sink, Level least)
      : logger_("mailreeve", std::move(sink)), least_(least) {
    logger_.set_pattern("%v");
    logger_.set_level(spdlog::level::trace);
    logger_.flush_on(spdlog::level::trace);
  }

  void Write(Level level, std::string_view event, Fields fields) override {
    if (level < least_) return;
    boost::json::object line;
    line["time"] = FormatTime(clock_.Now());
    line["level"] = kLevelNames[static_cast<int>(level)];
    line["event"] = event;
    for (const Field& field : fields) {
      boost::json::value& slot = line[field.name];
      std::visit(
          [&](const auto& value) {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
              slot = ToValidUtf8(value);
            } else {
              slot = value;
            }
          },
          field.value);
    }
    logger_.info("{}", boost::json::serialize(line));
  }

 private:
  SystemClock clock_;
  spdlog::logger logger_;
  Level least_;
};

}  // namespace

std::unique_ptr<Logger> MakeLogger(const std::string& path, Level least) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  if (path.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    // spdlog would make the file readable to all.
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd >= 0) ::close(fd);
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    } catch (const spdlog::spdlog_ex& error) {
      // A program without its log file still has to say so somewhere.
      auto logger =
          std::make_unique<SpdLogger>(std::make_shared<spdlog::sinks::stderr_sink_mt>(), least);
      logger->Error("log_file_unusable", {{"path", path}, {"error", error.what()}});
      return logger;
    }
  }
  return std::make_unique<SpdLogger>(std::move(sink), least);
}

}  // namespace mailreeve::log
