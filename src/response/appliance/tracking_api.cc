#include "response/appliance/tracking_api.h"

#include "base/text.h"
#include "http/message.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace mailreeve::response::appliance {
namespace {

using observable::Observable;
using observable::Type;

constexpr size_t kMaxTargets = 100, kMaxText = 2000;

std::string Is(std::string_view operator_key, std::string_view value_key, const std::string& value,
               std::string_view how = "is") {
  return std::string(operator_key) + "=" + std::string(how) + "&" + std::string(value_key) + "=" +
         http::PercentEncode(value);
}

// Minutes only: seconds are refused (gateway-api.md 1.4).
std::string Minute(Time time) { return FormatTime(time).substr(0, 17) + "00.000Z"; }

std::string Text(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  std::string text = ToValidUtf8(CutUtf8(value->get_string(), kMaxText));
  return text == "N/A" || text == "None" ? std::string() : text;
}
std::vector<std::string> Texts(const json::object& from, std::string_view key) {
  std::vector<std::string> out;
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_array()) return out;
  for (const json::value& item : value->get_array()) {
    if (item.is_string() && out.size() < kMaxTargets) {
      out.push_back(ToValidUtf8(CutUtf8(item.get_string(), kMaxText)));
    }
  }
  return out;
}
// The value that a map by MID has for `mid`.
std::string ByMid(const json::object& from, std::string_view key, const std::string& mid) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_object()) return {};
  return Text(value->get_object(), mid);
}

json::object Plain(std::string_view type, std::string_view value) {
  return {{"type", type}, {"value", value}};
}

std::string ObservableName(Type type) { return std::string(observable::TypeName(type)); }

}  // namespace

std::optional<std::string> FilterFor(const Observable& what) {
  switch (what.type) {
    case Type::kEmail:
      return Is("envelopeSenderfilterOperator", "envelopeSenderfilterValue", what.value);
    case Type::kEmailSubject:
      return Is("subjectfilterOperator", "subjectfilterValue", what.value);
    case Type::kEmailMessageid:
      return "messageIdHeader=" + http::PercentEncode(what.value);
    case Type::kIp:
    case Type::kIpv6:
      return "senderIp=" + http::PercentEncode(what.value);
    case Type::kSha256:
      return "fileSha256=" + http::PercentEncode(what.value);
    case Type::kFileName:
      return Is("attachmentNameOperator", "attachmentNameValue", what.value);
    case Type::kDomain:
      return Is("domainNameOperator", "domainNameValue", what.value);
    case Type::kCiscoMid:
      return "ciscoMid=" + http::PercentEncode(what.value);
    case Type::kUrl: {
      const auto url = observable::CanonicalUrl(what.value);
      const std::string host(url ? observable::UrlHost(*url) : std::string_view());
      if (host.empty()) return std::nullopt;
      return Is("domainNameOperator", "domainNameValue", host);
    }
    default:
      return std::nullopt;
  }
}

std::string SearchTarget(const std::string& filter, Time from, Time until, size_t offset,
                         size_t limit) {
  return "message-tracking/messages?startDate=" + http::PercentEncode(Minute(from)) +
         "&endDate=" + http::PercentEncode(Minute(until + std::chrono::minutes(1))) +
         "&ciscoHost=All_Hosts&searchOption=messages&" + filter +
         "&offset=" + std::to_string(offset) + "&limit=" + std::to_string(limit);
}

Result<Time> ParseTimestamp(std::string_view text) {
  const auto wrong = [] { return Fail(Code::kInvalid, "not a time of message tracking"); };
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  // "29 Aug 2023 10:00:48 (GMT +00:00)"
  if (text.size() < 26 || text.size() > 60 || text.substr(20, 5) != " (GMT" ||
      !text.ends_with(')')) {
    return wrong();
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(3, 3));
  if (month == kMonths.end()) return wrong();
  std::string zone(TrimSpace(text.substr(25, text.size() - 26)));
  if (zone.empty()) zone = "Z";
  char number[8];
  std::snprintf(number, sizeof(number), "%02d", static_cast<int>(month - kMonths.begin()) + 1);
  const std::string iso = std::string(text.substr(7, 4)) + "-" + number + "-" +
                          std::string(text.substr(0, 2)) + "T" + std::string(text.substr(12, 8)) +
                          zone;
  return ParseTime(iso);
}

