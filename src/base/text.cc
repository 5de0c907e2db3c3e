#include "base/text.h"

namespace mailreeve {

char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string AsciiLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = AsciiLower(c);
  return out;
}

bool AsciiEqualFold(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (AsciiLower(a[i]) != AsciiLower(b[i])) return false;
  }
  return true;
}

std::string_view TrimSpace(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  size_t start = 0;
  while (true) {
    const size_t end = text.find(separator, start);
    out.push_back(text.substr(start, end == std::string_view::npos ? end : end - start));
    if (end == std::string_view::npos) return out;
    start = end + 1;
  }
}

namespace {

// Length of the well-formed sequence at `pos`, or 0; `bad` is then the length of the maximal
// ill-formed part.
size_t SequenceLength(std::string_view s, size_t pos, size_t& bad) {
  const auto at = [&](size_t i) -> unsigned {
    return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u;
  };
  const unsigned lead = at(pos);
  bad = 1;
  if (lead < 0x80) return 1;
  unsigned low = 0x80, high = 0xbf;
  size_t need = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    need = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    need = 2;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    need = 3;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  for (size_t i = 1; i <= need; ++i) {
    const unsigned next = at(pos + i);
    if (pos + i >= s.size() || next < low || next > high) {
      bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return need + 1;
}

}  // namespace

bool IsValidUtf8(std::string_view bytes) {
  size_t bad = 0;
  for (size_t pos = 0; pos < bytes.size();) {
    const size_t length = SequenceLength(bytes, pos, bad);
    if (length == 0) return false;
    pos += length;
  }
  return true;
}

std::string ToValidUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  size_t bad = 0;
  for (size_t pos = 0; pos < bytes.size();) {
    const size_t length = SequenceLength(bytes, pos, bad);
    if (length == 0 || bytes[pos] == '\0') {
      out += "\xEF\xBF\xBD";
      pos += length == 0 ? bad : 1;
    } else {
      out.append(bytes, pos, length);
      pos += length;
    }
  }
  return out;
}

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  for (int back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80;
       ++back) {
    --end;
  }
  return text.substr(0, end);
}

void AppendUtf8(std::string& out, char32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) c = 0xfffd;
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  } else {
    out.push_back(static_cast<char>(0xf0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 63)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  }
}

char32_t NextCodePoint(std::string_view text, size_t& pos) {
  size_t bad = 0;
  const size_t length = SequenceLength(text, pos, bad);
  const auto at = [&](size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  const size_t p = pos;
  switch (length) {
    case 1:
      pos += 1;
      return at(p);
    case 2:
      pos += 2;
      return (at(p) & 31) << 6 | (at(p + 1) & 63);
    case 3:
      pos += 3;
      return (at(p) & 15) << 12 | (at(p + 1) & 63) << 6 | (at(p + 2) & 63);
    case 4:
      pos += 4;
      return (at(p) & 7) << 18 | (at(p + 1) & 63) << 12 | (at(p + 2) & 63) << 6 | (at(p + 3) & 63);
    default:
      pos += 1;
      return 0xfffd;
  }
}

}  // namespace mailreeve
