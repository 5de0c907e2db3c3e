#include "base/text.h"
#include "mail/encoded_words.h"
#include "mail/html_links.h"
#include "mail/magic.h"
#include "mail/mime_structure.h"
#include "mail/reading.h"
#include "observable/observable.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mailreeve::mail {
namespace {

using std::string_view;

constexpr size_t kMaxBoundaryBytes = 1000;

void AddOnce(std::vector<std::string>& list, std::string item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(std::move(item));
}

bool StartsFold(string_view text, string_view prefix) {
  return text.size() >= prefix.size() && AsciiEqualFold(text.substr(0, prefix.size()), prefix);
}

enum class Encoding { kIdentity, kBase64, kQuotedPrintable, kUuencode, kUnknown };

Encoding EncodingOf(string_view name) {
  if (name.empty() || name == "7bit" || name == "8bit" || name == "binary")
    return Encoding::kIdentity;
  if (name == "base64") return Encoding::kBase64;
  if (name == "quoted-printable") return Encoding::kQuotedPrintable;
  if (name == "x-uuencode" || name == "uuencode" || name == "x-uue" || name == "uue")
    return Encoding::kUuencode;
  return Encoding::kUnknown;
}

// GMime's decoder; `whole` turns false when bytes were left over at the end.
std::string DecodeByGmime(string_view raw, GMimeContentEncoding kind, bool& whole) {
  GMimeEncoding state;
  g_mime_encoding_init_decode(&state, kind);
  std::string out(g_mime_encoding_outlen(&state, raw.size()), '\0');
  const size_t size = g_mime_encoding_step(&state, raw.data(), raw.size(), out.data());
  whole = kind != GMIME_CONTENT_ENCODING_BASE64 || state.state == 0;
  out.resize(size);
  if (kind == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE && state.state != 0 && raw.ends_with('='))
    whole = false;
  return out;
}

// The data lines behind a "begin" line, up to "end".
std::string DecodeUu(string_view lines) {
  std::string out;
  size_t pos = 0;
  while (pos < lines.size()) {
    size_t end = lines.find('\n', pos);
    if (end == string_view::npos) end = lines.size();
    string_view line = lines.substr(pos, end - pos);
    pos = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line == "end") break;
    if (line.empty()) continue;
    const auto value = [&](size_t i) -> unsigned {
      return i < line.size() ? (static_cast<unsigned char>(line[i]) - 32u) & 63u : 0u;
    };
    size_t left = value(0);
    for (size_t i = 1; left > 0 && i < line.size(); i += 4) {
      const unsigned bits = value(i) << 18 | value(i + 1) << 12 | value(i + 2) << 6 | value(i + 3);
      for (int shift = 16; shift >= 0 && left > 0; shift -= 8, --left) {
        out.push_back(static_cast<char>(bits >> shift & 0xff));
      }
    }
  }
  return out;
}

// The next "begin 644 name" line at or behind `pos`; npos when there is none. `data` is where its
// lines start.
size_t FindUuBegin(string_view text, size_t pos, std::string& name, size_t& data) {
  while (true) {
    const size_t at = text.find("begin ", pos);
    if (at == string_view::npos) return at;
    pos = at + 6;
    if (at > 0 && text[at - 1] != '\n') continue;
    size_t end = text.find('\n', at);
    if (end == string_view::npos) return end;
    string_view line = text.substr(at + 6, std::min<size_t>(end - at - 6, 1100));
    const size_t space = line.find(' ');
    if (space != 3 && space != 4) continue;
    if (line.substr(0, space).find_first_not_of("01234567") != string_view::npos) continue;
    const string_view file = TrimSpace(line.substr(space));
    if (file.empty()) continue;
    name = file;
    data = end + 1;
    return at;
  }
}

bool IsMessageType(string_view type) {
  return type == "message/rfc822" || type == "message/rfc2822" || type == "message/global" ||
         type == "message/news";
}

