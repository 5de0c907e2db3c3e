#include "base/text.h"
#include "mail/address_fields.h"
#include "mail/encoded_words.h"
#include "mail/reading.h"
#include "mail/trace_fields.h"
#include "observable/observable.h"

#include <algorithm>
#include <array>

namespace mailreeve::mail {
namespace {

struct RoleOf {
  FieldKind kind;
  AddressRole role;
};
constexpr std::array kRoles = {
    RoleOf{FieldKind::kFrom, AddressRole::kFrom},
    RoleOf{FieldKind::kSender, AddressRole::kSender},
    RoleOf{FieldKind::kReplyTo, AddressRole::kReplyTo},
    RoleOf{FieldKind::kReturnPath, AddressRole::kReturnPath},
    RoleOf{FieldKind::kTo, AddressRole::kTo},
    RoleOf{FieldKind::kCc, AddressRole::kCc},
    RoleOf{FieldKind::kBcc, AddressRole::kBcc},
    RoleOf{FieldKind::kResentFrom, AddressRole::kResentFrom},
    RoleOf{FieldKind::kResentTo, AddressRole::kResentTo},
    RoleOf{FieldKind::kErrorsTo, AddressRole::kErrorsTo},
    RoleOf{FieldKind::kDispositionNotificationTo, AddressRole::kDispositionNotificationTo},
};

// Fields that may stand once (RFC 5322 section 3.6, RFC 2045 section 3).
struct Single {
  FieldKind kind;
  std::string_view mark;
};
constexpr std::array kSingles = {
    Single{FieldKind::kFrom, "duplicate:from"},
    Single{FieldKind::kSender, "duplicate:sender"},
    Single{FieldKind::kReplyTo, "duplicate:reply-to"},
    Single{FieldKind::kTo, "duplicate:to"},
    Single{FieldKind::kCc, "duplicate:cc"},
    Single{FieldKind::kSubject, "duplicate:subject"},
    Single{FieldKind::kDate, "duplicate:date"},
    Single{FieldKind::kMessageId, "duplicate:message-id"},
    Single{FieldKind::kContentType, "duplicate:content-type"},
    Single{FieldKind::kContentTransferEncoding, "duplicate:content-transfer-encoding"},
    Single{FieldKind::kContentDisposition, "duplicate:content-disposition"},
    Single{FieldKind::kMimeVersion, "duplicate:mime-version"},
};

// Characters that make text look like other text: bidirectional controls, zero-width and soft
// hyphens (U01, M13).
bool HasDeceptiveCharacters(std::string_view text) {
  if (text.find("\xE2\x80") != std::string_view::npos ||
      text.find("\xE2\x81") != std::string_view::npos) {
    for (size_t pos = 0; pos < text.size();) {
      const char32_t c = NextCodePoint(text, pos);
      if ((c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
          (c >= 0x2060 && c <= 0x2069)) {
        return true;
      }
    }
  }
  return text.find("\xC2\xAD") != std::string_view::npos;
}

}  // namespace

void Reading::Duplicates(const HeaderBlock& header) {
  for (const Single& single : kSingles) {
    const auto count =
        std::count_if(header.fields.begin(), header.fields.end(),
                      [&](const HeaderField& f) { return f.kind == single.kind && !f.doubtful; });
    if (count > 1) Oddity(single.mark);
  }
}

void Reading::Fields(const HeaderBlock& header) {
  Duplicates(header);
  bool any_from = false;
  for (const HeaderField& field : header.fields) {
    switch (field.kind) {
      case FieldKind::kFrom:
        any_from = true;
        [[fallthrough]];
      case FieldKind::kSender:
      case FieldKind::kReplyTo:
      case FieldKind::kReturnPath:
      case FieldKind::kTo:
      case FieldKind::kCc:
      case FieldKind::kBcc:
      case FieldKind::kResentFrom:
      case FieldKind::kResentTo:
      case FieldKind::kErrorsTo:
      case FieldKind::kDispositionNotificationTo:
        for (const RoleOf& role : kRoles) {
          if (role.kind == field.kind) Addresses(role.role, field);
        }
        break;
      case FieldKind::kSubject:
        Subject(field);
        break;
      case FieldKind::kMessageId:
        MessageId(field);
        break;
      case FieldKind::kDate:
        if (out_.date_raw.empty()) {
          out_.date_raw = Unfold(field.value).substr(0, limits_.max_raw_length);
          out_.date = ReadDate(field.value);
          if (!out_.date) Oddity("date:malformed");
        }
        break;
      case FieldKind::kReceived:
        ReadReceivedHosts(field.value, limits_.max_received_hosts, out_.received_hosts);
        if (out_.received_hosts.size() >= limits_.max_received_hosts) Limit("received_hosts");
        break;
      case FieldKind::kAuthenticationResults:
        if (!ReadAuthenticationResults(field.value, limits_.max_authentication,
                                       out_.authentication)) {
          Limit("authentication");
        }
        break;
      case FieldKind::kReceivedSpf:
        if (!ReadReceivedSpf(field.value, limits_.max_authentication, out_.authentication)) {
          Limit("authentication");
        }
        break;
      case FieldKind::kContentLanguage:
        for (const std::string_view tag : Split(field.value.substr(0, 1000), ',')) {
          std::string language = AsciiLower(ToValidUtf8(CutUtf8(TrimSpace(tag), 64)));
          if (!language.empty() && out_.languages.size() < 20 &&
              std::find(out_.languages.begin(), out_.languages.end(), language) ==
                  out_.languages.end()) {
            out_.languages.push_back(std::move(language));
          }
        }
        break;
      case FieldKind::kXMailer:
      case FieldKind::kUserAgent:
        if (out_.mailer.empty()) {
          const std::string text =
              DecodeHeaderText(field.value.substr(0, limits_.max_raw_length), tools_.charsets).text;
          out_.mailer = CutUtf8(FoldSpaces(text), limits_.max_name_length);
        }
        break;
      case FieldKind::kInReplyTo:
        if (out_.in_reply_to.empty()) {
          std::vector<std::string> ids;
          ReadMessageIds(field.value, 1, ids);
          if (!ids.empty()) out_.in_reply_to = ids.front();
        }
        break;
      case FieldKind::kReferences:
        ReadMessageIds(field.value, limits_.max_references, out_.references);
        if (out_.references.size() >= limits_.max_references) Limit("references");
        break;
      case FieldKind::kListField:
      case FieldKind::kContentLocation:
      case FieldKind::kContentBase:
        HeaderUrls(field.value);
        break;
      default:
        break;
    }
  }
  if (!any_from) Oddity("missing:from");
}

void Reading::Addresses(AddressRole role, const HeaderField& field) {
  std::vector<std::string> values = {Unfold(field.value)};
  // Some readers drop a NUL, others end the text there.
  if (const size_t nul = field.value.find('\0'); nul != std::string_view::npos) {
    values.push_back(Unfold(field.value.substr(0, nul)));
  }
  for (const std::string& value : values) {
    const size_t left =
        limits_.max_addresses - std::min(limits_.max_addresses, out_.addresses.size());
    if (left == 0) return Limit("addresses");
    AddressReadings readings = ReadAddresses(value, left);
    if (readings.cut) Limit("addresses");
    for (const auto& mark : readings.oddities) Oddity(mark);
    if (readings.clean && role == AddressRole::kFrom && readings.addresses.size() > 1) {
      Oddity("from:several_addresses");
    }
    for (const AddressReading& reading : readings.addresses) {
      AddAddress(role, reading.address, reading.display, reading.raw);
    }
    if (!readings.clean) GmimeAddresses(role, value);
    // An address written inside an encoded word is one for readers that decode first.
    if (value.find("=?") != std::string::npos) {
      const std::string decoded = DecodeHeaderText(value, tools_.charsets, declared_charset_).text;
      for (const std::string& spec : BracketedAddresses(decoded, left)) {
        if (value.find(spec) == std::string::npos) {
          Oddity("address:in_encoded_word");
          AddAddress(role, spec, "", value);
        }
      }
    }
  }
}

void Reading::GmimeAddresses(AddressRole role, const std::string& value) {
  // Its parser calls itself for each group, and a field may hold a group for each of its bytes.
  if (value.size() > 64 * 1024 || std::count(value.begin(), value.end(), ':') > 64) return;
  InternetAddressList* list = internet_address_list_parse(nullptr, value.c_str());
  if (list == nullptr) return;
  std::vector<InternetAddressList*> open = {list};
  while (!open.empty()) {
    InternetAddressList* now = open.back();
    open.pop_back();
    const int count = internet_address_list_length(now);
    for (int i = 0; i < count; ++i) {
      InternetAddress* address = internet_address_list_get_address(now, i);
      if (INTERNET_ADDRESS_IS_GROUP(address)) {
        open.push_back(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)));
      } else if (INTERNET_ADDRESS_IS_MAILBOX(address)) {
        const char* spec = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
        const char* name = internet_address_get_name(address);
        if (spec != nullptr && LooksLikeAddress(spec))
          AddAddress(role, spec, name == nullptr ? "" : name, value);
      }
    }
  }
  g_object_unref(list);
}

