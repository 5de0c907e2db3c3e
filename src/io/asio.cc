#include "io/asio.h"

#include <boost/asio/error.hpp>

namespace mailreeve::io {

Error FromSystem(const error_code& error, std::string_view doing) {
  Code code = Code::kUnavailable;
  if (error == asio::error::operation_aborted) code = Code::kCancelled;
  if (error == asio::error::timed_out) code = Code::kTimeout;
  return Error(code, std::string(doing) + ": " + error.message());
}

}  // namespace mailreeve::io
