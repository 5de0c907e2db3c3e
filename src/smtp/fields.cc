#include "smtp/fields.h"

#include "base/bytes.h"
#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace mailreeve::smtp {
namespace {

constexpr size_t kLongestLine = 998;
constexpr size_t kFoldAt = 76;

}  // namespace

std::string WithCrlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 40);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out.push_back('\r');
    out.push_back(text[i]);
  }
  return out;
}

std::string Base64Lines(std::string_view bytes) {
  const std::string coded = Base64Encode(bytes);
  std::string out;
  for (size_t at = 0; at < coded.size(); at += 76) {
    out.append(coded, at, 76);
    out += "\r\n";
  }
  return out;
}

std::string OneLine(std::string_view text) {
  std::string out = ToValidUtf8(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return out;
}

Form FormOf(std::string_view message) {
  bool eight = false;
  size_t line = 0;
  for (size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    if (c == '\n') {
      line = 0;
      continue;
    }
    if (c == '\r') {
      // A carriage return of its own would not survive the way.
      if (i + 1 == message.size() || message[i + 1] != '\n') return Form::kBinary;
      continue;
    }
    if (c == '\0' || ++line > kLongestLine) return Form::kBinary;
    eight = eight || static_cast<unsigned char>(c) >= 0x80;
  }
  return eight ? Form::kEightBit : Form::kSevenBit;
}

std::string EncodeField(std::string_view name, std::string_view text) {
  const std::string line = OneLine(CutUtf8(ToValidUtf8(text), 4000));
  const bool plain =
      std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }) &&
      line.find("=?") == std::string::npos && name.size() + 2 + line.size() <= kFoldAt;
  std::string out(name);
  out += ":";
  if (plain) return out + " " + line + "\r\n";
  // Encoded words of at most 75 characters, each of whole characters (RFC 2047 section 5).
  constexpr size_t kBytesAWord = 39;
  for (size_t at = 0; at < line.size();) {
    const std::string_view piece = CutUtf8(std::string_view(line).substr(at), kBytesAWord);
    out += (at == 0 ? " " : "\r\n ");
    out += "=?UTF-8?B?" + Base64Encode(piece) + "?=";
    at += piece.size();
  }
  return out + "\r\n";
}

bool IsPlainAddress(std::string_view address) {
  if (address.empty() || address.size() > 254) return false;
  const size_t at = address.find('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == address.size()) return false;
  if (address.find('@', at + 1) != std::string_view::npos) return false;
  return std::all_of(address.begin(), address.end(), [](char c) {
    return c > ' ' && c <= '~' &&
           std::string_view("<>()[],;:\\\"").find(c) == std::string_view::npos;
  });
}

std::string FormatMailDate(Time time) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  char out[64];
  std::snprintf(out, sizeof(out), "%s, %u %s %04d %02d:%02d:%02d +0000",
                kDays.at(std::chrono::weekday(day).c_encoding()), static_cast<unsigned>(date.day()),
                kMonths.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return out;
}

}  // namespace mailreeve::smtp
