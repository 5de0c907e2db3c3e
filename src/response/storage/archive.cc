#include "response/storage/archive.h"

#include "base/bytes.h"
#include "base/text.h"
#include "cli/line_file.h"
#include "crypto/hash.h"

#include <algorithm>
#include <iostream>

namespace mailreeve::response::storage {
namespace {

constexpr std::string_view kFormat = "mailreeve-response-backup";
constexpr int64_t kVersion = 1;
constexpr size_t kMaxLine = 256 * 1024 * 1024;  // a row: some documents are long
constexpr size_t kMaxColumns = 500, kMaxNames = 1000;

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= 63 && (name[0] < '0' || name[0] > '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

json::value ToJson(const sql::Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* blob = std::get_if<sql::Blob>(&value))
    return json::object{{"bytes", Base64Encode(blob->bytes)}};
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (IsValidUtf8(*text)) return json::value(*text);
    return json::object{{"text", Base64Encode(*text)}};
  }
  return nullptr;
}

Result<sql::Value> ValueFrom(const json::value& value) {
  if (value.is_null()) return sql::Value();
  if (value.is_int64()) return sql::Value(value.get_int64());
  if (value.is_string()) return sql::Value(std::string(value.get_string()));
  if (value.is_object() && value.get_object().size() == 1) {
    const auto& field = *value.get_object().begin();
    if (field.value().is_string() && (field.key() == "bytes" || field.key() == "text")) {
      TRY(std::string bytes, Base64Decode(field.value().get_string()));
      if (field.key() == "bytes") return sql::Value(sql::Blob{std::move(bytes)});
      return sql::Value(std::move(bytes));
    }
  }
  return Fail(Code::kInvalid, "a value of a row is of no kind that a backup has");
}

Result<std::vector<std::string>> Names(const json::object& from, std::string_view key, size_t most,
                                       bool plain) {
  const json::value* list = from.if_contains(key);
  if (list == nullptr || !list->is_array() || list->get_array().size() > most)
    return Fail(Code::kInvalid, std::string(key) + ": must be a list of names");
  std::vector<std::string> out;
  for (const json::value& name : list->get_array()) {
    if (!name.is_string() || (plain && !IsPlainName(name.get_string())))
      return Fail(Code::kInvalid, std::string(key) + ": must be a list of names");
    out.emplace_back(name.get_string());
  }
  return out;
}

Result<Line> ReadHeader(const json::object& from) {
  TRY(const std::string format, json::RequireString(from, "format", ""));
  const json::value* version = from.if_contains("version");
  if (format != kFormat || version == nullptr || !version->is_int64())
    return Fail(Code::kInvalid, "this is no backup of mailreeve-response");
  if (version->get_int64() != kVersion) {
    return Fail(Code::kInvalid, "the backup has format version " +
                                    std::to_string(version->get_int64()) + ", this program reads " +
                                    std::to_string(kVersion));
  }
  Header header;
  TRY(const std::string created, json::RequireString(from, "created", ""));
  TRY(header.created, ParseTime(created));
  TRY(header.program, json::RequireString(from, "program", ""));
  TRY(header.keys_apart, Names(from, "keys_apart", kMaxNames, false));
  const json::value* versions = from.if_contains("versions");
  if (versions == nullptr || !versions->is_object() || versions->get_object().size() > kMaxNames)
    return Fail(Code::kInvalid, "versions: must be an object");
  for (const auto& item : versions->get_object()) {
    if (!IsPlainName(item.key()) || !item.value().is_int64() || item.value().get_int64() < 1)
      return Fail(Code::kInvalid, "versions: must be names with numbers above 0");
    header.versions[std::string(item.key())] = item.value().get_int64();
  }
  return Line(std::move(header));
}

}  // namespace

