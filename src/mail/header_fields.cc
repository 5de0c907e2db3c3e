#include "mail/header_fields.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mailreeve::mail {
namespace {

struct NamedKind {
  std::string_view name;
  FieldKind kind;
};

// In order of name.
constexpr std::array kKinds = {
    NamedKind{"authentication-results", FieldKind::kAuthenticationResults},
    NamedKind{"bcc", FieldKind::kBcc},
    NamedKind{"cc", FieldKind::kCc},
    NamedKind{"content-base", FieldKind::kContentBase},
    NamedKind{"content-description", FieldKind::kContentDescription},
    NamedKind{"content-disposition", FieldKind::kContentDisposition},
    NamedKind{"content-id", FieldKind::kContentId},
    NamedKind{"content-language", FieldKind::kContentLanguage},
    NamedKind{"content-location", FieldKind::kContentLocation},
    NamedKind{"content-transfer-encoding", FieldKind::kContentTransferEncoding},
    NamedKind{"content-type", FieldKind::kContentType},
    NamedKind{"date", FieldKind::kDate},
    NamedKind{"disposition-notification-to", FieldKind::kDispositionNotificationTo},
    NamedKind{"errors-to", FieldKind::kErrorsTo},
    NamedKind{"from", FieldKind::kFrom},
    NamedKind{"in-reply-to", FieldKind::kInReplyTo},
    NamedKind{"list-archive", FieldKind::kListField},
    NamedKind{"list-help", FieldKind::kListField},
    NamedKind{"list-owner", FieldKind::kListField},
    NamedKind{"list-post", FieldKind::kListField},
    NamedKind{"list-subscribe", FieldKind::kListField},
    NamedKind{"list-unsubscribe", FieldKind::kListField},
    NamedKind{"message-id", FieldKind::kMessageId},
    NamedKind{"mime-version", FieldKind::kMimeVersion},
    NamedKind{"received", FieldKind::kReceived},
    NamedKind{"received-spf", FieldKind::kReceivedSpf},
    NamedKind{"references", FieldKind::kReferences},
    NamedKind{"reply-to", FieldKind::kReplyTo},
    NamedKind{"resent-from", FieldKind::kResentFrom},
    NamedKind{"resent-to", FieldKind::kResentTo},
    NamedKind{"return-path", FieldKind::kReturnPath},
    NamedKind{"sender", FieldKind::kSender},
    NamedKind{"subject", FieldKind::kSubject},
    NamedKind{"to", FieldKind::kTo},
    NamedKind{"user-agent", FieldKind::kUserAgent},
    NamedKind{"x-mailer", FieldKind::kXMailer},
};

constexpr size_t kLongestName = 27;

void AddOnce(std::vector<std::string>& list, std::string_view item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.emplace_back(item);
}

// The name when `line` begins a field; empty otherwise.
std::string_view FieldName(std::string_view line, size_t& colon) {
  const auto* found =
      static_cast<const char*>(std::memchr(line.data(), ':', std::min<size_t>(line.size(), 998)));
  if (found == nullptr) return {};
  colon = static_cast<size_t>(found - line.data());
  size_t end = colon;
  while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t')) --end;
  for (size_t i = 0; i < end; ++i) {
    const auto c = static_cast<unsigned char>(line[i]);
    if (c <= ' ' || c == 0x7f) return {};
  }
  return line.substr(0, end);
}

class Splitter {
 public:
  Splitter(HeaderBlock& out, const HeaderLimits& limits) : out_(out), limits_(limits) {}

  void Run(std::string_view message, bool doubtful) {
    doubtful_ = doubtful;
    size_t pos = 0;
    bool first_line = true;
    bool ended = false;
    size_t garbage_start = std::string_view::npos;
    while (pos < message.size()) {
      if (pos >= limits_.max_header_bytes) {
        out_.cut_bytes = true;
        break;
      }
      const auto* newline =
          static_cast<const char*>(std::memchr(message.data() + pos, '\n', message.size() - pos));
      const size_t next =
          newline == nullptr ? message.size() : static_cast<size_t>(newline - message.data()) + 1;
      size_t end = newline == nullptr ? next : next - 1;
      if (end > pos && message[end - 1] == '\r') --end;
      const std::string_view line = message.substr(pos, end - pos);
      if (line.empty() && newline != nullptr) {
        Finish(message);
        out_.header_size = garbage_start == std::string_view::npos ? pos : garbage_start;
        out_.body_start = next;
        ended = true;
        if (garbage_start != std::string_view::npos) {
          out_.garbage = message.substr(garbage_start, pos - garbage_start);
        }
        break;
      }
      if (!Line(message, line, pos, end, first_line)) {
        if (garbage_start == std::string_view::npos) {
          garbage_start = pos;
          AddOnce(out_.oddities, "header:garbage_line");
          doubtful_ = true;
        }
      }
      first_line = false;
      pos = next;
    }
    if (ended) return;
    Finish(message);
    if (out_.cut_bytes) {
      // The rest of the header is not read, but where the body starts is still to be known.
      const size_t crlf = message.find("\r\n\r\n", limits_.max_header_bytes);
      const size_t lf = message.substr(0, crlf).find("\n\n", limits_.max_header_bytes);
      if (lf != std::string_view::npos) {
        out_.header_size = lf + 1;
        out_.body_start = lf + 2;
      } else if (crlf != std::string_view::npos) {
        out_.header_size = crlf + 2;
        out_.body_start = crlf + 4;
      } else {
        out_.header_size = out_.body_start = message.size();
      }
    } else if (garbage_start != std::string_view::npos) {
      out_.header_size = out_.body_start = garbage_start;
      out_.garbage = {};
      AddOnce(out_.oddities, "header:no_empty_line");
    } else {
      out_.header_size = out_.body_start = message.size();
      if (!message.empty()) AddOnce(out_.oddities, "header:no_empty_line");
    }
  }

