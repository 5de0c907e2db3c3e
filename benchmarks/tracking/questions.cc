#include "random.h"
#include "text.h"
#include "truth.h"
#include "words.h"

#include <algorithm>
#include <set>

namespace mailreeve::bench {
namespace {

using gateway::tracking::Query;
using gateway::tracking::TextCondition;
using gateway::tracking::TextMatch;
using mail::AddressRole;
using mail::Direction;
using mail::EventKind;
using observable::Observable;
using observable::Type;
using Field = TextCondition::Field;
using Fits = std::function<bool(const Made&)>;

constexpr uint64_t kQuestionSalt = 0x9e57;

bool SentBy(const Made& made, std::string_view address) {
  if (made.record.envelope_from == address) return true;
  for (const auto& each : made.record.inspection.addresses) {
    if (each.role == AddressRole::kFrom && each.address == address) return true;
  }
  return false;
}

template <class F>
bool AnyRecipient(const Made& made, F fits) {
  return std::any_of(made.record.recipients.begin(), made.record.recipients.end(),
                     [&](const auto& each) { return fits(std::string_view(each.address)); });
}

template <class F>
bool AnyUrl(const Made& made, F fits) {
  const auto& urls = made.record.inspection.urls;
  return std::any_of(urls.begin(), urls.end(),
                     [&](const auto& each) { return fits(std::string_view(each.url)); });
}

template <class F>
bool AnyFileName(const Made& made, F fits) {
  for (const auto& file : made.record.inspection.attachments) {
    for (const auto& name : file.names) {
      if (fits(std::string_view(name))) return true;
    }
  }
  return false;
}

bool Happened(const Made& made, EventKind kind) {
  const auto is = [kind](const mail::Event& event) { return event.kind == kind; };
  return std::any_of(made.record.events.begin(), made.record.events.end(), is) ||
         std::any_of(made.later.begin(), made.later.end(), is);
}

// In the words of mail::StatusOf; `because` must have happened for it, which saves most of the
// work.
Fits Stands(std::string status, EventKind because) {
  return [status, because](const Made& made) {
    if (!Happened(made, because)) return false;
    mail::MessageRecord record;
    record.recipients = made.record.recipients;
    record.events = made.record.events;
    record.events.insert(record.events.end(), made.later.begin(), made.later.end());
    std::stable_sort(record.events.begin(), record.events.end(),
                     [](const auto& a, const auto& b) { return a.time < b.time; });
    if (mail::StatusOf(record) == status) return true;
    return std::any_of(record.recipients.begin(), record.recipients.end(), [&](const auto& each) {
      return mail::StatusOf(record, each.rid) == status;
    });
  };
}

class Maker {
 public:
  Maker(const Generator& generator, uint64_t messages)
      : generator_(generator),
        messages_(messages),
        rng_(Mixed(generator.options().seed ^ kQuestionSalt, messages)) {}

  std::vector<Question> Observables(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Observable one = Shown(Sample());
      const bool absent = i % 5 == 4;  // most that is looked up was never seen
      if (absent) one = Never(one);
      Question& question =
          Add("observable", std::string(observable::TypeName(one.type)) + " " + one.value);
      question.present = !absent;
      question.query.any_of = {one};
      question.any = {std::move(one)};
    }
    return std::move(out_);
  }

  std::vector<Question> All(size_t observables) {
    out_ = Observables(observables);
    for (int i = 0; i < 6; ++i) Several();
    for (int i = 0; i < 6; ++i) People();
    for (int i = 0; i < 4; ++i) Texts();
    for (int i = 0; i < 4; ++i) Ids();
    for (int i = 0; i < 3; ++i) Networks();
    for (int i = 0; i < 4; ++i) Files();
    for (int i = 0; i < 3; ++i) Spans();
    Subjects();
    States();
    return std::move(out_);
  }

 private:
  Question& Add(std::string kind, std::string text) {
    Question question;
    question.kind = std::move(kind);
    question.text = std::move(text);
    out_.push_back(std::move(question));
    return out_.back();
  }
  Question& AddText(std::string kind, Field field, TextMatch match, std::string value, Fits fits) {
    Question& question = Add(std::move(kind), value);
    question.query.text = {{field, match, std::move(value)}};
    question.fits = std::move(fits);
    return question;
  }

