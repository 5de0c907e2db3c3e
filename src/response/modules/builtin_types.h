#pragma once

#include "response/modules/module.h"

// The types that come with the program.
namespace mailreeve::response::modules {

// The built-in type whose instances are the registered gateways.
inline constexpr std::string_view kEmailGatewayTypeId = "5c1d8a5e-7d0b-5b0f-9a53-0f6f1c6a7e21";
// Public test suites and the relay command line know these two.
inline constexpr std::string_view kCustomRelayTypeId = "a14ae422-01b6-5013-9876-695ff1b0ebe0";
inline constexpr std::string_view kPrivateIntelligenceTypeId =
    "2c8b4134-c521-5be5-aaf8-af06e5e27cbb";
inline constexpr std::string_view kApplianceTypeId = "7b0f2f0c-3f6e-5d2b-8a41-5a9d6c1f4e90";

inline constexpr std::string_view kApplianceRecord = "mailreeve.appliance/EmailGatewayRest";

const ModuleType& EmailGatewayType();
const ModuleType& CustomRelayType();
const ModuleType& PrivateIntelligenceType();
// An email gateway that is asked over its AsyncOS-style REST API, with a user and password.
const ModuleType& ApplianceType();

}  // namespace mailreeve::response::modules
