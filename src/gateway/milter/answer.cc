#include "gateway/milter/answer.h"

#include <algorithm>

namespace mailreeve::gateway::milter {
namespace {

constexpr size_t kBodyChunk = 65535;  // MILTER_CHUNK_SIZE
constexpr size_t kMaxHeaderName = 512;

bool IsDigits(std::string_view text) {
  return !text.empty() && text.size() <= 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// RFC 3463: class, subject and detail.
bool IsEnhancedCode(std::string_view text, char reply_class) {
  if (text.size() < 5 || text[0] != reply_class || text[1] != '.') return false;
  text.remove_prefix(2);
  const size_t dot = text.find('.');
  return dot != std::string_view::npos && IsDigits(text.substr(0, dot)) &&
         IsDigits(text.substr(dot + 1));
}

std::string OneLine(std::string_view text, size_t max_bytes) {
  std::string out(text.substr(0, max_bytes));
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    if (byte >= 0x80) c = '?';
  }
  return out;
}

Result<std::string> HeaderName(std::string_view name) {
  const bool good =
      !name.empty() && name.size() <= kMaxHeaderName &&
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
  if (!good) return Fail(Code::kInvalid, "not a header name: '" + OneLine(name, 80) + "'");
  return std::string(name);
}

// Folded lines are kept as LF and white space, which is how the protocol carries them; any other
// line end becomes a space.
Result<std::string> HeaderValue(std::string_view value, const Agreement& agreement,
                                const Options& options) {
  if (value.size() > options.max_header_value_bytes) {
    return Fail(Code::kLimited, "a header value of " + std::to_string(value.size()) + " bytes");
  }
  std::string out;
  // With leading space negotiated the mail server puts none after the colon.
  if ((agreement.protocol & protocol::kHeaderLeadingSpace) != 0 && !value.empty() &&
      value[0] != ' ' && value[0] != '\t') {
    out = " ";
  }
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n') continue;
    const bool folds =
        c == '\n' && i + 1 < value.size() && (value[i + 1] == ' ' || value[i + 1] == '\t');
    out += c == '\0' || c == '\r' || (c == '\n' && !folds) ? ' ' : c;
  }
  return out;
}

Result<std::string> Address(std::string_view address, const Options& options) {
  const bool bad = address.size() > options.max_address_bytes ||
                   std::any_of(address.begin(), address.end(), [](char c) {
                     const auto byte = static_cast<unsigned char>(c);
                     return byte < 0x20 || byte == 0x7f;
                   });
  if (bad) return Fail(Code::kInvalid, "not an envelope address: '" + OneLine(address, 80) + "'");
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>')
    return std::string(address);
  return "<" + std::string(address) + ">";
}

Result<void> Need(const Agreement& agreement, uint32_t bits, std::string_view what) {
  if (agreement.Allows(bits)) return {};
  return Fail(Code::kInvalid, "the mail server does not let a milter " + std::string(what));
}

struct ChangeEncoder {
  std::string& out;
  const Agreement& agreement;
  const Options& options;

  Result<void> Header(Reply reply, std::optional<uint32_t> index, std::string_view name,
                      std::string_view value) {
    std::string data;
    if (index) AppendNumber(data, *index);
    TRY(const std::string safe_name, HeaderName(name));
    TRY(const std::string safe_value, HeaderValue(value, agreement, options));
    data.append(safe_name).push_back('\0');
    data.append(safe_value).push_back('\0');
    AppendPacket(out, reply, data);
    return {};
  }

  Result<void> Envelope(Reply reply, std::string_view address, std::string_view arguments) {
    TRY(std::string data, Address(address, options));
    data.push_back('\0');
    if (!arguments.empty()) {
      if (arguments.size() > options.max_address_bytes)
        return Fail(Code::kLimited, "long address parameters");
      data.append(OneLine(arguments, arguments.size())).push_back('\0');
    }
    AppendPacket(out, reply, data);
    return {};
  }

