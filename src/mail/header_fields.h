#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

// Splits the header section of a message or part into fields, the way mail programs do and where
// they do it differently every way (RFC 5322 section 2.2; hostile-input H01-H03, S02). Linear time.
// Threads: a pure function. Ownership: fields borrow the message, and the block's own copies.
namespace mailreeve::mail {

enum class FieldKind : uint8_t {
  kOther,
  kFrom,
  kSender,
  kReplyTo,
  kReturnPath,
  kTo,
  kCc,
  kBcc,
  kResentFrom,
  kResentTo,
  kErrorsTo,
  kDispositionNotificationTo,
  kSubject,
  kMessageId,
  kDate,
  kReceived,
  kAuthenticationResults,
  kReceivedSpf,
  kContentType,
  kContentTransferEncoding,
  kContentDisposition,
  kContentLanguage,
  kContentLocation,
  kContentBase,
  kContentId,
  kContentDescription,
  kMimeVersion,
  kXMailer,
  kUserAgent,
  kInReplyTo,
  kReferences,
  kListField,
};

FieldKind FieldKindOf(std::string_view name);  // ASCII case does not matter

struct HeaderField {
  FieldKind kind = FieldKind::kOther;
  std::string_view name;
  std::string_view value;  // after the colon, still folded, without the last line end
  // Only some readers see it: it stands behind a line that is no field, or behind a bare CR.
  bool doubtful = false;
};

struct HeaderLimits {
  size_t max_header_bytes = 1024 * 1024;
  size_t max_headers = 10000;  // kept fields; the names this program reads are looked for in all
};

struct HeaderBlock {
  std::vector<HeaderField> fields;
  size_t header_size = 0;  // bytes before the empty line, or before the first line that is no field
  size_t body_start = 0;
  size_t field_count = 0;  // all fields seen, kept or not
  // When a line that is no field stands in the header: from it to the empty line. A reader may take
  // it as body.
  std::string_view garbage;
  bool cut_bytes = false;
  bool cut_count = false;
  std::vector<std::string> oddities;
  std::deque<std::string> copies;  // fields behind a bare CR point here

  HeaderBlock() = default;
  HeaderBlock(HeaderBlock&&) = default;
  HeaderBlock& operator=(HeaderBlock&&) = default;
  HeaderBlock(const HeaderBlock&) = delete;
  HeaderBlock& operator=(const HeaderBlock&) = delete;
};

HeaderBlock SplitHeader(std::string_view message, const HeaderLimits& limits = {});

// Line ends taken out, NUL dropped, white space at both ends trimmed.
std::string Unfold(std::string_view value);

}  // namespace mailreeve::mail
