#pragma once

#include "mailbox/mailbox.h"

namespace mailreeve::mailbox {

// Stands in where no mail store is configured: every mailbox is refused, and why is said.
class UnconfiguredStore final : public MailboxStore {
 public:
  io::Task<Result<std::unique_ptr<Mailbox>>> Open(std::string) override {
    co_return Fail(Code::kDenied,
                   "no mail store is configured at this gateway; add a [mailboxes] table to its "
                   "bootstrap file");
  }
};

}  // namespace mailreeve::mailbox