// Types whose bytes are text that may hold URLs. A multipart here is one that stands too deep to be
// taken apart.
bool IsTextual(string_view type, string_view sniffed) {
  return type.starts_with("multipart/") || type.starts_with("text/") || type == "application/xml" ||
         type == "application/xhtml+xml" || type == "application/json" || type == "image/svg+xml" ||
         type.starts_with("message/") || sniffed.starts_with("text/") ||
         sniffed == "application/xml" || sniffed == "image/svg+xml" || sniffed == "application/rtf";
}

bool IsHtml(string_view type, string_view sniffed) {
  return type.find("html") != string_view::npos || sniffed == "text/html" ||
         sniffed == "image/svg+xml";
}

bool HasScheme(string_view url) {
  size_t i = 0;
  while (i < url.size() && i < 16) {
    const char c = AsciiLower(url[i]);
    if (c == ':') return i > 1;
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))
      return false;
    ++i;
  }
  return false;
}

// The line end before a boundary belongs to the boundary. GMime tells CRLF from LF by the boundary
// line's own end, and so cuts one byte too few or too many where the two differ.
size_t PartEnd(string_view body, size_t start, size_t end) {
  if (end > start && body[end - 1] == '\r' && end < body.size() && body[end] == '\n')
    return end - 1;
  if (end + 1 < body.size() && body[end] != '\r' && body[end] != '\n' && body[end + 1] == '\n' &&
      body.substr(end + 2).starts_with("--")) {
    return end + 1;
  }
  return end;
}

// The part of a type with a "text/x; charset" mistake is fine; an empty or slashless one is not a
// type.
std::string TypeOf(const ParameterList& list, bool in_digest) {
  if (list.value.find('/') != std::string::npos) return list.value;
  return in_digest ? "message/rfc822" : "text/plain";
}

}  // namespace

Reading::PartHeader Reading::ReadPartHeader(const HeaderBlock& header) {
  PartHeader out;
  bool typed = false, disposed = false;
  std::vector<ParameterList> more;
  for (const HeaderField& field : header.fields) {
    switch (field.kind) {
      case FieldKind::kContentType: {
        AddOnce(out.content_types, std::string(TrimSpace(field.value)));
        ParameterList list = ParseParameters(field.value);
        if (list.cut) Limit("parameters");
        if (!typed) {
          out.content_type = std::move(list);
        } else {
          more.push_back(std::move(list));
        }
        typed = true;
        break;
      }
      case FieldKind::kContentDisposition: {
        ParameterList list = ParseParameters(field.value);
        if (list.cut) Limit("parameters");
        if (!disposed) {
          out.disposition = std::move(list);
        } else {
          more.push_back(std::move(list));
        }
        disposed = true;
        break;
      }
      case FieldKind::kContentTransferEncoding: {
        std::string name = AsciiLower(Unfold(field.value.substr(0, 200)));
        // "base64 (comment)", "\"base64\"", "base64;"
        const size_t start = name.find_first_not_of("\" \t");
        name = start == std::string::npos
                   ? ""
                   : name.substr(start, name.find_first_of("\" \t(;", start) - start);
        AddOnce(out.encodings, std::move(name));
        break;
      }
      default:
        break;
    }
  }
  out.charset = out.content_type.First("charset");
  const auto names = [&](const ParameterList& list, string_view name) {
    NameReadings readings = ReadNames(list, name, tools_.charsets, limits_.max_name_length);
    for (auto& found : readings.names) {
      if (out.names.size() >= 20) return Limit("names");
      AddOnce(out.names, std::move(found));
    }
    for (const auto& mark : readings.oddities) Oddity(mark);
  };
  names(out.disposition, "filename");
  names(out.disposition, "name");
  names(out.content_type, "name");
  names(out.content_type, "filename");
  for (const auto& list : more) {
    names(list, "filename");
    names(list, "name");
  }
  for (const auto& name : out.names) {
    if (name.find("\xE2\x80\xAE") != std::string::npos ||
        name.find("\xE2\x81\xA7") != std::string::npos) {
      Oddity("name:right_to_left");
    }
    if (name.ends_with('.') || name.ends_with(' ')) Oddity("name:trailing_dot");
    if (name.find_first_of("/\\") != std::string::npos) Oddity("name:path");
  }
  if (out.encodings.size() > 1) Oddity("encoding:several");
  return out;
}

