#include "gateway/tracking/observables_of.h"

#include "base/text.h"

#include <algorithm>
#include <string>
#include <unordered_set>

namespace mailreeve::gateway::tracking {
namespace {

using observable::Observable;
using observable::Type;

class Collector {
 public:
  // Values that have no canonical form show nothing that could be asked for.
  void Add(Type type, std::string_view value) {
    if (value.empty()) return;
    if (auto canonical = observable::Canonical(type, value))
      AddCanonical(type, *std::move(canonical));
  }

  void AddHost(std::string_view host) {
    if (host.empty()) return;
    if (host.find(':') != std::string_view::npos) {
      Add(Type::kIpv6, host);
      return;
    }
    if (auto ip = observable::Canonical(Type::kIp, host)) {
      AddCanonical(Type::kIp, *std::move(ip));
      return;
    }
    auto name = observable::Canonical(Type::kDomain, host);
    if (!name || !AddCanonical(Type::kDomain, *name)) return;
    const std::string registrable = observable::RegistrableDomain(*name);
    std::string_view parent = *name;
    while (parent.size() > registrable.size()) {
      const size_t dot = parent.find('.');
      if (dot == std::string_view::npos) break;
      parent.remove_prefix(dot + 1);
      if (!AddCanonical(Type::kDomain, std::string(parent))) break;
    }
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
  bool AddCanonical(Type type, std::string value) {
    std::string key(1, static_cast<char>(type));
    key += value;
    if (!seen_.insert(std::move(key)).second) return false;
    found_.push_back({type, std::move(value)});
    return true;
  }

  std::vector<Observable> Take() { return std::move(found_); }

 private:
  std::unordered_set<std::string> seen_;
  std::vector<Observable> found_;
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
  const mail::Inspection& inspection = record.inspection;
  Collector found;
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
  return found.Take();
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
