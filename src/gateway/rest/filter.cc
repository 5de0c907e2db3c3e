#include "gateway/rest/filter.h"

#include "base/text.h"
#include "gateway/details/details.h"
#include "gateway/rest/match.h"
#include "io/asio.h"
#include "observable/observable.h"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <algorithm>
#include <iterator>

namespace mailreeve::gateway::rest {
namespace {

using details::EngineKind;
using mail::EventKind;
using mail::MessageRecord;
using observable::Type;
using tracking::TextCondition;
using tracking::TextMatch;

bool Contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool HasEvent(const MessageRecord& record, const std::vector<EventKind>& kinds) {
  return std::any_of(record.events.begin(), record.events.end(), [&](const mail::Event& event) {
    return std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end();
  });
}

bool HasVerdict(const MessageRecord& record, EngineKind engine,
                const std::vector<int>& dispositions) {
  return std::any_of(
      record.verdicts.begin(), record.verdicts.end(), [&](const mail::Verdict& verdict) {
        return details::KindOf(verdict.engine) == engine &&
               std::find(dispositions.begin(), dispositions.end(), verdict.disposition) !=
                   dispositions.end();
      });
}

// One alternative of the event group.
struct Event {
  std::vector<EventKind> kinds;   // an event of one of these kinds is needed
  std::vector<int> dispositions;  // else a verdict of one of these
  Filter::Test test;
};

Event OfKinds(std::vector<EventKind> kinds) {
  return {kinds, {}, [kinds](const MessageRecord& record) { return HasEvent(record, kinds); }};
}
Event OfVerdict(EngineKind engine, std::vector<int> dispositions) {
  return {{}, dispositions, [engine, dispositions](const MessageRecord& record) {
            return HasVerdict(record, engine, dispositions);
          }};
}

class Reader {
 public:
  Reader(const Parameters& parameters, const std::vector<std::string>& host_names)
      : parameters_(parameters), host_names_(host_names) {}

  Result<Filter> Read() {
    TRY(const auto span, ReadSpan(parameters_, true));
    out_.query.from = span->from;
    out_.query.until = span->until;
    TRY_VOID(ReadOption());
    TRY_VOID(ReadHost());
    TRY_VOID(ReadSenderIp());
    if (out_.rejected_connections) return std::move(out_);  // the rest does not count
    TRY_VOID(ReadTexts());
    TRY_VOID(ReadIdentity());
    TRY_VOID(ReadStanding());
    TRY_VOID(ReadPolicy());
    TRY_VOID(ReadFlags());
    TRY_VOID(ReadVerdictLists());
    FinishEvents();
    return std::move(out_);
  }

 private:
  static tl::unexpected<Error> Wrong(std::string_view name, std::string_view allowed) {
    return Fail(Code::kInvalid, std::string(name) + " must be " + std::string(allowed) + ".");
  }

  Result<void> ReadOption() {
    const auto option = parameters_.Text("searchOption");
    if (!option) return Wrong("searchOption", "messages or rejected_connections");
    const std::string word = AsciiLower(*option);
    if (word == "rejected_connections") {
      out_.rejected_connections = true;
      out_.query.any_event = {EventKind::kRejected};
      out_.all.push_back(
          [](const MessageRecord& record) { return HasEvent(record, {EventKind::kRejected}); });
    } else if (word != "messages") {
      return Wrong("searchOption", "messages or rejected_connections");
    }
    return {};
  }

  Result<void> ReadHost() {
    const auto hosts = parameters_.Words("ciscoHost");
    if (hosts.empty()) return {};
    const bool known = std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
      return host == "all_hosts" ||
             std::any_of(host_names_.begin(), host_names_.end(),
                         [&](const std::string& ours) { return AsciiEqualFold(ours, host); });
    });
    if (!known) out_.nothing = true;
    return {};
  }