  Made Sample() {
    Made made;
    generator_.Make(rng_.Below(messages_), made);
    return made;
  }
  template <class F>
  Made SampleThat(F fits) {
    while (true) {
      Made made = Sample();
      if (fits(made)) return made;
    }
  }

  // One of each type is as likely as one of another.
  Observable Shown(const Made& made) {
    std::vector<std::vector<Observable>> by_type(64);
    ForEachShown(made.record, [&](Type type, std::string_view value) {
      by_type[static_cast<size_t>(type)].push_back({type, std::string(value)});
    });
    std::erase_if(by_type, [](const auto& each) { return each.empty(); });
    const auto& values = by_type[rng_.Below(by_type.size())];
    return values[rng_.Below(values.size())];
  }

  Observable Never(const Observable& seen) {
    Observable out = seen;
    switch (seen.type) {
      case Type::kSha256:
      case Type::kSha1:
      case Type::kMd5:
        out.value = HexOf(rng_.Next(), seen.value.size());
        break;
      case Type::kIp:
        out.value = "203.0.113." + std::to_string(rng_.Below(256));
        break;
      case Type::kIpv6:
        out.value = "2001:db9::" + std::to_string(1 + rng_.Below(1000));
        break;
      case Type::kCiscoMid:
        out.value = std::to_string(messages_ * 1000 + rng_.Below(100000));
        break;
      case Type::kEmailMessageid:
        out.value.insert(1, "x");
        break;
      case Type::kUrl:
        out.value += "x";
        break;
      default:
        out.value.insert(0, "zq9");
    }
    return out;
  }

  void Several() {
    Question& any = Add("any of several observables", "");
    for (int i = 0; i < 8; ++i) any.any.push_back(Shown(Sample()));
    any.query.any_of = any.any;
    const Made made = Sample();
    Question& all = Add("all of several observables", "");
    for (int i = 0; i < 2; ++i) all.all.push_back(Shown(made));
    all.query.all_of = all.all;
    Question& both = Add("all of several observables", "with any of others");
    both.all = {Shown(made)};
    both.any = {Shown(made), Shown(Sample())};
    both.query.all_of = both.all;
    both.query.any_of = both.any;
  }

  void People() {
    const Made made = SampleThat([](const Made& m) { return !m.record.envelope_from.empty(); });
    const std::string sender =
        rng_.Chance(0.5) ? made.record.envelope_from : made.record.inspection.addresses[0].address;
    Question& from = Add("sender", sender);
    from.query.sender = sender;
    from.fits = [sender](const Made& m) { return SentBy(m, sender); };
    const std::string to =
        made.record.recipients[rng_.Below(made.record.recipients.size())].address;
    Question& recipient = Add("recipient", to);
    recipient.query.recipient = to;
    recipient.fits = [to](const Made& m) {
      return AnyRecipient(m, [&](std::string_view each) { return each == to; });
    };
    Question& both = Add("sender and recipient", sender + " " + to);
    both.query.sender = sender;
    both.query.recipient = to;
    both.fits = [sender, to](const Made& m) {
      return SentBy(m, sender) &&
             AnyRecipient(m, [&](std::string_view each) { return each == to; });
    };
    const std::string domain =
        made.record.envelope_from.substr(made.record.envelope_from.rfind('@') + 1);
    AddText("sender domain", Field::kSenderDomain, TextMatch::kIs, domain, [domain](const Made& m) {
      return m.record.envelope_from.size() > domain.size() &&
             m.record.envelope_from.ends_with("@" + domain);
    });
  }

