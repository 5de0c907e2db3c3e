#include "generator.h"

#include "parts.h"
#include "random.h"
#include "text.h"
#include "words.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace mailreeve::bench {
namespace {

using mail::AddressRole;
using mail::Direction;
using mail::UrlSource;

constexpr uint64_t kPeople = 256;                  // at most, of an organisation
constexpr uint64_t kProviders = 24;                // the largest senders: many hosts, many people
constexpr uint64_t kCampaignDomains = 10'000'000;  // ids from here
constexpr uint64_t kLinkDomains = 12'000'000;
constexpr double kPi = 3.14159265358979323846;

// What kinds of things are drawn for, so that equal ids of different kinds do not look alike.
enum Salt : uint64_t {
  kOrgSalt = 1,
  kPersonSalt,
  kCampaignSalt,
  kIssueSalt,
  kThreadSalt,
  kFileSalt,
  kHostSalt,
};

}  // namespace

// One message being made.
class Generator::Draw {
 public:
  static std::string Address(uint64_t org, uint64_t person) {
    return AddressAt(person, Mixed(kPersonSalt, org), DomainName(org));
  }

  Draw(const Generator& generator, uint64_t index, Made& out)
      : g_(generator),
        seed_(generator.options_.seed),
        index_(index),
        rng_(Mixed(seed_, index)),
        out_(out),
        record_(out.record),
        seen_(out.record.inspection) {}

  void All() {
    out_ = Made();
    record_.mid = index_ + 1;
    record_.received = g_.TimeOf(index_);
    record_.queue_id = QueueId(index_);
    const double kind = rng_.Part();
    if (kind < 0.12) {
      Campaign();
    } else if (kind < 0.37) {
      Newsletter();
    } else if (kind < 0.58) {
      Notification();
    } else if (kind < 0.62) {
      Bounce();
    } else if (kind < 0.78) {
      record_.direction = Direction::kOutgoing;
      Person();
    } else if (kind < 0.86) {
      record_.direction = Direction::kInternal;
      Person();
    } else {
      Person();
    }
    Common();
    AddEvents(out_, rng_, g_.own_domain());
  }

 private:
  using Inspection = mail::Inspection;

  std::string QueueId(uint64_t number) {
    std::string out("4");
    uint64_t bits = Mixed(kHostSalt, number) & 0xffff;
    bits |= number << 16;
    for (int i = 0; i < 10; ++i, bits /= 31) out += "0123456789BCDFGHJKLMNPQRSTVWXYZ"[bits % 31];
    return out;
  }

  std::string User(uint64_t user) const { return AddressAt(user, kPersonSalt, g_.own_domain()); }

  void Header(AddressRole role, std::string address, bool named) {
    mail::MailAddress one;
    one.role = role;
    const size_t dot = address.find('.');
    const size_t at = address.find_first_of("0123456789@", dot);
    if (named && dot < at) {
      one.display_name.assign(address, 0, dot);
      one.display_name += ' ';
      one.display_name.append(address, dot + 1, at - dot - 1);
      one.display_name[0] = static_cast<char>(one.display_name[0] - 32);
      one.display_name[dot + 1] = static_cast<char>(one.display_name[dot + 1] - 32);
      one.raw = one.display_name;
      one.raw += " <";
      one.raw += address;
      one.raw += '>';
    } else {
      one.raw = address;
    }
    Domain(std::string_view(address).substr(address.rfind('@') + 1));
    one.address = std::move(address);
    seen_.addresses.push_back(std::move(one));
  }

  void Domain(std::string_view name) {
    for (const auto& known : seen_.domains) {
      if (known.name == name) return;
    }
    const size_t least = shown::RegistrableLength(name);
    seen_.domains.push_back({std::string(name), std::string(name.substr(name.size() - least))});
  }

  void Url(std::string url, UrlSource source) {
    for (const auto& known : seen_.urls) {
      if (known.url == url) return;
    }
    std::string_view host(url);
    host.remove_prefix(host.find("://") + 3);
    Domain(host.substr(0, host.find('/')));
    mail::FoundUrl found;
    found.raw = url;
    found.url = std::move(url);
    found.source = source;
    seen_.urls.push_back(std::move(found));
  }

