#include "response/feed_formats/documents.h"

#include "base/check.h"
#include "base/text.h"
#include "ctim/ctim.h"
#include "ctim/document.h"

#include <algorithm>

namespace mailreeve::response::feed_formats {
namespace {

using observable::Observable;
using observable::Type;

constexpr size_t kMaxReasons = 100;
constexpr size_t kMaxReasonChars = 1000;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

std::optional<Type> Guess(std::string_view text) {
  if (IsHex(text)) {
    if (text.size() == 32) return Type::kMd5;
    if (text.size() == 40) return Type::kSha1;
    if (text.size() == 64) return Type::kSha256;
  }
  if (text.find("://") != std::string_view::npos) return Type::kUrl;
  if (text.find('@') != std::string_view::npos) return Type::kEmail;
  if (text.find('/') != std::string_view::npos) return std::nullopt;
  if (observable::CanonicalAddress(text))
    return text.find(':') == std::string_view::npos ? Type::kIp : Type::kIpv6;
  if (text.find('.') != std::string_view::npos) return Type::kDomain;
  return std::nullopt;
}

bool IsFanged(std::string_view text) {
  return text.find('[') == std::string_view::npos && !text.starts_with("hxxp") &&
         !text.starts_with("hXXp");
}

}  // namespace

std::optional<Observable> ReadObservable(std::string_view text, std::string_view type) {
  text = TrimSpace(text);
  if (text.empty()) return std::nullopt;
  if (type.empty() && !IsFanged(text)) {
    auto found = observable::Recognise(text);
    if (found.observables.size() != 1) return std::nullopt;
    const Observable& one = found.observables[0];
    auto canonical = observable::Canonical(one.type, one.value);
    if (!canonical) return std::nullopt;
    return Observable{one.type, *std::move(canonical)};
  }
  std::optional<Type> known = type.empty() ? Guess(text) : observable::TypeFromName(type);
  if (!known) return std::nullopt;
  if (*known == Type::kIp && text.find(':') != std::string_view::npos) known = Type::kIpv6;
  auto canonical = observable::Canonical(*known, text);
  if (!canonical) return std::nullopt;
  return Observable{*known, *std::move(canonical)};
}

ctim::ShortId StableId(const Terms& terms, std::string_view type, std::string_view key) {
  const std::string transient =
      ctim::TransientId(type, terms.feed + "|" + std::string(key)).substr(10);  // "transient:"
  const auto id = ctim::ShortId::Parse(transient);
  CHECK(id.has_value());
  return *id;
}

json::object Completed(json::object document, const ctim::ShortId& id, const Terms& terms) {
  const ctim::Entity* entity = ctim::TheModel().ByType(id.type);
  CHECK(entity != nullptr);
  if (!terms.share_with.empty()) {
    json::array groups;
    for (const auto& group : terms.share_with) groups.push_back(json::value(group));
    document["authorized_groups"] = std::move(groups);
  }
  ctim::Envelope envelope{id, "feed:" + terms.feed, {"feeds"}, {}, terms.tlp};
  return ctim::Complete(*entity, std::move(document), envelope, terms.now);
}

json::object JudgementOf(const Entry& entry, const Terms& terms) {
  const std::string key =
      std::string(observable::TypeName(entry.observable.type)) + ":" + entry.observable.value;
  const Time from = entry.from.value_or(terms.now);
  std::optional<Time> until = entry.until;
  if (!until && terms.life) until = terms.now + *terms.life;
  json::object valid{{"start_time", FormatTime(from)}};
  if (until && *until > from) valid["end_time"] = FormatTime(*until);
  json::object out{
      {"observable", ctim::ToJson(entry.observable)},
      {"disposition", terms.disposition},
      {"priority", terms.priority},
      {"confidence", entry.confidence.empty() ? terms.confidence : entry.confidence},
      {"severity", terms.severity},
      {"source", terms.source},
      {"tlp", terms.tlp},
      {"external_ids", json::array{ctim::ExternalId("feed-" + terms.feed, "judgement", key)}},
      {"valid_time", std::move(valid)}};
  if (!entry.reason.empty()) out["reason"] = CutUtf8(entry.reason, kMaxReasonChars);
  return Completed(std::move(out), StableId(terms, "judgement", key), terms);
}

void Counts::Skip(std::string reason) {
  const auto at = skipped.find(reason);
  if (at != skipped.end()) {
    ++at->second;
  } else if (skipped.size() < kMaxReasons) {
    skipped.emplace(std::move(reason), 1);
  } else {
    ++skipped["other reasons"];
  }
}

}  // namespace mailreeve::response::feed_formats