  Result<void> ReadSenderIp() {
    const auto given = parameters_.Text("senderIp");
    if (!given) return {};
    if (given->find('/') != std::string::npos) {
      io::error_code bad4, bad6;
      const auto v4 = asio::ip::make_network_v4(*given, bad4);
      const auto v6 = asio::ip::make_network_v6(*given, bad6);
      if (bad4 && bad6) return Wrong("senderIp", "an IP address or a network such as 192.0.2.0/24");
      const std::string network = bad4 ? v6.canonical().to_string() : v4.canonical().to_string();
      out_.query.client_network = network;
      out_.all.push_back([network](const MessageRecord& record) {
        return InNetwork(record.connection.client_address, network);
      });
      return {};
    }
    const auto canonical = observable::Canonical(
        given->find(':') == std::string::npos ? Type::kIp : Type::kIpv6, *given);
    if (!canonical) return Wrong("senderIp", "an IP address or a network such as 192.0.2.0/24");
    out_.query.client_address = *canonical;
    out_.all.push_back([address = *canonical](const MessageRecord& record) {
      return record.connection.client_address == address;
    });
    return {};
  }

  // `prefix` + "Operator", `prefix` + "Value". `several`: commas part alternatives.
  Result<void> ReadText(const std::string& prefix, TextCondition::Field field,
                        std::optional<Type> type, bool several) {
    const auto operation = parameters_.Text(prefix + "Operator");
    auto value = parameters_.Text(prefix + "Value");
    TextMatch match = TextMatch::kContains;
    if (operation) {
      const std::string word = AsciiLower(*operation);
      if (word == "is") {
        match = TextMatch::kIs;
      } else if (word == "begins_with") {
        match = TextMatch::kBeginsWith;
      } else if (word == "is_empty") {
        match = TextMatch::kIsEmpty;
      } else if (word != "contains") {
        return Wrong(prefix + "Operator", "is, contains, begins_with or is_empty");
      }
    }
    if (match == TextMatch::kIsEmpty) {
      AddText({field, match, ""});
      return {};
    }
    if (!value) return {};
    if (value->size() > kMaxValue) return Wrong(prefix + "Value", "shorter");
    std::vector<TextCondition> alternatives;
    for (std::string_view piece :
         several ? Split(*value, ',') : std::vector<std::string_view>{*value}) {
      piece = TrimSpace(piece);
      if (piece.empty()) continue;
      std::string text(piece);
      // No address and no domain has a blank: a '+' was sent bare and decoded.
      if (type) std::replace(text.begin(), text.end(), ' ', '+');
      if (type && match == TextMatch::kIs) {
        if (auto canonical = observable::Canonical(*type, text)) text = *std::move(canonical);
      }
      alternatives.push_back({field, match, std::move(text)});
    }
    if (alternatives.size() == 1) {
      AddText(std::move(alternatives.front()));
    } else if (!alternatives.empty()) {
      // More than that the store need not be asked for: the test below says the same.
      if (alternatives.size() <= kMaxAlternatives) out_.query.any_text.push_back(alternatives);
      out_.all.push_back([alternatives](const MessageRecord& record) {
        return std::any_of(
            alternatives.begin(), alternatives.end(),
            [&](const TextCondition& condition) { return TextFits(record, condition); });
      });
    }
    return {};
  }

  void AddText(TextCondition condition) {
    out_.query.text.push_back(condition);
    out_.all.push_back([condition = std::move(condition)](const MessageRecord& record) {
      return TextFits(record, condition);
    });
  }

  Result<void> ReadTexts() {
    using enum TextCondition::Field;
    TRY_VOID(ReadText("envelopeSenderfilter", kEnvelopeSender, Type::kEmail, true));
    TRY_VOID(ReadText("envelopeRecipientfilter", kRecipient, Type::kEmail, true));
    TRY_VOID(ReadText("subjectfilter", kSubject, std::nullopt, false));
    TRY_VOID(ReadText("replyTo", kReplyTo, Type::kEmail, true));
    TRY_VOID(ReadText("attachmentName", kFileName, std::nullopt, false));
    return ReadText("domainName", kSenderDomain, Type::kDomain, true);
  }

