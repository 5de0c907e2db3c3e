#pragma once

#include "mail/content_digest.h"
#include "mailbox/imap/session.h"
#include "mailbox/mailbox.h"

#include <memory>
#include <string>

// Mailboxes of an IMAP server, opened by a master user (Dovecot; any server with SASL PLAIN and
// authorisation ids).
//
// Find asks in every folder, by Message-ID and, when that confirms nothing or there is none, by
// date; what it finds is confirmed by digest, envelope and time (docs/remediation.md). Remove needs
// UIDPLUS.
//
// Threads: one executor. Ownership: outlives its mailboxes.
// Errors: those of mailbox::Mailbox.
//
//   TRY(auto store, imap::ImapStore::Make({.host = "imap.example.org", .ca_file = "ca.pem",
//   .master_user = "mailreeve",
//                                          .secret_file = "/etc/mailreeve/imap.secret"}));
//   CO_TRY(auto mailbox, co_await store->Open("bob@example.org"));
namespace mailreeve::mailbox::imap {

class ImapStore final : public MailboxStore {
 public:
  // kInvalid: TLS files cannot be used, no host, or plain text that is not allowed.
  static Result<std::unique_ptr<ImapStore>> Make(ImapOptions options);
  io::Task<Result<std::unique_ptr<Mailbox>>> Open(std::string recipient) override;

 private:
  ImapStore(ImapOptions options, io::TlsContext tls)
      : options_(std::move(options)), tls_(std::move(tls)) {}
  const ImapOptions options_;
  const io::TlsContext tls_;
};

// The mailbox that takes mail for `recipient`: without "+detail".
std::string MailboxUser(std::string_view recipient, char delimiter);

// Why `message`, found in a mailbox, is not the one of `identity`; empty: it is. Only trace fields
// that stand before the first Received field count, since a sender can write any other.
std::string WhyNotIt(const MessageIdentity& identity, std::string_view message,
                     const Fetched& fetched, const ImapOptions& options);

}  // namespace mailreeve::mailbox::imap
