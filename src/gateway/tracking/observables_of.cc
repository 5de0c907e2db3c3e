#include "gateway/tracking/observables_of.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace mailreeve::gateway::tracking {
namespace {

using observable::Observable;
using observable::Type;

// Fingerprints that were met: few in most messages, thousands in some.
class Seen {
 public:
  // False when it was there already.
  bool Add(uint64_t fingerprint) {
    if ((count_ + 1) * 2 > size_) Grow();
    if (!Put(fingerprint)) return false;
    ++count_;
    return true;
  }

 private:
  bool Put(uint64_t fingerprint) {
    uint64_t* slots = more_.empty() ? few_.data() : more_.data();
    for (size_t at = fingerprint & (size_ - 1);; at = (at + 1) & (size_ - 1)) {
      if (slots[at] == fingerprint) return false;
      if (slots[at] == 0) {
        slots[at] = fingerprint;
        return true;
      }
    }
  }
  void Grow() {
    const std::vector<uint64_t> old =
        more_.empty() ? std::vector<uint64_t>(few_.begin(), few_.end()) : std::move(more_);
    size_ *= 4;
    more_.assign(size_, 0);
    for (const uint64_t each : old) {
      if (each != 0) Put(each);
    }
  }
  std::array<uint64_t, 128> few_{};
  std::vector<uint64_t> more_;  // instead, when there are many
  size_t size_ = few_.size();
  size_t count_ = 0;
};

// The public suffix list takes a microsecond or two, and mail shows the same names again and again.
size_t RegistrableSize(std::string_view name) {
  constexpr size_t kMaxNames = 65536;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  static thread_local std::unordered_map<std::string, size_t, Hash, std::equal_to<>> known;
  const auto at = known.find(name);
  if (at != known.end()) return at->second;
  if (known.size() >= kMaxNames) known.clear();
  std::string text(name);
  const size_t size = observable::RegistrableDomain(text).size();
  return known.emplace(std::move(text), size).first->second;
}

class Collector {
 public:
  explicit Collector(const FoundObservable& found) : found_(found) {}

  // Values that have no canonical form show nothing that could be asked for.
  void Add(Type type, std::string_view value) {
    if (value.empty()) return;
    if (observable::IsPlainCanonical(type, value)) {
      AddCanonical(type, value);
    } else if (const auto canonical = observable::Canonical(type, value)) {
      AddCanonical(type, *canonical);
    }
  }

  void AddHost(std::string_view host) {
    if (host.empty()) return;
    if (host.find(':') != std::string_view::npos) {
      Add(Type::kIpv6, host);
      return;
    }
    if (observable::IsPlainCanonical(Type::kDomain, host)) {
      AddName(host);
      return;
    }
    if (const auto ip = observable::Canonical(Type::kIp, host)) {
      AddCanonical(Type::kIp, *ip);
      return;
    }
    if (const auto name = observable::Canonical(Type::kDomain, host)) AddName(*name);
  }

  void AddAddress(std::string_view address) {
    if (address.empty()) return;
    Add(Type::kEmail, address);
    const size_t at = address.rfind('@');
    if (at == std::string_view::npos) return;
    std::string_view host = address.substr(at + 1);
    if (host.starts_with('[') && host.ends_with(']')) {
      host = host.substr(1, host.size() - 2);
      if (AsciiLower(host.substr(0, 5)) == "ipv6:") host.remove_prefix(5);
    }
    AddHost(host);
  }

  // False when it was there already.
  bool AddCanonical(Type type, std::string_view value) {
    const uint64_t fingerprint = observable::Fingerprint(type, value);
    if (!seen_.Add(fingerprint)) return false;
    found_(type, value, fingerprint);
    return true;
  }

 private:
  // A canonical domain and its parents up to the registrable domain.
  void AddName(std::string_view name) {
    if (!AddCanonical(Type::kDomain, name)) return;
    const size_t registrable = RegistrableSize(name);
    while (name.size() > registrable) {
      const size_t dot = name.find('.');
      if (dot == std::string_view::npos) break;
      name.remove_prefix(dot + 1);
      if (!AddCanonical(Type::kDomain, name)) break;
    }
  }

  const FoundObservable& found_;
  Seen seen_;
};

void AddUnique(std::vector<std::string>& to, const std::string& address) {
  if (address.empty() || std::find(to.begin(), to.end(), address) != to.end()) return;
  to.push_back(address);
}

}  // namespace