void Reading::Body(string_view body, const HeaderBlock&, const PartHeader& part, size_t depth,
                   uint32_t messages) {
  if (depth >= limits_.max_depth) {
    Limit("depth");
    FindUrlsIn(TakeText(body), UrlSource::kText);
    return;
  }
  if (part.content_types.size() > 1) Oddity("content_type:several");
  bool leaf_done = false;
  std::vector<std::string> types = part.content_types;
  if (types.empty()) types.emplace_back();
  size_t used = 0;
  for (const std::string& type : types) {
    if (used++ >= limits_.max_content_types) return Limit("content_types");
    const ParameterList list = ParseParameters(type);
    if (used > 1) ++readings_;
    if (!list.value.starts_with("multipart/")) {
      if (leaf_done) continue;
      leaf_done = true;
      if (used == 1) {
        Leaf(body, part, false, depth, messages);
      } else {
        PartHeader other = part;
        other.content_type = list;
        other.charset = list.First("charset");
        Leaf(body, other, false, depth, messages);
      }
      continue;
    }
    const Encoding encoding =
        part.encodings.empty() ? Encoding::kIdentity : EncodingOf(part.encodings.front());
    if (encoding != Encoding::kIdentity) Oddity("encoding:multipart");
    std::vector<std::string> boundaries;
    Multipart(body, type, depth, messages, &boundaries);
    if (encoding == Encoding::kBase64 || encoding == Encoding::kQuotedPrintable) {
      // Most readers take the parts as they stand; some decode first.
      bool whole = true;
      const std::string decoded =
          DecodeByGmime(body.substr(0, decoded_left_),
                        encoding == Encoding::kBase64 ? GMIME_CONTENT_ENCODING_BASE64
                                                      : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE,
                        whole);
      decoded_left_ -= std::min(decoded_left_, body.size());
      ++readings_;
      Multipart(decoded, type, depth, messages, nullptr);
      --readings_;
    }
    std::vector<std::string> others = list.All("boundary");
    if (others.size() > 1) Oddity("boundary:several");
    for (const std::string& boundary : others) {
      if (std::find(boundaries.begin(), boundaries.end(), boundary) != boundaries.end()) continue;
      if (boundary.find_first_of("\r\n") != std::string::npos) continue;
      if (used++ >= limits_.max_content_types) return Limit("content_types");
      std::string again = list.value + "; boundary=\"";
      for (const char c : boundary) {
        if (c == '"' || c == '\\') again.push_back('\\');
        again.push_back(c);
      }
      again.push_back('"');
      ++readings_;
      Multipart(body, again, depth, messages, nullptr);
      --readings_;
    }
  }
}

