#include "channel/frame.h"

#include "base/text.h"
#include "base/wire.h"

#include <algorithm>

namespace mailreeve::channel {
namespace {

// Numbers on the wire; never reused.
enum Type : uint64_t {
  kHello = 1,
  kRequest = 2,
  kResponse = 3,
  kRequestData = 4,
  kResponseData = 5,
  kCancel = 6,
  kWindow = 7,
  kPing = 8,
  kPong = 9,
  kGoodbye = 10,
};

constexpr size_t kMaxShortText = 1024;
constexpr size_t kMaxErrorText = 4096;
constexpr size_t kMaxInfo = 32;
constexpr size_t kMaxCapabilities = 64;
constexpr uint64_t kMaxDeadlineMs = 3600 * 1000;
constexpr uint64_t kMaxBody = uint64_t{1} << 31;
constexpr uint64_t kMaxError = 1 + static_cast<uint64_t>(Code::kInternal);

// Texts that we send are mended and cut to what a peer takes.
void PutText(WireWriter& out, std::string_view text, size_t max = kMaxShortText) {
  if (IsValidUtf8(text)) {
    out.String(CutUtf8(text, max));
  } else {
    out.String(CutUtf8(ToValidUtf8(text), max));
  }
}

struct Encoder {
  WireWriter out;

  void operator()(const Hello& hello) {
    out.Number(kHello);
    out.Number(hello.min_version);
    out.Number(hello.max_version);
    out.Signed(hello.time_ms);
    PutText(out, hello.instance);
    out.Number(hello.window_bytes);
    out.Number(hello.max_requests);
    out.Number(hello.max_body_bytes);
    const size_t infos = std::min(hello.info.size(), kMaxInfo);
    out.Number(infos);
    for (size_t i = 0; i < infos; ++i) {
      PutText(out, hello.info[i].first);
      PutText(out, hello.info[i].second);
    }
    const size_t capabilities = std::min(hello.capabilities.size(), kMaxCapabilities);
    out.Number(capabilities);
    for (size_t i = 0; i < capabilities; ++i) PutText(out, hello.capabilities[i]);
  }
  void operator()(const Request& request) {
    out.Number(kRequest);
    out.Number(request.id);
    PutText(out, request.route);
    out.Number(std::min(request.deadline_ms, kMaxDeadlineMs));
    PutText(out, request.caller.user_id);
    PutText(out, request.caller.user_name);
    PutText(out, request.caller.client_id);
    PutText(out, request.caller.org_id);
    PutText(out, request.caller.request_id);
    out.Number(request.body_size);
    out.String(request.part);
  }
  void operator()(const Response& response) {
    out.Number(kResponse);
    out.Number(response.id);
    out.Number(response.error);
    PutText(out, response.message, kMaxErrorText);
    out.Number(response.body_size);
    out.String(response.part);
  }
  void operator()(const RequestData& data) { Data(kRequestData, data.id, data.part); }
  void operator()(const ResponseData& data) { Data(kResponseData, data.id, data.part); }
  void operator()(const Cancel& cancel) { One(kCancel, cancel.id); }
  void operator()(const Window& window) { One(kWindow, window.bytes); }
  void operator()(const Ping& ping) { One(kPing, ping.nonce); }
  void operator()(const Pong& pong) { One(kPong, pong.nonce); }
  void operator()(const Goodbye& goodbye) {
    out.Number(kGoodbye);
    out.Number(static_cast<uint64_t>(goodbye.reason));
    PutText(out, goodbye.text);
  }

  void One(Type type, uint64_t value) {
    out.Number(type);
    out.Number(value);
  }
  void Data(Type type, uint64_t id, std::string_view part) {
    out.Number(type);
    out.Number(id);
    out.String(part);
  }
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : in_(bytes) {}

