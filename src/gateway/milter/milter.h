#pragma once

#include "base/result.h"
#include "io/asio.h"
#include "io/scope.h"
#include "log/log.h"
#include "settings/settings.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// The milter side of a mail server (Postfix, Sendmail): receives each message with its envelope and
// tells the mail server what to do with it. Protocol: milter version 6 as published with libmilter;
// versions 2 to 5 are spoken too. What is negotiated and why: docs/milter.md.
//
// Threads: everything runs on the scope's one executor.
// Ownership: the handler, the logger and the scope outlive the server; the server outlives the
// scope's tasks. Errors: what goes wrong inside one connection ends that connection or makes the
// failure mode answer; it never ends the server.
//
//   class Tracker : public milter::MessageHandler {
//     io::Task<milter::Decision> OnMessage(milter::MilterMessage message) override {
//       co_return milter::Decision::Accept();
//     }
//   };
//   milter::Options options;
//   options.listen = {"inet:127.0.0.1:11332", "unix:/run/mailreeve/milter.sock"};
//   TRY(auto server, milter::Server::Listen(options, tracker, scope, logger));
namespace mailreeve::gateway::milter {

// Where a dialogue stands.
enum class Stage : uint8_t {
  kConnect,
  kHelo,
  kMail,
  kRcpt,
  kData,
  kHeader,
  kEndOfHeader,
  kBody,
  kEndOfMessage,
  kUnknown,
};
inline constexpr uint8_t kStages = static_cast<uint8_t>(Stage::kUnknown) + 1;
std::string_view StageName(Stage stage);  // "connect", "eom", …

// A set of stages.
class StageSet {
 public:
  constexpr StageSet() = default;
  constexpr StageSet(std::initializer_list<Stage> stages) {
    for (const Stage stage : stages) bits_ |= Bit(stage);
  }
  constexpr bool Has(Stage stage) const { return (bits_ & Bit(stage)) != 0; }

 private:
  static constexpr uint32_t Bit(Stage stage) { return 1U << static_cast<uint32_t>(stage); }
  uint32_t bits_ = 0;
};

// The SMTP client as the mail server describes it. Raw bytes of a peer: not checked to be UTF-8,
// but free of NUL.
struct ConnectionInfo {
  uint64_t serial = 0;    // 1, 2, …: one number per SMTP connection of this server
  std::string host_name;  // of the connect stage; a name the MTA verified, or "[192.0.2.1]"
  std::string
      address;        // canonical IP address (an IPv4-mapped one as IPv4); empty: local or unknown
  uint16_t port = 0;  // 0: unknown
  std::string socket_path;     // of a UNIX-domain client
  std::string helo;            // newest HELO or EHLO name
  std::string client_name;     // {client_name}: verified, or "unknown"
  std::string client_ptr;      // {client_ptr}: not verified, or "unknown"
  std::string mta_host;        // j
  std::string mta_version;     // v
  std::string daemon_name;     // {daemon_name}
  std::string daemon_address;  // {daemon_addr}
  std::string daemon_port;     // {daemon_port}
  std::string tls_version;     // {tls_version}; empty: no TLS
  std::string cipher;          // {cipher}
  std::string cipher_bits;     // {cipher_bits}
  std::string cert_subject;    // {cert_subject}
  std::string cert_issuer;     // {cert_issuer}
  std::string auth_type;       // {auth_type}: the SASL mechanism
  std::string auth_authen;     // {auth_authen}: the login
  std::string auth_author;     // {auth_author}: the sender the client claims by AUTH=
};

// The argument of MAIL or RCPT as given: "<a@example.org>" and {"SIZE=100", "BODY=8BITMIME"}.
struct EnvelopeAddress {
  std::string raw;
  std::vector<std::string> arguments;
  // Without the angle brackets; empty for the null sender.
  std::string_view address() const;
};

struct MilterMessage {
  ConnectionInfo connection;
  uint64_t index = 0;    // 1, 2, … within the connection
  std::string queue_id;  // macro i; empty when the mail server never told it
  EnvelopeAddress from;
  std::vector<EnvelopeAddress> recipients;  // in RCPT order
  // The message rebuilt: header lines as the mail server passed them, CRLF line ends, an empty
  // line, the body.
  std::string raw;
  size_t header_bytes = 0;  // of raw, before the empty line
};

// What is known at a stage before the message is complete.
struct Transaction {
  const ConnectionInfo& connection;
  const std::string& queue_id;
  const EnvelopeAddress& from;                     // kMail and later
  const std::vector<EnvelopeAddress>& recipients;  // kRcpt: the last one is what is asked about
  const std::string& unknown_command;              // kUnknown
};

// Changes to a message; only with the answer of OnMessage.
struct AddHeader {
  std::string name, value;
};
struct InsertHeader {
  uint32_t index = 0;  // 0: before all others
  std::string name, value;
};
struct ChangeHeader {
  uint32_t index = 1;  // the n-th field of this name, from 1
  std::string name, value;
};
struct DeleteHeader {
  uint32_t index = 1;
  std::string name;
};
struct ReplaceBody {
  std::string body;  // CRLF line ends
};
struct ChangeSender {
  std::string address, arguments;
};
struct AddRecipient {
  std::string address, arguments;
};
struct DeleteRecipient {
  std::string address;  // exactly as it was given with RCPT
};
using Modification = std::variant<AddHeader, InsertHeader, ChangeHeader, DeleteHeader, ReplaceBody,
                                  ChangeSender, AddRecipient, DeleteRecipient>;

// The answer. Texts are made safe on the way out: control characters become spaces, so that no CR
// or LF reaches SMTP; too long ones are cut. What cannot be made safe (a header name with a colon,
// an address with a line end) or what the mail server did not agree to (quarantine, a change) makes
// the whole decision fail, and the failure mode answers.
struct Decision {
  enum class Kind : uint8_t { kContinue, kAccept, kReject, kTempFail, kDiscard, kReply };