 private:
  bool Line(std::string_view message, std::string_view line, size_t pos, size_t end, bool first) {
    const bool blank_start = !line.empty() && (line[0] == ' ' || line[0] == '\t');
    if (blank_start && open_) {
      value_end_ = end;
      return true;
    }
    Finish(message);
    if (first && (line.starts_with("From ") || line.starts_with(">From "))) {
      size_t colon = 0;
      if (FieldName(line, colon).empty()) {
        AddOnce(out_.oddities, "header:mbox_from");
        return true;
      }
    }
    std::string_view text = line;
    if (blank_start) {
      const size_t start = text.find_first_not_of(" \t");
      if (start == std::string_view::npos) return true;
      text.remove_prefix(start);
      AddOnce(out_.oddities, "header:leading_space");
    }
    size_t colon = 0;
    const std::string_view name = FieldName(text, colon);
    if (name.empty()) return false;
    if (name.size() != colon) AddOnce(out_.oddities, "header:space_before_colon");
    open_ = true;
    name_ = name;
    value_start_ = pos + (line.size() - text.size()) + colon + 1;
    value_end_ = end;
    return true;
  }

  void Finish(std::string_view message) {
    if (!open_) return;
    open_ = false;
    ++out_.field_count;
    const FieldKind kind = FieldKindOf(name_);
    if (kind == FieldKind::kOther) return;
    if (out_.fields.size() >= limits_.max_headers) {
      out_.cut_count = true;
      return;
    }
    out_.fields.push_back(
        {kind, name_, message.substr(value_start_, value_end_ - value_start_), doubtful_});
  }

  HeaderBlock& out_;
  const HeaderLimits& limits_;
  bool open_ = false;
  bool doubtful_ = false;
  std::string_view name_;
  size_t value_start_ = 0, value_end_ = 0;
};

bool HasBareCr(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const auto* found =
        static_cast<const char*>(std::memchr(text.data() + pos, '\r', text.size() - pos));
    if (found == nullptr) return false;
    pos = static_cast<size_t>(found - text.data()) + 1;
    if (pos == text.size() || text[pos] != '\n') return true;
  }
  return false;
}

}  // namespace

FieldKind FieldKindOf(std::string_view name) {
  if (name.empty() || name.size() > kLongestName) return FieldKind::kOther;
  char lower[kLongestName];
  for (size_t i = 0; i < name.size(); ++i) lower[i] = AsciiLower(name[i]);
  const std::string_view key(lower, name.size());
  const auto at =
      std::lower_bound(kKinds.begin(), kKinds.end(), key,
                       [](const NamedKind& a, std::string_view b) { return a.name < b; });
  return at != kKinds.end() && at->name == key ? at->kind : FieldKind::kOther;
}

HeaderBlock SplitHeader(std::string_view message, const HeaderLimits& limits) {
  HeaderBlock out;
  Splitter(out, limits).Run(message, false);
  if (out.field_count > limits.max_headers) out.cut_count = true;
  const std::string_view header =
      message.substr(0, std::min({std::max(out.header_size, out.body_start), message.size(),
                                  limits.max_header_bytes}));
  if (header.find('\0') != std::string_view::npos) AddOnce(out.oddities, "header:nul");
  if (HasBareCr(header)) {
    AddOnce(out.oddities, "header:bare_cr");
    // Some readers take a bare CR as a line end: what only they see is kept as doubtful.
    std::string& copy = out.copies.emplace_back(header);
    for (size_t i = 0; i < copy.size(); ++i) {
      if (copy[i] == '\r' && (i + 1 == copy.size() || copy[i + 1] != '\n')) copy[i] = '\n';
    }
    HeaderBlock other;
    Splitter(other, limits).Run(copy, true);
    for (const HeaderField& field : other.fields) {
      const bool known = std::any_of(
          out.fields.begin(), out.fields.begin() + std::min<size_t>(out.fields.size(), 200),
          [&](const HeaderField& f) { return f.kind == field.kind && f.value == field.value; });
      if (!known && out.fields.size() < limits.max_headers) out.fields.push_back(field);
    }
  }
  return out;
}

std::string Unfold(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (const char c : value) {
    if (c != '\r' && c != '\n' && c != '\0') out.push_back(c);
  }
  const std::string_view trimmed = TrimSpace(out);
  if (trimmed.size() == out.size()) return out;
  return std::string(trimmed);
}

}  // namespace mailreeve::mail