  void Recipient(std::string address) {
    mail::Recipient one;
    one.rid = static_cast<uint32_t>(record_.recipients.size());
    one.raw = Joined("<", address);
    one.raw += '>';
    one.address = std::move(address);
    record_.recipients.push_back(std::move(one));
  }

  // Recipients here, and the To field.
  void ToUsers() {
    const bool large = g_.options_.mix == Mix::kLarge;
    const double size = rng_.Part();
    if (large && size < 0.0006) {  // a list
      const bool huge = size < 0.00001;
      const double low = huge ? 2000 : 20, high = huge ? 50000 : 2000;
      const auto count = static_cast<uint64_t>(low * std::exp(rng_.Part() * std::log(high / low)));
      const uint64_t first = rng_.Below(g_.users_);
      record_.recipients.reserve(count);
      for (uint64_t i = 0; i < count; ++i) Recipient(User((first + i) % g_.users_));
      Header(AddressRole::kTo, Joined("all@", g_.own_domain()), false);
      return;
    }
    const uint64_t count = size < 0.88 ? 1 : 2 + rng_.Zipf(12);
    const uint64_t first = rng_.Zipf(g_.users_);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t user = (first + i * 7) % g_.users_;
      Recipient(User(user));
      if (i < 3) Header(i == 0 ? AddressRole::kTo : AddressRole::kCc, User(user), i == 0);
    }
  }

  void FromOrg(uint64_t org, uint64_t person) {
    record_.envelope_from = Address(org, person);
    if (org < kSenders / kPeople) out_.sender = static_cast<uint32_t>(org * kPeople + person);
  }

  // The host that handed the mail over.
  void Connected(uint64_t org, std::string_view domain) {
    auto& connection = record_.connection;
    connection.icid = index_ / 2 + 1;
    const bool provider = org < kProviders;
    const uint64_t host = provider                         ? rng_.Zipf(3000)
                          : Mixed(kHostSalt, org) % 3 == 0 ? rng_.Below(3)
                                                           : 0;
    const uint64_t bits = Mixed(Mixed(kHostSalt, org), host);
    connection.client_address = IpText(bits, bits % 100 < 12);
    std::string name(provider ? "out-" : "mail");
    AppendNumber(name, host);
    name += '.';
    name += domain;
    connection.client_name = rng_.Chance(0.95) ? name : std::string();
    connection.helo = std::move(name);
    if (rng_.Chance(0.93)) {
      connection.tls_protocol = bits % 4 == 0 ? "TLSv1.2" : "TLSv1.3";
      connection.tls_cipher =
          bits % 4 == 0 ? "ECDHE-RSA-AES256-GCM-SHA384" : "TLS_AES_256_GCM_SHA384";
    }
    connection.listener = "smtpd 25";
    seen_.received_hosts.push_back(connection.helo);
    seen_.received_hosts.push_back(connection.client_address);
    if (provider) {
      // Where it came from inside the provider.
      std::string inside("mx");
      AppendNumber(inside, rng_.Zipf(5000));
      inside += ".in.";
      inside += domain;
      seen_.received_hosts.push_back(std::move(inside));
    }
    if (provider && rng_.Chance(0.4)) {
      // The sender's own machine behind the provider: an address of its own.
      seen_.received_hosts.push_back(IpText(rng_.Next(), false));
    } else if (!provider && rng_.Chance(0.7)) {
      std::string inner("relay.");
      inner += domain;
      seen_.received_hosts.push_back(std::move(inner));
      seen_.received_hosts.push_back(IpText(Mixed(bits), false));
    }
    Authenticated(domain, true);
  }

  void Authenticated(std::string_view domain, bool good) {
    const std::string id = Joined("mx.", g_.own_domain());
    seen_.authentication.push_back(
        {id, "spf", good ? "pass" : "softfail", Joined("smtp.mailfrom=", domain)});
    if (good || rng_.Chance(0.3))
      seen_.authentication.push_back({id, "dkim", "pass", Joined("header.d=", domain)});
    seen_.authentication.push_back(
        {id, "dmarc", good ? "pass" : "fail", Joined("header.from=", domain)});
  }

  void Take(Text text) {
    seen_.subject = std::move(text.shown);
    out_.folded_subject = std::move(text.folded);
  }

  void File(uint64_t id, bool is_inline, std::string_view name = {}) {
    seen_.attachments.push_back(MakeFile(Mixed(kFileSalt, id), is_inline, name));
  }

  void Person() {
    const bool out = record_.direction == Direction::kOutgoing;
    const uint64_t org = rng_.Zipf(g_.orgs_);
    const uint64_t person = rng_.Zipf(kPeople);
    const std::string domain = DomainName(org);
    if (record_.direction == Direction::kIncoming) {
      FromOrg(org, person);
      Connected(org, domain);
      Header(AddressRole::kFrom, record_.envelope_from, true);
      ToUsers();
    } else {
      const uint64_t user = rng_.Zipf(g_.users_);
      record_.envelope_from = User(user);
      auto& connection = record_.connection;
      connection.icid = index_ / 2 + 1;
      connection.client_address = "10.0.";
      AppendNumber(connection.client_address, user / 200 % 256);
      connection.client_address += '.';
      AppendNumber(connection.client_address, 20 + user % 200);
      connection.helo = Joined("pc.", g_.own_domain());
      connection.tls_protocol = "TLSv1.3";
      connection.tls_cipher = "TLS_AES_256_GCM_SHA384";
      connection.authenticated_user = record_.envelope_from;
      connection.listener = "submission 587";
      Header(AddressRole::kFrom, record_.envelope_from, true);
      if (out) {
        for (uint64_t i = 0, n = rng_.Chance(0.8) ? 1 : 2 + rng_.Below(3); i < n; ++i) {
          std::string to = Address(org, (person + i) % kPeople);
          Header(AddressRole::kTo, to, true);
          Recipient(std::move(to));
        }
      } else {
        ToUsers();
      }
    }
    if (rng_.Chance(0.55)) {
      // A conversation: four messages in a row of numbers share a subject, more or less.
      const uint64_t back = std::min<uint64_t>(index_ / 6, rng_.Zipf(200));
      const uint64_t thread = index_ / 6 - back;
      Rng rng(Mixed(seed_ ^ kThreadSalt, thread));
      Text text = SubjectText(rng);
      if (rng_.Chance(0.7)) {
        text.shown.insert(0, "Re: ");
        text.folded.insert(0, "re: ");
      }
      Take(std::move(text));
      seen_.in_reply_to = MessageId(Mixed(seed_, thread * 6), domain);
      seen_.references = {seen_.in_reply_to};
      if (rng_.Chance(0.35)) File(Mixed(seed_ ^ kThreadSalt, thread), false);
      // What the first letter linked to is quoted in the answers.
      if (rng.Chance(0.6)) Link(true, rng);
    } else {
      if (!rng_.Chance(0.03)) Take(SubjectText(rng_));
      if (rng_.Chance(0.35)) File(rng_.Next(), false);
    }
    if (rng_.Chance(0.6))
      Url(Joined(Joined("https://www.", out ? g_.own_domain() : domain), "/"),
          UrlSource::kHtmlAttribute);
    if (rng_.Chance(0.5)) Link(false, rng_);
    if (rng_.Chance(0.1)) Link(true, rng_);
    if (rng_.Chance(0.1)) File(org + kPeople, true, "logo");
    seen_.mailer = rng_.Chance(0.5) ? "Microsoft Outlook 16.0" : "";
  }

  // A page somewhere; with a token nobody else's has.
  void Link(bool token, Rng& rng) {
    const uint64_t site = rng.Zipf(g_.orgs_);
    std::string url("https://");
    if (token) url += "click.";
    url += DomainName(kLinkDomains + site % 1'000'000);
    url += '/';
    if (token) {
      url += "t/";
      AppendToken(url, rng, 22);
    } else {
      url += ZipfWord(kWords, rng);
      url += '/';
      url += ZipfWord(kWords, rng);
      if (rng.Chance(0.5)) {
        url += '-';
        AppendNumber(url, rng.Below(5000));
      }
    }
    // Words may have letters that a canonical URL escapes.
    for (const char c : url) {
      if (c < 0) return;
    }
    Url(std::move(url), UrlSource::kHtmlAttribute);
  }

  void Newsletter() {
    const uint64_t org = rng_.Zipf(g_.orgs_);
    const std::string domain = DomainName(org);
    const auto day =
        static_cast<uint64_t>(record_.received.time_since_epoch() / std::chrono::hours(24));
    const uint64_t issue = Mixed(Mixed(seed_ ^ kIssueSalt, org), day);
    Rng rng(issue);
    Take(SubjectText(rng));
    const bool tracked = Mixed(kIssueSalt, org) % 3 != 0;
    ToUsers();
    if (tracked) {
      record_.envelope_from = "bounce-";
      AppendNumber(record_.envelope_from, rng_.Next() >> 24);
      record_.envelope_from += "@mailer.";
      record_.envelope_from += domain;
    } else {
      FromOrg(org, 0);
    }
    Connected(org, domain);
    Header(AddressRole::kFrom, Joined("news@", domain), false);
    Header(AddressRole::kReplyTo, Joined("reply@", domain), false);
    const uint64_t links = 3 + rng.Below(4);
    for (uint64_t i = 0; i < links; ++i) {
      std::string url = Joined(tracked ? "https://click." : "https://www.", domain);
      url += tracked ? "/c/" : "/";
      AppendHex(url, Mixed(issue, i), 8);
      if (tracked && i < 2) {
        url += '/';
        AppendToken(url, rng_, 22);
      }
      Url(std::move(url), UrlSource::kHtmlAttribute);
    }
    std::string banner = Joined(Joined("https://img.", domain), "/b/");
    AppendNumber(banner, issue % 8);
    banner += ".png";
    Url(std::move(banner), UrlSource::kHtmlAttribute);
    std::string leave = Joined(Joined("https://www.", domain), "/unsubscribe?u=");
    AppendHex(leave, Mixed(rng_.Zipf(g_.users_)), 12);
    Url(std::move(leave), UrlSource::kHeader);
  }

  void Notification() {
    const uint64_t org = rng_.Zipf(g_.orgs_);
    const std::string domain = DomainName(org);
    FromOrg(org, 1 + rng_.Zipf(4));
    Connected(org, domain);
    Header(AddressRole::kFrom, record_.envelope_from, false);
    ToUsers();
    Rng rng(Mixed(kIssueSalt, org * 4 + rng_.Below(4)));
    Text text = SubjectText(rng, true);
    std::string number(rng.Chance(0.3) ? "#" : "REF-");
    AppendPadded(number, rng_.Below(100'000'000), 8);
    text.Code(number);
    Take(std::move(text));
    std::string url = Joined(Joined("https://www.", domain), "/orders/");
    AppendPadded(url, rng_.Below(1'000'000'000'000), 12);
    Url(std::move(url), UrlSource::kHtmlAttribute);
    Url(Joined(Joined("https://www.", domain), "/help"), UrlSource::kText);
    if (rng_.Chance(0.4)) Link(true, rng_);
    if (rng_.Chance(0.18)) File(rng_.Next(), false);
  }

  // Unwanted mail comes in bursts: one campaign sends the same to many within an hour.
  void Campaign() {
    const double each = std::max(1.0, g_.hour_messages_ / 3);
    const auto current = static_cast<uint64_t>(static_cast<double>(index_) / each);
    const uint64_t campaign = current - std::min(current, rng_.Below(3));
    Rng rng(Mixed(seed_ ^ kCampaignSalt, campaign));
    const std::string domain = DomainName(kCampaignDomains + campaign % 1'000'000);
    const std::string sender = Joined(kFirstNames[rng.Below(kFirstNames.size())], "@");
    record_.envelope_from = Joined(sender, domain);
    if (rng.Chance(0.3)) {
      record_.envelope_from = "b";
      AppendNumber(record_.envelope_from, rng_.Next() >> 30);
      record_.envelope_from += '@';
      record_.envelope_from += domain;
    }
    auto& connection = record_.connection;
    connection.icid = index_ / 2 + 1;
    connection.client_address = IpText(Mixed(rng.Next(), rng_.Below(20)), false);
    connection.helo = Joined("host.", domain);
    connection.listener = "smtpd 25";
    seen_.received_hosts.push_back(connection.client_address);
    Authenticated(domain, false);
    Header(AddressRole::kFrom, Joined(sender, domain), false);
    ToUsers();
    Take(SubjectText(rng));
    const bool token = rng.Chance(0.5);
    std::string url = Joined(Joined("http://", domain), "/");
    url += "login/";
    AppendHex(url, rng.Next(), 10);
    if (token) {
      url += "?id=";
      AppendToken(url, rng_, 16);
    }
    Url(std::move(url), UrlSource::kHtmlAttribute);
    if (rng.Chance(0.4)) File(rng.Next(), false);
    mail::Verdict verdict;
    verdict.engine = "url";
    verdict.disposition = rng.Chance(0.5) ? 2 : 3;
    verdict.reason = Joined("listed: ", domain);
    record_.verdicts.push_back(std::move(verdict));
  }

  void Bounce() {
    const uint64_t org = rng_.Zipf(g_.orgs_);
    const std::string domain = DomainName(org);
    Connected(org, domain);
    Header(AddressRole::kFrom, Joined("mailer-daemon@", domain), false);
    const uint64_t user = rng_.Zipf(g_.users_);
    Header(AddressRole::kTo, User(user), false);
    Recipient(User(user));
    Text text;
    text.Word("undelivered", true);
    text.Word("mail", true);
    text.Word("returned", true);
    text.Word("to");
    text.Word("sender", true);
    Take(std::move(text));
  }

  std::string MessageId(uint64_t bits, std::string_view domain) const {
    std::string out("<");
    AppendHex(out, bits, 16);
    out += '.';
    AppendNumber(out, Mixed(bits) >> 40);
    out += '@';
    out += domain;
    out += '>';
    return out;
  }

  void Common() {
    std::string_view domain = "localhost.localdomain";
    if (const size_t at = record_.envelope_from.rfind('@'); at != std::string::npos)
      domain = std::string_view(record_.envelope_from).substr(at + 1);
    seen_.message_id = MessageId(Mixed(seed_, index_), domain);
    seen_.message_id_raw = seen_.message_id;
    seen_.subject_raw = seen_.subject;
    if (!record_.envelope_from.empty()) {
      record_.envelope_from_raw = Joined("<", record_.envelope_from);
      record_.envelope_from_raw += '>';
    }
    // A Date field has whole seconds.
    seen_.date =
        Time(std::chrono::floor<std::chrono::seconds>(record_.received.time_since_epoch()) -
             std::chrono::seconds(1 + rng_.Below(30)));
    seen_.date_raw = DateText(*seen_.date);
    if (record_.verdicts.empty()) record_.verdicts.push_back({"policy", 1, ""});
    seen_.size = 2000 + rng_.Zipf(200'000);
    for (const auto& file : seen_.attachments) seen_.size += file.size * 4 / 3;
    seen_.header_size = 900 + rng_.Below(3000);
    seen_.parts = 1 + rng_.Below(4) + seen_.attachments.size();
    seen_.content_digest = HexOf(rng_.Next(), 64);
    seen_.raw_sha256 = HexOf(rng_.Next(), 64);
  }

  const Generator& g_;
  const uint64_t seed_;
  const uint64_t index_;
  Rng rng_;
  Made& out_;
  mail::MessageRecord& record_;
  Inspection& seen_;
};

