#pragma once

#include "gateway/milter/milter.h"
#include "gateway/milter/wire.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailreeve::gateway::milter {

// What one step of the dialogue asks of its driver, in this order: report `abort`, then do `kind`.
struct Step {
  enum class Kind : uint8_t {
    kNothing,     // go on reading
    kSend,        // send `packets`
    kAskStage,    // ask MessageHandler::OnStage(stage), then Session::Decided
    kAskMessage,  // take the message (or see limit_hit), answer it, then Session::MessageDone
    kQuit,        // close the connection
  };
  Kind kind = Kind::kNothing;
  std::string packets;
  Stage stage = Stage::kConnect;
  std::optional<Abort> abort;
};

// The milter's half of a dialogue with one mail server connection as a state machine without I/O. A
// command that comes out of order aborts the message in progress; when it is wrong even then, the
// dialogue ends with an error, as libmilter does it.
//
// Threads: one. Ownership: `options` and `counters` outlive it.
class Session {
 public:
  // `next_serial` numbers SMTP connections.
  Session(const Options& options, StageSet asked_at, Counters& counters, uint64_t& next_serial);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Errors: kInvalid, kLimited: the peer broke the protocol; close the connection.
  Result<Step> Take(const Packet& packet);

  // After kAskStage: what the decision means for the rest of the dialogue.
  void Decided(Stage stage, Decision::Kind kind);
  Transaction transaction() const;

  // After kAskMessage. Not empty: which limit the message broke; it was not kept and the failure
  // mode answers.
  std::string_view limit_hit() const { return limit_hit_; }
  MilterMessage TakeMessage();
  // The message was answered, and its memory is free.
  void MessageDone();

  // The connection broke: what was in progress.
  std::optional<Abort> Disconnect();

  const Agreement& agreement() const { return agreement_; }
  bool in_message() const { return phase_ >= Phase::kMail; }
  std::string queue_id() const { return std::string(Macro("i")); }
  uint64_t serial() const { return connection_.serial; }

 private:
  enum class Phase : uint8_t {
    kStart,
    kNegotiated,
    kConnected,
    kMail,
    kRcpt,
    kData,
    kHeader,
    kEndOfHeader,
    kBody
  };

  Result<Step> Negotiate(std::string_view data);
  Result<Step> TakeMacros(std::string_view data);
  Result<Step> Connect(std::string_view data);
  Result<Step> Helo(std::string_view data);
  Result<Step> Mail(std::string_view data);
  Result<Step> Rcpt(std::string_view data);
  Result<Step> Header(std::string_view data);
  Result<Step> EndOfMessage(std::string_view data);
  Result<Step> UnknownCommand(std::string_view data);

  Result<EnvelopeAddress> ReadAddress(std::string_view data, std::string_view what);
  void CloseHeader();
  void Body(std::string_view data);
  bool Charge(size_t bytes);
  void Limit(std::string_view name);
  void DropContent();
  void EndMessage();
  void ClearMessageMacros();
  std::optional<Abort> AbortMessage(bool disconnected);
  Step Answer(Stage stage);
  std::string_view Macro(std::string_view name) const;
  void FillFromMacros();

  struct NamedValue {
    std::string name, value;
  };
  static constexpr size_t kMacroStages = 10;

  const Options& options_;
  const StageSet asked_at_;
  Counters& counters_;
  uint64_t& next_serial_;

  Phase phase_ = Phase::kStart;
  Agreement agreement_;
  std::array<std::vector<NamedValue>, kMacroStages> macros_;  // in the order of Stage
  ConnectionInfo connection_;
  uint64_t messages_ = 0;  // of this connection

  Stage stage_ = Stage::kConnect;  // newest command of the message
  std::string queue_id_;
  EnvelopeAddress from_;
  std::vector<EnvelopeAddress> recipients_;
  std::string unknown_command_;
  std::string raw_;
  size_t header_bytes_ = 0;
  size_t headers_ = 0;
  size_t envelope_bytes_ = 0;
  uint64_t charged_ = 0;
  std::string limit_hit_;
  std::optional<Abort> untold_abort_;  // the command that caused it then broke the dialogue
};

}  // namespace mailreeve::gateway::milter
