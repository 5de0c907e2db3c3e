#pragma once

#include "mail/message_record.h"

#include <string>

namespace mailreeve::gateway::tracking {

// What the trigram filters of a segment would hold of a record: folded texts between line feeds,
// which folded text has none of. A text condition that is in none of them cannot hold.
struct HeadTexts {
  std::string subjects, others;
};
HeadTexts HeadTextsOf(const mail::MessageRecord& record);

}  // namespace mailreeve::gateway::tracking
