#include "gateway/tracking/record_json.h"

#include "base/bytes.h"
#include "base/text.h"

#include <array>
#include <limits>

namespace mailreeve::gateway::tracking {
namespace {

constexpr std::array<std::string_view, mail::kMaxAddressRole + 1> kRoles = {
    "envelope_from",
    "envelope_to",
    "from",
    "sender",
    "reply_to",
    "return_path",
    "to",
    "cc",
    "bcc",
    "resent_from",
    "resent_to",
    "errors_to",
    "disposition_notification_to"};
constexpr std::array<std::string_view, mail::kMaxUrlSource + 1> kSources = {
    "text", "html_attribute", "html_text", "html_style", "header", "attachment"};
constexpr std::array<std::string_view, 3> kDirections = {"incoming", "outgoing", "internal"};

std::string_view NameOf(mail::AddressRole role) { return kRoles[static_cast<size_t>(role)]; }
std::string_view NameOf(mail::UrlSource source) { return kSources[static_cast<size_t>(source)]; }
std::string_view NameOf(mail::Direction direction) {
  return kDirections[static_cast<size_t>(direction)];
}
std::string_view NameOf(mail::EventKind kind) { return mail::EventName(kind); }

template <class Enum, size_t N>
bool FromName(const std::array<std::string_view, N>& names, std::string_view name, Enum& to) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] != name) continue;
    to = static_cast<Enum>(i);
    return true;
  }
  return false;
}
bool FromName(std::string_view name, mail::AddressRole& to) { return FromName(kRoles, name, to); }
bool FromName(std::string_view name, mail::UrlSource& to) { return FromName(kSources, name, to); }
bool FromName(std::string_view name, mail::Direction& to) {
  return FromName(kDirections, name, to);
}
bool FromName(std::string_view name, mail::EventKind& to) {
  const auto kind = mail::EventFromName(name);
  if (kind) to = *kind;
  return kind.has_value();
}

