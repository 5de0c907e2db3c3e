#pragma once

#include <string>
#include <string_view>
#include <vector>

// Where an HTML part points to, and the text it shows: a tolerant tokenizer, no tree (U02, U03,
// Z05). Linear time. Threads: a pure function.
namespace mailreeve::mail {

struct HtmlLimits {
  size_t max_links = 20000;
  size_t max_attribute_length = 64 * 1024;  // longer values are left out
  size_t max_nested_documents = 2;          // srcdoc inside srcdoc
};

struct HtmlLink {
  std::string url;  // entities decoded; tabs and line ends inside taken out as browsers do
  bool in_style = false;
};

struct HtmlLinks {
  std::vector<HtmlLink> links;
  std::string text;  // what a reader sees, and what hidden elements hold; block elements end lines
  std::string scripts;  // the text of script elements
  std::string base;     // <base href>
  bool has_script = false, has_form = false, has_javascript_url = false, has_data_url = false;
  bool has_refresh = false;
  bool cut = false;
};

// `html` is UTF-8.
void ScanHtml(std::string_view html, const HtmlLimits& limits, HtmlLinks& out);

// HTML character references to text.
std::string DecodeEntities(std::string_view text);

// `url` seen from `base` (RFC 3986 section 5.2, for http and https bases); empty when it cannot be
// resolved.
std::string ResolveUrl(std::string_view base, std::string_view url);

}  // namespace mailreeve::mail
