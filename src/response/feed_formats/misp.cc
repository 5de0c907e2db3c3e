#include "response/feed_formats/misp.h"

#include "base/text.h"
#include "ctim/ctim.h"
#include "ctim/validate.h"

#include <fmt/format.h>

#include <charconv>
#include <span>

namespace mailreeve::response::feed_formats {
namespace {

std::string_view Text(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

// Numbers are written as texts or as numbers.
std::string Scalar(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return {};
  if (value->is_string()) return std::string(std::string_view(value->get_string()));
  if (value->is_int64()) return std::to_string(value->get_int64());
  if (value->is_bool()) return value->get_bool() ? "1" : "0";
  return {};
}

bool Truth(const json::object& from, std::string_view key) {
  const std::string text = Scalar(from, key);
  return text == "1" || text == "true";
}

const json::array* List(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value == nullptr ? nullptr : value->if_array();
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = AsciiLower(text[i]);
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

struct Row {
  std::string_view misp, first, second;  // CTIM types of the parts around '|'; "": not taken
};
constexpr Row kRows[] = {
    {"ip-src", "ip", ""},
    {"ip-dst", "ip", ""},
    {"ip-src|port", "ip", ""},
    {"ip-dst|port", "ip", ""},
    {"domain", "domain", ""},
    {"hostname", "hostname", ""},
    {"hostname|port", "hostname", ""},
    {"domain|ip", "domain", "ip"},
    {"url", "url", ""},
    {"email", "email", ""},
    {"email-src", "email", ""},
    {"email-dst", "email", ""},
    {"email-reply-to", "email", ""},
    {"email-subject", "email_subject", ""},
    {"email-message-id", "email_messageid", ""},
    {"md5", "md5", ""},
    {"sha1", "sha1", ""},
    {"sha256", "sha256", ""},
    {"filename", "file_name", ""},
    {"filename|md5", "", "md5"},
    {"filename|sha1", "", "sha1"},
    {"filename|sha256", "", "sha256"},
    {"malware-sample", "", "md5"},
    {"mutex", "mutex", ""},
    {"mac-address", "mac_address", ""},
    {"regkey", "registry_key", ""},
    {"regkey|value", "registry_key", ""},
    {"user-agent", "user_agent", ""},
};

std::string_view TlpOf(const json::object& event, std::string_view otherwise) {
  const json::array* tags = List(event, "Tag");
  if (tags == nullptr) return otherwise;
  static constexpr std::pair<std::string_view, std::string_view> kTags[] = {
      {"tlp:red", "red"},     {"tlp:amber+strict", "red"}, {"tlp:amber", "amber"},
      {"tlp:green", "green"}, {"tlp:white", "white"},      {"tlp:clear", "white"}};
  for (const auto& [word, tlp] : kTags)  // the strictest first
    for (const auto& tag : *tags)
      if (tag.is_object() && AsciiEqualFold(Text(tag.get_object(), "name"), word)) return tlp;
  return otherwise;
}

std::string_view SeverityOf(const json::object& event, std::string_view otherwise) {
  const std::string level = Scalar(event, "threat_level_id");
  if (level == "1") return "High";
  if (level == "2") return "Medium";
  if (level == "3") return "Low";
  return otherwise;
}

// Seconds since 1970; nothing before that, nothing far away.
std::optional<Time> SecondsAt(const json::object& from, std::string_view key) {
  const std::string text = Scalar(from, key);
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds <= 0 ||
      seconds > 10'000'000'000) {
    return std::nullopt;
  }
  return FromEpochMillis(seconds * 1000);
}

std::string CutChars(std::string_view text, size_t max_chars) {
  // A character has at most four bytes: this may cut earlier, never later.
  return std::string(CutUtf8(text, max_chars));
}

class Reader {
 public:
  Reader(const json::object& event, const Terms& terms, const MispLimits& limits)
      : event_(event), terms_(terms), limits_(limits) {}

  Result<Documents> Run() {
    uuid_ = AsciiLower(Text(event_, "uuid"));
    if (!IsUuid(uuid_)) return Fail(Code::kInvalid, "a MISP event without uuid");
    tlp_ = TlpOf(event_, terms_.tlp);
    severity_ = SeverityOf(event_, terms_.severity);
    indicator_ = "transient:indicator--" + uuid_;
    Indicator();
    TRY_VOID(Attributes(event_, ""));
    if (const json::array* objects = List(event_, "Object")) {
      for (const auto& object : *objects) {
        if (!object.is_object() || Truth(object.get_object(), "deleted")) continue;
        TRY_VOID(Attributes(object.get_object(), Text(object.get_object(), "name")));
      }
    }
    json::object bundle = ctim_;
    AddBundle(std::move(bundle), terms_, out_);
    return std::move(out_);
  }

 private:
  void Keep(std::string_view type, std::string_view plural, json::object document) {
    document["type"] = type;
    document["tlp"] = tlp_;
    document["source"] = terms_.source;
    auto checked = ctim::Validate(type, std::move(document));
    if (!checked.ok())
      return out_.counts.Skip(std::string(type) + ": " + checked.ToError().message);
    json::value& list = ctim_[plural];
    if (!list.is_array()) list = json::array();
    list.get_array().push_back(std::move(checked.document));
  }

  void Indicator() {
    const std::string_view info = Text(event_, "info");
    const json::value* maker = event_.if_contains("Orgc");
    std::string producer = terms_.source;
    if (maker != nullptr && maker->is_object() && !Text(maker->get_object(), "name").empty())
      producer = CutChars(Text(maker->get_object(), "name"), 1024);
    json::object out{{"id", indicator_},
                     {"external_ids", json::array{"misp-event-" + uuid_}},
                     {"title", CutChars(info.empty() ? "MISP event" : info, 1024)},
                     {"producer", producer},
                     {"confidence", terms_.confidence},
                     {"severity", severity_},
                     {"valid_time", Validity(event_)}};
    json::array tags;
    if (const json::array* list = List(event_, "Tag"))
      for (const auto& tag : *list)
        if (tag.is_object() && !Text(tag.get_object(), "name").empty() && tags.size() < 100)
          tags.push_back(json::value(CutChars(Text(tag.get_object(), "name"), 1024)));
    if (!tags.empty()) out["tags"] = std::move(tags);
    Keep("indicator", "indicators", std::move(out));
  }

  json::object Validity(const json::object& from) const {
    std::optional<Time> start = SecondsAt(from, "first_seen");
    if (!start) start = SecondsAt(from, "timestamp");
    json::object out{{"start_time", FormatTime(start.value_or(terms_.now))}};
    if (terms_.life) {
      const Time end = terms_.now + *terms_.life;
      if (!start || end > *start) out["end_time"] = FormatTime(end);
    }
    return out;
  }

  Result<void> Attributes(const json::object& from, std::string_view object) {
    const json::array* list = List(from, "Attribute");
    if (list == nullptr) return {};
    for (const auto& each : *list) {
      if (++attributes_ > limits_.max_attributes) {
        return Fail(Code::kLimited, fmt::format("a MISP event has more than {} attributes",
                                                limits_.max_attributes));
      }
      if (each.is_object()) Attribute(each.get_object(), object);
    }
    return {};
  }

  void Attribute(const json::object& from, std::string_view object) {
    if (Truth(from, "deleted")) return;
    if (!Truth(from, "to_ids")) return out_.counts.Skip("not for detection");
    const std::string_view type = Text(from, "type"), value = Text(from, "value");
    const Row* row = nullptr;
    for (const auto& each : kRows)
      if (each.misp == type) row = &each;
    if (row == nullptr) return out_.counts.Skip("type " + std::string(CutUtf8(type, 40)));
    const size_t bar = type.find('|') == std::string_view::npos && type != "malware-sample"
                           ? std::string_view::npos
                           : value.rfind('|');
    const std::string_view second =
        bar == std::string_view::npos ? std::string_view() : value.substr(bar + 1);
    if (!row->first.empty()) Judgement(from, object, row->first, value.substr(0, bar));
    if (!row->second.empty()) Judgement(from, object, row->second, second);
  }

  void Judgement(const json::object& from, std::string_view object, std::string_view type,
                 std::string_view value) {
    const auto observed = ReadObservable(value, type);
    if (!observed) return out_.counts.Skip("no observable");
    const std::string key =
        std::string(observable::TypeName(observed->type)) + ":" + observed->value;
    const std::string own = uuid_ + "|" + key;
    const std::string id = "transient:judgement--" + own;
    if (!seen_.insert(key).second) return;
    std::string reason(Text(event_, "info"));
    if (!object.empty()) reason += " (" + std::string(object) + ")";
    if (const std::string_view comment = Text(from, "comment"); !comment.empty())
      reason += ": " + std::string(comment);
    json::object out{{"id", id},
                     {"external_ids", json::array{ctim::ExternalId("misp", "judgement", own)}},
                     {"observable", ctim::ToJson(*observed)},
                     {"disposition", terms_.disposition},
                     {"priority", terms_.priority},
                     {"confidence", terms_.confidence},
                     {"severity", severity_},
                     {"valid_time", Validity(from)}};
    if (!reason.empty()) out["reason"] = CutChars(reason, 1000);
    // The source is short of the id's limits: ids of judgements are hashes of their key.
    if (id.size() > 2048) return out_.counts.Skip("value too long");
    Keep("judgement", "judgements", std::move(out));
    Keep("relationship", "relationships",
         json::object{{"id", "transient:relationship--" + own},
                      {"external_ids", json::array{ctim::ExternalId("misp", "relationship", own)}},
                      {"relationship_type", "element-of"},
                      {"source_ref", id},
                      {"target_ref", indicator_}});
  }

  const json::object& event_;
  const Terms& terms_;
  const MispLimits& limits_;
  std::string uuid_, indicator_;
  std::string_view tlp_, severity_;
  size_t attributes_ = 0;
  std::set<std::string> seen_;
  json::object ctim_;
  Documents out_;
};

}  // namespace

Result<std::vector<MispEvent>> ReadManifest(const json::value& manifest, const MispLimits& limits,
                                            Counts& counts) {
  TRY(const json::object* from, json::AsObject(manifest, "manifest"));
  if (from->size() > limits.max_events) {
    return Fail(Code::kLimited,
                fmt::format("the manifest names more than {} events", limits.max_events));
  }
  std::vector<MispEvent> out;
  for (const auto& [key, value] : *from) {
    if (!IsUuid(key) || !value.is_object()) {
      counts.Skip("manifest: not an event");
      continue;
    }
    out.push_back({std::string(key), Scalar(value.get_object(), "timestamp")});
  }
  return out;
}

Result<Documents> MispDocuments(const json::value& event, const Terms& terms,
                                const MispLimits& limits) {
  TRY(const json::object* root, json::AsObject(event, "event"));
  if (const json::value* inner = root->if_contains("Event")) {
    TRY(root, json::AsObject(*inner, "Event"));
  }
  return Reader(*root, terms, limits).Run();
}

}  // namespace mailreeve::response::feed_formats