// The fields of each type, in one place for both ways: `io` is a Writer or a Reader.
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::Connection>
{
  io("icid", x.icid);
  io("client_address", x.client_address);
  io("client_name", x.client_name);
  io("helo", x.helo);
  io("tls_protocol", x.tls_protocol);
  io("tls_cipher", x.tls_cipher);
  io("authenticated_user", x.authenticated_user);
  io("listener", x.listener);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::Recipient>
{
  io("rid", x.rid);
  io("address", x.address);
  io("raw", x.raw);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::Verdict>
{
  io("engine", x.engine);
  io("disposition", x.disposition);
  io("reason", x.reason);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::Event>
{
  io("time", x.time);
  io.Name("kind", x.kind);
  io("rid", x.rid);
  io("detail", x.detail);
  io("dsn", x.dsn);
  io("relay", x.relay);
  io("delay_ms", x.delay_ms);
  io("queue_id", x.queue_id);
  io("dedup_key", x.dedup_key);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::MailAddress>
{
  io.Name("role", x.role);
  io("address", x.address);
  io("display_name", x.display_name);
  io("raw", x.raw);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::FoundUrl>
{
  io("url", x.url);
  io("raw", x.raw);
  io.Name("source", x.source);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::Inspection::Domain>
{
  io("name", x.name);
  io("registrable", x.registrable);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::Attachment>
{
  io("names", x.names);
  io("declared_type", x.declared_type);
  io("sniffed_type", x.sniffed_type);
  io("size", x.size);
  io("sha256", x.sha256);
  io("sha1", x.sha1);
  io("md5", x.md5);
  io("depth", x.depth);
  io("is_inline", x.is_inline);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::AuthenticationResult>
{
  io("authserv_id", x.authserv_id);
  io("method", x.method);
  io("result", x.result);
  io("property", x.property);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::Inspection>
{
  io("addresses", x.addresses);
  io("subject", x.subject);
  io("subject_raw", x.subject_raw);
  io("other_subjects", x.other_subjects);
  io("message_id", x.message_id);
  io("message_id_raw", x.message_id_raw);
  io("other_message_ids", x.other_message_ids);
  io("date", x.date);
  io("date_raw", x.date_raw);
  io("received_hosts", x.received_hosts);
  io("urls", x.urls);
  io("domains", x.domains);
  io("attachments", x.attachments);
  io("authentication", x.authentication);
  io("languages", x.languages);
  io("mailer", x.mailer);
  io("in_reply_to", x.in_reply_to);
  io("references", x.references);
  io("size", x.size);
  io("header_size", x.header_size);
  io("parts", x.parts);
  io("content_digest", x.content_digest);
  io("raw_sha256", x.raw_sha256);
  io("limits_hit", x.limits_hit);
  io("oddities", x.oddities);
}
template <class Io, class T>
void Fields(Io& io, T& x)
  requires std::is_same_v<std::remove_const_t<T>, mail::MessageRecord>
{
  io("mid", x.mid);
  io("queue_id", x.queue_id);
  io("received", x.received);
  io.Name("direction", x.direction);
  io("connection", x.connection);
  io("envelope_from", x.envelope_from);
  io("envelope_from_raw", x.envelope_from_raw);
  io("recipients", x.recipients);
  io("inspection", x.inspection);
  io("verdicts", x.verdicts);
  io("events", x.events);
}

// "2026-01-02T03:04:05.678901Z"; outside of what ParseTime takes, the number.
json::value TimeJson(Time time) {
  const int64_t micros = ToEpochMicros(time);
  const std::string millis = FormatTime(time);
  const int64_t below = ((micros % 1000) + 1000) % 1000;
  std::string text = millis.substr(0, millis.size() - 1);
  text += static_cast<char>('0' + below / 100);
  text += static_cast<char>('0' + below / 10 % 10);
  text += static_cast<char>('0' + below % 10);
  text += 'Z';
  const auto read = ParseTime(text);
  if (read && *read == time) return json::value(text);
  return json::value(micros);
}

class Writer {
 public:
  json::object out;

  void operator()(std::string_view name, const std::string& text) {
    if (text.empty()) return;
    if (IsValidUtf8(text)) {
      out[name] = text;
    } else {
      out[std::string(name) + "_base64"] = Base64Encode(text);
    }
  }
  void operator()(std::string_view name, uint64_t number) {
    if (number != 0) out[name] = number;
  }
  void operator()(std::string_view name, uint32_t number) {
    if (number != 0) out[name] = number;
  }
  void operator()(std::string_view name, int number) { out[name] = number; }
  void operator()(std::string_view name, bool yes) {
    if (yes) out[name] = true;
  }
  void operator()(std::string_view name, const std::optional<uint32_t>& number) {
    if (number) out[name] = *number;
  }
  void operator()(std::string_view name, Time time) { out[name] = TimeJson(time); }
  void operator()(std::string_view name, const std::optional<Time>& time) {
    if (time) out[name] = TimeJson(*time);
  }
  void operator()(std::string_view name, const std::vector<std::string>& list) {
    if (list.empty()) return;
    json::array array;
    for (const auto& text : list) {
      if (IsValidUtf8(text)) {
        array.emplace_back(text);
      } else {
        array.emplace_back(json::object{{"base64", Base64Encode(text)}});
      }
    }
    out[name] = std::move(array);
  }
  template <class T>
  void operator()(std::string_view name, const std::vector<T>& list) {
    if (list.empty()) return;
    json::array array;
    for (const T& item : list) {
      Writer inner;
      Fields(inner, item);
      array.emplace_back(std::move(inner.out));
    }
    out[name] = std::move(array);
  }
  template <class T>
    requires std::is_class_v<T>
  void operator()(std::string_view name, const T& item) {
    Writer inner;
    Fields(inner, item);
    if (!inner.out.empty()) out[name] = std::move(inner.out);
  }
  template <class Enum>
  void Name(std::string_view name, Enum value) {
    out[name] = NameOf(value);
  }
};

// The first error sticks; then nothing more is read.
class Reader {
 public:
  Reader(const json::object& from, std::string path, Result<void>& result)
      : from_(from), path_(std::move(path)), result_(result) {}

  void operator()(std::string_view name, std::string& to) {
    if (const auto* text = Take(name)) {
      if (!text->is_string()) return Wrong(name, "must be text");
      to = std::string(text->get_string());
      return;
    }
    const std::string encoded = std::string(name) + "_base64";
    if (const auto* bytes = Take(encoded)) Bytes(*bytes, encoded, to);
  }
  void operator()(std::string_view name, uint64_t& to) {
    Number(name, to, std::numeric_limits<uint64_t>::max());
  }
  void operator()(std::string_view name, uint32_t& to) {
    uint64_t number = to;
    Number(name, number, std::numeric_limits<uint32_t>::max());
    to = static_cast<uint32_t>(number);
  }
  void operator()(std::string_view name, int& to) {
    const auto* number = Take(name);
    if (!number) return;
    if (!number->is_int64() || number->get_int64() < 1 || number->get_int64() > 5)
      return Wrong(name, "must be a whole number from 1 to 5");
    to = static_cast<int>(number->get_int64());
  }
  void operator()(std::string_view name, bool& to) {
    const auto* yes = Take(name);
    if (!yes) return;
    if (!yes->is_bool()) return Wrong(name, "must be true or false");
    to = yes->get_bool();
  }
  void operator()(std::string_view name, std::optional<uint32_t>& to) {
    if (!from_.contains(name)) return;
    to = 0;
    (*this)(name, *to);
  }
  void operator()(std::string_view name, Time& to) {
    const auto* time = Take(name);
    if (!time) return;
    if (time->is_int64()) {
      to = FromEpochMicros(time->get_int64());
      return;
    }
    if (!time->is_string()) return Wrong(name, "must be a time as ISO 8601 says it");
    const auto read = ParseTime(time->get_string());
    if (!read) return Wrong(name, read.error().message);
    to = *read;
  }
  void operator()(std::string_view name, std::optional<Time>& to) {
    if (!from_.contains(name)) return;
    to = Time{};
    (*this)(name, *to);
  }
  void operator()(std::string_view name, std::vector<std::string>& to) {
    const auto* list = List(name);
    if (!list) return;
    for (size_t i = 0; i < list->size() && result_; ++i) {
      const json::value& item = (*list)[i];
      const std::string at = std::string(name) + "[" + std::to_string(i) + "]";
      if (item.is_string()) {
        to.emplace_back(item.get_string());
      } else if (item.is_object() && item.get_object().size() == 1 &&
                 item.get_object().contains("base64")) {
        Bytes(item.get_object().at("base64"), at + ".base64", to.emplace_back());
      } else {
        Wrong(at, "must be text");
      }
    }
  }
  template <class T>
  void operator()(std::string_view name, std::vector<T>& to) {
    const auto* list = List(name);
    if (!list) return;
    for (size_t i = 0; i < list->size() && result_; ++i)
      Object((*list)[i], std::string(name) + "[" + std::to_string(i) + "]", to.emplace_back());
  }
  template <class T>
    requires std::is_class_v<T>
  void operator()(std::string_view name, T& to) {
    if (const auto* item = Take(name)) Object(*item, std::string(name), to);
  }
  template <class Enum>
  void Name(std::string_view name, Enum& to) {
    const auto* text = Take(name);
    if (!text) return Wrong(name, "is missing");
    if (!text->is_string() || !FromName(text->get_string(), to))
      Wrong(name, "is not one of the names that docs/history-import.md lists");
  }

  // What no field took.
  void Finish(size_t also = 0) {
    if (!result_ || taken_.size() + also == from_.size()) return;
    for (const auto& [key, value] : from_) {
      if (std::find(taken_.begin(), taken_.end(), key) == taken_.end() &&
          !(also > 0 && key == kVersionKey))
        return Wrong(key, "is not a field of this version");
    }
  }

  static constexpr std::string_view kVersionKey = "mailreeve_record";

 private:
  const json::value* Take(std::string_view name) {
    if (!result_) return nullptr;
    const auto* found = from_.if_contains(name);
    if (found) taken_.emplace_back(name);
    return found;
  }
  const json::array* List(std::string_view name) {
    const auto* list = Take(name);
    if (list && !list->is_array()) Wrong(name, "must be a list");
    return list && list->is_array() ? &list->get_array() : nullptr;
  }
  void Number(std::string_view name, uint64_t& to, uint64_t max) {
    const auto* number = Take(name);
    if (!number) return;
    uint64_t read = 0;
    if (number->is_uint64()) {
      read = number->get_uint64();
    } else if (number->is_int64() && number->get_int64() >= 0) {
      read = static_cast<uint64_t>(number->get_int64());
    } else {
      return Wrong(name, "must be a whole number that is not negative");
    }
    if (read > max) return Wrong(name, "is too large");
    to = read;
  }
  void Bytes(const json::value& from, std::string_view name, std::string& to) {
    if (!from.is_string()) return Wrong(name, "must be base64");
    auto bytes = Base64Decode(from.get_string());
    if (!bytes) return Wrong(name, bytes.error().message);
    to = *std::move(bytes);
  }
  template <class T>
  void Object(const json::value& from, const std::string& name, T& to) {
    if (!from.is_object()) return Wrong(name, "must be an object");
    Reader inner(from.get_object(), json::Join(path_, name), result_);
    Fields(inner, to);
    inner.Finish();
  }
  void Wrong(std::string_view name, std::string_view what) {
    if (result_) result_ = Fail(Code::kInvalid, json::Join(path_, name) + ": " + std::string(what));
  }

  const json::object& from_;
  const std::string path_;
  Result<void>& result_;
  std::vector<std::string> taken_;
};

}  // namespace

json::object RecordToJson(const mail::MessageRecord& record) {
  Writer writer;
  writer.out[Reader::kVersionKey] = kRecordJsonVersion;
  Fields(writer, record);
  return std::move(writer.out);
}

Result<mail::MessageRecord> RecordFromJson(const json::value& from) {
  TRY(const json::object* object, json::AsObject(from, ""));
  TRY(const int64_t version, json::RequireInteger(*object, Reader::kVersionKey));
  if (version != static_cast<int64_t>(kRecordJsonVersion)) {
    return Fail(Code::kInvalid, std::string(Reader::kVersionKey) + ": version " +
                                    std::to_string(version) +
                                    " is not known; export with the program of this machine");
  }
  mail::MessageRecord record;
  Result<void> result;
  Reader reader(*object, "", result);
  Fields(reader, record);
  reader.Finish(1);
  if (!result) return Fail(std::move(result).error());
  if (!object->contains("received")) return Fail(Code::kInvalid, "received: is missing");
  return record;
}

Result<mail::MessageRecord> RecordFromLine(std::string_view line) {
  TRY(const json::value value, json::Parse(line, {.max_bytes = 64 * 1024 * 1024}));
  return RecordFromJson(value);
}

}  // namespace mailreeve::gateway::tracking
