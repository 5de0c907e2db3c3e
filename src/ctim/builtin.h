#pragma once

#include <string_view>

// The documents of schema/ctim as they were when this program was built. Constant; thread-safe.
namespace mailreeve::ctim {

std::string_view BuiltinVocabularies();
std::string_view BuiltinComponents();
std::string_view BuiltinEntities();

}  // namespace mailreeve::ctim
