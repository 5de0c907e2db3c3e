#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

// Structured log: one JSON object a line: {"time":…,"level":…,"event":"stable_name",…fields}.
// warn: the operator can act. error: we failed a request. No message bodies, secrets or tokens in
// any field.
//
// Threads: safe. Ownership: passed by reference; outlives its users.
//
//   logger.Info("device_registered", {{"device", id}, {"version", version}});
namespace mailreeve::log {

using Value = std::variant<std::string, int64_t, uint64_t, double, bool>;

struct Field {
  std::string_view name;
  Value value;
  Field(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
  Field(std::string_view n, const std::string& v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  Field(std::string_view n, double v) : name(n), value(v) {}
  template <class T>
    requires std::is_integral_v<T>
  Field(std::string_view n, T v) : name(n) {
    if constexpr (std::is_signed_v<T>) {
      value = static_cast<int64_t>(v);
    } else {
      value = static_cast<uint64_t>(v);
    }
  }
};
using Fields = std::initializer_list<Field>;

enum class Level { kDebug, kInfo, kWarn, kError };

class Logger {
 public:
  virtual ~Logger() = default;
  virtual void Write(Level level, std::string_view event, Fields fields) = 0;

  void Debug(std::string_view event, Fields fields = {}) { Write(Level::kDebug, event, fields); }
  void Info(std::string_view event, Fields fields = {}) { Write(Level::kInfo, event, fields); }
  void Warn(std::string_view event, Fields fields = {}) { Write(Level::kWarn, event, fields); }
  void Error(std::string_view event, Fields fields = {}) { Write(Level::kError, event, fields); }
};

// Drops everything: for tests.
class NullLogger final : public Logger {
 public:
  void Write(Level, std::string_view, Fields) override {}
};

// Lines on standard error, or appended to `path` when it is not empty (0640). Lines below `least`
// are dropped. A file that cannot be opened is reported on standard error, where the lines then go.
std::unique_ptr<Logger> MakeLogger(const std::string& path, Level least);

}  // namespace mailreeve::log