std::string_view HostOfUrl(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#\\"));
  if (const size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (host.starts_with('[')) {
    const size_t close = host.find(']');
    return close == std::string_view::npos ? std::string_view() : host.substr(1, close - 1);
  }
  return host.substr(0, host.find(':'));
}

std::vector<Observable> ObservablesOf(const mail::MessageRecord& record) {
  std::vector<Observable> out;
  ForEachObservable(record, [&out](Type type, std::string_view value, uint64_t) {
    out.push_back({type, std::string(value)});
  });
  return out;
}

void ForEachObservable(const mail::MessageRecord& record, const FoundObservable& take) {
  const mail::Inspection& inspection = record.inspection;
  Collector found(take);
  if (record.mid != 0) found.Add(Type::kCiscoMid, std::to_string(record.mid));
  found.Add(Type::kEmailMessageid, inspection.message_id);
  for (const auto& id : inspection.other_message_ids) found.Add(Type::kEmailMessageid, id);
  found.Add(Type::kEmailSubject, inspection.subject);
  for (const auto& subject : inspection.other_subjects) found.Add(Type::kEmailSubject, subject);
  found.AddAddress(record.envelope_from);
  for (const auto& recipient : record.recipients) found.AddAddress(recipient.address);
  for (const auto& address : inspection.addresses) found.AddAddress(address.address);
  for (const auto& url : inspection.urls) {
    found.Add(Type::kUrl, url.url);
    found.AddHost(HostOfUrl(url.url));
  }
  for (const auto& file : inspection.attachments) {
    found.Add(Type::kSha256, file.sha256);
    found.Add(Type::kSha1, file.sha1);
    found.Add(Type::kMd5, file.md5);
    for (const auto& name : file.names) found.Add(Type::kFileName, name);
  }
  found.AddHost(record.connection.client_address);
  for (const auto& host : inspection.received_hosts) found.AddHost(host);
  found.AddHost(record.connection.client_name);
  found.AddHost(record.connection.helo);
  for (const auto& domain : inspection.domains) found.AddHost(domain.name);
}

bool ShowsPlainly(const mail::MessageRecord& record, Type type, std::string_view value) {
  // Of such a value the canonical form is itself, here as in the record.
  if (value.empty() || !observable::IsPlainCanonical(type, value)) return false;
  const mail::Inspection& i = record.inspection;
  const auto is = [value](const auto& text) { return text == value; };
  const auto any = [](const auto& items, const auto& fits) {
    return std::any_of(items.begin(), items.end(), fits);
  };
  const auto in_address = [&](const auto& fits) {
    return fits(record.envelope_from) ||
           any(i.addresses, [&](const auto& address) { return fits(address.address); }) ||
           any(record.recipients, [&](const auto& recipient) { return fits(recipient.address); });
  };
  switch (type) {
    case Type::kEmail:
      return in_address(is);
    case Type::kDomain:
      return any(i.domains, [&](const auto& domain) { return is(domain.name); }) ||
             in_address([value](const std::string& address) {
               return address.size() > value.size() && address.ends_with(value) &&
                      address[address.size() - value.size() - 1] == '@';
             }) ||
             any(i.urls, [&](const auto& url) { return is(HostOfUrl(url.url)); }) ||
             any(i.received_hosts, is) || is(record.connection.client_name) ||
             is(record.connection.helo);
    case Type::kUrl:
      return any(i.urls, [&](const auto& url) { return is(url.url); });
    case Type::kEmailMessageid:
      return is(i.message_id);
    case Type::kEmailSubject:
      return is(i.subject);
    case Type::kSha256:
      return any(i.attachments, [&](const auto& file) { return is(file.sha256); });
    default:
      return false;
  }
}

std::vector<std::string> SendersOf(const mail::MessageRecord& record) {
  std::vector<std::string> out;
  AddUnique(out, record.envelope_from);
  for (const auto& address : record.inspection.addresses) {
    switch (address.role) {
      case mail::AddressRole::kFrom:
      case mail::AddressRole::kSender:
      case mail::AddressRole::kReturnPath:
      case mail::AddressRole::kResentFrom:
        AddUnique(out, address.address);
        break;
      default:
        break;
    }
  }
  return out;
}

std::vector<std::string> RecipientsOf(const mail::MessageRecord& record) {
  // A hash set, since a message may have thousands.
  std::vector<std::string> out;
  std::unordered_set<std::string_view> seen;
  for (const auto& recipient : record.recipients) {
    if (!recipient.address.empty() && seen.insert(recipient.address).second)
      out.push_back(recipient.address);
  }
  return out;
}

}  // namespace mailreeve::gateway::tracking
