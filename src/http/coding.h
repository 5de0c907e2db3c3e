#pragma once

#include "http/message.h"

#include <string>
#include <string_view>

namespace mailreeve::http {

// `bytes` without their gzip (several members too) or zlib wrapping. kInvalid for damaged or
// truncated data, kLimited for more than `max_bytes`: no more memory than that is taken.
Result<std::string> Inflate(std::string_view bytes, size_t max_bytes);

// Undoes the Content-Encoding of an answer: gzip, x-gzip, deflate, identity; kInvalid for another
// or for several. The body stays within `max_bytes`. The header goes.
Result<void> UndoCoding(Response& response, size_t max_bytes);

}  // namespace mailreeve::http
