#include "ctim/validate.h"

#include "base/time.h"
#include "ctim/ctim.h"
#include "observable/observable.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>

namespace mailreeve::ctim {
namespace {

constexpr std::array<std::string_view, 19> kMailRelations = {
    "Sent",         "Sent_By",        "Sent_To",          "Received_By",    "Received_From",
    "Attached_To",  "Contains",       "Contained_Within", "Characterizes",  "Characterized_By",
    "Connected_To", "Connected_From", "Resolved_To",      "FQDN_Of",        "Refers_To",
    "Redirects_To", "Related_To",     "Extracted_From",   "Downloaded_From"};
constexpr std::array<std::string_view, 6> kConfidences = {"Info", "Low",  "Medium",
                                                          "High", "None", "Unknown"};
constexpr std::array<std::string_view, 7> kSeverities = {"Info", "Low",     "Medium",  "High",
                                                         "None", "Unknown", "Critical"};
constexpr std::array<std::string_view, 4> kTlps = {"white", "green", "amber", "red"};
constexpr std::array<std::string_view, 6> kColumnTypes = {"integer",    "markdown", "number",
                                                          "observable", "string",   "url"};
constexpr std::array<std::string_view, 4> kResolutions = {"allowed", "blocked", "contained",
                                                          "detected"};

template <size_t N>
Result<void> OneOf(const json::object& from, std::string_view key,
                   const std::array<std::string_view, N>& allowed, bool required,
                   std::string_view path) {
  if (!required && !from.contains(key)) return {};
  TRY(const std::string text, json::RequireString(from, key, path));
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    return Fail(Code::kInvalid,
                json::Join(path, key) + ": '" + text + "' is not of the vocabulary");
  }
  return {};
}

Result<void> CheckLength(const json::object& from, std::string_view key, size_t max,
                         std::string_view path) {
  TRY(const std::string text, json::OptionalString(from, key, "", path));
  if (text.size() > max) return Fail(Code::kInvalid, json::Join(path, key) + ": is too long");
  return {};
}

Result<void> CheckTime(const json::object& from, std::string_view key, bool required,
                       std::string_view path) {
  if (!required && !from.contains(key)) return {};
  TRY(const std::string text, json::RequireString(from, key, path));
  if (!ParseTime(text)) return Fail(Code::kInvalid, json::Join(path, key) + ": is not a time");
  return {};
}

Result<void> CheckSpan(const json::object& from, std::string_view key, bool start_required,
                       std::string_view path) {
  const std::string here = json::Join(path, key);
  const json::value* found = from.if_contains(key);
  if (found == nullptr) return Fail(Code::kInvalid, here + ": is required");
  TRY(const json::object* span, json::AsObject(*found, here));
  TRY_VOID(json::RefuseUnknownKeys(*span, {"start_time", "end_time"}, here));
  TRY_VOID(CheckTime(*span, "start_time", start_required, here));
  TRY_VOID(CheckTime(*span, "end_time", false, here));
  if (span->contains("start_time") && span->contains("end_time") &&
      *ParseTime(*json::RequireString(*span, "start_time")) >
          *ParseTime(*json::RequireString(*span, "end_time"))) {
    return Fail(Code::kInvalid, here + ": ends before it starts");
  }
  return {};
}

Result<void> CheckObservable(const json::value& value, std::string_view path) {
  TRY(const json::object* from, json::AsObject(value, path));
  TRY_VOID(json::RefuseUnknownKeys(*from, {"type", "value"}, path));
  TRY(const std::string type, json::RequireString(*from, "type", path));
  TRY(const std::string text, json::RequireString(*from, "value", path));
  const auto known = observable::TypeFromName(type);
  if (!known || observable::TypeName(*known) != type) {
    return Fail(Code::kInvalid,
                json::Join(path, "type") + ": '" + type + "' is not an observable type");
  }
  if (text.empty()) return Fail(Code::kInvalid, json::Join(path, "value") + ": is empty");
  return {};
}

Result<void> CheckEach(const json::object& from, std::string_view key, bool required,
                       std::string_view path,
                       Result<void> (*check)(const json::value&, std::string_view)) {
  const json::value* found = from.if_contains(key);
  const std::string here = json::Join(path, key);
  if (found == nullptr) {
    if (required) return Fail(Code::kInvalid, here + ": is required");
    return {};
  }
  TRY(const json::array* list, json::AsArray(*found, here));
  for (size_t i = 0; i < list->size(); ++i)
    TRY_VOID(check((*list)[i], here + "[" + std::to_string(i) + "]"));
  return {};
}

Result<void> CheckField(const json::object& from, std::string_view key, std::string_view path) {
  const json::value* found = from.if_contains(key);
  if (found == nullptr) return Fail(Code::kInvalid, json::Join(path, key) + ": is required");
  return CheckObservable(*found, json::Join(path, key));
}

Result<void> CheckTarget(const json::value& value, std::string_view path) {
  TRY(const json::object* from, json::AsObject(value, path));
  TRY_VOID(json::RefuseUnknownKeys(*from, {"type", "observables", "observed_time", "os"}, path));
  TRY_VOID(json::RequireString(*from, "type", path));
  TRY_VOID(CheckEach(*from, "observables", true, path, CheckObservable));
  return CheckSpan(*from, "observed_time", true, path);
}

Result<void> CheckRelation(const json::value& value, std::string_view path) {
  TRY(const json::object* from, json::AsObject(value, path));
  TRY_VOID(json::RefuseUnknownKeys(
      *from, {"origin", "origin_uri", "relation", "relation_info", "source", "related"}, path));
  TRY_VOID(json::RequireString(*from, "origin", path));
  TRY(const std::string relation, json::RequireString(*from, "relation", path));
  if (!IsMailRelation(relation)) {
    return Fail(Code::kInvalid,
                json::Join(path, "relation") + ": '" + relation + "' is not one of mail");
  }
  TRY_VOID(CheckField(*from, "source", path));
  return CheckField(*from, "related", path);
}

Result<void> CheckString(const json::value& value, std::string_view path) {
  TRY_VOID(json::AsString(value, path));
  return {};
}

Result<void> CheckColumn(const json::value& value, std::string_view path) {
  TRY(const json::object* from, json::AsObject(value, path));
  TRY_VOID(json::RefuseUnknownKeys(
      *from, {"name", "type", "description", "short_description", "required"}, path));
  TRY_VOID(json::RequireString(*from, "name", path));
  return OneOf(*from, "type", kColumnTypes, true, path);
}

Result<void> CheckTable(const json::value& value, std::string_view path) {
  TRY(const json::object* from, json::AsObject(value, path));
  TRY_VOID(json::RefuseUnknownKeys(*from, {"columns", "rows", "row_count"}, path));
  TRY_VOID(CheckEach(*from, "columns", true, path, CheckColumn));
  const json::value* rows = from->if_contains("rows");
  if (rows == nullptr) return Fail(Code::kInvalid, json::Join(path, "rows") + ": is required");
  TRY(const json::array* list, json::AsArray(*rows, json::Join(path, "rows")));
  const size_t width = from->at("columns").get_array().size();
  for (const auto& row : *list) {
    TRY(const json::array* cells, json::AsArray(row, json::Join(path, "rows[]")));
    if (cells->size() != width)
      return Fail(Code::kInvalid, json::Join(path, "rows[]") + ": does not fit the columns");
  }
  return {};
}

Result<void> CheckDisposition(const json::object& from) {
  TRY(const int64_t number, json::RequireInteger(from, "disposition"));
  if (number < 1 || number > 5) return Fail(Code::kInvalid, "disposition: must be 1 to 5");
  TRY(const std::string name, json::OptionalString(from, "disposition_name", ""));
  if (!name.empty() && name != DispositionName(static_cast<Disposition>(number))) {
    return Fail(Code::kInvalid, "disposition_name: does not fit the number");
  }
  return {};
}

Result<const json::object*> Document(const json::value& document, std::string_view type) {
  TRY(const json::object* from, json::AsObject(document, ""));
  TRY(const std::string given, json::RequireString(*from, "type"));
  if (given != type) return Fail(Code::kInvalid, "type: must be " + std::string(type));
  return from;
}

}  // namespace

