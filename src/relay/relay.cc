#include "relay/relay.h"

namespace mailreeve::relay {

json::object FatalError(std::string_view code, std::string_view message) {
  return {{"errors", json::array{json::object{{"type", "fatal"}, {"code", code}, {"message", message}}}}};
}

}  // namespace mailreeve::relay
