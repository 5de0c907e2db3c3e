#include "gateway/tracking/fold.h"

#include "base/text.h"

#include <glib.h>

namespace mailreeve::gateway::tracking {

std::string FoldText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool space = false;
  size_t pos = 0;
  while (pos < text.size()) {
    if (const auto byte = static_cast<unsigned char>(text[pos]); byte < 0x80) {
      ++pos;
      if (byte <= 0x20 || byte == 0x7f) {
        space = true;
        continue;
      }
      if (space && !out.empty()) out.push_back(' ');
      space = false;
      out.push_back(static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte));
      continue;
    }
    char32_t c = NextCodePoint(text, pos);
    if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;
    if (c <= 0x20 || c == 0x7f || c == 0xa0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200a) ||
        c == 0x2028 || c == 0x2029) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out.push_back(' ');
    space = false;
    AppendUtf8(out, static_cast<char32_t>(g_unichar_tolower(static_cast<gunichar>(c))));
  }
  return out;
}

}  // namespace mailreeve::gateway::tracking
