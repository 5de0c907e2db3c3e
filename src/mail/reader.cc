#include "mail/reader.h"

#include "mail/content_digest.h"
#include "mail/reading.h"
#include "observable/observable.h"

#include <gmime/gmime.h>

namespace mailreeve::mail {

struct Reader::Impl {
  // Never shut down again: GMime 3.2 cannot be made ready a second time.
  explicit Impl(const ReadLimits& l) : limits(l) { g_mime_init(); }
  ReadLimits limits;
  ReaderTools tools;
};

Reader::Reader(const ReadLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
Reader::~Reader() = default;

Inspection Reader::Read(std::string_view message) {
  return Reading(message, impl_->limits, impl_->tools).Run();
}

size_t Reader::Warm() {
  const size_t charsets = impl_->tools.charsets.Warm();
  observable::Prepare();
  // One message that goes through every library once: GMime's types, its converters, IDN tables.
  Read(
      "From: =?iso-8859-1?Q?J=F6rg?= <joerg@b\xC3\xBC"
      "cher.example>, a:(c)b@c.example;\r\n"
      "Subject: =?gb2312?B?1tDOxA==?=\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
      "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
      "Content-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: "
      "quoted-printable\r\n\r\n"
      "<a href=3D\"http://xn--bcher-kva.example.co.uk/\">=C1</a>\r\n--x\r\n"
      "Content-Type: application/octet-stream; name*=utf-8''%C3%A4; "
      "name=\"=?shift_jis?Q?=83=41?=\"\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--x--\r\n");
  return charsets;
}

Inspection Read(std::string_view message, const ReadLimits& limits) {
  return Reader(limits).Read(message);
}

Inspection Reading::Run() {
  text_left_ = limits_.max_text_bytes;
  decoded_left_ = limits_.max_decoded_bytes;
  out_.size = message_.size();
  out_.raw_sha256 = tools_.sha256.Hex(message_);

  HeaderLimits header_limits;
  header_limits.max_header_bytes = limits_.max_header_bytes;
  header_limits.max_headers = limits_.max_headers;
  const HeaderBlock header = SplitHeader(message_, header_limits);
  out_.header_size = header.header_size;
  if (header.cut_bytes) Limit("header_bytes");
  if (header.cut_count) Limit("headers");
  for (const auto& mark : header.oddities) Oddity(mark);
  out_.content_digest = header.cut_bytes || header.cut_count ? ContentDigest(message_)
                                                             : ContentDigest(message_, header);

  const PartHeader part = ReadPartHeader(header);
  declared_charset_ = part.charset;
  Fields(header);
  if (!header.garbage.empty()) FindUrlsIn(TakeText(header.garbage), UrlSource::kText);
  Body(message_.substr(header.body_start), header, part, 0, 0);
  return std::move(out_);
}

void Reading::Oddity(std::string_view mark) {
  for (const auto& known : out_.oddities) {
    if (known == mark) return;
  }
  out_.oddities.emplace_back(mark);
}

void Reading::Limit(std::string_view name) {
  std::string mark = "limit:" + std::string(name);
  for (const auto& known : out_.limits_hit) {
    if (known == mark) return;
  }
  out_.limits_hit.push_back(std::move(mark));
}

void Reading::FindUrlsIn(std::string_view text, UrlSource source) {
  observable::FindUrlsLimits limits;
  limits.max_urls = limits_.max_urls;
  const observable::FoundUrls found = observable::FindUrls(text, limits);
  if (found.cut) Limit("urls");
  for (const auto& url : found.urls) AddUrl(url.canonical, url.raw, source);
}

void Reading::AddUrl(std::string canonical, std::string_view raw, UrlSource source) {
  if (out_.urls.size() >= limits_.max_urls) return Limit("urls");
  if (!seen_urls_.insert(static_cast<char>('0' + static_cast<int>(source)) + canonical).second)
    return;
  AddDomain(observable::UrlHost(canonical));
  out_.urls.push_back(
      {std::move(canonical), std::string(raw.substr(0, limits_.max_raw_length)), source});
}

void Reading::AddDomain(std::string_view name) {
  // A host name, not an address.
  if (name.empty() || name.find('.') == std::string_view::npos ||
      name.find(':') != std::string_view::npos || name.front() == '[' ||
      (name.back() >= '0' && name.back() <= '9')) {
    return;
  }
  if (!seen_domains_.insert(std::string(name)).second) return;
  if (out_.domains.size() >= limits_.max_domains) return Limit("domains");
  out_.domains.push_back({std::string(name), observable::RegistrableDomain(name)});
}

}  // namespace mailreeve::mail
