#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

// The canonical form of URLs, apart from the others for its size. Internal to this folder.
namespace mailreeve::observable {

Result<std::string> UrlForm(std::string_view value);

}  // namespace mailreeve::observable
