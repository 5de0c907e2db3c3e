#include "simulator/mail.h"

#include <array>

namespace mailreeve::simulator {
namespace {

constexpr std::array kHosts = {"corp.example",      "mail.corp.example",
                               "bad.example.co.uk", "login.bad.example.co.uk",
                               "shop.test",         "xn--bcher-kva.example"};
constexpr std::array kUsers = {"ann", "bob", "chen", "info", "no-reply", "o'neil"};
constexpr std::array kWords = {"Rechnung", "invoice", "für",     "发票",
                               "DRINGEND", "re:",     "payment", "ｗｉｄｅ"};
constexpr std::array kKinds = {
    mail::EventKind::kAccepted, mail::EventKind::kDelivered,   mail::EventKind::kDeferred,
    mail::EventKind::kBounced,  mail::EventKind::kQuarantined, mail::EventKind::kReleased,
    mail::EventKind::kRejected, mail::EventKind::kForwarded,   mail::EventKind::kRemoved,
    mail::EventKind::kRestored, mail::EventKind::kDiscarded,   mail::EventKind::kAlreadyGone};

}  // namespace

std::string Mailbag::Host() { return kHosts[Below(kHosts.size())]; }
std::string Mailbag::Address() { return std::string(kUsers[Below(kUsers.size())]) + "@" + Host(); }
std::string Mailbag::Hex(size_t digits) {
  std::string out;
  while (out.size() < digits) out += "0123456789abcdef"[Below(16)];
  return out;
}

mail::MessageRecord Mailbag::Record(mail::Mid mid, mail::Icid icid, Time received) {
  ++made_;
  mail::MessageRecord record;
  record.mid = mid;
  record.queue_id = Hex(10);
  record.received = received;
  record.direction = static_cast<mail::Direction>(Below(3));
  record.connection.icid = icid;
  record.connection.client_address = Chance(4) ? "2001:db8::" + std::to_string(Below(5) + 1)
                                               : "198.51.100." + std::to_string(Below(9));
  if (Chance(2)) record.connection.client_name = Host();
  record.connection.helo = Host();
  if (Chance(3)) record.connection.tls_protocol = "TLSv1.3";
  if (!Chance(8)) record.envelope_from = Address();
  const uint64_t recipients = Chance(12) ? 40 : 1 + Below(3);
  for (uint32_t rid = 0; rid < recipients; ++rid) {
    std::string address = recipients > 3 ? "u" + std::to_string(rid) + "@corp.example" : Address();
    record.recipients.push_back({rid, address, "<" + address + ">"});
  }
  mail::Inspection& seen = record.inspection;
  for (uint64_t words = Below(5); words > 0; --words) {
    if (!seen.subject.empty()) seen.subject += ' ';
    seen.subject += kWords[Below(kWords.size())];
  }
  if (!Chance(10))
    seen.message_id = "<" + std::to_string(made_) + "." + Hex(4) + "@" + Host() + ">";
  const std::string from = Address();
  seen.addresses = {{mail::AddressRole::kFrom, from, "Ann Example", from}};
  for (uint64_t urls = Below(3); urls > 0; --urls) {
    seen.urls.push_back(
        {"http://" + Host() + "/" + std::to_string(Below(50)), "", mail::UrlSource::kText});
  }
  if (Chance(3)) {
    mail::Attachment file;
    file.names = {"file-" + std::to_string(Below(6)) + ".pdf"};
    file.declared_type = "application/pdf";
    file.size = Below(100000);
    file.sha256 = std::string(62, 'a') + Hex(2);
    seen.attachments = {file};
  }
  // Long enough now and then to cross sectors.
  seen.mailer = Chance(6) ? std::string(Below(3000), 'm') : "";
  seen.size = 1000 + Below(100000);
  if (Chance(4)) record.verdicts = {{"policy", static_cast<int>(1 + Below(5)), "because"}};
  mail::Event event;
  event.time = received;
  event.kind = mail::EventKind::kReceived;
  event.detail = "first of " + std::to_string(made_);
  record.events = {event};
  return record;
}

mail::Event Mailbag::Event(const mail::MessageRecord& of, Time time) {
  ++made_;
  mail::Event event;
  event.time = time;
  event.kind = kKinds[Below(kKinds.size())];
  if (!of.recipients.empty() && !Chance(4))
    event.rid = of.recipients[Below(of.recipients.size())].rid;
  event.detail = "later " + std::to_string(made_);
  event.dsn = "2.0.0";
  if (Chance(2)) event.dedup_key = "key " + std::to_string(made_);
  return event;
}

}  // namespace mailreeve::simulator