  Result<void> ReadIdentity() {
    if (const auto given = parameters_.Text("fileSha256")) {
      const auto hash = observable::Canonical(Type::kSha256, *given);
      if (!hash) return Wrong("fileSha256", "64 hexadecimal digits");
      out_.query.file_sha256 = *hash;
      out_.all.push_back([hash = *hash](const MessageRecord& record) {
        const auto& files = record.inspection.attachments;
        return std::any_of(files.begin(), files.end(),
                           [&](const mail::Attachment& file) { return file.sha256 == hash; });
      });
    }
    TRY(const auto mid, parameters_.Number("ciscoMid"));
    if (mid) {
      if (*mid == 0 || *mid > INT64_MAX) {
        out_.nothing = true;
      } else {
        out_.query.mid = *mid;
        out_.all.push_back([mid = *mid](const MessageRecord& record) { return record.mid == mid; });
      }
    }
    if (const auto given = parameters_.Text("messageIdHeader")) {
      std::string_view bare = *given;
      if (bare.starts_with('<')) bare.remove_prefix(1);
      if (bare.ends_with('>')) bare.remove_suffix(1);
      std::string text(TrimSpace(bare));
      std::replace(text.begin(), text.end(), ' ', '+');
      const auto id = observable::Canonical(Type::kEmailMessageid, "<" + text + ">");
      if (!id) {
        out_.nothing = true;
      } else {
        out_.query.message_id = *id;
        out_.all.push_back([id = *id](const MessageRecord& record) {
          return TextFits(record, {TextCondition::Field::kMessageId, TextMatch::kIs, id});
        });
      }
    }
    return {};
  }

  Result<void> ReadStanding() {
    const auto directions = parameters_.Words("messageDirection");
    bool incoming = false, outgoing = false;
    for (const std::string& word : directions) {
      if (word == "incoming") {
        incoming = true;
      } else if (word == "outgoing") {
        outgoing = true;
      } else {
        return Wrong("messageDirection", "incoming or outgoing");
      }
    }
    if (incoming != outgoing) RequireDirection(incoming);

    std::vector<EventKind> kinds;
    for (const std::string& word : parameters_.Words("deliveryStatus")) {
      if (word == "delivered") {
        kinds.push_back(EventKind::kDelivered);
      } else if (word == "dropped") {
        kinds.push_back(EventKind::kDiscarded);
      } else if (word == "aborted") {
        kinds.push_back(EventKind::kRejected);
        kinds.push_back(EventKind::kTemporarilyRefused);
      } else if (word == "bounced") {
        kinds.push_back(EventKind::kBounced);
        kinds.push_back(EventKind::kExpired);
      } else {
        return Wrong("deliveryStatus", "a list of DELIVERED, DROPPED, ABORTED and BOUNCED");
      }
    }
    if (!kinds.empty()) {
      out_.query.any_event = kinds;
      out_.all.push_back([kinds](const MessageRecord& record) { return HasEvent(record, kinds); });
    }
    return {};
  }

  void RequireDirection(bool incoming) {
    // Mail between own users counts as outgoing.
    std::vector<mail::Direction> wanted = {mail::Direction::kIncoming};
    if (!incoming) wanted = {mail::Direction::kOutgoing, mail::Direction::kInternal};
    // Both ways asked for, by two parameters: the tests say that nothing fits.
    out_.query.any_direction = std::move(wanted);
    out_.all.push_back([incoming](const MessageRecord& record) {
      return (record.direction == mail::Direction::kIncoming) == incoming;
    });
  }

  // There is one policy, DEFAULT.
  Result<void> ReadPolicy() {
    const auto names = parameters_.Words("mailPolicyName");
    if (!names.empty() && !Contains(names, "default")) out_.nothing = true;
    if (const auto direction = parameters_.Text("mailPolicyDirection");
        direction && !names.empty()) {
      const std::string word = AsciiLower(*direction);
      if (word != "inbound" && word != "outbound")
        return Wrong("mailPolicyDirection", "inbound or outbound");
      RequireDirection(word == "inbound");
    }
    return {};
  }

