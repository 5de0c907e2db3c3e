#pragma once

#include "base/result.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace mailreeve::settings {

// The bootstrap file of a program (TOML): addresses, paths and places of keys, nothing else; every
// other setting is in the Snapshot. Keys are "table.key".
//
//   TRY(auto file, settings::Bootstrap::Load("/etc/mailreeve/gateway.toml"));
//   TRY(std::string state, file.Text("gateway.state_folder"));
//   TRY_VOID(file.RefuseUnread());
//
// Not thread-safe; read once at start. Relative paths are made absolute against the file's folder
// by Path().
class Bootstrap {
 public:
  // kNotFound, or kInvalid with line and column.
  static Result<Bootstrap> Load(const std::string& path);
  // For tests: `folder` is what relative paths stand under.
  static Result<Bootstrap> Parse(std::string_view toml, std::string folder);

  // kInvalid naming file and key when absent or not text.
  Result<std::string> Text(std::string_view key);
  Result<std::string> Text(std::string_view key, std::string otherwise);
  Result<std::string> Path(std::string_view key);
  // Empty stays empty: "not used".
  Result<std::string> Path(std::string_view key, std::string otherwise);
  Result<std::vector<std::string>> TextList(std::string_view key,
                                            std::vector<std::string> otherwise);
  Result<int64_t> Integer(std::string_view key, int64_t otherwise, int64_t min, int64_t max);

  // kInvalid naming all keys that nobody asked for: a misspelt key must not be passed over.
  Result<void> RefuseUnread() const;

 private:
  struct Value {
    enum class Kind { kText, kInteger, kTextList, kOther } kind = Kind::kOther;
    std::string text;
    int64_t integer = 0;
    std::vector<std::string> list;
  };
  Result<const Value*> Find(std::string_view key, Value::Kind kind, std::string_view wanted);
  std::string Absolute(std::string path) const;

  std::string name_;
  std::string folder_;
  std::map<std::string, Value, std::less<>> values_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace mailreeve::settings
