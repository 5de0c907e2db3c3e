#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

// The closed list of CTIM's observable types (threat-response-api.md 4.1), in its order. The
// numbers are stored by indexes: a new type goes to the end. Threads: values and pure functions.
namespace mailreeve::observable {

// clang-format off
enum class Type : uint8_t {
  kAcudid,
  kAmpComputerGuid,
  kCertificateCommonName,
  kCertificateIssuer,
  kCertificateSerial,
  kCiscoCmId,
  kCiscoMid,
  kCiscoUcId,
  kCortexAgentId,
  kCrowdstrikeId,
  kCvmId,
  kCybereasonId,
  kDarktraceId,
  kDevice,
  kDomain,
  kEmail,
  kEmailMessageid,
  kEmailSubject,
  kFileName,
  kFilePath,
  kGoogleChromebookId,
  kGoogleCloudId,
  kHostname,
  kImei,
  kImsi,
  kIntuneId,
  kIp,
  kIpv6,
  kJamfManagementId,
  kMacAddress,
  kMd5,
  kMerakiNetworkId,
  kMerakiNodeSn,
  kMerakiOrgId,
  kMsMachineId,
  kMutex,
  kNgfwId,
  kNgfwName,
  kOdnsIdentity,
  kOdnsIdentityLabel,
  kOrbitalNodeId,
  kPkiSerial,
  kProcessArgs,
  kProcessHash,
  kProcessName,
  kProcessPath,
  kProcessUid,
  kProcessUsername,
  kProcessorId,
  kRegistryKey,
  kRegistryName,
  kRegistryPath,
  kS1AgentId,
  kSecureAccessId,
  kSerialNumber,
  kServiceNowId,
  kSha1,
  kSha256,
  kSwcDeviceId,
  kTrendMicroId,
  kUrl,
  kUser,
  kUserAgent,
};
// clang-format on
inline constexpr size_t kTypeCount = 63;

std::string_view TypeName(Type type);                     // "email_messageid"
std::optional<Type> TypeFromName(std::string_view name);  // ASCII case does not matter

}  // namespace mailreeve::observable