  Result<Frame> Decode() {
    const uint64_t type = in_.Number();
    if (!in_.ok()) return Fail(Code::kCorrupt, "channel frame: no type");
    switch (type) {
      case kHello: {
        Hello hello;
        hello.min_version = in_.Number();
        hello.max_version = in_.Number();
        hello.time_ms = in_.Signed();
        hello.instance = Text();
        hello.window_bytes = in_.Number();
        hello.max_requests = in_.Number();
        hello.max_body_bytes = in_.Number();
        const uint64_t infos = in_.NumberUpTo(kMaxInfo);
        for (uint64_t i = 0; i < infos && in_.ok(); ++i) {
          std::string name = Text();
          hello.info.emplace_back(std::move(name), Text());
        }
        const uint64_t capabilities = in_.NumberUpTo(kMaxCapabilities);
        for (uint64_t i = 0; i < capabilities && in_.ok(); ++i)
          hello.capabilities.push_back(Text());
        // A later version may say more here; what it says is not for us.
        if (!in_.ok() || too_long_) return Bad("hello");
        return hello;
      }
      case kRequest: {
        Request request;
        request.id = in_.Number();
        request.route = Text();
        request.deadline_ms = in_.NumberUpTo(kMaxDeadlineMs);
        request.caller.user_id = Text();
        request.caller.user_name = Text();
        request.caller.client_id = Text();
        request.caller.org_id = Text();
        request.caller.request_id = Text();
        request.body_size = in_.NumberUpTo(kMaxBody);
        request.part = Part();
        if (request.part.size() > request.body_size) too_long_ = true;
        if (request.part.empty() && request.body_size > 0) too_long_ = true;
        return Done(std::move(request), "request");
      }
      case kResponse: {
        Response response;
        response.id = in_.Number();
        response.error = in_.NumberUpTo(kMaxError);
        response.message = Text(kMaxErrorText);
        response.body_size = in_.NumberUpTo(kMaxBody);
        response.part = Part();
        if (response.part.size() > response.body_size) too_long_ = true;
        if (response.part.empty() && response.body_size > 0) too_long_ = true;
        return Done(std::move(response), "response");
      }
      case kRequestData: {
        RequestData data;
        data.id = in_.Number();
        data.part = Part();
        if (data.part.empty()) too_long_ = true;
        return Done(std::move(data), "request data");
      }
      case kResponseData: {
        ResponseData data;
        data.id = in_.Number();
        data.part = Part();
        if (data.part.empty()) too_long_ = true;
        return Done(std::move(data), "response data");
      }
      case kCancel:
        return Done(Cancel{in_.Number()}, "cancel");
      case kWindow:
        return Done(Window{in_.Number()}, "window");
      case kPing:
        return Done(Ping{in_.Number()}, "ping");
      case kPong:
        return Done(Pong{in_.Number()}, "pong");
      case kGoodbye: {
        Goodbye goodbye;
        // Reasons of later versions are read as a shutdown with their text.
        const uint64_t reason = in_.Number();
        goodbye.reason = reason <= kLastReason ? static_cast<Reason>(reason) : Reason::kShutdown;
        goodbye.text = Text();
        if (!in_.ok() || too_long_) return Bad("goodbye");
        return goodbye;
      }
    }
    return Fail(Code::kCorrupt, "channel frame: unknown type " + std::to_string(type));
  }

 private:
  std::string Text(size_t max = kMaxShortText) {
    std::string text = in_.String();
    // What a peer says goes into logs and JSON.
    if (text.size() > max || !IsValidUtf8(text)) {
      too_long_ = true;
      text.clear();
    }
    return text;
  }
  std::string Part() {
    std::string part = in_.String();
    if (part.size() > kMaxPart) {
      too_long_ = true;
      part.clear();
    }
    return part;
  }
  template <class T>
  Result<Frame> Done(T frame, const char* what) {
    if (too_long_ || !in_.Finish(what)) return Bad(what);
    return Frame(std::move(frame));
  }
  tl::unexpected<Error> Bad(std::string_view what) {
    return Fail(Code::kCorrupt, "channel frame '" + std::string(what) +
                                    "': cut short, bytes left over, or a field out of range");
  }

  WireReader in_;
  bool too_long_ = false;
};

}  // namespace

std::string_view Hello::Info(std::string_view name) const {
  for (const auto& [key, value] : info) {
    if (key == name) return value;
  }
  return {};
}

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kShutdown:
      return "shutdown";
    case Reason::kReplaced:
      return "replaced";
    case Reason::kRemoved:
      return "removed";
    case Reason::kVersion:
      return "version";
    case Reason::kProtocolError:
      return "protocol_error";
    case Reason::kSilent:
      return "silent";
    case Reason::kBusy:
      return "busy";
  }
  return "shutdown";
}

void AppendFrame(std::string& message, const Frame& frame) {
  Encoder encoder;
  std::visit(encoder, frame);
  WireWriter length;
  length.Number(encoder.out.bytes().size());
  message += length.bytes();
  message += encoder.out.bytes();
}

Result<std::vector<Frame>> DecodeMessage(std::string_view message) {
  if (message.empty()) return Fail(Code::kCorrupt, "channel message: empty");
  if (message.size() > kMaxWireMessage) {
    return Fail(Code::kCorrupt, "channel message: " + std::to_string(message.size()) +
                                    " bytes, at most " + std::to_string(kMaxWireMessage) +
                                    " are allowed");
  }
  std::vector<Frame> frames;
  while (!message.empty()) {
    uint64_t length = 0;
    size_t used = 0;
    // A length of up to 2^28 fits in four bytes: more than any message.
    for (int shift = 0;; shift += 7) {
      if (used == message.size() || used == 4) {
        return Fail(Code::kCorrupt, "channel message: bad frame length");
      }
      const auto byte = static_cast<unsigned char>(message[used++]);
      length |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    message.remove_prefix(used);
    if (length > message.size()) return Fail(Code::kCorrupt, "channel message: frame cut short");
    TRY(Frame frame, Decoder(message.substr(0, length)).Decode());
    frames.push_back(std::move(frame));
    message.remove_prefix(length);
  }
  return frames;
}

Result<uint64_t> NegotiateVersion(const Hello& ours, const Hello& theirs) {
  const uint64_t version = std::min(ours.max_version, theirs.max_version);
  if (theirs.min_version <= theirs.max_version && version >= ours.min_version &&
      version >= theirs.min_version) {
    return version;
  }
  return Fail(Code::kInvalid, "no protocol version in common: this side speaks " +
                                  std::to_string(ours.min_version) + " to " +
                                  std::to_string(ours.max_version) + ", the peer " +
                                  std::to_string(theirs.min_version) + " to " +
                                  std::to_string(theirs.max_version) + "; update the older one");
}

}  // namespace mailreeve::channel
