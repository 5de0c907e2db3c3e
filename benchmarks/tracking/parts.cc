#include "parts.h"

#include "text.h"
#include "words.h"

#include <algorithm>

namespace mailreeve::bench {

mail::Attachment MakeFile(uint64_t seed, bool is_inline, std::string_view name) {
  Rng rng(seed);
  const FileKind& kind = kFileKinds[is_inline ? 2 : rng.Zipf(kFileKinds.size())];
  mail::Attachment file;
  std::string full(name);
  if (full.empty()) {
    full = ZipfWord(kWords, rng);
    full += '-';
    full += ZipfWord(kWords, rng);
    if (rng.Chance(0.6)) {
      full += '-';
      AppendNumber(full, rng.Below(100000));
    }
  }
  full += '.';
  full += kind.extension;
  file.names.push_back(std::move(full));
  file.declared_type = kind.type;
  file.sniffed_type = kind.type;
  file.size = 2000 + rng.Below(1 << 20);
  file.sha256 = HexOf(rng.Next(), 64);
  file.sha1 = HexOf(rng.Next(), 40);
  file.md5 = HexOf(rng.Next(), 32);
  file.is_inline = is_inline;
  return file;
}

namespace {

using mail::EventKind;

mail::Event At(const mail::MessageRecord& record, Duration after, EventKind kind) {
  mail::Event event;
  event.time = record.received + after;
  event.kind = kind;
  return event;
}

mail::Event OfRecipient(const mail::MessageRecord& record, const mail::Recipient& to,
                        EventKind kind, bool keyed, Rng& rng, std::string_view domain) {
  const uint64_t delay = 200 + rng.Below(5000);
  mail::Event event = At(record, std::chrono::milliseconds(delay), kind);
  event.rid = to.rid;
  event.delay_ms = delay;
  const bool good = kind == EventKind::kDelivered;
  event.dsn = good ? "2.0.0" : "5.1.1";
  event.detail = good ? "250 2.0.0 <" : "550 5.1.1 <";
  event.detail += to.address;
  event.detail += good ? "> Saved" : "> User unknown";
  event.relay = Joined(Joined("store.", domain), "[10.0.0.5]:24");
  if (keyed) {
    event.dedup_key = record.queue_id;
    event.dedup_key += good ? ":delivered:" : ":bounced:";
    AppendNumber(event.dedup_key, to.rid);
    event.dedup_key += ':';
    AppendHex(event.dedup_key, rng.Next(), 16);
  }
  return event;
}

}  // namespace

void AddEvents(Made& made, Rng& rng, std::string_view domain) {
  mail::MessageRecord& record = made.record;
  auto& events = record.events;
  events.push_back(At(record, Duration(0), EventKind::kReceived));
  const double fate = rng.Part();
  if (!record.verdicts.empty() && record.verdicts[0].engine == "url" && fate < 0.6) {
    if (fate < 0.3) {
      events.push_back(At(record, std::chrono::milliseconds(3), EventKind::kRejected));
      events.back().detail = "554 5.7.1 refused";
      return;
    }
    events.push_back(At(record, std::chrono::milliseconds(3), EventKind::kQuarantined));
    if (fate < 0.35)
      made.later.push_back(At(record, std::chrono::minutes(10), EventKind::kReleased));
    return;
  }
  events.push_back(At(record, std::chrono::milliseconds(4), EventKind::kAccepted));
  const bool later = rng.Chance(0.1);
  for (size_t i = 0; i < record.recipients.size() && i < 100; ++i) {
    const auto kind = rng.Chance(0.012) ? EventKind::kBounced : EventKind::kDelivered;
    (later ? made.later : events)
        .push_back(OfRecipient(record, record.recipients[i], kind, later, rng, domain));
  }
  if (record.verdicts[0].engine == "url" && fate > 0.9) {
    mail::Event removed = At(record, std::chrono::hours(1), EventKind::kRemoved);
    removed.rid = 0;
    made.later.push_back(std::move(removed));
  }
  const auto by_time = [](const mail::Event& a, const mail::Event& b) { return a.time < b.time; };
  std::stable_sort(events.begin(), events.end(), by_time);
  std::stable_sort(made.later.begin(), made.later.end(), by_time);
}

}  // namespace mailreeve::bench
