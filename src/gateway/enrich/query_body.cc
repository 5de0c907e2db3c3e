#include "gateway/enrich/query_body.h"

#include "base/text.h"
#include "base/time.h"
#include "relay/body.h"

#include <charconv>

namespace mailreeve::gateway::enrich {
namespace {

using observable::Type;

constexpr size_t kMaxConditions = 20;

Result<std::string> OptionalCanonical(const json::object& from, std::string_view key, Type type) {
  TRY(std::string text, json::OptionalString(from, key, ""));
  if (text.empty()) return text;
  auto canonical = observable::Canonical(type, text);
  if (!canonical) return Fail(Code::kInvalid, std::string(key) + ": " + canonical.error().message);
  return canonical;
}

Result<std::optional<Time>> OptionalTime(const json::object& from, std::string_view key) {
  TRY(const std::string text, json::OptionalString(from, key, ""));
  if (text.empty()) return std::nullopt;
  auto time = ParseTime(text);
  if (!time) return Fail(Code::kInvalid, std::string(key) + ": " + time.error().message);
  return *time;
}

std::optional<tracking::TextMatch> MatchFromName(std::string_view name) {
  using enum tracking::TextMatch;
  if (name == "is") return kIs;
  if (name == "contains") return kContains;
  if (name == "begins_with") return kBeginsWith;
  if (name == "is_empty") return kIsEmpty;
  return std::nullopt;
}

std::optional<tracking::TextCondition::Field> FieldFromName(std::string_view name) {
  using enum tracking::TextCondition::Field;
  if (name == "subject") return kSubject;
  if (name == "envelope_sender") return kEnvelopeSender;
  if (name == "sender") return kSender;
  if (name == "recipient") return kRecipient;
  if (name == "reply_to") return kReplyTo;
  if (name == "file_name") return kFileName;
  if (name == "sender_domain") return kSenderDomain;
  if (name == "message_id") return kMessageId;
  if (name == "url") return kUrl;
  return std::nullopt;
}

// [{"field","match","value"}]
Result<void> ReadConditions(const json::object& from, std::vector<tracking::TextCondition>& out) {
  const json::value* list = from.if_contains("conditions");
  if (list == nullptr || list->is_null()) return {};
  TRY(const json::array* conditions, json::AsArray(*list, "conditions"));
  if (conditions->size() > kMaxConditions) {
    return Fail(Code::kInvalid,
                "conditions: at most " + std::to_string(kMaxConditions) + " are taken");
  }
  for (size_t i = 0; i < conditions->size(); ++i) {
    const std::string path = "conditions[" + std::to_string(i) + "]";
    TRY(const json::object* condition, json::AsObject((*conditions)[i], path));
    TRY_VOID(json::RefuseUnknownKeys(*condition, {"field", "match", "value"}, path));
    TRY(const std::string field_name, json::RequireString(*condition, "field", path));
    TRY(const std::string match_name, json::RequireString(*condition, "match", path));
    TRY(const std::string value, json::OptionalString(*condition, "value", "", path));
    const auto field = FieldFromName(field_name);
    if (!field) {
      return Fail(Code::kInvalid, path +
                                      ".field: must be subject, envelope_sender, sender, "
                                      "recipient, reply_to, file_name, sender_domain, "
                                      "message_id or url");
    }
    const auto match = MatchFromName(match_name);
    if (!match)
      return Fail(Code::kInvalid, path + ".match: must be is, contains, begins_with or is_empty");
    if (value.size() > 8192) return Fail(Code::kInvalid, path + ".value: is too long");
    if (value.empty() && *match != tracking::TextMatch::kIsEmpty)
      return Fail(Code::kInvalid, path + ".value: must not be empty");
    out.push_back({*field, *match, value});
  }
  return {};
}

}  // namespace

Result<mail::Mid> ReadMid(const json::value& value, std::string_view path) {
  if (value.is_string()) {
    const std::string_view text = value.get_string();
    uint64_t mid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mid);
    if (error == std::errc() && end == text.data() + text.size() && mid > 0) return mid;
  } else if (value.is_int64() && value.get_int64() > 0) {
    return static_cast<mail::Mid>(value.get_int64());
  } else if (value.is_uint64() && value.get_uint64() > 0) {
    return value.get_uint64();
  }
  return Fail(Code::kInvalid, std::string(path) + ": must be a positive number");
}