  void Texts() {
    const Made made = SampleThat([](const Made& m) {
      return m.record.envelope_from.starts_with("bounce-") && !m.record.inspection.urls.empty();
    });
    const std::string& from = made.record.envelope_from;
    const std::string begin = from.substr(0, 12);
    AddText("envelope sender begins with", Field::kEnvelopeSender, TextMatch::kBeginsWith, begin,
            [begin](const Made& m) { return m.record.envelope_from.starts_with(begin); });
    const std::string parent = from.substr(from.find("@mailer.") + 7);  // with its dot
    Question& below = AddText("sender below a domain", Field::kSenderDomain, TextMatch::kIs, parent,
                              [parent](const Made& m) {
                                return m.record.envelope_from.starts_with("bounce-") &&
                                       m.record.envelope_from.ends_with(parent);
                              });
    below.query.text.push_back({Field::kEnvelopeSender, TextMatch::kBeginsWith, "bounce-"});
    const std::string part = parent.substr(1, 6);
    AddText("sender contains", Field::kSender, TextMatch::kContains, part, [part](const Made& m) {
      if (m.record.envelope_from.find(part) != std::string::npos) return true;
      for (const auto& each : m.record.inspection.addresses) {
        if (each.role == AddressRole::kFrom && each.address.find(part) != std::string::npos)
          return true;
      }
      return false;
    });
    const std::string reply = "reply@" + parent.substr(1);
    AddText("reply-to", Field::kReplyTo, TextMatch::kIs, reply, [reply](const Made& m) {
      for (const auto& each : m.record.inspection.addresses) {
        if (each.role == AddressRole::kReplyTo && each.address == reply) return true;
      }
      return false;
    });
    const std::string user = made.record.recipients[0].address.substr(0, 7);
    AddText("recipient begins with", Field::kRecipient, TextMatch::kBeginsWith, user,
            [user](const Made& m) {
              return AnyRecipient(m, [&](std::string_view each) { return each.starts_with(user); });
            });
    const std::string& url = made.record.inspection.urls[0].url;
    AddText("url", Field::kUrl, TextMatch::kIs, url, [url](const Made& m) {
      return AnyUrl(m, [&](std::string_view each) { return each == url; });
    });
    const std::string prefix = url.substr(0, url.find('/', 8) + 1);
    AddText("url prefix", Field::kUrl, TextMatch::kBeginsWith, prefix, [prefix](const Made& m) {
      return AnyUrl(m, [&](std::string_view each) { return each.starts_with(prefix); });
    });
    const std::string path = url.substr(url.find('/', 8), 9);
    AddText("url contains", Field::kUrl, TextMatch::kContains, path, [path](const Made& m) {
      return AnyUrl(
          m, [&](std::string_view each) { return each.find(path) != std::string_view::npos; });
    });
  }

  void Ids() {
    const Made made = Sample();
    const auto& record = made.record;
    Question& id = Add("message-id", record.inspection.message_id);
    id.query.message_id = record.inspection.message_id;
    id.any = {{Type::kEmailMessageid, record.inspection.message_id}};
    Question& mid = Add("mid", std::to_string(record.mid));
    mid.query.mid = record.mid;
    mid.fits = [wanted = record.mid](const Made& m) { return m.record.mid == wanted; };
    Question& icid = Add("icid", std::to_string(record.connection.icid));
    icid.query.icid = record.connection.icid;
    icid.fits = [wanted = record.connection.icid](const Made& m) {
      return m.record.connection.icid == wanted;
    };
    Question& queue = Add("queue id", record.queue_id);
    queue.query.queue_id = record.queue_id;
    queue.fits = [wanted = record.queue_id](const Made& m) { return m.record.queue_id == wanted; };
  }

  void Networks() {
    for (const bool six : {false, true}) {
      const Made made = SampleThat([six](const Made& m) {
        return (m.record.connection.client_address.find(':') != std::string::npos) == six;
      });
      const std::string& address = made.record.connection.client_address;
      Question& one = Add("client address", address);
      one.query.client_address = address;
      one.fits = [address](const Made& m) { return m.record.connection.client_address == address; };
      // Networks that end between the signs of the text form.
      const std::vector<std::pair<std::string, int>> networks =
          six ? std::vector<std::pair<std::string, int>>{{"::", 48}, {"::", 64}}
              : std::vector<std::pair<std::string, int>>{{".0", 24}, {".0.0", 16}};
      for (const auto& [rest, bits] : networks) {
        std::string begin;
        for (int groups = bits / (six ? 16 : 8); groups > 0; --groups) {
          const size_t end = address.find(six ? ':' : '.', begin.size());
          begin = address.substr(0, end + 1);
        }
        const std::string network =
            begin.substr(0, begin.size() - 1) + rest + "/" + std::to_string(bits);
        Question& question = Add("client network", network);
        question.query.client_network = network;
        question.fits = [begin](const Made& m) {
          return m.record.connection.client_address.starts_with(begin);
        };
      }
    }
  }

