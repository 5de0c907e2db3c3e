#pragma once

#include "base/result.h"
#include "json/json.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Settings: one schema (schema/settings/*.json) describes each: name, program, type, unit, default,
// range, text in both languages. The values in force are an immutable Snapshot; a message or
// request takes one and keeps it to the end.
//
//   auto running = settings::Running(schema, settings::Snapshot::Defaults(schema, "gateway"));
//   auto snapshot = running.Get();
//   snapshot->Text("milter.on_failure");
namespace mailreeve::settings {

enum class Type { kBool, kInteger, kText, kChoice, kTextList };

struct Setting {
  std::string name;     // "milter.on_failure"
  std::string program;  // "gateway" or "response"
  Type type = Type::kText;
  std::string unit;                  // "ms", "bytes", "messages"; empty: none
  int64_t min = 0, max = 0;          // kInteger
  size_t max_length = 0;             // kText, and each item of kTextList
  std::vector<std::string> choices;  // kChoice
  json::value default_value;
  std::string text_en, text_zh;
};

class Schema {
 public:
  // `documents` are the files of schema/settings, each {"settings":[…]}. kInvalid names the setting
  // that is wrong.
  static Result<Schema> Parse(const std::vector<std::string_view>& documents);
  // The files the program was built with. Aborts when they are wrong: a test reads them at build
  // time.
  static const Schema& Builtin();

  const Setting* Find(std::string_view name) const;
  const std::vector<Setting>& settings() const { return settings_; }
  // kInvalid with the setting's name, what was given and what is allowed.
  Result<void> Check(std::string_view name, const json::value& value) const;

 private:
  std::vector<Setting> settings_;
};

class Snapshot {
 public:
  static std::shared_ptr<const Snapshot> Defaults(const Schema& schema, std::string_view program);
  // {"revision":N,"values":{"milter.on_failure":"accept"}}; what is absent has its default. All
  // errors at once, one a line.
  static Result<std::shared_ptr<const Snapshot>> FromJson(const Schema& schema,
                                                          std::string_view program,
                                                          const json::value& document);

  // Asking for a name or type that the schema does not have is our bug and aborts.
  bool Bool(std::string_view name) const;
  int64_t Integer(std::string_view name) const;
  std::string Text(std::string_view name) const;  // kText and kChoice
  std::vector<std::string> TextList(std::string_view name) const;
  int64_t revision() const { return revision_; }
  json::object ToJson() const;

 private:
  const json::value& At(std::string_view name) const;
  int64_t revision_ = 0;
  json::object values_;
};

// The settings file of `program` ("gateway", "response"); an empty path: the defaults. Blocking.
// kNotFound, kInvalid with all errors, a line each.
Result<std::shared_ptr<const Snapshot>> LoadSnapshot(const std::string& path,
                                                     std::string_view program);

// The snapshot in force. Thread-safe; Swap is atomic.
class Running {
 public:
  explicit Running(std::shared_ptr<const Snapshot> first) : snapshot_(std::move(first)) {}
  std::shared_ptr<const Snapshot> Get() const {
    std::lock_guard lock(mutex_);
    return snapshot_;
  }
  void Swap(std::shared_ptr<const Snapshot> next) {
    std::lock_guard lock(mutex_);
    snapshot_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace mailreeve::settings
