#pragma once

#include "gateway/tracking/store.h"

#include <string_view>

// Conditions on one record, tried as the store answers them. Pure; thread-safe.
namespace mailreeve::gateway::rest {

// Whether the record has a text that fits; the same that the store answers.
bool TextFits(const mail::MessageRecord& record, const tracking::TextCondition& condition);
// Whether the IP is in the network "192.0.2.0/24".
bool InNetwork(std::string_view address, std::string_view network);

}  // namespace mailreeve::gateway::rest