  Kind kind = Kind::kContinue;
  int code = 0;          // kReply: 400 to 599; 421 also ends the SMTP connection
  std::string enhanced;  // kReply: "5.7.1"; empty or of another class: x.7.1
  std::string text;      // kReply: one line, ASCII
  std::optional<std::string>
      quarantine;  // with kContinue or kAccept at OnMessage: hold it, for this reason
  std::vector<Modification> changes;  // with kContinue or kAccept at OnMessage, in this order
  uint64_t tag = 0;                   // the handler's own; comes back in Abort

  static Decision Continue() { return {}; }
  static Decision Accept() { return Of(Kind::kAccept); }
  static Decision Reject() { return Of(Kind::kReject); }
  static Decision TempFail() { return Of(Kind::kTempFail); }
  static Decision Discard() { return Of(Kind::kDiscard); }
  static Decision Reply(int code, std::string enhanced, std::string text) {
    Decision decision = Of(Kind::kReply);
    decision.code = code;
    decision.enhanced = std::move(enhanced);
    decision.text = std::move(text);
    return decision;
  }
  static Decision Quarantine(std::string reason) {
    Decision decision = Of(Kind::kAccept);
    decision.quarantine = std::move(reason);
    return decision;
  }
  Decision With(Modification change) && {
    changes.push_back(std::move(change));
    return std::move(*this);
  }

 private:
  static Decision Of(Kind kind) {
    Decision decision;
    decision.kind = kind;
    return decision;
  }
};

// A transaction that ended without its message being answered.
struct Abort {
  uint64_t connection = 0;  // ConnectionInfo::serial
  std::string queue_id;     // empty when not yet known
  Stage stage = Stage::kMail;
  bool disconnected =
      false;  // false: the mail server aborted and goes on (RSET, a refused command, a new message)
  // kEndOfMessage: OnMessage had decided, and the mail server may not have heard it. It will then
  // ask the client to try again, so the message comes once more. `tag` is the decision's.
  bool answer_lost = false;
  uint64_t tag = 0;
};

// Who decides. Called for many connections at once, each of them in order. Must outlive the scope's
// tasks.
class MessageHandler {
 public:
  virtual ~MessageHandler() = default;