void Reading::Multipart(string_view body, const std::string& content_type, size_t depth,
                        uint32_t messages, std::vector<std::string>* boundaries) {
  const ParameterList list = ParseParameters(content_type);
  const string_view boundary = list.First("boundary");
  if (boundary.size() > kMaxBoundaryBytes || body.size() > INT32_MAX) {
    Oddity("boundary:too_long");
    FindUrlsIn(TakeText(body), UrlSource::kText);
    return;
  }
  std::string prefix = "Content-Type: ";
  for (const char c : content_type) {
    if (c != '\0') prefix.push_back(c);
  }
  prefix += "\r\n\r\n";

  GByteArray* bytes = g_byte_array_sized_new(static_cast<guint>(prefix.size() + body.size() + 1));
  g_byte_array_append(bytes, reinterpret_cast<const guint8*>(prefix.data()),
                      static_cast<guint>(prefix.size()));
  g_byte_array_append(bytes, reinterpret_cast<const guint8*>(body.data()),
                      static_cast<guint>(body.size()));
  StructureLimits structure;
  structure.max_depth = limits_.max_depth - depth;
  structure.max_parts = limits_.max_parts;
  const StructureCuts cuts = TameStructure(reinterpret_cast<char*>(bytes->data) + prefix.size(),
                                           body.size(), boundary, structure);
  if (cuts.depth) Limit("depth");
  if (cuts.parts) {
    Limit("parts");
    g_byte_array_set_size(bytes, static_cast<guint>(prefix.size() + cuts.end));
    FindUrlsIn(TakeText(body.substr(cuts.end)), UrlSource::kText);
  }
  GMimeStream* stream = g_mime_stream_mem_new_with_byte_array(bytes);
  GMimeParser* parser = g_mime_parser_new_with_stream(stream);
  GMimeObject* root = g_mime_parser_construct_part(parser, nullptr);
  if (root != nullptr) {
    if (GMIME_IS_MULTIPART(root)) {
      const char* read = g_mime_object_get_content_type_parameter(root, "boundary");
      if (boundaries != nullptr && read != nullptr) boundaries->emplace_back(read);
      if (read == nullptr) Oddity("boundary:missing");
      if (g_mime_multipart_get_count(GMIME_MULTIPART(root)) == 0) Oddity("multipart:empty");
    }
    Walk(root, {body, prefix.size()}, false, depth, messages);
    g_object_unref(root);
  }
  g_object_unref(parser);
  g_object_unref(stream);
}