  void Files() {
    const Made made =
        SampleThat([](const Made& m) { return !m.record.inspection.attachments.empty(); });
    const auto& file = made.record.inspection.attachments[0];
    Question& hash = Add("file sha-256", file.sha256);
    hash.query.file_sha256 = file.sha256;
    hash.any = {{Type::kSha256, file.sha256}};
    Question& name = Add("file name", file.names[0]);
    name.query.file_name = file.names[0];
    name.any = {{Type::kFileName, file.names[0]}};
    const std::string part = file.names[0].substr(0, file.names[0].rfind('.')) + ".";
    AddText(
        "file name contains", Field::kFileName, TextMatch::kContains, part, [part](const Made& m) {
          return AnyFileName(
              m, [&](std::string_view each) { return each.find(part) != std::string_view::npos; });
        });
  }

  void Spans() {
    const Time from = generator_.TimeOf(rng_.Below(messages_));
    Question& hour = Add("time range", FormatTime(from) + " and an hour");
    hour.query.from = from;
    hour.query.until = from + std::chrono::hours(1);
    const Made made =
        SampleThat([](const Made& m) { return m.record.direction == Direction::kOutgoing; });
    const std::string domain =
        made.record.envelope_from.substr(made.record.envelope_from.rfind('@') + 1);
    Question& day = Add("domain in a time range", domain);
    day.query.from = from;
    day.query.until = from + std::chrono::hours(24);
    day.query.any_of = day.any = {{Type::kDomain, domain}};
    Question& way = Add("direction", "outgoing");
    way.query.direction = Direction::kOutgoing;
    way.query.from = from;
    way.fits = [](const Made& m) { return m.record.direction == Direction::kOutgoing; };
  }

  Question& Subject(std::string kind, TextMatch match, std::string value, std::string folded) {
    Question& question = Add(std::move(kind), value);
    question.query.subject = std::move(value);
    question.query.subject_match = match;
    question.fits = [match, folded = std::move(folded)](const Made& m) {
      const std::string_view subject = m.folded_subject;
      if (match == TextMatch::kIs) return subject == folded;
      if (match == TextMatch::kBeginsWith) return subject.starts_with(folded);
      return subject.find(folded) != std::string_view::npos;
    };
    return question;
  }

  void Subjects() {
    const auto numbered = [](const Made& m) {
      return m.folded_subject.find("ref-") != std::string::npos;
    };
    for (int i = 0; i < 3; ++i) {
      const Made made = SampleThat(numbered);
      const std::string number = made.folded_subject.substr(made.folded_subject.find("ref-"));
      Subject("subject contains, rare", TextMatch::kContains,
              i == 1 ? "REF-" + number.substr(4) : number, number);
    }
    Subject("subject contains, common", TextMatch::kContains, "Meeting", "meeting");
    Subject("subject contains, common", TextMatch::kContains, "invoice", "invoice");
    Subject("subject contains, absent", TextMatch::kContains, "quarterly xylophone",
            "quarterly xylophone");
    Subject("subject contains, absent", TextMatch::kContains, "ref-99x99", "ref-99x99");
    Subject("subject contains, other scripts", TextMatch::kContains, "发票合同", "发票合同");
    Subject("subject contains, other scripts", TextMatch::kContains, "会议", "会议");
    Subject("subject contains, other scripts", TextMatch::kContains, "ДОГОВОР оплата",
            "договор оплата");
    Subject("subject contains, other scripts", TextMatch::kContains, "GRÖSSE", "grösse");
    Subject("subject contains, full width", TextMatch::kContains, "ｉｎｖｏｉｃｅ　ｒｅｐｏｒｔ",
            "invoice report");
    Subject("subject contains, short", TextMatch::kContains, "q", "q");
    for (int i = 0; i < 4; ++i) {
      const Made made = SampleThat([](const Made& m) { return m.folded_subject.size() > 12; });
      Subject("subject is", TextMatch::kIs, made.record.inspection.subject, made.folded_subject);
      std::string begin = made.folded_subject.substr(0, 10);
      while (!begin.empty() && (begin.back() & 0x80) != 0) begin.pop_back();
      if (begin.ends_with(' ')) begin.pop_back();
      if (!begin.empty()) Subject("subject begins with", TextMatch::kBeginsWith, begin, begin);
    }
    Question& empty = Add("subject is empty", "");
    empty.query.subject_match = TextMatch::kIsEmpty;
    empty.fits = [](const Made& m) { return m.folded_subject.empty(); };
    Question& both = Subject("subject and direction", TextMatch::kContains, "plan", "plan");
    both.query.direction = Direction::kInternal;
    both.fits = [](const Made& m) {
      return m.record.direction == Direction::kInternal &&
             m.folded_subject.find("plan") != std::string::npos;
    };
  }