void Reading::AddAddress(AddressRole role, std::string_view spec, std::string_view display,
                         std::string_view raw) {
  std::string canonical;
  bool readable = false;
  if (!spec.empty()) {
    auto found = observable::CanonicalEmail(spec);
    if (!found && static_cast<unsigned char>(spec.back()) >= 0x80) {
      found = observable::CanonicalEmail(tools_.charsets.Guess(spec, declared_charset_));
    }
    if (!found) {
      Oddity("address:malformed");
      // Real mail is sent from "a@x,com". Such a text is no observable, but it can be searched for
      // as it stands.
      if (LooksLikeAddress(spec)) canonical = AsciiLower(ToValidUtf8(spec));
    } else {
      canonical = *std::move(found);
      readable = true;
    }
  }
  // Once for each role; one that could not be read is told apart by how it was written.
  std::string key = static_cast<char>('a' + static_cast<int>(role)) +
                    (canonical.empty() ? "?" + std::string(raw) : canonical);
  if (!seen_addresses_.insert(std::move(key)).second) return;
  if (out_.addresses.size() >= limits_.max_addresses) return Limit("addresses");

  MailAddress& address = out_.addresses.emplace_back();
  address.role = role;
  address.raw = raw.substr(0, limits_.max_raw_length);
  if (!display.empty()) {
    const HeaderText text = DecodeHeaderText(display.substr(0, limits_.max_raw_length),
                                             tools_.charsets, declared_charset_);
    if (text.unknown_charset) Oddity("charset:unknown");
    if (text.raw_8bit) Oddity("header:raw_8bit");
    address.display_name = CutUtf8(FoldSpaces(text.text), limits_.max_name_length);
    if (HasDeceptiveCharacters(address.display_name)) Oddity("display_name:invisible_characters");
    if (address.display_name.find('@') != std::string::npos) {
      const auto shown = observable::CanonicalEmail(address.display_name);
      if (shown && *shown != canonical) Oddity("display_name:other_address");
    }
  }
  if (readable) AddDomain(observable::EmailDomain(canonical));
  address.address = std::move(canonical);
}