  Result<void> ReadFlags() {
    using enum EventKind;
    const std::vector<std::pair<const char*, Event>> flags = {
        {"message_delivered", OfKinds({kDelivered})},
        {"hardBounced", OfKinds({kBounced, kExpired})},
        {"softBounced", OfKinds({kDeferred})},
        {"spamPositive", OfVerdict(EngineKind::kSpam, {2})},
        {"suspectSpam", OfVerdict(EngineKind::kSpam, {3})},
        {"graymail", OfVerdict(EngineKind::kGraymail, {2, 3})},
        {"virusPositive", OfVerdict(EngineKind::kVirus, {2})},
        {"containedMaliciousUrls", OfVerdict(EngineKind::kUrl, {2})},
        {"containedNeutralUrls", OfVerdict(EngineKind::kUrl, {3, 4, 5})},
    };
    for (const auto& [name, event] : flags) {
      TRY(const bool wanted, parameters_.Flag(name));
      if (wanted) events_.push_back(event);
    }
    for (const char* name :
         {"quarantinedAsSpam", "inOutbreakQuarantine", "daneFailure", "safeprintExt"}) {
      TRY(const bool wanted, parameters_.Flag(name));
      if (wanted) Unanswered(name);
    }
    return {};
  }

  Result<void> ReadVerdictLists() {
    if (const auto names = parameters_.Words("quarantinedTo"); !names.empty()) {
      Event event = OfKinds({EventKind::kQuarantined});
      // The quarantine's name stands in the event's detail; without one it is Policy.
      event.test = [names](const MessageRecord& record) {
        return std::any_of(record.events.begin(), record.events.end(), [&](const mail::Event& e) {
          if (e.kind != EventKind::kQuarantined) return false;
          const std::string where = e.detail.empty() ? "policy" : AsciiLower(e.detail);
          return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
            return where.find(name) != std::string::npos;
          });
        });
      };
      events_.push_back(std::move(event));
    }
    if (const auto words = parameters_.Words("quarantineStatus"); !words.empty()) {
      if (Contains(words, "policy")) {
        events_.push_back(OfKinds({EventKind::kQuarantined}));
      } else {
        Unanswered("quarantineStatus");
      }
    }
    TRY_VOID(ReadFileReputation());
    ReadDmarc();
    TRY_VOID(ReadContentFilters());
    for (const char* name : {"threatName",
                             "messageFilters",
                             "appForwarding",
                             "dlpViolationsNames",
                             "dlpViolationsSeverities",
                             "dlpAction",
                             "etfSources",
                             "etfIocs",
                             "forgedEmailDetection",
                             "geoLocation",
                             "ipReputation",
                             "macroFileTypesDetected",
                             "outbreakFiltersUrlRewrittenByOf",
                             "outbreakFiltersVofThreatCategory",
                             "smime",
                             "sdrCategories",
                             "sdrThreatLevels",
                             "sdrReputation",
                             "urlCategories",
                             "urlReputation",
                             "webInteractionTrackingUrls"}) {
      if (parameters_.Text(name)) Unanswered(name);
    }
    return {};
  }

  Result<void> ReadFileReputation() {
    const auto words = parameters_.Words("advancedMalwareProtection");
    if (words.empty()) return {};
    std::vector<int> dispositions;
    for (const std::string& word : words) {
      if (word == "amp_clean") {
        dispositions.push_back(1);
      } else if (word == "amp_malicious") {
        dispositions.push_back(2);
      } else if (word == "amp_unknown") {
        dispositions.push_back(5);
      } else if (word == "amp_lowrisk") {
        dispositions.push_back(4);
      } else if (word != "amp_unscannable") {
        return Wrong("advancedMalwareProtection",
                     "a list of amp_clean, amp_malicious, amp_unknown, amp_unscannable and "
                     "amp_lowrisk");
      }
    }
    if (dispositions.empty()) {
      Unanswered("advancedMalwareProtection");
      return {};
    }
    Event event = OfVerdict(EngineKind::kFile, dispositions);
    if (const auto flow = parameters_.Text("advancedMalwareProtectionMailflowDirection")) {
      event.test = [test = event.test,
                    incoming = AsciiLower(*flow) == "incoming"](const MessageRecord& record) {
        return (record.direction == mail::Direction::kIncoming) == incoming && test(record);
      };
    }
    events_.push_back(std::move(event));
    return {};
  }

  void ReadDmarc() {
    const auto from = parameters_.Text("dmarcFrom");
    const auto actions = parameters_.Words("dmarcAction");
    if (!from && actions.empty()) return;
    const bool passed = Contains(actions, "passed"), failed = Contains(actions, "failed");
    if (!actions.empty() && !passed && !failed) {
      Unanswered("dmarcAction");  // what a sender's policy asked for is not recorded
      return;
    }
    Event event;
    event.test = [domain = from ? AsciiLower(*from) : "", passed, failed,
                  either = actions.empty()](const MessageRecord& record) {
      return std::any_of(
          record.inspection.authentication.begin(), record.inspection.authentication.end(),
          [&](const mail::AuthenticationResult& result) {
            if (!AsciiEqualFold(result.method, "dmarc")) return false;
            const bool pass = AsciiEqualFold(result.result, "pass");
            const bool fail = AsciiEqualFold(result.result, "fail");
            if (!either && !(passed && pass) && !(failed && fail)) return false;
            return domain.empty() || AsciiLower(result.property).find(domain) != std::string::npos;
          });
    };
    events_.push_back(std::move(event));
  }

  Result<void> ReadContentFilters() {
    const bool name = parameters_.Text("contentFiltersName").has_value(),
               direction = parameters_.Text("contentFiltersDirection").has_value(),
               action = parameters_.Text("contentFiltersAction").has_value();
    if (!name && !direction && !action) return {};
    if (!name || !direction || !action) {
      return Fail(Code::kInvalid,
                  "contentFiltersName, contentFiltersDirection and contentFiltersAction must be "
                  "given together.");
    }
    Unanswered("contentFiltersName");
    return {};
  }

  void Unanswered(const char* name) {
    out_.any_given = true;
    out_.unanswered.emplace_back(name);
  }

  // Hands the store what all alternatives need.
  void FinishEvents() {
    if (events_.empty()) {
      if (out_.any_given) out_.nothing = true;
      return;
    }
    out_.any_given = true;
    std::vector<EventKind> kinds;
    std::vector<int> dispositions;
    bool all_kinds = true, all_dispositions = true;
    for (Event& event : events_) {
      all_kinds = all_kinds && !event.kinds.empty();
      all_dispositions = all_dispositions && !event.dispositions.empty();
      std::copy(event.kinds.begin(), event.kinds.end(), std::back_inserter(kinds));
      std::copy(event.dispositions.begin(), event.dispositions.end(),
                std::back_inserter(dispositions));
      out_.any.push_back(std::move(event.test));
    }
    if (all_kinds && out_.query.any_event.empty()) out_.query.any_event = std::move(kinds);
    if (all_dispositions) out_.query.any_disposition = std::move(dispositions);
  }

  static constexpr size_t kMaxValue = 8192;
  static constexpr size_t kMaxAlternatives = 200;
  const Parameters& parameters_;
  const std::vector<std::string>& host_names_;
  Filter out_;
  std::vector<Event> events_;
};

}  // namespace

bool Filter::Fits(const MessageRecord& record) const {
  if (nothing) return false;
  for (const Test& test : all) {
    if (!test(record)) return false;
  }
  return !any_given ||
         std::any_of(any.begin(), any.end(), [&](const Test& test) { return test(record); });
}

Result<Filter> ReadFilter(const Parameters& parameters,
                          const std::vector<std::string>& host_names) {
  return Reader(parameters, host_names).Read();
}

}  // namespace mailreeve::gateway::rest