void Reading::Walk(GMimeObject* object, const Source& source, bool in_digest, size_t depth,
                   uint32_t messages) {
  if (depth > limits_.max_depth) return Limit("depth");
  if (GMIME_IS_MESSAGE_PART(object)) {
    // Only when a type was written so that TameStructure did not see it.
    GMimeMessage* message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
    if (message != nullptr && g_mime_message_get_mime_part(message) != nullptr) {
      Walk(g_mime_message_get_mime_part(message), source, false, depth + 1, messages + 1);
    }
    return;
  }
  // The part's header as it stands in the message: what GMime holds was made for its parser.
  HeaderBlock header;
  GMimeHeaderList* fields = g_mime_object_get_header_list(object);
  if (g_mime_header_list_get_count(fields) > 0) {
    const gint64 offset = g_mime_header_get_offset(g_mime_header_list_get_header_at(fields, 0));
    if (offset >= static_cast<gint64>(source.offset) &&
        offset < static_cast<gint64>(source.offset + source.body.size())) {
      HeaderLimits limits;
      limits.max_header_bytes = limits_.max_header_bytes;
      limits.max_headers = limits_.max_headers;
      header = SplitHeader(source.body.substr(static_cast<size_t>(offset) - source.offset), limits);
      if (header.cut_bytes) Limit("header_bytes");
      if (header.cut_count) Limit("headers");
      for (const auto& mark : header.oddities) {
        if (mark != "header:no_empty_line") Oddity(mark);
      }
    }
  }
  if (GMIME_IS_MULTIPART(object)) {
    if (readings_ == 0) ++out_.parts;
    GMimeMultipart* multipart = GMIME_MULTIPART(object);
    for (const char* text :
         {g_mime_multipart_get_prologue(multipart), g_mime_multipart_get_epilogue(multipart)}) {
      if (text == nullptr || *text == '\0') continue;
      const size_t before = out_.urls.size();
      const string_view outside = TakeText(text);
      if (SniffType(outside) == "text/html") Html(outside, {}, false);
      FindUrlsIn(outside, UrlSource::kText);
      if (out_.urls.size() > before) Oddity("multipart:url_outside_parts");
    }
    ParameterList type;
    for (const HeaderField& field : header.fields) {
      if (field.kind == FieldKind::kContentType) {
        type = ParseParameters(field.value);
        if (type.All("boundary").size() > 1) Oddity("boundary:several");
        break;
      }
    }
    const char* subtype =
        g_mime_content_type_get_media_subtype(g_mime_object_get_content_type(object));
    const bool digest = type.value == "multipart/digest" ||
                        (subtype != nullptr && AsciiEqualFold(subtype, "xigest")) ||
                        (subtype != nullptr && AsciiEqualFold(subtype, "digest"));
    const int count = g_mime_multipart_get_count(multipart);
    for (int i = 0; i < count; ++i) {
      if (out_.parts >= limits_.max_parts) return Limit("parts");
      Walk(g_mime_multipart_get_part(multipart, i), source, digest, depth + 1, messages);
    }
    return;
  }
  if (!GMIME_IS_PART(object)) return;
  GMimeDataWrapper* content = g_mime_part_get_content(GMIME_PART(object));
  GMimeStream* stream = content == nullptr ? nullptr : g_mime_data_wrapper_get_stream(content);
  string_view raw;
  if (stream != nullptr && GMIME_IS_STREAM_MEM(stream) &&
      stream->bound_start >= static_cast<gint64>(source.offset)) {
    const size_t start = static_cast<size_t>(stream->bound_start) - source.offset;
    const size_t end = stream->bound_end < 0
                           ? source.body.size()
                           : static_cast<size_t>(stream->bound_end) - source.offset;
    if (start <= end && end <= source.body.size())
      raw = source.body.substr(start, PartEnd(source.body, start, end) - start);
  }
  for (const FieldKind kind : {FieldKind::kContentType, FieldKind::kContentTransferEncoding}) {
    const auto count =
        std::count_if(header.fields.begin(), header.fields.end(),
                      [&](const HeaderField& f) { return f.kind == kind && !f.doubtful; });
    if (count > 1)
      Oddity(kind == FieldKind::kContentType ? "duplicate:content-type"
                                             : "duplicate:content-transfer-encoding");
  }
  PartHeader part = ReadPartHeader(header);
  if (const char* name = g_mime_part_get_filename(GMIME_PART(object));
      name != nullptr && *name != '\0') {
    if (part.names.size() < 20)
      AddOnce(part.names,
              std::string(CutUtf8(ToValidUtf8(TrimSpace(name)), limits_.max_name_length)));
  }
  for (const HeaderField& field : header.fields) {
    if (field.kind == FieldKind::kContentLocation || field.kind == FieldKind::kContentBase)
      HeaderUrls(field.value);
  }
  Leaf(raw, part, in_digest, depth, messages);
}