bool IsMailRelation(std::string_view relation) {
  return std::find(kMailRelations.begin(), kMailRelations.end(), relation) != kMailRelations.end();
}

Result<void> ValidateSighting(const json::value& document) {
  TRY(const json::object* from, Document(document, "sighting"));
  TRY_VOID(json::RefuseUnknownKeys(*from, {"activity_interval",
                                           "confidence",
                                           "context",
                                           "count",
                                           "data",
                                           "description",
                                           "detection_interval",
                                           "external_ids",
                                           "external_references",
                                           "id",
                                           "internal",
                                           "language",
                                           "modification_interval",
                                           "observables",
                                           "observed_time",
                                           "relations",
                                           "resolution",
                                           "revision",
                                           "schema_version",
                                           "sensor",
                                           "sensor_coordinates",
                                           "severity",
                                           "short_description",
                                           "source",
                                           "source_uri",
                                           "targets",
                                           "timestamp",
                                           "title",
                                           "tlp",
                                           "type"}));
  TRY(const std::string id, json::RequireString(*from, "id"));
  if (!id.starts_with("transient:sighting-")) return Fail(Code::kInvalid, "id: must be transient");
  TRY_VOID(json::RequireString(*from, "schema_version"));
  TRY_VOID(CheckSpan(*from, "observed_time", true, ""));
  TRY_VOID(OneOf(*from, "confidence", kConfidences, true, ""));
  TRY_VOID(OneOf(*from, "severity", kSeverities, false, ""));
  TRY_VOID(OneOf(*from, "tlp", kTlps, false, ""));
  TRY_VOID(OneOf(*from, "resolution", kResolutions, false, ""));
  TRY(const int64_t count, json::RequireInteger(*from, "count"));
  if (count < 1) return Fail(Code::kInvalid, "count: must be at least 1");
  TRY_VOID(json::OptionalBool(*from, "internal", false));
  TRY_VOID(CheckLength(*from, "title", 1024, ""));
  TRY_VOID(CheckLength(*from, "short_description", 2048, ""));
  TRY_VOID(CheckLength(*from, "source", 2048, ""));
  TRY_VOID(CheckLength(*from, "source_uri", 2048, ""));
  TRY_VOID(CheckLength(*from, "description", 5000, ""));
  TRY_VOID(CheckTime(*from, "timestamp", false, ""));
  TRY_VOID(CheckEach(*from, "observables", false, "", CheckObservable));
  TRY_VOID(CheckEach(*from, "targets", false, "", CheckTarget));
  TRY_VOID(CheckEach(*from, "relations", false, "", CheckRelation));
  TRY_VOID(CheckEach(*from, "external_ids", false, "", CheckString));
  if (const json::value* data = from->if_contains("data")) TRY_VOID(CheckTable(*data, "data"));
  return {};
}

Result<void> ValidateVerdict(const json::value& document) {
  TRY(const json::object* from, Document(document, "verdict"));
  TRY_VOID(json::RefuseUnknownKeys(*from, {"type", "disposition", "disposition_name",
                                           "judgement_id", "observable", "valid_time"}));
  TRY_VOID(CheckDisposition(*from));
  TRY_VOID(CheckField(*from, "observable", ""));
  return CheckSpan(*from, "valid_time", false, "");
}

Result<void> ValidateJudgement(const json::value& document) {
  TRY(const json::object* from, Document(document, "judgement"));
  TRY_VOID(CheckDisposition(*from));
  TRY_VOID(CheckField(*from, "observable", ""));
  TRY_VOID(OneOf(*from, "confidence", kConfidences, true, ""));
  TRY_VOID(OneOf(*from, "severity", kSeverities, true, ""));
  TRY_VOID(json::RequireString(*from, "source"));
  TRY(const int64_t priority, json::RequireInteger(*from, "priority"));
  if (priority < 0 || priority > 100) return Fail(Code::kInvalid, "priority: must be 0 to 100");
  return CheckSpan(*from, "valid_time", false, "");
}

}  // namespace mailreeve::ctim
