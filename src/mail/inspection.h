#pragma once

#include "base/result.h"
#include "base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What reading one message brought out: the one value that search, reports, sightings and
// remediation are built from. Made in the cage (gateway/inspection) from hostile bytes, so whoever
// decodes it checks it. Field by field it is described in docs/inspection.md. Text is valid UTF-8
// unless a field says "raw".
namespace mailreeve::mail {

// In which place an address stood.
enum class AddressRole : uint8_t {
  kEnvelopeFrom,
  kEnvelopeTo,
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
};
inline constexpr uint8_t kMaxAddressRole =
    static_cast<uint8_t>(AddressRole::kDispositionNotificationTo);

struct MailAddress {
  AddressRole role = AddressRole::kFrom;
  // Canonical observable form (docs/observables.md). Text of the shape x@y that has none
  // ("a@x,com") stands here in lower case; empty when nothing could be read.
  std::string address;
  std::string display_name;  // decoded
  std::string raw;           // as written, bytes
  bool operator==(const MailAddress&) const = default;
};

enum class UrlSource : uint8_t {
  kText,
  kHtmlAttribute,
  kHtmlText,
  kHtmlStyle,
  kHeader,
  kAttachment
};
inline constexpr uint8_t kMaxUrlSource = static_cast<uint8_t>(UrlSource::kAttachment);

struct FoundUrl {
  std::string url;  // canonical
  std::string raw;  // as written
  UrlSource source = UrlSource::kText;
  bool operator==(const FoundUrl&) const = default;
};

struct Attachment {
  std::vector<std::string>
      names;  // every reading: filename, filename*, name, name*, continuations; decoded; unique
  std::string declared_type;      // "application/pdf", lower case
  std::string sniffed_type;       // by content; empty when unknown
  uint64_t size = 0;              // decoded bytes
  std::string sha256, sha1, md5;  // lower hex, of the decoded bytes
  uint32_t depth = 0;             // 0: in the message itself; n: inside n nested messages
  bool is_inline = false;         // Content-Disposition inline or a body part with a name
  bool operator==(const Attachment&) const = default;
};

struct AuthenticationResult {
  std::string authserv_id;
  std::string method;    // "spf", "dkim", "dmarc", "arc", …
  std::string result;    // "pass", "fail", …
  std::string property;  // "header.d=example.org" and so on, as written
  bool operator==(const AuthenticationResult&) const = default;
};

struct Inspection {
  static constexpr uint64_t kVersion = 1;

  std::vector<MailAddress> addresses;       // header addresses only; the envelope is in the record
  std::string subject;                      // decoded; white space folded to single spaces
  std::string subject_raw;                  // bytes
  std::vector<std::string> other_subjects;  // decoded, of further Subject fields
  std::string message_id;                   // canonical; empty when absent
  std::string message_id_raw;               // bytes
  std::vector<std::string> other_message_ids;
  std::optional<Time> date;  // of the Date field
  std::string date_raw;
  std::vector<std::string>
      received_hosts;          // host names and addresses in Received fields, canonical, unique
  std::vector<FoundUrl> urls;  // unique by url and source
  // Host names of urls and header addresses, canonical (A-labels), unique; each with its
  // registrable domain.
  struct Domain {
    std::string name;
    std::string registrable;  // by the public suffix list; equal to name when it has none
    bool operator==(const Domain&) const = default;
  };
  std::vector<Domain> domains;
  std::vector<Attachment> attachments;
  std::vector<AuthenticationResult> authentication;
  std::vector<std::string> languages;  // Content-Language, lower case
  std::string mailer;                  // X-Mailer or User-Agent
  std::string in_reply_to;             // canonical message id
  std::vector<std::string> references;

  uint64_t size = 0;           // bytes of the message
  uint64_t header_size = 0;    // bytes before the empty line
  uint64_t parts = 0;          // MIME parts, all depths
  std::string content_digest;  // mail::ContentDigest of the message, lower hex
  std::string raw_sha256;      // of the bytes as received

  std::vector<std::string> limits_hit;  // "limit:urls", …: what was cut (hostile-input.md P3)
  std::vector<std::string>
      oddities;  // "duplicate:from", "charset:unknown", …: what readers may see differently

  bool operator==(const Inspection&) const = default;
};

// Versioned encoding (base/wire.h). Decode checks everything; kCorrupt says what.
std::string Encode(const Inspection& inspection);
Result<Inspection> DecodeInspection(std::string_view bytes);

}  // namespace mailreeve::mail
