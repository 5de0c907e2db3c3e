#include "sql/bulk.h"

#include "base/check.h"

#include <algorithm>

namespace mailreeve::sql {
namespace {

constexpr size_t kMostRows = 250;
constexpr size_t kMostParameters = 30000;  // SQLite takes 32,766, PostgreSQL 65,535
constexpr size_t kMostBytes = 4 << 20;

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

size_t SizeOf(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  if (const auto* blob = std::get_if<Blob>(&value)) return blob->bytes.size();
  return sizeof(int64_t);
}

}  // namespace

BulkInsert::BulkInsert(Database& database, std::string table, std::vector<std::string> columns,
                       std::string then)
    : database_(database),
      before_("INSERT INTO " + table + " (" + Join(columns) + ") VALUES "),
      then_(then.empty() ? "" : " " + then),
      columns_(columns.size()),
      rows_at_once_(
          std::clamp<size_t>(kMostParameters / std::max<size_t>(columns.size(), 1), 1, kMostRows)) {
  CHECK(columns_ > 0);
}

Result<void> BulkInsert::Add(std::vector<Value> row) {
  CHECK(row.size() == columns_);
  for (Value& value : row) {
    bytes_ += SizeOf(value);
    values_.push_back(std::move(value));
  }
  if (values_.size() >= rows_at_once_ * columns_ || bytes_ >= kMostBytes) return Send();
  return {};
}

Result<int64_t> BulkInsert::Finish() {
  TRY_VOID(Send());
  return changed_;
}

Result<void> BulkInsert::Send() {
  if (values_.empty()) return {};
  std::string sql = before_;
  // Without numbers: SQLite looks each number up among all those before it.
  for (size_t i = 0; i < values_.size(); ++i) {
    if (i % columns_ == 0) sql += i == 0 ? "(" : "), (";
    sql += i % columns_ == 0 ? "?" : ", ?";
  }
  sql += ")" + then_;
  TRY(auto insert, database_.Prepare(sql));
  for (size_t i = 0; i < values_.size(); ++i) insert.BindValue(static_cast<int>(i + 1), values_[i]);
  values_.clear();
  bytes_ = 0;
  TRY(const int64_t changed, insert.Run());
  changed_ += changed;
  return {};
}

}  // namespace mailreeve::sql