  void States() {
    for (const auto kind : {EventKind::kBounced, EventKind::kQuarantined, EventKind::kReleased,
                            EventKind::kRemoved}) {
      Question& question = Add("event", std::string(mail::EventName(kind)));
      question.query.event = kind;
      question.fits = [kind](const Made& m) { return Happened(m, kind); };
    }
    Question& either = Add("any of several events", "rejected, released");
    either.query.any_event = {EventKind::kRejected, EventKind::kReleased};
    either.fits = [](const Made& m) {
      return Happened(m, EventKind::kRejected) || Happened(m, EventKind::kReleased);
    };
    const std::pair<std::string, EventKind> statuses[] = {
        {"Hard Bounced", EventKind::kBounced},
        {"Quarantined in Policy", EventKind::kQuarantined},
        {"Rejected", EventKind::kRejected},
        {"Remediated", EventKind::kRemoved}};
    for (const auto& [status, because] : statuses) {
      Question& question = Add("status", status);
      question.query.any_status = {status};
      question.fits = Stands(status, because);
    }
    Question& verdict = Add("verdict", "malicious");
    verdict.query.any_disposition = {2};
    verdict.fits = [](const Made& m) {
      return std::any_of(m.record.verdicts.begin(), m.record.verdicts.end(),
                         [](const auto& each) { return each.disposition == 2; });
    };
  }

  const Generator& generator_;
  const uint64_t messages_;
  Rng rng_;
  std::vector<Question> out_;
};

}  // namespace

std::vector<Question> ObservableQuestions(const Generator& generator, uint64_t messages,
                                          size_t count) {
  return Maker(generator, messages).Observables(count);
}

std::vector<Question> MakeQuestions(const Generator& generator, uint64_t messages,
                                    size_t observables) {
  return Maker(generator, messages).All(observables);
}

std::vector<uint64_t> MakeFingerprints(const Generator& generator, uint64_t messages, size_t size,
                                       size_t present) {
  Rng rng(Mixed(generator.options().seed ^ kQuestionSalt, size));
  std::vector<uint64_t> out;
  out.reserve(size);
  while (out.size() < std::min(size, present)) {
    Made made;
    generator.Make(rng.Below(messages), made);
    const auto& seen = made.record.inspection;
    out.push_back(observable::Fingerprint(Type::kEmailMessageid, seen.message_id));
    // What half the world shows is no indicator: no home pages, no logos; of campaigns some.
    const bool campaign = made.record.verdicts[0].engine == "url";
    if (campaign && !rng.Chance(0.02)) continue;
    for (const auto& url : seen.urls) {
      if (campaign || url.url.find("://click.") != std::string::npos) {
        out.push_back(observable::Fingerprint(Type::kUrl, url.url));
        break;
      }
    }
    for (const auto& file : seen.attachments) {
      if (!file.is_inline) out.push_back(observable::Fingerprint(Type::kSha256, file.sha256));
    }
    if (campaign) out.push_back(observable::Fingerprint(Type::kEmail, made.record.envelope_from));
  }
  while (out.size() < size) out.push_back(rng.Next() | 1);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace mailreeve::bench
