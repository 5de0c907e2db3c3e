#pragma once

#include "mail/message_record.h"
#include "observable/observable.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Which observables a tracked message shows: the index is built from them and sightings speak of
// them, so both know the same. Pure functions; thread-safe.
namespace mailreeve::gateway::tracking {

// In canonical form and unique, in the order of the record:
//   cisco_mid; email_messageid (every reading); email_subject (every reading); email of the
//   envelope and of header addresses; url; sha256, sha1, md5 and file_name (every name) of
//   attachments; ip or ipv6 of the client, of Received and of urls; domain of addresses, urls,
//   Received, helo and client name, each with all its parents up to the registrable domain.
std::vector<observable::Observable> ObservablesOf(const mail::MessageRecord& record);
// The same, one after the other: `found` is called with type, canonical value and fingerprint of
// each.
using FoundObservable =
    std::function<void(observable::Type type, std::string_view value, uint64_t fingerprint)>;
void ForEachObservable(const mail::MessageRecord& record, const FoundObservable& found);

// True: it certainly shows this observable, since the value stands in the record as it is. False:
// ForEachObservable has to tell. Far cheaper than that for a message with thousands of recipients.
bool ShowsPlainly(const mail::MessageRecord& record, observable::Type type, std::string_view value);

// Addresses that sent it: envelope sender, From, Sender, Resent-From, Return-Path. Canonical,
// unique.
std::vector<std::string> SendersOf(const mail::MessageRecord& record);
// Addresses it was sent to: the envelope recipients. Canonical, unique.
std::vector<std::string> RecipientsOf(const mail::MessageRecord& record);

// The host of a canonical url, without port and brackets; empty when it has none.
std::string_view HostOfUrl(std::string_view url);

}  // namespace mailreeve::gateway::tracking
