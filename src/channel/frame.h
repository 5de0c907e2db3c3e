#pragma once

#include "base/result.h"
#include "base/time.h"
#include "relay/relay.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// The frames of the device channel (docs/device-channel.md). A WebSocket message holds one frame or
// several, each prefixed by its length; a body longer than one part goes on in data frames, so that
// a long answer does not hold up the short ones. Encoded with base/wire.h; bodies are JSON text.
//
// Threads: pure functions. Errors: kCorrupt for anything malformed or over a limit; nothing is
// trusted.
//
//   std::string message;
//   AppendFrame(message, Ping{.nonce = 7});
//   TRY(std::vector<Frame> frames, DecodeMessage(message));
namespace mailreeve::channel {

inline constexpr uint64_t kProtocolVersion = 1;
inline constexpr size_t kMaxWireMessage = 256 * 1024;  // longest WebSocket message
inline constexpr size_t kMaxPart = 64 * 1024;          // longest piece of a body in one frame

// The first frame of either side; the device sends its own first. The version in force is the
// largest that both have. The encoding of Hello and Goodbye never changes, so that sides of
// different age can explain themselves.
struct Hello {
  uint64_t min_version = kProtocolVersion;
  uint64_t max_version = kProtocolVersion;
  int64_t time_ms = 0;  // the sender's clock, milliseconds since 1970
  std::string
      instance;  // made at random when the program starts: tells a restart from a second program
  uint64_t window_bytes =
      0;  // bodies the receiver may have under way towards the sender of this frame
  uint64_t max_requests = 0;    // requests the receiver may have open at the sender of this frame
  uint64_t max_body_bytes = 0;  // longest body the sender of this frame takes
  std::vector<std::pair<std::string, std::string>>
      info;  // name, type, version, serial, host_name, …
  std::vector<std::string> capabilities;

  std::string_view Info(std::string_view name) const;
};

struct Request {
  uint64_t id = 0;  // grows with each request of one side
  std::string route;
  uint64_t deadline_ms = 0;  // what is left of the asker's time
  relay::Caller caller;
  uint64_t body_size = 0;  // of the whole body
  std::string part;        // its beginning
};

struct Response {
  uint64_t id = 0;
  uint64_t error = 0;  // 0: answered; else 1 + Code
  std::string message;
  uint64_t body_size = 0;
  std::string part;
};

struct RequestData {
  uint64_t id = 0;
  std::string part;
};

struct ResponseData {
  uint64_t id = 0;
  std::string part;
};

// The asker gave up. The answer still comes, as a rule the error kCancelled.
struct Cancel {
  uint64_t id = 0;
};

// Gives credit for so many more bytes of bodies.
struct Window {
  uint64_t bytes = 0;
};

struct Ping {
  uint64_t nonce = 0;
};

struct Pong {
  uint64_t nonce = 0;
};

enum class Reason : uint8_t {
  kShutdown = 0,       // stops or restarts; come again
  kReplaced = 1,       // a newer connection of the same device took over
  kRemoved = 2,        // the device was removed or is not known
  kVersion = 3,        // no protocol version in common
  kProtocolError = 4,  // the peer broke the rules
  kSilent = 5,         // no sign of life
  kBusy = 6,           // no room; come again later
};
inline constexpr uint64_t kLastReason = 6;
std::string_view ReasonName(Reason reason);  // "shutdown", …

struct Goodbye {
  Reason reason = Reason::kShutdown;
  std::string text;
};

using Frame = std::variant<Hello, Request, Response, RequestData, ResponseData, Cancel, Window,
                           Ping, Pong, Goodbye>;

void AppendFrame(std::string& message, const Frame& frame);

// All frames of one message; at least one.
Result<std::vector<Frame>> DecodeMessage(std::string_view message);

// The version in force between the two, or kInvalid with both ranges in the text.
Result<uint64_t> NegotiateVersion(const Hello& ours, const Hello& theirs);

}  // namespace mailreeve::channel