void Reading::Subject(const HeaderField& field) {
  std::string_view raw = field.value;
  if (raw.size() > limits_.max_subject_length) {
    Limit("subject_length");
    raw = raw.substr(0, limits_.max_subject_length);
  }
  const HeaderText text = DecodeHeaderText(raw, tools_.charsets, declared_charset_);
  std::string subject(CutUtf8(FoldSpaces(text.text), limits_.max_subject_length));
  if (text.unknown_charset) Oddity("charset:unknown");
  if (text.replaced) Oddity("charset:wrong");
  if (text.raw_8bit) Oddity("header:raw_8bit");
  if (text.broken_word) Oddity("header:broken_encoded_word");
  if (HasDeceptiveCharacters(subject)) Oddity("subject:invisible_characters");
  FindUrlsIn(subject, UrlSource::kHeader);
  if (out_.subject_raw.empty() && !field.doubtful) {
    out_.subject = std::move(subject);
    out_.subject_raw = TrimSpace(raw);
  } else if (out_.other_subjects.size() < 20) {
    out_.other_subjects.push_back(std::move(subject));
  }
}

void Reading::MessageId(const HeaderField& field) {
  const std::string value = Unfold(field.value.substr(0, limits_.max_raw_length));
  auto canonical = observable::CanonicalMessageId(value);
  if (!canonical) {
    // "<id> (comment)" and the like.
    std::vector<std::string> ids;
    ReadMessageIds(value, 1, ids);
    if (!ids.empty()) canonical = ids.front();
    Oddity("message_id:malformed");
  }
  if (out_.message_id_raw.empty() && !field.doubtful) {
    out_.message_id_raw = TrimSpace(field.value.substr(0, limits_.max_raw_length));
    if (canonical) out_.message_id = *std::move(canonical);
  } else if (canonical && out_.other_message_ids.size() < 20) {
    out_.other_message_ids.push_back(*std::move(canonical));
  }
}

void Reading::HeaderUrls(std::string_view value) {
  FindUrlsIn(Unfold(value.substr(0, 64 * 1024)), UrlSource::kHeader);
}

}  // namespace mailreeve::mail
