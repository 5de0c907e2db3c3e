#pragma once

#include "base/time.h"
#include "json/json.h"
#include "observable/observable.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// CTIM entities as values and their JSON (threat-response-api.md 4.2-4.4). Empty optional fields
// are left out; texts are cut to the model's limits. Threads: values and pure functions.
//
//   ctim::Sighting sighting;
//   sighting.id = ctim::TransientId("sighting", "gw1|52");
//   sighting.observed_time.start = received;
//   json::object document = ctim::ToJson(sighting);
namespace mailreeve::ctim {

inline constexpr std::string_view kSchemaVersion = "1.3.30";

enum class Disposition : int { kClean = 1, kMalicious, kSuspicious, kCommon, kUnknown };
std::string_view DispositionName(Disposition disposition);  // "Malicious"
enum class Confidence { kInfo, kLow, kMedium, kHigh, kNone, kUnknown };
std::string_view ConfidenceName(Confidence confidence);
enum class Severity { kInfo, kLow, kMedium, kHigh, kNone, kUnknown, kCritical };
std::string_view SeverityName(Severity severity);

struct ObservedTime {
  Time start;
  std::optional<Time> end;
};
struct ValidTime {
  std::optional<Time> start, end;
};
struct Relation {
  std::string origin;
  std::string relation;  // "Sent_To", one of the vocabulary
  observable::Observable source, related;
};
// IdentitySpecification: who or what was hit.
struct Target {
  std::string type = "process.email-service";
  std::vector<observable::Observable> observables;
  ObservedTime observed_time;
};
struct Column {
  std::string name;
  std::string type = "string";  // integer, markdown, number, observable, string, url
};
struct DataTable {
  std::vector<Column> columns;
  std::vector<json::array> rows;
};

struct Sighting {
  std::string id;
  std::vector<std::string> external_ids;
  std::string title, short_description, description;
  std::string source, source_uri;
  std::string sensor = "process.email-service";
  std::string resolution = "detected";  // allowed, blocked, contained, detected
  std::string tlp = "amber";
  Confidence confidence = Confidence::kHigh;
  Severity severity = Severity::kUnknown;
  int64_t count = 1;
  bool internal = true;
  std::optional<Time> timestamp;
  ObservedTime observed_time;
  std::vector<observable::Observable> observables;
  std::vector<Target> targets;
  std::vector<Relation> relations;
  std::optional<DataTable> data;
};

struct Verdict {
  Disposition disposition = Disposition::kUnknown;
  observable::Observable observable;
  ValidTime valid_time;
};

struct Judgement {
  std::string id;
  observable::Observable observable;
  Disposition disposition = Disposition::kUnknown;
  int64_t priority = 90;  // of automation at most 90
  Confidence confidence = Confidence::kHigh;
  Severity severity = Severity::kUnknown;
  std::string source, reason;
  ValidTime valid_time;
};

json::object ToJson(const observable::Observable& observable);
json::object ToJson(const ObservedTime& time);
json::object ToJson(const ValidTime& time);
json::object ToJson(const Sighting& sighting);
json::object ToJson(const Verdict& verdict);
json::object ToJson(const Judgement& judgement);

// "transient:<type>-<uuid>", the same for the same `key`: valid inside one answer, stable from
// answer to answer.
std::string TransientId(std::string_view type, std::string_view key);
// "<prefix>-<type>-<sha256 of key>": what importers tell repeats by.
std::string ExternalId(std::string_view prefix, std::string_view type, std::string_view key);

}  // namespace mailreeve::ctim
