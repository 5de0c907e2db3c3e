#include "mail/inspection.h"

#include "base/text.h"
#include "base/wire.h"

namespace mailreeve::mail {
namespace {

void Put(WireWriter& out, const std::vector<std::string>& list) {
  out.Number(list.size());
  for (const auto& item : list) out.String(item);
}

// Fields that promise UTF-8 are read through this, so that a decoded value keeps the promise
// whoever wrote the bytes.
class TextReader {
 public:
  explicit TextReader(std::string_view bytes) : in_(bytes) {}

  std::string Text() {
    std::string text = in_.String();
    if (!IsValidUtf8(text)) bad_text_ = true;
    return text;
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> out;
    for (size_t n = in_.Count(); n > 0 && in_.ok(); --n) out.push_back(Text());
    return out;
  }
  // A digest of `digits` hex characters, or nothing.
  std::string Hex(size_t digits) {
    std::string text = in_.String();
    if (!text.empty() && (text.size() != digits ||
                          text.find_first_not_of("0123456789abcdef") != std::string::npos)) {
      bad_text_ = true;
    }
    return text;
  }
  WireReader& in() { return in_; }
  bool bad_text() const { return bad_text_; }

 private:
  WireReader in_;
  bool bad_text_ = false;
};

}  // namespace

std::string Encode(const Inspection& i) {
  WireWriter out;
  out.Number(Inspection::kVersion);
  out.Number(i.addresses.size());
  for (const auto& a : i.addresses) {
    out.Number(static_cast<uint64_t>(a.role));
    out.String(a.address);
    out.String(a.display_name);
    out.String(a.raw);
  }
  out.String(i.subject);
  out.String(i.subject_raw);
  Put(out, i.other_subjects);
  out.String(i.message_id);
  out.String(i.message_id_raw);
  Put(out, i.other_message_ids);
  out.Bool(i.date.has_value());
  if (i.date) out.Signed(i.date->time_since_epoch().count());
  out.String(i.date_raw);
  Put(out, i.received_hosts);
  out.Number(i.urls.size());
  for (const auto& u : i.urls) {
    out.String(u.url);
    out.String(u.raw);
    out.Number(static_cast<uint64_t>(u.source));
  }
  out.Number(i.domains.size());
  for (const auto& d : i.domains) {
    out.String(d.name);
    out.String(d.registrable);
  }
  out.Number(i.attachments.size());
  for (const auto& a : i.attachments) {
    Put(out, a.names);
    out.String(a.declared_type);
    out.String(a.sniffed_type);
    out.Number(a.size);
    out.String(a.sha256);
    out.String(a.sha1);
    out.String(a.md5);
    out.Number(a.depth);
    out.Bool(a.is_inline);
  }
  out.Number(i.authentication.size());
  for (const auto& a : i.authentication) {
    out.String(a.authserv_id);
    out.String(a.method);
    out.String(a.result);
    out.String(a.property);
  }
  Put(out, i.languages);
  out.String(i.mailer);
  out.String(i.in_reply_to);
  Put(out, i.references);
  out.Number(i.size);
  out.Number(i.header_size);
  out.Number(i.parts);
  out.String(i.content_digest);
  out.String(i.raw_sha256);
  Put(out, i.limits_hit);
  Put(out, i.oddities);
  return out.Take();
}

Result<Inspection> DecodeInspection(std::string_view bytes) {
  TextReader text(bytes);
  WireReader& in = text.in();
  const uint64_t version = in.Number();
  if (in.ok() && version != Inspection::kVersion) {
    return Fail(Code::kCorrupt, "inspection: version " + std::to_string(version) + " is not known");
  }
  Inspection i;
  // Items grow one by one: a count is bounded by the bytes left, but an item in memory is larger
  // than its least encoding, and a reader that failed must not go on making items.
  for (size_t n = in.Count(); n > 0 && in.ok(); --n) {
    MailAddress& a = i.addresses.emplace_back();
    a.role = static_cast<AddressRole>(in.NumberUpTo(kMaxAddressRole));
    a.address = text.Text();
    a.display_name = text.Text();
    a.raw = in.String();
  }
  i.subject = text.Text();
  i.subject_raw = in.String();
  i.other_subjects = text.Texts();
  i.message_id = text.Text();
  i.message_id_raw = in.String();
  i.other_message_ids = text.Texts();
  if (in.NumberUpTo(1) == 1) i.date = Time(Duration(in.Signed()));
  i.date_raw = in.String();
  i.received_hosts = text.Texts();
  for (size_t n = in.Count(); n > 0 && in.ok(); --n) {
    FoundUrl& u = i.urls.emplace_back();
    u.url = text.Text();
    u.raw = in.String();
    u.source = static_cast<UrlSource>(in.NumberUpTo(kMaxUrlSource));
  }
  for (size_t n = in.Count(); n > 0 && in.ok(); --n) {
    auto& d = i.domains.emplace_back();
    d.name = text.Text();
    d.registrable = text.Text();
  }
  for (size_t n = in.Count(); n > 0 && in.ok(); --n) {
    Attachment& a = i.attachments.emplace_back();
    a.names = text.Texts();
    a.declared_type = text.Text();
    a.sniffed_type = text.Text();
    a.size = in.Number();
    a.sha256 = text.Hex(64);
    a.sha1 = text.Hex(40);
    a.md5 = text.Hex(32);
    a.depth = static_cast<uint32_t>(in.NumberUpTo(UINT32_MAX));
    a.is_inline = in.NumberUpTo(1) == 1;
  }
  for (size_t n = in.Count(); n > 0 && in.ok(); --n) {
    AuthenticationResult& a = i.authentication.emplace_back();
    a.authserv_id = text.Text();
    a.method = text.Text();
    a.result = text.Text();
    a.property = text.Text();
  }
  i.languages = text.Texts();
  i.mailer = text.Text();
  i.in_reply_to = text.Text();
  i.references = text.Texts();
  i.size = in.Number();
  i.header_size = in.Number();
  i.parts = in.Number();
  i.content_digest = text.Hex(64);
  i.raw_sha256 = text.Hex(64);
  i.limits_hit = text.Texts();
  i.oddities = text.Texts();
  TRY_VOID(in.Finish("inspection"));
  if (text.bad_text()) {
    return Fail(Code::kCorrupt, "inspection: a field is not UTF-8 or not a digest");
  }
  return i;
}

}  // namespace mailreeve::mail
