#pragma once

#include "gateway/enrich/gateway_module.h"

#include <chrono>

// What the files of GatewayModule share. Internal to this folder.
namespace mailreeve::gateway::enrich {

// What is left of a call's time for carrying the answer back.
inline constexpr std::chrono::milliseconds kAnswerMargin{500};

inline json::object FatalOf(const Error& error) {
  return relay::FatalError(relay::ErrorWord(error.code), error.message);
}

inline bool ActionsFit(observable::Type type) {
  return type == observable::Type::kCiscoMid || type == observable::Type::kEmailMessageid;
}

}  // namespace mailreeve::gateway::enrich