std::string SearchLink(const std::string& console_url, const std::string& filter) {
  std::string base = console_url;
  while (base.ends_with('/')) base.pop_back();
  return base + "/message-tracking?" + filter;
}

std::optional<json::object> SightingOf(const json::value& row, const Observable& asked,
                                       const SightingWorld& world) {
  const json::object* outer = row.if_object();
  const json::value* inner = outer == nullptr ? nullptr : outer->if_contains("attributes");
  const json::object* attributes = inner == nullptr ? nullptr : inner->if_object();
  if (attributes == nullptr) return std::nullopt;
  const json::value* mids = attributes->if_contains("mid");
  if (mids == nullptr || !mids->is_array() || mids->get_array().empty()) return std::nullopt;
  const json::value& first = mids->get_array().front();
  const std::string mid = first.is_int64()    ? std::to_string(first.get_int64())
                          : first.is_string() ? std::string(CutUtf8(first.get_string(), 20))
                                              : std::string();
  const auto when = ParseTimestamp(Text(*attributes, "timestamp"));
  if (mid.empty() || mid.find_first_not_of("0123456789") != std::string::npos || !when) {
    return std::nullopt;
  }
  const std::string message_id = ByMid(*attributes, "messageID", mid);
  const std::string sender = Text(*attributes, "sender"), ip = Text(*attributes, "senderIp");
  const std::string subject = Text(*attributes, "subject");
  const std::string status = ByMid(*attributes, "messageStatus", mid);
  const json::object message =
      message_id.empty() ? Plain("cisco_mid", mid) : Plain("email_messageid", message_id);

  const json::object observed{{"start_time", FormatTime(*when)}, {"end_time", FormatTime(*when)}};
  json::array targets, relations;
  const auto relate = [&](json::object source, std::string_view how, json::object related) {
    relations.push_back(json::object{{"origin", world.source},
                                     {"relation", how},
                                     {"source", std::move(source)},
                                     {"related", std::move(related)}});
  };
  for (const std::string& recipient : Texts(*attributes, "recipient")) {
    targets.push_back(json::object{{"type", "email"},
                                   {"observables", json::array{Plain("email", recipient)}},
                                   {"observed_time", observed}});
    relate(message, "Sent_To", Plain("email", recipient));
  }
  if (!sender.empty()) relate(Plain("email", sender), "Sent", message);
  if (!ip.empty()) {
    relate(Plain(ip.find(':') == std::string::npos ? "ip" : "ipv6", ip), "Sent", message);
  }
  if (!subject.empty()) relate(Plain("email_subject", subject), "Characterizes", message);
  if (!message_id.empty()) relate(message, "Related_To", Plain("cisco_mid", mid));

  json::object out;
  out["type"] = "sighting";
  // The same from answer to answer; other modules' ids are kept apart by the platform.
  out["id"] = "transient:sighting-" + Text(*attributes, "serialNumber") + "-" + mid;
  out["schema_version"] = "1.3.29";
  out["source"] = world.source;
  out["title"] = "Message " + mid + (status.empty() ? "" : ": " + status);
  if (!subject.empty()) out["short_description"] = subject;
  out["count"] = 1;
  out["confidence"] = "High";
  out["internal"] = true;
  out["observed_time"] = observed;
  out["observables"] = json::array{Plain(ObservableName(asked.type), asked.value)};
  if (!targets.empty()) out["targets"] = std::move(targets);
  if (!relations.empty()) out["relations"] = std::move(relations);
  if (world.console_url.starts_with("http")) {
    out["source_uri"] = SearchLink(world.console_url, "ciscoMid=" + mid);
  }
  return out;
}

}  // namespace mailreeve::response::appliance
