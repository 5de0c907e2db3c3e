#include "gateway/tracking/plan.h"

#include "base/text.h"
#include "gateway/tracking/fold.h"
#include "gateway/tracking/observables_of.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::gateway::tracking {
namespace {

using observable::Observable;
using observable::Type;
using Field = TextCondition::Field;

bool Matches(std::string_view text, TextMatch match, std::string_view wanted) {
  switch (match) {
    case TextMatch::kIs:
      return text == wanted;
    case TextMatch::kContains:
      return text.find(wanted) != std::string_view::npos;
    case TextMatch::kBeginsWith:
      return text.starts_with(wanted);
    case TextMatch::kIsEmpty:
      return text.empty();
  }
  return false;
}

// The texts of a field of a record; `take` gives true to stop.
template <class Take>
bool AnyText(const mail::MessageRecord& record, Field field, Take take) {
  const mail::Inspection& i = record.inspection;
  const auto any = [&take](const std::vector<std::string>& list) {
    return std::any_of(list.begin(), list.end(), take);
  };
  switch (field) {
    case Field::kSubject:
      return take(i.subject) || any(i.other_subjects);
    case Field::kEnvelopeSender:
      return take(record.envelope_from);
    case Field::kSender:
      return any(SendersOf(record));
    case Field::kRecipient:
      return std::any_of(record.recipients.begin(), record.recipients.end(),
                         [&](const auto& recipient) { return take(recipient.address); });
    case Field::kReplyTo:
      return std::any_of(i.addresses.begin(), i.addresses.end(), [&](const auto& address) {
        return address.role == mail::AddressRole::kReplyTo && take(address.address);
      });
    case Field::kFileName:
      return std::any_of(i.attachments.begin(), i.attachments.end(),
                         [&](const auto& file) { return any(file.names); });
    case Field::kSenderDomain:
      return take(std::string(observable::EmailDomain(record.envelope_from)));
    case Field::kMessageId:
      return take(i.message_id) || any(i.other_message_ids);
    case Field::kUrl:
      return std::any_of(i.urls.begin(), i.urls.end(),
                         [&](const auto& url) { return take(url.url); });
  }
  return false;
}

bool TextFits(const mail::MessageRecord& record, const TextCondition& condition) {
  if (condition.match == TextMatch::kIsEmpty) {
    // Of a list: nothing in it, or an empty text among it. The subject's own field alone counts.
    if (condition.field == Field::kSubject) return FoldText(record.inspection.subject).empty();
    bool has = false;
    const bool empty = AnyText(record, condition.field, [&](const std::string& text) {
      has = true;
      return text.empty();
    });
    return empty || !has;
  }
  const bool subdomains =
      condition.field == Field::kSenderDomain && condition.value.starts_with('.');
  return AnyText(record, condition.field, [&](const std::string& text) {
    const std::string folded = FoldText(text);
    if (subdomains && condition.match == TextMatch::kIs) {
      return folded.ends_with(condition.value) ||
             folded == std::string_view(condition.value).substr(1);
    }
    return Matches(folded, condition.match, condition.value);
  });
}

bool Has(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Text of this type is not kept as it was: the index alone decides.
bool Hidden(Type type, const Privacy& privacy) {
  switch (type) {
    case Type::kEmailSubject:
      return privacy.subjects != Keep::kClear;
    case Type::kEmail:
    case Type::kDomain:
      return privacy.senders != Keep::kClear || privacy.recipients != Keep::kClear ||
             privacy.urls != Keep::kClear || privacy.client_address != Keep::kClear;
    case Type::kFileName:
      return privacy.file_names != Keep::kClear;
    case Type::kUrl:
      return privacy.urls != Keep::kClear;
    case Type::kIp:
    case Type::kIpv6:
      return privacy.client_address != Keep::kClear || privacy.urls != Keep::kClear;
    default:
      return false;
  }
}

std::optional<segment::TextIndex> IndexOf(Field field) {
  switch (field) {
    case Field::kSubject:
      return segment::TextIndex::kSubjects;
    case Field::kEnvelopeSender:
    case Field::kSender:
    case Field::kRecipient:
    case Field::kReplyTo:
    case Field::kFileName:
    case Field::kSenderDomain:
      return segment::TextIndex::kOthers;
    case Field::kMessageId:
    case Field::kUrl:
      return std::nullopt;
  }
  return std::nullopt;
}

// What the index must hold of a message that fits the condition; nothing when it cannot tell.
std::optional<uint64_t> FingerprintOf(const TextCondition& condition) {
  if (condition.match != TextMatch::kIs) return std::nullopt;
  switch (condition.field) {
    case Field::kEnvelopeSender:
    case Field::kSender:
    case Field::kRecipient:
    case Field::kReplyTo:
      if (const auto address = observable::CanonicalEmail(condition.value))
        return observable::Fingerprint(Type::kEmail, *address);
      return std::nullopt;
    case Field::kSenderDomain:
      // ".example.org" stands for its subdomains too.
      if (condition.value.starts_with('.')) return std::nullopt;
      if (const auto domain = observable::CanonicalDomain(condition.value))
        return observable::Fingerprint(Type::kDomain, *domain);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<Plan> Plan::Make(const Query& query, const CoreOptions& options) {
  Plan plan;
  if (!query.cursor.empty()) {
    TRY(plan.below, ParseCursor(query.cursor));
  }
  if (query.from) plan.from = ToEpochMicros(*query.from);
  if (query.until) plan.until = ToEpochMicros(*query.until);
  size_t wanted = query.any_of.size() + query.all_of.size();
  for (const auto& alternatives : query.any_text) wanted += alternatives.size();
  if (wanted > options.max_any_of) {
    return Fail(Code::kInvalid, "query: " + std::to_string(wanted) +
                                    " observables and texts; at most " +
                                    std::to_string(options.max_any_of) + " are taken");
  }
  const auto add_group = [&plan](std::vector<uint64_t> fingerprints, bool of_events = false) {
    std::sort(fingerprints.begin(), fingerprints.end());
    fingerprints.erase(std::unique(fingerprints.begin(), fingerprints.end()), fingerprints.end());
    plan.groups.push_back({std::move(fingerprints), {}, of_events});
  };
  const auto must_show = [&](const std::vector<Observable>& any) {
    std::vector<uint64_t> fingerprints;
    Shown shown;
    bool hidden = false;
    for (const auto& each : any) {
      if (each.type != Type::kCiscoMid) {
        fingerprints.push_back(observable::Fingerprint(each.type, each.value));
      }
      shown.values.emplace(observable::Fingerprint(each.type, each.value), each);
      hidden |= Hidden(each.type, options.privacy);
    }
    if (!hidden) plan.shown_.push_back(std::move(shown));
    add_group(std::move(fingerprints));
  };

  // A MID among observables is a row of its own; alone it is the same as `mid`.
  const auto number_of = [](const std::string& text) -> std::optional<mail::Mid> {
    mail::Mid mid = 0;
    const auto got = std::from_chars(text.data(), text.data() + text.size(), mid);
    if (got.ec != std::errc() || got.ptr != text.data() + text.size()) return std::nullopt;
    return mid;
  };
  const auto show_any = [&](const std::vector<Observable>& any) {
    if (any.size() == 1 && any.front().type == Type::kCiscoMid) {
      const auto mid = number_of(any.front().value);
      if (!mid || (plan.mid && *plan.mid != *mid)) plan.nothing = true;
      plan.mid = mid;
      return;
    }
    must_show(any);
    for (const auto& each : any) {
      if (each.type != Type::kCiscoMid) continue;
      if (const auto mid = number_of(each.value)) plan.groups.back().mids.push_back(*mid);
    }
    plan.index_decides &= plan.groups.back().mids.empty();
  };

  if (!query.message_id.empty()) must_show({{Type::kEmailMessageid, query.message_id}});
  if (!query.file_sha256.empty()) must_show({{Type::kSha256, AsciiLower(query.file_sha256)}});
  if (!query.file_name.empty()) {
    TRY(std::string name, observable::Canonical(Type::kFileName, query.file_name));
    must_show({{Type::kFileName, std::move(name)}});
  }
  if (!query.any_of.empty()) show_any(query.any_of);
  for (const auto& each : query.all_of) show_any({each});

  // An address of any role is in the index; its role is for the record to say.
  const auto address = [&](const std::string& value, std::string& to, Keep keep) {
    if (value.empty()) return;
    to = keep == Keep::kHash ? HashedText(value, options.privacy) : value;
    plan.index_decides = false;
    if (const auto canonical = observable::CanonicalEmail(value)) {
      add_group({observable::Fingerprint(Type::kEmail, *canonical)});
    }
  };
  address(query.sender, plan.sender_, options.privacy.senders);
  address(query.recipient, plan.recipient_, options.privacy.recipients);
  if (!query.client_address.empty()) {
    const Type type = query.client_address.find(':') == std::string::npos ? Type::kIp : Type::kIpv6;
    add_group({observable::Fingerprint(type, query.client_address)});
    if (options.privacy.client_address == Keep::kClear) {
      plan.client_address_ = query.client_address;
      plan.index_decides = false;
    }
  }
  if (!query.client_network.empty()) {
    TRY(NetworkTokens tokens, TokensOfNetwork(query.client_network));
    add_group(std::move(tokens.tokens));
    if (!tokens.exact && options.privacy.client_address == Keep::kClear) {
      plan.client_network_ = query.client_network;
      plan.index_decides = false;
    }
  }
  if (!query.queue_id.empty()) {
    add_group({Token(TokenKind::kQueueId, query.queue_id)});
    plan.queue_id_ = query.queue_id;
  }
  if (query.direction) {
    add_group({DirectionToken(*query.direction)});
    plan.direction_ = query.direction;
  }
  if (!query.any_direction.empty()) {
    std::vector<uint64_t> tokens;
    for (const auto each : query.any_direction) tokens.push_back(DirectionToken(each));
    add_group(std::move(tokens));
    plan.directions_ = query.any_direction;
  }
  if (!query.any_disposition.empty()) {
    std::vector<uint64_t> tokens;
    for (const int each : query.any_disposition) tokens.push_back(DispositionToken(each));
    add_group(std::move(tokens));
    plan.dispositions_ = query.any_disposition;
  }
  plan.events_ = query.any_event;
  const auto event_group = [&](const std::vector<mail::EventKind>& kinds) {
    std::vector<uint64_t> tokens;
    for (const auto kind : kinds) tokens.push_back(EventToken(kind));
    add_group(std::move(tokens), true);
    plan.index_decides = false;
  };
  if (!plan.events_.empty()) event_group(plan.events_);
  if (query.event) {
    event_group({*query.event});
    plan.event_ = query.event;
  }
  plan.statuses_ = query.any_status;
  if (!plan.statuses_.empty()) plan.index_decides = false;

  const auto text = [&](TextCondition condition) {
    condition.value = FoldText(condition.value);
    plan.index_decides = false;
    std::optional<segment::TextIndex> index = IndexOf(condition.field);
    if (condition.match == TextMatch::kIsEmpty || condition.value.size() < 3) index.reset();
    // A URL's beginning with a whole host leads through the index of hosts.
    if (condition.field == Field::kUrl && condition.match != TextMatch::kContains &&
        condition.match != TextMatch::kIsEmpty) {
      const size_t scheme = condition.value.find("://");
      const size_t end = scheme == std::string::npos
                             ? std::string::npos
                             : condition.value.find_first_of("/?#", scheme + 3);
      if (end != std::string::npos) {
        const std::string host(HostOfUrl(condition.value));
        if (const auto ip = observable::CanonicalAddress(host)) {
          add_group({observable::Fingerprint(
              ip->find(':') == std::string::npos ? Type::kIp : Type::kIpv6, *ip)});
        } else if (const auto name = observable::CanonicalDomain(host)) {
          add_group({observable::Fingerprint(Type::kDomain, *name)});
        }
      }
    }
    plan.texts.push_back({std::move(condition), index});
  };
  if (query.subject || query.subject_match == TextMatch::kIsEmpty) {
    text({Field::kSubject, query.subject_match, query.subject.value_or("")});
  }
  for (const auto& condition : query.text) text(condition);

  for (auto alternatives : query.any_text) {
    std::vector<uint64_t> fingerprints;
    bool indexed = true;
    for (TextCondition& condition : alternatives) {
      const auto fingerprint = FingerprintOf(condition);
      if (fingerprint) fingerprints.push_back(*fingerprint);
      indexed &= fingerprint.has_value();
      condition.value = FoldText(condition.value);
    }
    if (alternatives.empty()) continue;
    if (indexed) add_group(std::move(fingerprints));
    plan.any_text_.push_back(std::move(alternatives));
    plan.index_decides = false;
  }

  if (query.mid) {
    if (plan.mid && *plan.mid != *query.mid) plan.nothing = true;
    plan.mid = query.mid;
  }
  plan.icid = query.icid;
  if (plan.mid || plan.icid) plan.index_decides = false;
  return plan;
}

bool Plan::Fits(const mail::MessageRecord& record) const {
  if (!InTime(ToEpochMicros(record.received))) return false;
  if (mid && record.mid != *mid) return false;
  if (icid && record.connection.icid != *icid) return false;
  if (direction_ && record.direction != *direction_) return false;
  if (!directions_.empty() &&
      std::find(directions_.begin(), directions_.end(), record.direction) == directions_.end()) {
    return false;
  }
  if (!queue_id_.empty() && record.queue_id != queue_id_) return false;
  if (!client_address_.empty() && record.connection.client_address != client_address_) return false;
  if (!client_network_.empty() && !InNetwork(record.connection.client_address, client_network_)) {
    return false;
  }
  if (!dispositions_.empty() &&
      std::none_of(record.verdicts.begin(), record.verdicts.end(), [this](const auto& verdict) {
        return std::find(dispositions_.begin(), dispositions_.end(), verdict.disposition) !=
               dispositions_.end();
      })) {
    return false;
  }
  if (!events_.empty() &&
      std::none_of(record.events.begin(), record.events.end(), [this](const auto& event) {
        return std::find(events_.begin(), events_.end(), event.kind) != events_.end();
      })) {
    return false;
  }
  if (event_ && std::none_of(record.events.begin(), record.events.end(),
                             [this](const auto& event) { return event.kind == *event_; })) {
    return false;
  }
  if (!statuses_.empty() && !Has(statuses_, mail::StatusOf(record))) {
    const bool one =
        std::any_of(record.recipients.begin(), record.recipients.end(), [&](const auto& recipient) {
          return Has(statuses_, mail::StatusOf(record, recipient.rid));
        });
    if (!one) return false;
  }
  for (const Text& text : texts) {
    if (!TextFits(record, text.condition)) return false;
  }
  for (const auto& alternatives : any_text_) {
    if (std::none_of(alternatives.begin(), alternatives.end(),
                     [&](const auto& condition) { return TextFits(record, condition); })) {
      return false;
    }
  }
  if (!sender_.empty() && !Has(SendersOf(record), sender_)) return false;
  if (!recipient_.empty() && !Has(RecipientsOf(record), recipient_)) return false;
  if (!shown_.empty()) {
    constexpr size_t kFew = 4;
    std::vector<bool> met(shown_.size(), false);
    size_t left = shown_.size();
    for (size_t i = 0; i < shown_.size(); ++i) {
      const auto& values = shown_[i].values;
      if (values.size() > kFew) continue;
      met[i] = std::any_of(values.begin(), values.end(), [&record](const auto& value) {
        return ShowsPlainly(record, value.second.type, value.second.value);
      });
      if (met[i]) --left;
    }
    if (left == 0) return true;
    ForEachObservable(record, [&](Type type, std::string_view value, uint64_t fingerprint) {
      for (size_t i = 0; i < shown_.size() && left > 0; ++i) {
        if (met[i]) continue;
        const auto at = shown_[i].values.find(fingerprint);
        if (at != shown_[i].values.end() && at->second.type == type && at->second.value == value) {
          met[i] = true;
          --left;
        }
      }
    });
    if (left > 0) return false;
  }
  return true;
}

}  // namespace mailreeve::gateway::tracking