Generator::Generator(GeneratorOptions options) : options_(options) {
  options_.messages = std::max<uint64_t>(options_.messages, 1);
  orgs_ = std::clamp<uint64_t>(options_.messages / 6, 3000, 8'000'000);
  users_ = options_.mix == Mix::kOffice ? 300 : 50'000;
  hour_messages_ = static_cast<double>(options_.messages) /
                   std::max(1.0, static_cast<double>(options_.span / std::chrono::hours(1)));
}

std::string Generator::own_domain() const {
  return options_.mix == Mix::kOffice ? "small-office.com" : "large-group.com";
}

std::string Generator::SenderAddress(uint32_t sender) const {
  const uint64_t org = sender / kPeople;
  return Draw::Address(org, sender % kPeople);
}

Time Generator::TimeOf(uint64_t index) const {
  // Busy days and quiet nights, busy weeks and quiet weekends; the slope stays above 0.
  const double days = static_cast<double>(options_.span.count()) / 86.4e9;
  const double x = static_cast<double>(index) / static_cast<double>(options_.messages) * days;
  const double day = -0.65 * std::sin(2 * kPi * x) / (2 * kPi);
  const double week = -0.25 * std::sin(2 * kPi * x / 7) / (2 * kPi / 7);
  const auto micros = static_cast<int64_t>(std::max(0.0, x + day + week) * 86.4e9);
  return options_.begin + Duration(micros);
}

void Generator::Make(uint64_t index, Made& out) const { Draw(*this, index, out).All(); }

}  // namespace mailreeve::bench
