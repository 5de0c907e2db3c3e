#include "response/feed_import/feed.h"

#include "ctim/model.h"
#include "ctim/validate.h"
#include "http/client.h"

#include <set>

namespace mailreeve::response::feed_import {
namespace {

constexpr std::string_view kKinds[] = {"list", "csv", "stix", "taxii", "misp"};
constexpr int64_t kMinInterval = 60, kMaxInterval = 30 * 86400;
constexpr int64_t kMaxLife = 3650;

bool IsName(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  return true;
}

Result<void> OneOf(std::string_view words, const std::string& word, const std::string& path) {
  if (ctim::TheModel().Words(words)->Has(word)) return {};
  std::string all;
  for (const auto& each : ctim::TheModel().Words(words)->words)
    all += (all.empty() ? "" : ", ") + each;
  return Fail(Code::kInvalid, path + ": must be one of " + all);
}

Result<void> ReadTerms(const json::object& from, const std::string& path,
                       feed_formats::Terms& out) {
  TRY(out.source, json::OptionalString(from, "source", out.feed, path));
  if (out.source.empty() || out.source.size() > 1000)
    return Fail(Code::kInvalid, path + ".source: must have 1 to 1000 bytes");
  TRY(const std::string disposition, json::OptionalString(from, "disposition", "Malicious", path));
  out.disposition = ctim::DispositionNumber(disposition);
  TRY_VOID(OneOf("disposition_name", disposition, path + ".disposition"));
  TRY(out.priority, json::OptionalInteger(from, "priority", 90, path));
  if (out.priority < 0 || out.priority > 100)
    return Fail(Code::kInvalid, path + ".priority: must be 0 to 100");
  TRY(out.confidence, json::OptionalString(from, "confidence", "Medium", path));
  TRY_VOID(OneOf("confidence", out.confidence, path + ".confidence"));
  TRY(out.severity, json::OptionalString(from, "severity", "Medium", path));
  TRY_VOID(OneOf("severity", out.severity, path + ".severity"));
  TRY(out.tlp, json::OptionalString(from, "tlp", "green", path));
  TRY_VOID(OneOf("tlp", out.tlp, path + ".tlp"));
  TRY(out.share_with, json::OptionalStrings(from, "share_with", path));
  if (out.share_with.size() > 100)
    return Fail(Code::kInvalid, path + ".share_with: must name at most 100 organisations");
  TRY(const int64_t life, json::OptionalInteger(from, "life_days", 0, path));
  if (life < 0 || life > kMaxLife)
    return Fail(Code::kInvalid, path + ".life_days: must be 0 (while it is listed) to 3650");
  if (life > 0) out.life = std::chrono::hours(24 * life);
  return {};
}

Result<void> ReadText(const json::object& from, const std::string& path,
                      feed_formats::TextFormat& out) {
  TRY(out.type, json::OptionalString(from, "type", "", path));
  if (!out.type.empty()) TRY_VOID(OneOf("observable_type", out.type, path + ".type"));
  const json::value* csv = from.if_contains("csv");
  if (csv == nullptr) return {};
  const std::string place = path + ".csv";
  TRY(const json::object* format, json::AsObject(*csv, place));
  TRY_VOID(json::RefuseUnknownKeys(
      *format,
      {"separator", "header", "value", "type", "confidence", "reason", "from", "until", "types"},
      place));
  TRY(const std::string separator, json::OptionalString(*format, "separator", ",", place));
  if (separator.size() != 1 || separator == "\"" || separator == "\n")
    return Fail(Code::kInvalid, place + ".separator: must be one character");
  out.separator = separator[0];
  TRY(out.header, json::OptionalBool(*format, "header", false, place));
  TRY(out.value, json::OptionalString(*format, "value", "1", place));
  TRY(out.type_column, json::OptionalString(*format, "type", "", place));
  TRY(out.confidence, json::OptionalString(*format, "confidence", "", place));
  TRY(out.reason, json::OptionalString(*format, "reason", "", place));
  TRY(out.from, json::OptionalString(*format, "from", "", place));
  TRY(out.until, json::OptionalString(*format, "until", "", place));
  if (const json::value* types = format->if_contains("types")) {
    TRY(const json::object* words, json::AsObject(*types, place + ".types"));
    for (const auto& [word, type] : *words) {
      TRY(const std::string ours, json::RequireString(*words, word, place + ".types"));
      TRY_VOID(OneOf("observable_type", ours, place + ".types." + std::string(word)));
      out.types.emplace(word, ours);
    }
  }
  return {};
}

Result<Feed> ReadFeed(const json::value& value, const std::string& path) {
  TRY(const json::object* from, json::AsObject(value, path));
  TRY_VOID(json::RefuseUnknownKeys(
      *from,
      {"name", "kind", "url", "authorization_file", "interval", "enabled", "source", "disposition",
       "priority", "confidence", "severity", "tlp", "life_days", "share_with", "type", "csv"},
      path));
  Feed out;
  TRY(out.name, json::RequireString(*from, "name", path));
  if (!IsName(out.name)) {
    return Fail(Code::kInvalid,
                path + ".name: must have 1 to 64 lower-case letters, digits and hyphens");
  }
  TRY(const std::string kind, json::RequireString(*from, "kind", path));
  size_t number = 0;
  while (number < std::size(kKinds) && kKinds[number] != kind) ++number;
  if (number == std::size(kKinds))
    return Fail(Code::kInvalid, path + ".kind: must be list, csv, stix, taxii or misp");
  out.kind = static_cast<Kind>(number);
  out.text.csv = out.kind == Kind::kCsv;
  TRY(out.url, json::RequireString(*from, "url", path));
  if (!out.IsFile()) {
    if (auto parts = http::SplitUrl(out.url); !parts)
      return Fail(Code::kInvalid, path + ".url: " + parts.error().message);
  } else if (out.kind == Kind::kTaxii) {
    return Fail(Code::kInvalid, path + ".url: must begin with http:// or https://");
  }
  // Both name folders.
  if ((out.kind == Kind::kTaxii || out.kind == Kind::kMisp) && !out.url.ends_with('/'))
    out.url += '/';
  TRY(out.authorization_file, json::OptionalString(*from, "authorization_file", "", path));
  if (!out.authorization_file.empty() && !out.authorization_file.starts_with('/'))
    return Fail(Code::kInvalid, path + ".authorization_file: must be an absolute path");
  TRY(const int64_t interval, json::OptionalInteger(*from, "interval", 3600, path));
  if (interval < kMinInterval || interval > kMaxInterval)
    return Fail(Code::kInvalid, path + ".interval: must be 60 to 2592000 seconds");
  out.interval = std::chrono::seconds(interval);
  TRY(out.enabled, json::OptionalBool(*from, "enabled", true, path));
  out.terms.feed = out.name;
  TRY_VOID(ReadTerms(*from, path, out.terms));
  TRY_VOID(ReadText(*from, path, out.text));
  return out;
}

}  // namespace

std::string_view KindName(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

Result<std::vector<Feed>> ReadFeeds(const json::value& document) {
  TRY(const json::object* from, json::AsObject(document, ""));
  TRY_VOID(json::RefuseUnknownKeys(*from, {"feeds"}));
  std::vector<Feed> out;
  const json::value* list = from->if_contains("feeds");
  if (list == nullptr) return out;
  TRY(const json::array* rows, json::AsArray(*list, "feeds"));
  std::set<std::string> names;
  for (size_t i = 0; i < rows->size(); ++i) {
    const std::string path = "feeds[" + std::to_string(i) + "]";
    TRY(Feed feed, ReadFeed((*rows)[i], path));
    if (!names.insert(feed.name).second)
      return Fail(Code::kInvalid, path + ".name: there is a feed of that name already");
    out.push_back(std::move(feed));
  }
  return out;
}

}  // namespace mailreeve::response::feed_import
