#include "mail/encoded_words.h"

#include "base/text.h"
#include "mail/header_fields.h"

#include <algorithm>
#include <array>

namespace mailreeve::mail {
namespace {

constexpr std::array<signed char, 256> kBase64 = [] {
  std::array<signed char, 256> out{};
  for (auto& v : out) v = -1;
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < alphabet.size(); ++i) {
    out[static_cast<unsigned char>(alphabet[i])] = static_cast<signed char>(i);
  }
  out[static_cast<unsigned char>('-')] = 62;
  out[static_cast<unsigned char>('_')] = 63;
  return out;
}();

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = AsciiLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct Word {
  std::string_view charset;
  char encoding = 0;  // 'b' or 'q'
  std::string_view text;
  size_t end = 0;  // behind "?="
};

// An encoded word at `pos`, where "=?" stands. `charset_end` and so on are found within 100 bytes;
// the text ends at the first "?=", not followed by another '=' that belongs to "?==?" of the next
// word.
bool FindWord(std::string_view s, size_t pos, Word& word) {
  const std::string_view head = s.substr(pos, 110);
  const size_t first = head.find('?', 2);
  if (first == std::string_view::npos || first == 2 || first + 2 >= head.size()) return false;
  word.charset = head.substr(2, first - 2);
  if (word.charset.find_first_of(" \t=\"<>@,;") != std::string_view::npos) return false;
  word.encoding = AsciiLower(head[first + 1]);
  if ((word.encoding != 'b' && word.encoding != 'q') || head[first + 2] != '?') return false;
  const size_t start = pos + first + 3;
  const size_t end = s.find("?=", start);
  if (end == std::string_view::npos) return false;
  // "=?utf-8?Q?=41?=": an empty Q text before "?=41" is no end when more text and another "?="
  // follow at once.
  word.text = s.substr(start, end - start);
  word.end = end + 2;
  if (word.encoding == 'q' && word.text.empty() && word.end < s.size() &&
      HexDigit(s[word.end]) >= 0) {
    const size_t next = s.find("?=", word.end);
    if (next != std::string_view::npos) {
      word.text = s.substr(start, next - start);
      word.end = next + 2;
    }
  }
  return true;
}

}  // namespace

std::string DecodeB(std::string_view text) {
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') {  // padding; concatenated blocks go on behind it
      bits = 0;
      count = 0;
      continue;
    }
    const int value = kBase64[static_cast<unsigned char>(c)];
    if (value < 0) continue;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return out;
}

std::string DecodeQ(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out.push_back(' ');
    } else if (text[i] == '=' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
               HexDigit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexDigit(text[i + 1]) << 4 | HexDigit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

HeaderText DecodeHeaderText(std::string_view value, Charsets& charsets, std::string_view declared) {
  HeaderText out;
  std::string unfolded;
  const bool foldless =
      value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
  if (!foldless) unfolded = Unfold(value);
  const std::string_view s = foldless ? TrimSpace(value) : std::string_view(unfolded);

  // Bytes of words in a row with one charset and encoding are decoded together: a character may be
  // split between them.
  std::string pending;
  std::string pending_charset;
  const auto flush = [&] {
    if (pending_charset.empty()) return;
    Charsets::Outcome outcome{};
    out.text += charsets.ToUtf8(pending, pending_charset, &outcome);
    if (outcome == Charsets::Outcome::kUnknownCharset) out.unknown_charset = true;
    if (outcome == Charsets::Outcome::kReplaced) out.replaced = true;
    pending.clear();
    pending_charset.clear();
  };
  const auto plain = [&](std::string_view text) {
    if (text.empty()) return;
    if (std::any_of(text.begin(), text.end(),
                    [](char c) { return static_cast<signed char>(c) < 0; })) {
      out.raw_8bit = true;
      out.text += charsets.Guess(text, declared);
    } else {
      out.text += text;
    }
  };

  size_t pos = 0;
  bool after_word = false;
  // Behind the last "?=" no word can end, and looking for an end from each beginning would be
  // quadratic.
  const size_t last = s.rfind("?=");
  const size_t last_end = last == std::string_view::npos ? 0 : last;
  while (pos < s.size()) {
    size_t start = pos < last_end ? s.find("=?", pos) : std::string_view::npos;
    Word word;
    while (start != std::string_view::npos && !FindWord(s, start, word)) {
      out.broken_word = true;
      start = start + 2 < last_end ? s.find("=?", start + 2) : std::string_view::npos;
    }
    const std::string_view between =
        s.substr(pos, start == std::string_view::npos ? start : start - pos);
    const bool gap_only = between.find_first_not_of(" \t") == std::string_view::npos;
    if (!(after_word && start != std::string_view::npos && gap_only)) {
      flush();
      plain(between);
    }
    if (start == std::string_view::npos) break;
    out.encoded = true;
    if (!AsciiEqualFold(word.charset, pending_charset)) flush();
    pending_charset = word.charset;
    pending += word.encoding == 'b' ? DecodeB(word.text) : DecodeQ(word.text);
    after_word = true;
    pos = word.end;
  }
  flush();
  return out;
}

std::string FoldSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool gap = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f') {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out.push_back(' ');
    gap = false;
    out.push_back(c);
  }
  return out;
}

}  // namespace mailreeve::mail
