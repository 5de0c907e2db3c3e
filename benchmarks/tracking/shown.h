#pragma once

// Included by generator.h.
#include "generator.h"
#include "words.h"

#include <array>

namespace mailreeve::bench {
namespace shown {

// The length of the registrable domain of a generated one.
inline size_t RegistrableLength(std::string_view name) {
  size_t best = 0;
  for (const auto suffix : kSuffixes) {
    if (name.size() > suffix.size() && name.ends_with(suffix) &&
        name[name.size() - suffix.size() - 1] == '.') {
      best = std::max(best, suffix.size());
    }
  }
  if (best == 0 || name.size() <= best + 1) return name.size();
  const size_t dot = name.rfind('.', name.size() - best - 2);
  return dot == std::string_view::npos ? name.size() : name.size() - dot - 1;
}

template <class F>
void Host(std::string_view host, F& found) {
  using observable::Type;
  if (host.empty()) return;
  if (host.find(':') != std::string_view::npos) {
    found(Type::kIpv6, host);
  } else if (host.back() <= '9') {
    found(Type::kIp, host);
  } else {
    const size_t least = RegistrableLength(host);
    while (true) {
      found(Type::kDomain, host);
      if (host.size() <= least) break;
      host.remove_prefix(host.find('.') + 1);
    }
  }
}

template <class F>
void Address(std::string_view address, F& found) {
  if (address.empty()) return;
  found(observable::Type::kEmail, address);
  Host(address.substr(address.rfind('@') + 1), found);
}

}  // namespace shown

template <class F>
void ForEachShown(const mail::MessageRecord& record, F found) {
  using observable::Type;
  const mail::Inspection& seen = record.inspection;
  std::array<char, 20> digits;
  size_t at = digits.size();
  for (uint64_t mid = record.mid; at == digits.size() || mid > 0; mid /= 10)
    digits[--at] = static_cast<char>('0' + mid % 10);
  found(Type::kCiscoMid, std::string_view(digits.data() + at, digits.size() - at));
  if (!seen.message_id.empty()) found(Type::kEmailMessageid, std::string_view(seen.message_id));
  if (!seen.subject.empty()) found(Type::kEmailSubject, std::string_view(seen.subject));
  shown::Address(record.envelope_from, found);
  for (const auto& recipient : record.recipients) shown::Address(recipient.address, found);
  for (const auto& address : seen.addresses) shown::Address(address.address, found);
  for (const auto& url : seen.urls) {
    found(Type::kUrl, std::string_view(url.url));
    std::string_view host(url.url);
    host.remove_prefix(host.find("://") + 3);
    shown::Host(host.substr(0, host.find('/')), found);
  }
  for (const auto& file : seen.attachments) {
    found(Type::kSha256, std::string_view(file.sha256));
    found(Type::kSha1, std::string_view(file.sha1));
    found(Type::kMd5, std::string_view(file.md5));
    for (const auto& name : file.names) found(Type::kFileName, std::string_view(name));
  }
  shown::Host(record.connection.client_address, found);
  for (const auto& host : seen.received_hosts) shown::Host(host, found);
  shown::Host(record.connection.client_name, found);
  shown::Host(record.connection.helo, found);
  for (const auto& domain : seen.domains) shown::Host(domain.name, found);
}

}  // namespace mailreeve::bench
