#include "gateway/milter/session.h"

#include <boost/asio/ip/address.hpp>

namespace mailreeve::gateway::milter {
namespace {

std::optional<Stage> StageOf(Command command) {
  switch (command) {
    case Command::kConnect:
      return Stage::kConnect;
    case Command::kHelo:
      return Stage::kHelo;
    case Command::kMail:
      return Stage::kMail;
    case Command::kRcpt:
      return Stage::kRcpt;
    case Command::kData:
      return Stage::kData;
    case Command::kHeader:
      return Stage::kHeader;
    case Command::kEndOfHeader:
      return Stage::kEndOfHeader;
    case Command::kBody:
      return Stage::kBody;
    case Command::kEndOfMessage:
      return Stage::kEndOfMessage;
    case Command::kUnknown:
      return Stage::kUnknown;
    default:
      return std::nullopt;
  }
}

constexpr std::string_view kKeptMacros[] = {
    "i",           "j",           "v",           "daemon_name",  "daemon_addr",
    "daemon_port", "client_addr", "client_name", "client_port",  "client_ptr",
    "tls_version", "cipher",      "cipher_bits", "cert_subject", "cert_issuer",
    "auth_type",   "auth_authen", "auth_author"};

bool IsKept(std::string_view name) {
  for (const std::string_view kept : kKeptMacros) {
    if (kept == name) return true;
  }
  return false;
}

std::string CanonicalAddress(std::string_view text) {
  if (text.starts_with("IPv6:") || text.starts_with("ipv6:")) text.remove_prefix(5);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(text, error);
  if (error) return {};
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

tl::unexpected<Error> Malformed(std::string_view what) {
  return Fail(Code::kInvalid, "malformed milter packet: " + std::string(what));
}

}  // namespace

std::string_view EnvelopeAddress::address() const {
  const std::string_view text = raw;
  if (text.size() >= 2 && text.front() == '<' && text.back() == '>')
    return text.substr(1, text.size() - 2);
  return text;
}

Session::Session(const Options& options, StageSet asked_at, Counters& counters,
                 uint64_t& next_serial)
    : options_(options), asked_at_(asked_at), counters_(counters), next_serial_(next_serial) {}

Session::~Session() { counters_.buffered_bytes_now -= charged_; }

Result<Step> Session::Take(const Packet& packet) {
  const auto command = static_cast<Command>(packet.command);
  if (phase_ == Phase::kStart) {
    if (command == Command::kNegotiate) return Negotiate(packet.data);
    if (command == Command::kQuit) return Step{.kind = Step::Kind::kQuit};
    return Malformed("a command before the negotiation");
  }
  switch (command) {
    case Command::kNegotiate:
      return Malformed("a second negotiation");
    case Command::kMacro:
      return TakeMacros(packet.data);
    case Command::kAbort: {
      Step step{.abort = AbortMessage(false)};
      ClearMessageMacros();
      return step;
    }
    case Command::kQuit:
      return Step{.kind = Step::Kind::kQuit, .abort = AbortMessage(true)};
    case Command::kQuitNewConnection: {
      Step step{.abort = AbortMessage(false)};
      for (auto& macros : macros_) macros.clear();
      connection_ = {};
      messages_ = 0;
      phase_ = Phase::kNegotiated;
      return step;
    }
    default:
      break;
  }
  const std::optional<Stage> stage = StageOf(command);
  if (!stage) {
    // libmilter answers a command it does not know by going on; a mail server that waits here would
    // wait for ever.
    return Malformed("unknown command " +
                     std::to_string(static_cast<unsigned char>(packet.command)));
  }

  const auto fits = [&] {
    switch (command) {
      case Command::kConnect:
        return phase_ == Phase::kNegotiated;
      case Command::kHelo:
        return phase_ == Phase::kConnected;
      case Command::kMail:
        return phase_ == Phase::kConnected;
      case Command::kRcpt:
        return phase_ == Phase::kMail || phase_ == Phase::kRcpt;
      case Command::kData:
        return phase_ == Phase::kMail || phase_ == Phase::kRcpt;
      case Command::kHeader:
        return phase_ >= Phase::kMail && phase_ <= Phase::kHeader;
      case Command::kEndOfHeader:
        return phase_ >= Phase::kMail && phase_ <= Phase::kHeader;
      case Command::kBody:
        return phase_ >= Phase::kMail;
      case Command::kEndOfMessage:
        return phase_ >= Phase::kMail;
      case Command::kUnknown:
        return true;
      default:
        return false;
    }
  };
  std::optional<Abort> abort;
  if (!fits()) {
    abort = AbortMessage(false);
    untold_abort_ = abort;
    if (!fits()) return Malformed("command out of order: " + std::string(StageName(*stage)));
  }
  if (command != Command::kUnknown) stage_ = *stage;

  auto step = [&]() -> Result<Step> {
    switch (command) {
      case Command::kConnect:
        return Connect(packet.data);
      case Command::kHelo:
        return Helo(packet.data);
      case Command::kMail:
        return Mail(packet.data);
      case Command::kRcpt:
        return Rcpt(packet.data);
      case Command::kData:
        phase_ = Phase::kData;
        return Answer(Stage::kData);
      case Command::kHeader:
        return Header(packet.data);
      case Command::kEndOfHeader:
        CloseHeader();
        return Answer(Stage::kEndOfHeader);
      case Command::kBody:
        Body(packet.data);
        return Answer(Stage::kBody);
      case Command::kEndOfMessage:
        return EndOfMessage(packet.data);
      default:
        return UnknownCommand(packet.data);
    }
  }();
  if (step && abort) {
    step->abort = std::move(abort);
    untold_abort_.reset();
  }
  return step;
}

Result<Step> Session::Negotiate(std::string_view data) {
  TRY(const Offer offer, ReadOffer(data));
  TRY(agreement_, Agree(offer, asked_at_));
  phase_ = Phase::kNegotiated;
  return Step{.kind = Step::Kind::kSend, .packets = NegotiationPacket(agreement_)};
}

Result<Step> Session::TakeMacros(std::string_view data) {
  if (data.empty()) return Malformed("macros without a command");
  const std::optional<Stage> stage = StageOf(static_cast<Command>(data[0]));
  data.remove_prefix(1);
  if (!stage) return Malformed("macros of an unknown command");
  Step step;
  // They come before their command: those of a new message must not be taken for the old one's.
  if (*stage == Stage::kMail) {
    step.abort = AbortMessage(false);
    ClearMessageMacros();
  }
  auto& kept = macros_[static_cast<size_t>(*stage)];
  kept.clear();
  size_t bytes = 0;
  for (size_t count = 0; !data.empty(); ++count) {
    const auto full_name = TakeString(data);
    const auto value = full_name ? TakeString(data) : std::nullopt;
    if (!value) return Malformed("a macro without its end");
    std::string_view name = *full_name;
    if (name.size() > 2 && name.front() == '{' && name.back() == '}')
      name = name.substr(1, name.size() - 2);
    bytes += name.size() + value->size();
    if (count >= options_.max_macros || bytes > options_.max_macro_bytes) break;
    if (IsKept(name)) kept.push_back({std::string(name), std::string(*value)});
  }
  return step;
}

Result<Step> Session::Connect(std::string_view data) {
  const auto host = TakeString(data);
  if (!host || data.empty()) return Malformed("connect without an address family");
  if (host->size() > options_.max_name_bytes)
    return Fail(Code::kLimited, "a host name of " + std::to_string(host->size()) + " bytes");
  connection_ = {};
  connection_.serial = ++next_serial_;
  connection_.host_name = *host;
  const char family = data[0];
  data.remove_prefix(1);
  if (family == '4' || family == '6' || family == 'L') {
    if (data.size() < 2) return Malformed("connect without a port");
    const auto port = static_cast<uint16_t>((static_cast<unsigned char>(data[0]) << 8) |
                                            static_cast<unsigned char>(data[1]));
    data.remove_prefix(2);
    const auto address = TakeString(data);
    if (!address || address->size() > options_.max_name_bytes)
      return Malformed("connect without an address");
    if (family == 'L') {
      connection_.socket_path = *address;
    } else {
      connection_.port = port;
      connection_.address = CanonicalAddress(*address);
    }
  } else if (family != 'U') {
    return Malformed("connect with an unknown address family");
  }
  phase_ = Phase::kConnected;
  return Answer(Stage::kConnect);
}

Result<Step> Session::Helo(std::string_view data) {
  const auto name = TakeString(data);
  if (!name) return Malformed("HELO without its end");
  if (name->size() > options_.max_name_bytes)
    return Fail(Code::kLimited, "a HELO name of " + std::to_string(name->size()) + " bytes");
  connection_.helo = *name;
  return Answer(Stage::kHelo);
}

Result<EnvelopeAddress> Session::ReadAddress(std::string_view data, std::string_view what) {
  const size_t size = data.size();
  const auto raw = TakeString(data);
  if (!raw) return Malformed(std::string(what) + " without its end");
  EnvelopeAddress out;
  if (size > options_.max_address_bytes) {
    Limit("address_bytes");
    return out;
  }
  out.raw = *raw;
  while (!data.empty()) {
    const auto argument = TakeString(data);
    if (!argument) return Malformed(std::string(what) + " parameter without its end");
    if (out.arguments.size() >= options_.max_address_arguments) {
      Limit("address_arguments");
      return out;
    }
    out.arguments.emplace_back(*argument);
  }
  if (!limit_hit_.empty()) return out;
  envelope_bytes_ += size;
  if (envelope_bytes_ > options_.max_envelope_bytes) {
    Limit("envelope_bytes");
  } else if (!Charge(size)) {
    Limit("buffered_bytes");
  }
  return out;
}

Result<Step> Session::Mail(std::string_view data) {
  EndMessage();
  phase_ = Phase::kMail;
  ++messages_;
  TRY(from_, ReadAddress(data, "MAIL"));
  return Answer(Stage::kMail);
}

Result<Step> Session::Rcpt(std::string_view data) {
  TRY(EnvelopeAddress recipient, ReadAddress(data, "RCPT"));
  phase_ = Phase::kRcpt;
  if (limit_hit_.empty() && recipients_.size() >= options_.max_recipients) Limit("recipients");
  if (limit_hit_.empty()) recipients_.push_back(std::move(recipient));
  return Answer(Stage::kRcpt);
}

Result<Step> Session::Header(std::string_view data) {
  const auto name = TakeString(data);
  const auto value = name ? TakeString(data) : std::nullopt;
  if (!value) return Malformed("a header without its end");
  phase_ = Phase::kHeader;
  if (limit_hit_.empty()) {
    const size_t before = raw_.size();
    raw_ += *name;
    raw_ += ':';
    if ((agreement_.protocol & protocol::kHeaderLeadingSpace) == 0) raw_ += ' ';
    // The protocol carries folds as bare LF; some mail servers send CRLF.
    for (size_t i = 0; i < value->size(); ++i) {
      const char c = (*value)[i];
      if (c == '\n' && (i == 0 || (*value)[i - 1] != '\r')) raw_ += '\r';
      raw_ += c;
    }
    raw_ += "\r\n";
    if (++headers_ > options_.max_headers) Limit("headers");
    if (raw_.size() > options_.max_header_bytes) Limit("header_bytes");
    if (raw_.size() > options_.max_message_bytes) Limit("message_bytes");
    if (limit_hit_.empty() && !Charge(raw_.size() - before)) Limit("buffered_bytes");
  }
  return Answer(Stage::kHeader);
}

void Session::CloseHeader() {
  if (phase_ >= Phase::kEndOfHeader) return;
  phase_ = Phase::kEndOfHeader;
  header_bytes_ = raw_.size();
  if (limit_hit_.empty()) raw_ += "\r\n";
}

void Session::Body(std::string_view data) {
  CloseHeader();
  phase_ = Phase::kBody;
  if (!limit_hit_.empty()) return;
  if (data.size() > options_.max_message_bytes ||
      raw_.size() > options_.max_message_bytes - data.size()) {
    Limit("message_bytes");
    return;
  }
  if (!Charge(data.size())) {
    Limit("buffered_bytes");
    return;
  }
  raw_ += data;
}

Result<Step> Session::EndOfMessage(std::string_view data) {
  CloseHeader();
  if (!data.empty()) Body(data);
  return Step{.kind = Step::Kind::kAskMessage, .stage = Stage::kEndOfMessage};
}

Result<Step> Session::UnknownCommand(std::string_view data) {
  const auto command = TakeString(data);
  if (!command) return Malformed("an unknown SMTP command without its end");
  unknown_command_ = command->substr(0, options_.max_name_bytes);
  return Answer(Stage::kUnknown);
}

Step Session::Answer(Stage stage) {
  if (!agreement_.Waits(stage)) return {};
  // What is over a limit is refused when it is whole, by the failure mode: nobody need be asked
  // about parts of it.
  if (asked_at_.Has(stage) && limit_hit_.empty()) {
    FillFromMacros();
    return Step{.kind = Step::Kind::kAskStage, .stage = stage};
  }
  Step step{.kind = Step::Kind::kSend};
  const bool skips =
      stage == Stage::kBody && !limit_hit_.empty() && (agreement_.protocol & protocol::kSkip) != 0;
  AppendPacket(step.packets, skips ? Reply::kSkip : Reply::kContinue);
  return step;
}

void Session::Decided(Stage stage, Decision::Kind kind) {
  if (kind == Decision::Kind::kContinue) return;
  switch (stage) {
    case Stage::kRcpt:
      if (kind == Decision::Kind::kAccept || kind == Decision::Kind::kDiscard) {
        EndMessage();
      } else if (!recipients_.empty()) {
        recipients_.pop_back();  // refused: not a recipient
      }
      return;
    case Stage::kMail:
    case Stage::kData:
      EndMessage();
      return;
    default:
      return;
  }
}

Transaction Session::transaction() const {
  return {connection_, queue_id_, from_, recipients_, unknown_command_};
}

MilterMessage Session::TakeMessage() {
  FillFromMacros();
  MilterMessage message;
  message.connection = connection_;
  message.index = messages_;
  message.queue_id = queue_id_;
  message.from = std::move(from_);
  message.recipients = std::move(recipients_);
  message.raw = std::move(raw_);
  message.header_bytes = header_bytes_;
  return message;
}

void Session::MessageDone() { EndMessage(); }

std::optional<Abort> Session::Disconnect() {
  std::optional<Abort> abort = AbortMessage(true);
  if (!abort) abort = std::exchange(untold_abort_, std::nullopt);
  return abort;
}

std::optional<Abort> Session::AbortMessage(bool disconnected) {
  if (!in_message()) {
    if (phase_ == Phase::kConnected) EndMessage();
    return std::nullopt;
  }
  Abort abort;
  abort.connection = connection_.serial;
  abort.queue_id = queue_id();
  abort.stage = stage_;
  abort.disconnected = disconnected;
  EndMessage();
  return abort;
}

void Session::EndMessage() {
  if (phase_ > Phase::kConnected) {
    // A MAIL that is just beginning has its own macros already, so this is not for kConnected.
    ClearMessageMacros();
    phase_ = Phase::kConnected;
  }
  DropContent();
  queue_id_.clear();
  from_ = {};
  unknown_command_.clear();
  header_bytes_ = headers_ = envelope_bytes_ = 0;
  limit_hit_.clear();
}

void Session::ClearMessageMacros() {
  for (size_t i = static_cast<size_t>(Stage::kMail); i < kMacroStages; ++i) macros_[i].clear();
}

void Session::DropContent() {
  counters_.buffered_bytes_now -= charged_;
  charged_ = 0;
  std::string().swap(raw_);
  std::vector<EnvelopeAddress>().swap(recipients_);
}

bool Session::Charge(size_t bytes) {
  if (counters_.buffered_bytes_now > options_.max_buffered_bytes ||
      bytes > options_.max_buffered_bytes - counters_.buffered_bytes_now) {
    return false;
  }
  counters_.buffered_bytes_now += bytes;
  charged_ += bytes;
  return true;
}

void Session::Limit(std::string_view name) {
  if (limit_hit_.empty()) limit_hit_ = name;
  DropContent();
}

std::string_view Session::Macro(std::string_view name) const {
  for (size_t i = kMacroStages; i-- > 0;) {
    for (auto macro = macros_[i].rbegin(); macro != macros_[i].rend(); ++macro) {
      if (macro->name == name) return macro->value;
    }
  }
  return {};
}

void Session::FillFromMacros() {
  queue_id_ = Macro("i");
  connection_.mta_host = Macro("j");
  connection_.mta_version = Macro("v");
  connection_.daemon_name = Macro("daemon_name");
  connection_.daemon_address = Macro("daemon_addr");
  connection_.daemon_port = Macro("daemon_port");
  connection_.client_name = Macro("client_name");
  connection_.client_ptr = Macro("client_ptr");
  connection_.tls_version = Macro("tls_version");
  connection_.cipher = Macro("cipher");
  connection_.cipher_bits = Macro("cipher_bits");
  connection_.cert_subject = Macro("cert_subject");
  connection_.cert_issuer = Macro("cert_issuer");
  connection_.auth_type = Macro("auth_type");
  connection_.auth_authen = Macro("auth_authen");
  connection_.auth_author = Macro("auth_author");
  // The address of the connect stage is authoritative; a mail server that hides it there may tell
  // it by macro.
  if (connection_.address.empty()) connection_.address = CanonicalAddress(Macro("client_addr"));
}

}  // namespace mailreeve::gateway::milter