Result<tracking::Query> ReadQuery(const json::value& body, size_t max_observables) {
  tracking::Query query;
  if (body.is_null()) return query;
  TRY(const json::object* from, json::AsObject(body, ""));
  TRY_VOID(json::RefuseUnknownKeys(
      *from,
      {"observables", "sender",         "recipient",      "subject",  "subject_match", "message_id",
       "mid",         "icid",           "client_address", "queue_id", "direction",     "file_name",
       "file_sha256", "event",          "from",           "until",    "limit",         "cursor",
       "status",      "client_network", "conditions"}));
  if (const json::value* list = from->if_contains("observables");
      list != nullptr && !list->is_null()) {
    auto read = relay::ReadObservables(*list, {.max_observables = max_observables});
    if (!read) return Fail(Code::kInvalid, "observables: " + read.error().message);
    if (!read->unreadable.empty())
      return Fail(Code::kInvalid, "observables: not readable: " + read->unreadable.front());
    if (!list->get_array().empty() && read->asked.empty()) {
      return Fail(Code::kInvalid, "observables: none is of a known type");
    }
    for (auto& asked : read->asked) query.any_of.push_back(std::move(asked.canonical));
  }
  TRY(query.sender, OptionalCanonical(*from, "sender", Type::kEmail));
  TRY(query.recipient, OptionalCanonical(*from, "recipient", Type::kEmail));
  TRY(query.message_id, OptionalCanonical(*from, "message_id", Type::kEmailMessageid));
  TRY(query.file_name, OptionalCanonical(*from, "file_name", Type::kFileName));
  TRY(query.file_sha256, OptionalCanonical(*from, "file_sha256", Type::kSha256));
  TRY(query.queue_id, json::OptionalString(*from, "queue_id", ""));
  TRY(const std::string ip, json::OptionalString(*from, "client_address", ""));
  if (!ip.empty()) {
    const Type type = ip.find(':') == std::string::npos ? Type::kIp : Type::kIpv6;
    TRY(query.client_address, OptionalCanonical(*from, "client_address", type));
  }
  TRY(const std::string subject, json::OptionalString(*from, "subject", ""));
  if (subject.size() > 8192) return Fail(Code::kInvalid, "subject: is too long");
  if (!subject.empty()) query.subject = subject;
  TRY(const std::string match, json::OptionalString(*from, "subject_match", "contains"));
  const auto subject_match = MatchFromName(match);
  if (!subject_match)
    return Fail(Code::kInvalid, "subject_match: must be is, contains, begins_with or is_empty");
  query.subject_match = *subject_match;
  for (const char* key : {"mid", "icid"}) {
    const json::value* found = from->if_contains(key);
    if (found == nullptr || found->is_null()) continue;
    TRY(const uint64_t number, ReadMid(*found, key));
    (std::string_view(key) == "mid" ? query.mid : query.icid) = number;
  }
  TRY(const std::string direction, json::OptionalString(*from, "direction", ""));
  for (const auto each :
       {mail::Direction::kIncoming, mail::Direction::kOutgoing, mail::Direction::kInternal}) {
    if (direction == mail::DirectionName(each)) query.direction = each;
  }
  if (!direction.empty() && !query.direction) {
    return Fail(Code::kInvalid, "direction: must be incoming, outgoing or internal");
  }
  TRY(const std::string event, json::OptionalString(*from, "event", ""));
  if (!event.empty()) {
    query.event = mail::EventFromName(event);
    if (!query.event)
      return Fail(Code::kInvalid, "event: '" + std::string(CutUtf8(event, 50)) + "' is not known");
  }
  TRY(query.any_status, json::OptionalStrings(*from, "status"));
  TRY(query.client_network, json::OptionalString(*from, "client_network", ""));
  TRY_VOID(ReadConditions(*from, query.text));
  TRY(query.from, OptionalTime(*from, "from"));
  TRY(query.until, OptionalTime(*from, "until"));
  TRY(const int64_t limit, json::OptionalInteger(*from, "limit", 100));
  if (limit < 1 || limit > static_cast<int64_t>(tracking::kMaxPage)) {
    return Fail(Code::kInvalid, "limit: must be 1 to " + std::to_string(tracking::kMaxPage));
  }
  query.limit = static_cast<size_t>(limit);
  TRY(query.cursor, json::OptionalString(*from, "cursor", ""));
  return query;
}

}  // namespace mailreeve::gateway::enrich