std::string ToText(const Line& line) {
  if (const auto* header = std::get_if<Header>(&line)) {
    json::object versions;
    for (const auto& [component, version] : header->versions) versions[component] = version;
    return json::Serialize(json::object{
        {"format", kFormat},
        {"version", kVersion},
        {"created", FormatTime(header->created)},
        {"program", header->program},
        {"versions", std::move(versions)},
        {"keys_apart", json::array(header->keys_apart.begin(), header->keys_apart.end())}});
  }
  if (const auto* table = std::get_if<TableStart>(&line)) {
    return json::Serialize(
        json::object{{"table", table->name},
                     {"columns", json::array(table->columns.begin(), table->columns.end())}});
  }
  if (const auto* row = std::get_if<Row>(&line)) {
    json::array values;
    values.reserve(row->size());
    for (const sql::Value& value : *row) values.push_back(ToJson(value));
    return json::Serialize(values);
  }
  const End& end = std::get<End>(line);
  return json::Serialize(
      json::object{{"end", static_cast<int64_t>(end.rows)}, {"sha256", end.sha256}});
}

Result<Line> ReadLine(std::string_view text) {
  TRY(const json::value parsed,
      json::Parse(text, {.max_bytes = kMaxLine, .max_depth = 4, .refuse_duplicate_keys = true}));
  if (parsed.is_array()) {
    if (parsed.get_array().size() > kMaxColumns)
      return Fail(Code::kInvalid, "a row has too many values");
    Row row;
    for (const json::value& item : parsed.get_array()) {
      TRY(sql::Value value, ValueFrom(item));
      row.push_back(std::move(value));
    }
    return Line(std::move(row));
  }
  if (!parsed.is_object()) return Fail(Code::kInvalid, "a line is neither row nor object");
  const json::object& object = parsed.get_object();
  if (object.contains("format")) return ReadHeader(object);
  if (object.contains("table")) {
    TableStart table;
    TRY(table.name, json::RequireString(object, "table", ""));
    TRY(table.columns, Names(object, "columns", kMaxColumns, true));
    if (!IsPlainName(table.name) || table.columns.empty())
      return Fail(Code::kInvalid, "a table has no name that one of ours has");
    return Line(std::move(table));
  }
  End end;
  const json::value* rows = object.if_contains("end");
  if (rows == nullptr || !rows->is_int64() || rows->get_int64() < 0)
    return Fail(Code::kInvalid, "a line is of no kind that a backup has");
  end.rows = static_cast<uint64_t>(rows->get_int64());
  TRY(end.sha256, json::RequireString(object, "sha256", ""));
  return Line(std::move(end));
}

Result<Header> ReadArchive(const std::string& path,
                           const std::function<Result<void>(const Line&)>& take) {
  if (path == "-") return Fail(Code::kInvalid, "a backup is read twice, so it must be a file");
  TRY(const auto reader, cli::LineReader::Open(path, std::cin, kMaxLine));
  const auto wrong = [&](Error error) {
    return Fail(std::move(error).Note("line " + std::to_string(reader->number()) + " of " + path));
  };
  crypto::Hasher hasher(crypto::HashKind::kSha256);
  std::optional<Header> header;
  uint64_t rows = 0;
  size_t columns = 0;
  bool ended = false;
  while (true) {
    Result<std::optional<std::string>> text = reader->Next();
    if (!text) return wrong(Error(Code::kCorrupt, text.error().message));
    if (!*text) break;
    if (ended) return wrong(Error(Code::kCorrupt, "there is more after the end of the backup"));
    Result<Line> line = ReadLine(**text);
    if (!line) return wrong(std::move(line).error());
    if (std::holds_alternative<Header>(*line) != !header)
      return wrong(Error(Code::kInvalid, "a backup begins with its header, and has one"));
    if (const auto* first = std::get_if<Header>(&*line)) header = *first;
    if (const auto* table = std::get_if<TableStart>(&*line)) columns = table->columns.size();
    if (const auto* row = std::get_if<Row>(&*line)) {
      ++rows;
      if (row->size() != columns)
        return wrong(Error(Code::kInvalid, "a row has not one value for each column"));
    }
    if (const auto* end = std::get_if<End>(&*line)) {
      if (end->sha256 != HexEncode(hasher.Finish()) || end->rows != rows)
        return wrong(Error(Code::kCorrupt, "the backup was changed after it was written"));
      ended = true;
      continue;
    }
    hasher.Update(**text);
    hasher.Update("\n");
    if (take) TRY_VOID(take(*line));
  }
  if (!header) return Fail(Code::kInvalid, path + " is no backup of mailreeve-response");
  if (!ended) return Fail(Code::kCorrupt, "the backup " + path + " ends too early");
  return *std::move(header);
}

}  // namespace mailreeve::response::storage
