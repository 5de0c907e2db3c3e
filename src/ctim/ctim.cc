#include "ctim/ctim.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace mailreeve::ctim {
namespace {

constexpr size_t kShort = 1024, kMedium = 2048, kLong = 5000;

void Put(json::object& out, std::string_view key, std::string_view text, size_t max_bytes) {
  if (!text.empty()) out[key] = CutUtf8(text, max_bytes);
}

json::array ToArray(const std::vector<observable::Observable>& list) {
  json::array out;
  for (const auto& each : list) out.push_back(ToJson(each));
  return out;
}

}  // namespace

std::string_view DispositionName(Disposition disposition) {
  switch (disposition) {
    case Disposition::kClean:
      return "Clean";
    case Disposition::kMalicious:
      return "Malicious";
    case Disposition::kSuspicious:
      return "Suspicious";
    case Disposition::kCommon:
      return "Common";
    case Disposition::kUnknown:
      break;
  }
  return "Unknown";
}

std::string_view ConfidenceName(Confidence confidence) {
  switch (confidence) {
    case Confidence::kInfo:
      return "Info";
    case Confidence::kLow:
      return "Low";
    case Confidence::kMedium:
      return "Medium";
    case Confidence::kHigh:
      return "High";
    case Confidence::kNone:
      return "None";
    case Confidence::kUnknown:
      break;
  }
  return "Unknown";
}

std::string_view SeverityName(Severity severity) {
  if (severity == Severity::kCritical) return "Critical";
  return ConfidenceName(static_cast<Confidence>(severity));
}

json::object ToJson(const observable::Observable& observable) {
  return {{"type", observable::TypeName(observable.type)}, {"value", observable.value}};
}

json::object ToJson(const ObservedTime& time) {
  json::object out{{"start_time", FormatTime(time.start)}};
  if (time.end) out["end_time"] = FormatTime(*time.end);
  return out;
}

json::object ToJson(const ValidTime& time) {
  json::object out;
  if (time.start) out["start_time"] = FormatTime(*time.start);
  if (time.end) out["end_time"] = FormatTime(*time.end);
  return out;
}

json::object ToJson(const Sighting& sighting) {
  json::object out{{"type", "sighting"},
                   {"schema_version", kSchemaVersion},
                   {"id", sighting.id},
                   {"confidence", ConfidenceName(sighting.confidence)},
                   {"severity", SeverityName(sighting.severity)},
                   {"count", sighting.count},
                   {"internal", sighting.internal},
                   {"observed_time", ToJson(sighting.observed_time)},
                   {"observables", ToArray(sighting.observables)}};
  Put(out, "title", sighting.title, kShort);
  Put(out, "short_description", sighting.short_description, kMedium);
  Put(out, "description", sighting.description, kLong);
  Put(out, "source", sighting.source, kMedium);
  Put(out, "source_uri", sighting.source_uri, kMedium);
  Put(out, "sensor", sighting.sensor, kShort);
  Put(out, "resolution", sighting.resolution, kShort);
  Put(out, "tlp", sighting.tlp, kShort);
  if (sighting.timestamp) out["timestamp"] = FormatTime(*sighting.timestamp);
  if (!sighting.external_ids.empty()) {
    json::array ids;
    for (const auto& id : sighting.external_ids) ids.push_back(json::value(id));
    out["external_ids"] = std::move(ids);
  }
  if (!sighting.targets.empty()) {
    json::array targets;
    for (const auto& target : sighting.targets) {
      targets.push_back(json::object{{"type", target.type},
                                     {"observables", ToArray(target.observables)},
                                     {"observed_time", ToJson(target.observed_time)}});
    }
    out["targets"] = std::move(targets);
  }
  if (!sighting.relations.empty()) {
    json::array relations;
    for (const auto& relation : sighting.relations) {
      relations.push_back(json::object{{"origin", relation.origin},
                                       {"relation", relation.relation},
                                       {"source", ToJson(relation.source)},
                                       {"related", ToJson(relation.related)}});
    }
    out["relations"] = std::move(relations);
  }
  if (sighting.data) {
    json::array columns, rows;
    for (const auto& column : sighting.data->columns) {
      columns.push_back(json::object{{"name", column.name}, {"type", column.type}});
    }
    for (const auto& row : sighting.data->rows) rows.push_back(row);
    const size_t count = rows.size();
    out["data"] = json::object{
        {"columns", std::move(columns)}, {"rows", std::move(rows)}, {"row_count", count}};
  }
  return out;
}

json::object ToJson(const Verdict& verdict) {
  return {{"type", "verdict"},
          {"disposition", static_cast<int>(verdict.disposition)},
          {"disposition_name", DispositionName(verdict.disposition)},
          {"observable", ToJson(verdict.observable)},
          {"valid_time", ToJson(verdict.valid_time)}};
}

json::object ToJson(const Judgement& judgement) {
  json::object out{{"type", "judgement"},
                   {"schema_version", kSchemaVersion},
                   {"id", judgement.id},
                   {"observable", ToJson(judgement.observable)},
                   {"disposition", static_cast<int>(judgement.disposition)},
                   {"disposition_name", DispositionName(judgement.disposition)},
                   {"priority", judgement.priority},
                   {"confidence", ConfidenceName(judgement.confidence)},
                   {"severity", SeverityName(judgement.severity)},
                   {"valid_time", ToJson(judgement.valid_time)}};
  Put(out, "source", judgement.source, kMedium);
  Put(out, "reason", judgement.reason, kShort);
  return out;
}

std::string TransientId(std::string_view type, std::string_view key) {
  std::string digest = crypto::Sha256(key).substr(0, 16);
  digest[6] = static_cast<char>((digest[6] & 0x0f) | 0x80);  // RFC 9562 version 8, variant 10
  digest[8] = static_cast<char>((digest[8] & 0x3f) | 0x80);
  const std::string hex = HexEncode(digest);
  return "transient:" + std::string(type) + "-" + hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" +
         hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" + hex.substr(20);
}

std::string ExternalId(std::string_view prefix, std::string_view type, std::string_view key) {
  return std::string(prefix) + "-" + std::string(type) + "-" + HexEncode(crypto::Sha256(key));
}

}  // namespace mailreeve::ctim
