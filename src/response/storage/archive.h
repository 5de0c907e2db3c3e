#pragma once

#include "base/time.h"
#include "json/json.h"
#include "sql/database.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// A backup file: zstd around lines of JSON (docs/storage.md "Backup"). Values; parsing is pure and
// thread-safe. Errors: kInvalid for what is no backup of ours, kCorrupt for one that was damaged.
namespace mailreeve::response::storage {

struct Header {
  Time created{};
  std::string program;                      // version of what wrote it
  std::map<std::string, int64_t> versions;  // of each component's tables
  std::vector<std::string> keys_apart;      // files of the state folder that are not in it
};
struct TableStart {
  std::string name;
  std::vector<std::string> columns;
};
using Row = std::vector<sql::Value>;
struct End {
  uint64_t rows = 0;
  std::string sha256;  // of all lines before, with their ends; lower hex
};
using Line = std::variant<Header, TableStart, Row, End>;

std::string ToText(const Line& line);  // without the line's end
// Names of tables, columns and components are plain words, so that they may stand in SQL.
Result<Line> ReadLine(std::string_view text);

// Reads the whole file, hands each line to `take` (which may be empty), and says at its end whether
// the file is whole. Answers the header.
Result<Header> ReadArchive(const std::string& path,
                           const std::function<Result<void>(const Line&)>& take);

}  // namespace mailreeve::response::storage