void Reading::Leaf(string_view raw, const PartHeader& part, bool in_digest, size_t depth,
                   uint32_t messages) {
  if (readings_ == 0) ++out_.parts;
  const std::string type = TypeOf(part.content_type, in_digest);
  std::vector<std::string> encodings = part.encodings;
  if (encodings.empty()) encodings.emplace_back();
  size_t reading = 0;
  for (const std::string& name : encodings) {
    if (reading++ >= limits_.max_content_types) return Limit("content_types");
    if (raw.size() > decoded_left_) {
      Limit("decoded_bytes");
      Attachment& attachment = out_.attachments.emplace_back();
      attachment.names = part.names;
      attachment.declared_type = type;
      attachment.size = raw.size();
      attachment.depth = messages;
      return;
    }
    decoded_left_ -= raw.size();
    bool whole = true;
    switch (EncodingOf(name)) {
      case Encoding::kIdentity:
        Decoded(raw, part, type, depth, messages);
        break;
      case Encoding::kQuotedPrintable:
        Decoded(DecodeByGmime(raw, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, whole), part, type,
                depth, messages);
        break;
      case Encoding::kBase64: {
        const std::string decoded = DecodeByGmime(raw, GMIME_CONTENT_ENCODING_BASE64, whole);
        Decoded(decoded, part, type, depth, messages);
        if (whole) break;
        // Missing or misplaced padding: GMime leaves bytes out that other readers keep.
        Oddity("base64:irregular");
        const std::string other = DecodeB(raw);
        if (other != decoded) Decoded(other, part, type, depth, messages);
        // Text that was never encoded is shown as it is by some.
        FindUrlsIn(TakeText(raw), UrlSource::kText);
        break;
      }
      case Encoding::kUuencode: {
        std::string file;
        size_t data = 0;
        const size_t begin = FindUuBegin(raw, 0, file, data);
        Decoded(DecodeUu(begin == string_view::npos ? raw : raw.substr(data)), part, type, depth,
                messages);
        break;
      }
      case Encoding::kUnknown: {
        Oddity("encoding:unknown");
        Decoded(raw, part, type, depth, messages);
        // What a reader that guesses would see.
        const string_view head = raw.substr(0, 4096);
        if (head.size() > 40 &&
            head.find_first_not_of(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n") ==
                string_view::npos) {
          Decoded(DecodeB(raw), part, type, depth, messages);
        } else if (head.find("=3D") != string_view::npos || head.find("=\n") != string_view::npos ||
                   head.find("=\r\n") != string_view::npos) {
          Decoded(DecodeByGmime(raw, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, whole), part, type,
                  depth, messages);
        }
        break;
      }
    }
  }
}

void Reading::Decoded(string_view bytes, const PartHeader& part, string_view type, size_t depth,
                      uint32_t messages) {
  const string_view sniffed = SniffType(bytes);
  const bool message = IsMessageType(type);
  const bool html = IsHtml(type, sniffed);
  const bool body_type = type == "text/plain" || type == "text/html" || type == "text/enriched" ||
                         type == "text/richtext" || type == "text/x-amp-html" ||
                         type == "text/watch-html";
  const bool disposed = part.disposition.value == "attachment";
  const bool foreign = !sniffed.empty() && !sniffed.starts_with("text/") &&
                       sniffed != "application/xml" && sniffed != "application/pgp" &&
                       sniffed != "application/rtf";
  const bool attached = disposed || !part.names.empty() || !body_type || foreign;
  if (attached) {
    const bool is_inline =
        part.disposition.value == "inline" || (body_type && !disposed && !foreign);
    AddAttachment(bytes, part, type, sniffed, messages, is_inline);
    if (sniffed == "text/html" && !type.starts_with("text/") &&
        type.find("html") == string_view::npos && !message) {
      Oddity("type:hidden_html");
    }
  }
  if (message) {
    if (depth + 1 >= limits_.max_depth) {
      Limit("depth");
      FindUrlsIn(TakeText(bytes), UrlSource::kAttachment);
      return;
    }
    HeaderLimits limits;
    limits.max_header_bytes = limits_.max_header_bytes;
    limits.max_headers = limits_.max_headers;
    const HeaderBlock header = SplitHeader(bytes, limits);
    if (header.cut_bytes) Limit("header_bytes");
    if (header.cut_count) Limit("headers");
    Body(bytes.substr(header.body_start), header, ReadPartHeader(header), depth + 1, messages + 1);
    return;
  }
  if (!IsTextual(type, sniffed)) return;
  bytes = TakeText(bytes);
  if (html) Html(bytes, part, attached);
  if (!html || type == "text/plain") {
    Text(bytes, part, attached ? UrlSource::kAttachment : UrlSource::kText);
    if (type == "text/plain" && bytes.find("begin ") != string_view::npos)
      UuencodedFiles(bytes, messages);
  }
}

void Reading::AddAttachment(string_view bytes, const PartHeader& part, string_view type,
                            string_view sniffed, uint32_t messages, bool is_inline) {
  if (out_.attachments.size() >= limits_.max_attachments) return Limit("attachments");
  Attachment attachment;
  attachment.names = part.names;
  attachment.declared_type = type;
  attachment.sniffed_type = sniffed;
  attachment.size = bytes.size();
  attachment.sha256 = tools_.sha256.Hex(bytes);
  attachment.depth = messages;
  attachment.is_inline = is_inline;
  std::string key = attachment.sha256;
  for (const auto& name : attachment.names) key += '\n' + name;
  if (!seen_attachments_.insert(std::move(key)).second) return;
  attachment.sha1 = tools_.sha1.Hex(bytes);
  attachment.md5 = tools_.md5.Hex(bytes);
  out_.attachments.push_back(std::move(attachment));
}

string_view Reading::TakeText(string_view bytes) {
  if (bytes.size() > text_left_) {
    Limit("text_bytes");
    bytes = bytes.substr(0, text_left_);
  }
  text_left_ -= bytes.size();
  return bytes;
}

string_view Reading::Utf8(string_view bytes, const PartHeader& part, std::string& storage) {
  Charsets::Outcome outcome{};
  storage = part.charset.empty() ? tools_.charsets.Guess(bytes)
                                 : tools_.charsets.ToUtf8(bytes, part.charset, &outcome);
  if (outcome == Charsets::Outcome::kUnknownCharset) Oddity("charset:unknown");
  if (outcome == Charsets::Outcome::kReplaced) Oddity("charset:wrong");
  return storage;
}

void Reading::Text(string_view bytes, const PartHeader& part, UrlSource source) {
  std::string storage;
  FindUrlsIn(Utf8(bytes, part, storage), source);
}

void Reading::Html(string_view bytes, const PartHeader& part, bool attached) {
  std::string storage;
  HtmlLimits html_limits;
  html_limits.max_links = limits_.max_urls * 2;
  HtmlLinks found;
  ScanHtml(Utf8(bytes, part, storage), html_limits, found);
  if (found.cut) Limit("urls");
  for (const HtmlLink& link : found.links) {
    UrlSource source = link.in_style ? UrlSource::kHtmlStyle : UrlSource::kHtmlAttribute;
    if (attached) source = UrlSource::kAttachment;
    if (!seen_raw_urls_.insert(static_cast<char>('0' + static_cast<int>(source)) + link.url).second)
      continue;
    std::string url = link.url;
    if (url.starts_with("//") || url.starts_with("\\\\") || url.starts_with("/\\")) {
      url = "http:" + url;
    } else if (!HasScheme(url)) {
      if (StartsFold(url, "www.")) {
        url.insert(0, "http://");
      } else if (!found.base.empty()) {
        url = ResolveUrl(found.base, url);
      } else {
        continue;
      }
    }
    auto canonical = observable::CanonicalUrl(url);
    if (canonical && !observable::UrlHost(*canonical).empty())
      AddUrl(*std::move(canonical), link.url, source);
  }
  const UrlSource source = attached ? UrlSource::kAttachment : UrlSource::kHtmlText;
  FindUrlsIn(found.text, source);
  if (!found.scripts.empty()) FindUrlsIn(found.scripts, source);
  if (!found.base.empty()) Oddity("html:base");
  if (found.has_script) Oddity("html:script");
  if (found.has_form) Oddity("html:form");
  if (found.has_refresh) Oddity("html:refresh");
  if (found.has_javascript_url) Oddity("html:javascript_url");
  if (found.has_data_url) Oddity("html:data_url");
}

void Reading::UuencodedFiles(string_view text, uint32_t messages) {
  size_t pos = 0;
  for (int files = 0; files < 100; ++files) {
    PartHeader part;
    std::string name;
    size_t data = 0;
    pos = FindUuBegin(text, pos, name, data);
    if (pos == string_view::npos) return;
    const size_t end = text.find("\nend", data == 0 ? 0 : data - 1);
    if (end == string_view::npos) return;
    const std::string decoded = DecodeUu(text.substr(data, end - data + 1));
    part.names.push_back(
        std::string(CutUtf8(tools_.charsets.Guess(name), limits_.max_name_length)));
    Oddity("text:uuencoded_file");
    AddAttachment(decoded, part, "application/octet-stream", SniffType(decoded), messages, true);
    pos = end;
  }
}

}  // namespace mailreeve::mail