  // Where OnStage is asked, out of kConnect, kHelo, kMail, kRcpt, kData and kUnknown. The mail
  // server does not wait at other stages, which makes it faster. Asked once, when a connection
  // begins.
  virtual StageSet stages() const { return {}; }
  // References in `so_far` hold until the task ends.
  virtual io::Task<Decision> OnStage(Stage, Transaction so_far) {
    (void)so_far;
    co_return Decision::Continue();
  }
  // The whole message. An exception or an overrun of Options::answer_timeout makes the failure mode
  // answer; on an overrun the task is cancelled first. kContinue means kAccept here.
  virtual io::Task<Decision> OnMessage(MilterMessage message) = 0;
  // Also called for a message that the failure mode answered when its connection then broke.
  virtual void OnAbort(const Abort&) {}
};

enum class FailureMode : uint8_t { kTempFail, kAccept, kReject };

// Every limit and every wait. A message over a limit is read to its end without being kept, then
// answered by the failure mode; a packet that breaks the protocol ends the connection, and the mail
// server does what its own default action says.
struct Options {
  std::vector<std::string> listen;  // "inet:127.0.0.1:11332", "inet:[::1]:0", "unix:/path"
  uint32_t unix_mode = 0666;        // of UNIX sockets; the folder's mode says who may come near
  FailureMode on_failure = FailureMode::kTempFail;

  size_t max_connections = 1000;             // more wait until one ends
  uint64_t max_buffered_bytes = 1ULL << 30;  // of all messages being held together
  size_t max_packet_bytes = 1 << 20;         // command byte and data
  uint64_t max_message_bytes = 64ULL << 20;
  size_t max_headers = 200'000;
  uint64_t max_header_bytes = 32ULL << 20;
  size_t max_recipients = 50'000;
  size_t max_address_bytes = 4096;  // one MAIL or RCPT argument with its parameters
  size_t max_address_arguments = 64;
  size_t max_envelope_bytes = 16 << 20;      // all recipients together
  size_t max_name_bytes = 4096;              // host name, HELO, unknown command
  size_t max_macros = 128;                   // of one packet; those past it are not kept
  size_t max_macro_bytes = 64 << 10;         // of one packet; the same
  size_t max_reply_bytes = 400;              // text of a reply or quarantine reason
  size_t max_changes = 1000;                 // of one decision
  size_t max_header_value_bytes = 64 << 10;  // of a header a decision adds

  std::chrono::milliseconds idle_timeout = std::chrono::minutes(130);  // between messages
  std::chrono::milliseconds packet_timeout =
      std::chrono::minutes(11);  // for the next packet within a message
  std::chrono::milliseconds write_timeout = std::chrono::seconds(60);
  std::chrono::milliseconds stage_timeout = std::chrono::seconds(20);    // of OnStage
  std::chrono::milliseconds answer_timeout = std::chrono::seconds(240);  // of OnMessage
  std::chrono::milliseconds progress_interval = std::chrono::seconds(10);

  // milter.on_failure, milter.max_message_bytes, milter.max_connections, milter.answer_timeout_ms.
  static Options FromSettings(const settings::Snapshot& settings);
};

// Only ever grow, but for the two "now".
struct Counters {
  uint64_t connections = 0, connections_now = 0, buffered_bytes_now = 0;
  uint64_t messages = 0, message_bytes = 0;
  uint64_t accepted = 0, rejected = 0, tempfailed = 0, discarded = 0, quarantined = 0;
  uint64_t failures = 0;           // the failure mode answered: these reasons together
  uint64_t failures_accepted = 0;  // … and let it through, untracked
  uint64_t handler_errors = 0, handler_timeouts = 0, limits_hit = 0, decisions_refused = 0;
  uint64_t aborts = 0, answers_lost = 0;
  uint64_t protocol_errors = 0, read_timeouts = 0, negotiations_failed = 0;
};

class Server {
 public:
  // Opens every address of options.listen and starts serving in `scope`. kUnavailable or kConflict
  // names the address that cannot be used. A UNIX socket file left by a process that is gone is
  // replaced.
  static Result<std::unique_ptr<Server>> Listen(const Options& options, MessageHandler& handler,
                                                io::Scope& scope, log::Logger& logger);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // As Postfix's smtpd_milters takes them, with the port that was really given:
  // "inet:127.0.0.1:40123".
  std::vector<std::string> addresses() const;
  const Counters& counters() const;
  // Takes effect with the next message.
  void SetFailureMode(FailureMode mode);
  // No new connections; those open go on.
  void StopAccepting();

 private:
  struct State;
  explicit Server(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace mailreeve::gateway::milter