  Result<void> operator()(const AddHeader& change) {
    TRY_VOID(Need(agreement, action::kAddHeaders, "add headers"));
    return Header(Reply::kAddHeader, std::nullopt, change.name, change.value);
  }
  Result<void> operator()(const InsertHeader& change) {
    TRY_VOID(Need(agreement, action::kAddHeaders, "add headers"));
    return Header(Reply::kInsertHeader, change.index, change.name, change.value);
  }
  Result<void> operator()(const ChangeHeader& change) {
    TRY_VOID(Need(agreement, action::kChangeHeaders, "change headers"));
    if (change.value.empty())
      return Fail(Code::kInvalid, "a header changed to nothing would be deleted");
    return Header(Reply::kChangeHeader, change.index, change.name, change.value);
  }
  Result<void> operator()(const DeleteHeader& change) {
    TRY_VOID(Need(agreement, action::kChangeHeaders, "change headers"));
    return Header(Reply::kChangeHeader, change.index, change.name, "");
  }
  Result<void> operator()(const ReplaceBody& change) {
    TRY_VOID(Need(agreement, action::kChangeBody, "change the body"));
    if (change.body.size() > options.max_message_bytes)
      return Fail(Code::kLimited, "a new body over the message limit");
    std::string_view rest = change.body;
    do {
      AppendPacket(out, Reply::kReplaceBody, rest.substr(0, kBodyChunk));
      rest.remove_prefix(std::min(kBodyChunk, rest.size()));
    } while (!rest.empty());
    return {};
  }
  Result<void> operator()(const ChangeSender& change) {
    TRY_VOID(Need(agreement, action::kChangeSender, "change the sender"));
    return Envelope(Reply::kChangeSender, change.address, change.arguments);
  }
  Result<void> operator()(const AddRecipient& change) {
    if (change.arguments.empty()) {
      TRY_VOID(Need(agreement, action::kAddRecipients, "add recipients"));
      return Envelope(Reply::kAddRecipient, change.address, "");
    }
    TRY_VOID(
        Need(agreement, action::kAddRecipientsWithArguments, "add recipients with parameters"));
    return Envelope(Reply::kAddRecipientWithArguments, change.address, change.arguments);
  }
  Result<void> operator()(const DeleteRecipient& change) {
    TRY_VOID(Need(agreement, action::kDeleteRecipients, "delete recipients"));
    return Envelope(Reply::kDeleteRecipient, change.address, "");
  }
};

}  // namespace

Result<std::string> ReplyLine(int code, std::string_view enhanced, std::string_view text,
                              size_t max_text_bytes) {
  if (code < 400 || code > 599) {
    return Fail(Code::kInvalid, "reply code " + std::to_string(code) + "; 400 to 599 are allowed");
  }
  const std::string number = std::to_string(code);
  std::string line = number + " ";
  line += IsEnhancedCode(enhanced, number[0]) ? std::string(enhanced)
                                              : std::string(1, number[0]) + ".7.1";
  line += ' ';
  const std::string safe = OneLine(text, max_text_bytes);
  line += safe.empty() ? (number[0] == '4' ? "Please try again later" : "Not accepted") : safe;
  std::string out;
  for (const char c : line) {
    out += c;
    if (c == '%') out += c;
  }
  return out;
}

std::string EncodeFailure(FailureMode mode) {
  std::string out;
  switch (mode) {
    case FailureMode::kTempFail:
      AppendPacket(out, Reply::kTempFail);
      break;
    case FailureMode::kAccept:
      AppendPacket(out, Reply::kAccept);
      break;
    case FailureMode::kReject:
      AppendPacket(out, Reply::kReject);
      break;
  }
  return out;
}

Result<std::string> EncodeDecision(const Decision& decision, Stage stage,
                                   const Agreement& agreement, const Options& options) {
  std::string out;
  const bool passes =
      decision.kind == Decision::Kind::kContinue || decision.kind == Decision::Kind::kAccept;
  if (!decision.changes.empty() || decision.quarantine) {
    if (stage != Stage::kEndOfMessage || !passes) {
      return Fail(Code::kInvalid, "changes and quarantine go with accepting a whole message only");
    }
    if (decision.changes.size() > options.max_changes) {
      return Fail(Code::kLimited,
                  std::to_string(decision.changes.size()) + " changes in one decision");
    }
    for (const Modification& change : decision.changes) {
      TRY_VOID(std::visit(ChangeEncoder{out, agreement, options}, change));
    }
    if (decision.quarantine) {
      TRY_VOID(Need(agreement, action::kQuarantine, "quarantine"));
      std::string reason = OneLine(*decision.quarantine, options.max_reply_bytes);
      if (reason.empty()) reason = "quarantined";
      reason.push_back('\0');
      AppendPacket(out, Reply::kQuarantine, reason);
    }
  }
  switch (decision.kind) {
    case Decision::Kind::kContinue:
      AppendPacket(out, Reply::kContinue);
      break;
    case Decision::Kind::kAccept:
      AppendPacket(out, Reply::kAccept);
      break;
    case Decision::Kind::kReject:
      AppendPacket(out, Reply::kReject);
      break;
    case Decision::Kind::kTempFail:
      AppendPacket(out, Reply::kTempFail);
      break;
    case Decision::Kind::kDiscard:
      if (stage == Stage::kConnect || stage == Stage::kHelo || stage == Stage::kUnknown) {
        return Fail(Code::kInvalid, "there is no message to discard yet");
      }
      AppendPacket(out, Reply::kDiscard);
      break;
    case Decision::Kind::kReply: {
      TRY(std::string line,
          ReplyLine(decision.code, decision.enhanced, decision.text, options.max_reply_bytes));
      line.push_back('\0');
      AppendPacket(out, Reply::kReplyCode, line);
      break;
    }
  }
  return out;
}

}  // namespace mailreeve::gateway::milter
