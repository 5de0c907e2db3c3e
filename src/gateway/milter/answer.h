#pragma once

#include "gateway/milter/milter.h"
#include "gateway/milter/wire.h"

#include <string>

// Decisions as packets: the one place where our texts are made fit for SMTP. Pure functions.
namespace mailreeve::gateway::milter {

// The packets for a decision at `stage`. kInvalid or kLimited says why it cannot be carried out;
// nothing of it is sent then.
Result<std::string> EncodeDecision(const Decision& decision, Stage stage,
                                   const Agreement& agreement, const Options& options);

// The packet of the failure mode.
std::string EncodeFailure(FailureMode mode);

// "550 5.7.1 text" without CR, LF or other control characters; percent signs doubled, as the
// protocol asks for.
Result<std::string> ReplyLine(int code, std::string_view enhanced, std::string_view text,
                              size_t max_text_bytes);

}  // namespace mailreeve::gateway::milter
