// The reader of IMAP responses, names and dates: a mail store may say anything.
#include "base/text.h"
#include "mailbox/imap/wire.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace mailreeve::mailbox::imap;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto response = ParseResponse(bytes, {.max_depth = 16, .max_nodes = 1000})) {
    (void)response->code_name();
    // An argument made of anything it said stays within its own command.
    for (const Node& node : response->items) {
      Command command("SELECT ");
      command.Argument(node.text);
      for (const auto& piece : command.pieces()) {
        if (!piece.is_literal && piece.bytes.find_first_of("\r\n") != std::string::npos)
          std::abort();
      }
    }
  }
  const size_t line = bytes.rfind('\n');
  (void)AnnouncedLiteral(bytes, line == std::string_view::npos ? bytes : bytes.substr(line + 1));
  if (const auto name = DecodeMailboxName(bytes)) {
    if (EncodeMailboxName(*name) != bytes || !mailreeve::IsValidUtf8(*name)) std::abort();
  }
  (void)ParseInternalDate(bytes);
  return 0;
}
