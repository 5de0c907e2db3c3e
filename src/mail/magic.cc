#include "mail/magic.h"

#include "base/text.h"

#include <array>

namespace mailreeve::mail {
namespace {

using std::string_view;

struct Magic {
  size_t offset;
  string_view bytes;
  string_view type;
};

template <size_t N>
constexpr string_view Bytes(const char (&text)[N]) {
  return {text, N - 1};
}

constexpr std::array kMagics = {
    Magic{0, "%PDF-", "application/pdf"},
    Magic{0, "{\\rtf", "application/rtf"},
    Magic{0, Bytes("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "application/x-ole-storage"},
    Magic{0, Bytes("\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D"), "application/onenote"},
    Magic{0, Bytes("\x78\x9F\x3E\x22"), "application/ms-tnef"},
    Magic{0, Bytes("L\0\0\0\x01\x14\x02\0"), "application/x-ms-shortcut"},
    Magic{0, "ITSF", "application/vnd.ms-htmlhelp"},
    Magic{0, "MSCF", "application/vnd.ms-cab-compressed"},
    Magic{0, "MSWIM", "application/x-ms-wim"},
    Magic{0, Bytes("Rar!\x1A\x07"), "application/vnd.rar"},
    Magic{0, Bytes("7z\xBC\xAF\x27\x1C"), "application/x-7z-compressed"},
    Magic{0, Bytes("\x1F\x8B"), "application/gzip"},
    Magic{0, "BZh", "application/x-bzip2"},
    Magic{0,
          Bytes("\xFD"
                "7zXZ\0"),
          "application/x-xz"},
    Magic{0, Bytes("\x28\xB5\x2F\xFD"), "application/zstd"},
    Magic{0, Bytes("\x04\x22\x4D\x18"), "application/x-lz4"},
    Magic{0, "LZIP", "application/x-lzip"},
    Magic{0, Bytes("\x1F\x9D"), "application/x-compress"},
    Magic{0, Bytes("\x60\xEA"), "application/x-arj"},
    Magic{2, "-lh", "application/x-lzh"},
    Magic{7, "**ACE**", "application/x-ace"},
    Magic{0, "xar!", "application/x-xar"},
    Magic{0, "!<arch>\n", "application/x-archive"},
    Magic{0, "070701", "application/x-cpio"},
    Magic{257, "ustar", "application/x-tar"},
    Magic{0x8001, "CD001", "application/x-iso9660-image"},
    Magic{0, "conectix", "application/x-vhd"},
    Magic{0, "vhdxfile", "application/x-vhdx"},
    Magic{0, Bytes("QFI\xFB"), "application/x-qcow2"},
    Magic{0,
          Bytes("\x7F"
                "ELF"),
          "application/x-elf"},
    Magic{0, Bytes("\xCA\xFE\xBA\xBE"), "application/java-vm"},
    Magic{0, Bytes("\xFE\xED\xFA\xCE"), "application/x-mach-binary"},
    Magic{0, Bytes("\xFE\xED\xFA\xCF"), "application/x-mach-binary"},
    Magic{0, Bytes("\xCF\xFA\xED\xFE"), "application/x-mach-binary"},
    Magic{0, "dex\n", "application/vnd.android.dex"},
    Magic{0, Bytes("\0asm"), "application/wasm"},
    Magic{0, "SQLite format 3", "application/vnd.sqlite3"},
    Magic{0, Bytes("\x89PNG\r\n\x1A\n"), "image/png"},
    Magic{0, Bytes("\xFF\xD8\xFF"), "image/jpeg"},
    Magic{0, "GIF87a", "image/gif"},
    Magic{0, "GIF89a", "image/gif"},
    Magic{0, Bytes("II*\0"), "image/tiff"},
    Magic{0, Bytes("MM\0*"), "image/tiff"},
    Magic{0, Bytes("\0\0\x01\0"), "image/x-icon"},
    Magic{0, "8BPS", "image/vnd.adobe.photoshop"},
    Magic{0, Bytes("\xD7\xCD\xC6\x9A"), "image/wmf"},
    Magic{40, " EMF", "image/emf"},
    Magic{4, "ftypavif", "image/avif"},
    Magic{4, "ftypheic", "image/heic"},
    Magic{4, "ftyp", "video/mp4"},
    Magic{0, Bytes("\x1A\x45\xDF\xA3"), "video/x-matroska"},
    Magic{0, "OggS", "application/ogg"},
    Magic{0, "ID3", "audio/mpeg"},
    Magic{0, "fLaC", "audio/flac"},
    Magic{0, "MThd", "audio/midi"},
    Magic{0, "wOFF", "font/woff"},
    Magic{0, "wOF2", "font/woff2"},
    Magic{0, "%!PS", "application/postscript"},
    Magic{0, "-----BEGIN PGP", "application/pgp"},
    Magic{0, "BEGIN:VCALENDAR", "text/calendar"},
    Magic{0, "BEGIN:VCARD", "text/vcard"},
    Magic{0, "#!", "text/x-script"},
};

bool StartsFold(string_view text, string_view prefix) {
  return text.size() >= prefix.size() && AsciiEqualFold(text.substr(0, prefix.size()), prefix);
}

string_view SniffZip(string_view bytes) {
  const string_view head = bytes.substr(0, 4096);
  if (head.find("word/") != string_view::npos) {
    return "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
  }
  if (head.find("xl/") != string_view::npos) {
    return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  }
  if (head.find("ppt/") != string_view::npos) {
    return "application/vnd.openxmlformats-officedocument.presentationml.presentation";
  }
  if (head.find("mimetypeapplication/epub+zip") != string_view::npos) return "application/epub+zip";
  if (head.find("mimetypeapplication/vnd.oasis.opendocument") != string_view::npos) {
    return "application/vnd.oasis.opendocument";
  }
  if (head.find("AndroidManifest.xml") != string_view::npos) {
    return "application/vnd.android.package-archive";
  }
  if (head.find("META-INF/") != string_view::npos) return "application/java-archive";
  return "application/zip";
}

string_view SniffText(string_view bytes) {
  string_view head = bytes.substr(0, 1024);
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  head = TrimSpace(head);
  for (int comments = 0; comments < 8 && head.starts_with("<!--"); ++comments) {
    const size_t end = head.find("-->");
    if (end == string_view::npos) return "text/html";
    head = TrimSpace(head.substr(end + 3));
  }
  for (const string_view tag :
       {"<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<table", "<div",
        "<meta", "<title", "<style", "<a href", "<h1", "<img"}) {
    if (StartsFold(head, tag)) return "text/html";
  }
  if (StartsFold(head, "<svg") ||
      (StartsFold(head, "<?xml") && head.find("<svg") != string_view::npos)) {
    return "image/svg+xml";
  }
  if (StartsFold(head, "<?xml")) return "application/xml";
  return {};
}

}  // namespace

string_view SniffType(string_view bytes) {
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06")) return SniffZip(bytes);
  if (bytes.starts_with("MZ")) return "application/vnd.microsoft.portable-executable";
  if (bytes.starts_with("RIFF") && bytes.size() >= 12) {
    const string_view form = bytes.substr(8, 4);
    if (form == "WEBP") return "image/webp";
    if (form == "WAVE") return "audio/wav";
    if (form == "AVI ") return "video/x-msvideo";
  }
  if (bytes.starts_with("BM") && bytes.size() > 14 &&
      bytes.substr(6, 4) == string_view("\0\0\0\0", 4)) {
    return "image/bmp";
  }
  for (const Magic& magic : kMagics) {
    if (bytes.size() >= magic.offset + magic.bytes.size() &&
        bytes.substr(magic.offset, magic.bytes.size()) == magic.bytes) {
      return magic.type;
    }
  }
  return SniffText(bytes);
}

}  // namespace mailreeve::mail
