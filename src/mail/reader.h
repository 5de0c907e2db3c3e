#pragma once

#include "mail/inspection.h"

#include <cstddef>
#include <memory>
#include <string_view>

// Reads one message into an Inspection. GMime takes the MIME structure apart; fields, addresses,
// parameters, HTML and text are read by this folder. Where mail programs read a message
// differently, every reading goes into the value and a mark into `oddities` (docs/inspection.md
// lists the marks and the limits).
//
// Threads: one Reader is used by one thread at a time; Readers do not share anything.
// Ownership: the message is borrowed for the call.
// Errors: none. Any bytes give an Inspection; what a limit cut off is named in `limits_hit`.
//
//   mail::Reader reader{mail::ReadLimits{}};
//   mail::Inspection inspection = reader.Read("From:
//   a@example.org\r\n\r\nhttp://example.org/\r\n");
namespace mailreeve::mail {

// Hitting one records "limit:<name without max_>" and goes on with what is left.
struct ReadLimits {
  size_t max_depth = 64;  // multiparts and messages inside each other
  size_t max_parts = 10000;
  size_t max_header_bytes = 1024 * 1024;
  size_t max_headers = 10000;
  size_t max_addresses = 1000;
  size_t max_urls = 10000;
  size_t max_domains = 10000;
  size_t max_attachments = 1000;
  size_t max_text_bytes = 16 * 1024 * 1024;      // text and HTML looked at, all parts
  size_t max_decoded_bytes = 256 * 1024 * 1024;  // decoded and hashed, all parts and readings
  size_t max_name_length = 1024;                 // of an attachment's or person's name
  size_t max_subject_length = 16 * 1024;
  size_t max_raw_length = 4096;  // of a field kept as written
  size_t max_received_hosts = 200;
  size_t max_authentication = 200;
  size_t max_references = 500;
  size_t max_content_types = 4;  // readings of a message with several content types or boundaries
};

class Reader {
 public:
  explicit Reader(const ReadLimits& limits);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Loads what would otherwise be loaded from disk at first use: character sets, the public suffix
  // list, digests. Afterwards Read opens no file.
  size_t Warm();

  Inspection Read(std::string_view message);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Inspection Read(std::string_view message, const ReadLimits& limits = {});

}  // namespace mailreeve::mail
