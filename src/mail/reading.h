#pragma once

#include "mail/charsets.h"
#include "mail/digests.h"
#include "mail/header_fields.h"
#include "mail/inspection.h"
#include "mail/parameters.h"
#include "mail/reader.h"

#include <gmime/gmime.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

// The work of reader.h on one message: fields in reading_fields.cc, parts in reading_parts.cc.
// Internal to this folder.
namespace mailreeve::mail {

// What readings share and what is costly to make.
struct ReaderTools {
  Charsets charsets;
  Digester sha256{Digester::Kind::kSha256};
  Digester sha1{Digester::Kind::kSha1};
  Digester md5{Digester::Kind::kMd5};
};

class Reading {
 public:
  Reading(std::string_view message, const ReadLimits& limits, ReaderTools& tools)
      : message_(message), limits_(limits), tools_(tools) {}

  Inspection Run();

 private:
  // --- fields ---
  void Fields(const HeaderBlock& header);
  void Duplicates(const HeaderBlock& header);
  void Addresses(AddressRole role, const HeaderField& field);
  void AddAddress(AddressRole role, std::string_view spec, std::string_view display,
                  std::string_view raw);
  void GmimeAddresses(AddressRole role, const std::string& value);
  void Subject(const HeaderField& field);
  void MessageId(const HeaderField& field);
  void HeaderUrls(std::string_view value);
  // --- parts ---
  // What the header of a part says about it.
  struct PartHeader {
    ParameterList content_type;
    ParameterList disposition;
    std::vector<std::string> content_types;  // raw, every different one
    std::vector<std::string> encodings;      // lower case, every different one
    std::vector<std::string> names;
    std::string charset;
  };
  PartHeader ReadPartHeader(const HeaderBlock& header);
  void Body(std::string_view body, const HeaderBlock& header, const PartHeader& part, size_t depth,
            uint32_t messages);
  void Multipart(std::string_view body, const std::string& content_type, size_t depth,
                 uint32_t messages, std::vector<std::string>* boundaries);
  struct Source {
    std::string_view body;  // the original bytes
    size_t offset = 0;      // of them in GMime's stream
  };
  void Walk(GMimeObject* object, const Source& source, bool in_digest, size_t depth,
            uint32_t messages);
  void Leaf(std::string_view raw, const PartHeader& part, bool in_digest, size_t depth,
            uint32_t messages);
  void Decoded(std::string_view bytes, const PartHeader& part, std::string_view type, size_t depth,
               uint32_t messages);
  void AddAttachment(std::string_view bytes, const PartHeader& part, std::string_view type,
                     std::string_view sniffed, uint32_t messages, bool is_inline);
  void Text(std::string_view bytes, const PartHeader& part, UrlSource source);
  void Html(std::string_view bytes, const PartHeader& part, bool attached);
  void UuencodedFiles(std::string_view text, uint32_t messages);
  std::string_view Utf8(std::string_view bytes, const PartHeader& part, std::string& storage);
  std::string_view TakeText(std::string_view bytes);  // what the text budget still allows
  // --- results ---
  void FindUrlsIn(std::string_view text, UrlSource source);
  void AddUrl(std::string canonical, std::string_view raw, UrlSource source);
  void AddDomain(std::string_view name);
  void Oddity(std::string_view mark);
  void Limit(std::string_view name);

  std::string_view message_;
  const ReadLimits& limits_;
  ReaderTools& tools_;
  Inspection out_;
  std::string declared_charset_;
  size_t text_left_ = 0;
  size_t decoded_left_ = 0;
  std::unordered_set<std::string> seen_urls_, seen_raw_urls_, seen_domains_, seen_addresses_,
      seen_attachments_;
  size_t readings_ = 0;
};

}  // namespace mailreeve::mail
