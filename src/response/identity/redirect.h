#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

// Redirect addresses of OAuth clients (RFC 6749 section 3.1.2, RFC 8252, RFC 9700 section 2.1).
// Pure functions; thread-safe.
namespace mailreeve::response::identity {

// kInvalid says why an address may not be registered: it must be absolute, without fragment, user
// and wildcard, and https; http only on this machine (localhost, 127.0.0.1, [::1]); another scheme
// only with a dot in it ("org.example.app:/back"), as applications own them.
Result<void> CheckRedirect(std::string_view address);
// Equal byte by byte; of 127.0.0.1 and [::1] the port may differ, since an application takes a free
// one (RFC 8252 section 7.3).
bool RedirectMatches(std::string_view registered, std::string_view asked);
// What a content security policy calls the place the address leads to: "https://app.example:8443",
// "org.example.app:".
std::string RedirectSource(std::string_view address);

}  // namespace mailreeve::response::identity
