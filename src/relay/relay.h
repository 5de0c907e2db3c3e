#pragma once

#include "io/asio.h"
#include "json/json.h"

#include <chrono>
#include <string>

// The relay protocol (threat-response-api.md 2.4): what the platform asks of a module, whatever the
// transport. A gateway answers it over the device channel, other products over HTTPS.
namespace mailreeve::relay {

// Who on the platform's side asked; goes into the module's audit entries.
struct Caller {
  std::string user_id;
  std::string user_name;
  std::string client_id;
  std::string org_id;
  std::string request_id;
};

struct Call {
  std::string route;  // "/observe/observables", …
  json::value body;   // null when the route takes none
  Caller caller;
  std::chrono::milliseconds deadline{30000};  // counted from the call
};

// One module, asked. Implementations: gateway/enrich (answers itself), the platform's end of the
// channel (sends it on).
//
// Ask answers the whole envelope, {"data":…} or {"errors":[…]} or both, with our additional
// "coverage" beside them; for /version the bare object. A Result error means the transport failed:
// kUnavailable (not connected), kTimeout, kCancelled, kNotFound (unknown route), kInvalid
// (malformed answer).
class Module {
 public:
  virtual ~Module() = default;
  virtual io::Task<Result<json::value>> Ask(Call call) = 0;
};

// {"errors":[{"type":"fatal","code":code,"message":message}]}
json::object FatalError(std::string_view code, std::string_view message);

// Adds {"type":type,"code":code,"message":message} to the errors of `envelope`; type is "fatal",
// "error" or "warning".
void AddError(json::object& envelope, std::string_view type, std::string_view code,
              std::string_view message);

// The relay protocol's word for `code`: "invalid argument", "not found", …
std::string_view ErrorWord(Code code);

}  // namespace mailreeve::relay
