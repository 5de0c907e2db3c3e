#pragma once

#include "http/address_policy.h"
#include "json/json.h"

#include <string>
#include <string_view>
#include <vector>

// What may be written into module types, instances and patches: every field's type and limits, and
// an instance's settings by the form that its type describes (`configuration_spec`,
// threat-response-api.md 3.1-3.3). Pure functions; thread-safe.
namespace mailreeve::response::modules {

// "key: reason", reason being `missing-required-key`, `disallowed-key` or a sentence.
using Problems = std::vector<std::string>;

// `partial`: a PATCH or patch document, in which null removes a key.
Problems CheckType(const json::object& body, bool partial, const http::AddressPolicy& policy);
Problems CheckInstance(const json::object& body, bool partial);
Problems CheckIntegration(const json::object& body, bool partial);
// The settings of an instance whose type has this form. `is_relay`: "url", "supported-apis" and the
// keys of authentication mean what the relay protocol says.
Problems CheckSettings(const json::object& settings, const json::array& spec, bool is_relay,
                       const http::AddressPolicy& policy);

// Fields of the form that hold secrets, and keys that always do ("authorization-header", "token",
// what ends in password, secret or key).
bool IsSecretKey(std::string_view key, const json::array& spec);
// `values` with kMask for secrets that are not empty.
json::object Redact(const json::object& values, const json::array& spec);
// RFC 7396: null removes, objects merge, all else replaces. A secret that comes as kMask stays.
void MergePatch(json::object& into, const json::object& patch);
// Keys whose value is kMask: not to be stored by who has no older value.
Problems RefuseMasks(const json::object& values, std::string_view path);

}  // namespace mailreeve::response::modules
