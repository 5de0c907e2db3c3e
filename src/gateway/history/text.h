#pragma once

#include "base/text.h"
#include "observable/observable.h"

#include <string>
#include <string_view>

// Text out of logs, as records keep it. Internal to this folder.
namespace mailreeve::gateway::history {

inline constexpr size_t kMaxText = 1000;

inline std::string Text(std::string_view text) { return ToValidUtf8(CutUtf8(text, kMaxText)); }

// Canonical where there is such a form.
inline std::string Address(std::string_view text) {
  auto canonical = observable::Canonical(observable::Type::kEmail, text);
  return canonical ? *std::move(canonical) : Text(text);
}

}  // namespace mailreeve::gateway::history
