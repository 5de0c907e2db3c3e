#include "gateway/enrich/query_body.h"

#include "base/text.h"
#include "base/time.h"
#include "relay/body.h"

#include <charconv>

namespace mailreeve::gateway::enrich {
namespace {

using observable::Type;

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
      *from, {"observables", "sender", "recipient", "subject", "subject_match", "message_id", "mid",
              "icid", "client_address", "queue_id", "direction", "file_name", "file_sha256",
              "event", "from", "until", "limit", "cursor"}));
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
  using enum tracking::Query::TextMatch;
  if (match == "is") {
    query.subject_match = kIs;
  } else if (match == "contains") {
    query.subject_match = kContains;
  } else if (match == "begins_with") {
    query.subject_match = kBeginsWith;
  } else if (match == "is_empty") {
    query.subject_match = kIsEmpty;
  } else {
    return Fail(Code::kInvalid, "subject_match: must be is, contains, begins_with or is_empty");
  }
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
