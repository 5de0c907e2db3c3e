#pragma once

#include "base/secret.h"
#include "io/text_stream.h"
#include "mailbox/imap/wire.h"

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// One IMAP session for one user (RFC 3501, UIDPLUS RFC 4315, LITERAL+ RFC 7888, NAMESPACE RFC 2342,
// response codes RFC 5530).
//
// Threads: one executor, one call at a time. Ownership: destroying it closes the connection.
// Errors: those of mailbox::Mailbox. After kUnavailable, kTimeout, kInvalid and kLimited the
// session is of no use.
namespace mailreeve::mailbox::imap {

enum class Security { kTls, kStartTls, kPlain };
enum class LoginStyle {
  kAuthorizationId,  // SASL PLAIN: user as the identity to act as, master user and secret as who
                     // asks (RFC 4616)
  kSeparator,        // user name "user*master" (Dovecot's auth_master_user_separator)
};

struct ImapOptions {
  std::string host;
  uint16_t port = 993;
  Security security = Security::kTls;
  bool allow_plain = false;  // kPlain is refused without it: secret and mail would go in the clear
  std::string ca_file;       // PEM; empty: the system's authorities
  std::string server_name;   // that the certificate must carry; empty: `host`
  std::string master_user;
  std::string secret_file;  // holds the master user's password; read at each log-in, so that it can
                            // be changed
  LoginStyle login_style = LoginStyle::kAuthorizationId;
  char separator = '*';
  // "bob+news@x" is kept in the mailbox of "bob@x"; 0: addresses are mailboxes as they are.
  char recipient_delimiter = '+';

  size_t max_line = 1024 * 1024;
  size_t max_literal = 64 * 1024 * 1024;
  size_t max_answer = 96 * 1024 * 1024;  // all bytes that answer one command
  size_t max_responses = 100000;         // that answer one command
  size_t max_folders = 2000;
  size_t max_candidates = 200;   // fetched whole in one folder
  size_t max_in_window = 20000;  // looked at by header in one folder
  std::chrono::milliseconds connect_timeout{10000};
  std::chrono::milliseconds io_timeout{30000};
  // A message received at T may carry an internal date of [T - before, T + after].
  std::chrono::hours window_before{48};
  std::chrono::hours window_after{15 * 24};
};

struct Folder {
  std::string wire;  // as the server names it
  std::string name;  // UTF-8
};

struct Selected {
  uint32_t uid_validity = 0;
  bool read_only = false;
};

struct Fetched {
  uint32_t uid = 0;
  std::string flags;  // "\Seen \Answered"
  Time internal_date;
  bool has_date = false;
  std::string body;  // of the section asked for
};

class Session {
 public:
  // Connects, reads the greeting and secures the connection. `tls` may be null for kPlain only.
  static io::Task<Result<std::unique_ptr<Session>>> Connect(const ImapOptions& options,
                                                            io::TlsContext tls);

  // kUnauthenticated: the master user is refused. kNotFound: `user` has no mailbox.
  io::Task<Result<void>> LogIn(std::string user, Secret secret);
  // Selectable folders of the user's own name space. `cut` is set when there are more than
  // max_folders.
  io::Task<Result<std::vector<Folder>>> ListFolders(bool* cut);
  io::Task<Result<Selected>> Open(std::string wire_name, bool read_only);
  // `criteria` is ours but for its arguments.
  io::Task<Result<std::vector<uint32_t>>> Search(Command criteria);
  // `section` is ours: "" or "HEADER.FIELDS (MESSAGE-ID)". What the server sends of other messages
  // is dropped.
  io::Task<Result<std::vector<Fetched>>> Fetch(std::vector<uint32_t> uids, std::string section);
  // Removes that message and no other. kDenied without UIDPLUS.
  io::Task<Result<void>> Remove(uint32_t uid);
  io::Task<void> LogOut();

  bool Can(std::string_view capability) const {
    return capabilities_.contains(std::string(capability));
  }
  const std::string& greeting() const { return greeting_; }

 private:
  Session(const ImapOptions& options, std::unique_ptr<io::TextStream> stream)
      : options_(options), stream_(std::move(stream)) {}

  struct Answer {
    std::vector<Response> untagged;
    Response end;
  };
  io::Task<Result<Response>> ReadResponse(size_t* budget);
  // Runs the command; an end other than OK is an answer too.
  io::Task<Result<Answer>> Run(Command command);
  // The same; NO and BAD are errors.
  io::Task<Result<Answer>> RunOk(Command command, std::string_view doing);
  io::Task<Result<void>> Secure(io::TlsContext tls);
  void LearnCapabilities(std::string_view words);
  io::Task<Result<void>> AskCapabilities();

  const ImapOptions& options_;
  std::unique_ptr<io::TextStream> stream_;
  std::set<std::string> capabilities_;
  std::string greeting_;
  uint64_t next_tag_ = 1;
};

}  // namespace mailreeve::mailbox::imap
