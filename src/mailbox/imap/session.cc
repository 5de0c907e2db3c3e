#include "mailbox/imap/session.h"

#include "base/bytes.h"
#include "base/text.h"
#include "io/deadline.h"

#include <algorithm>

namespace mailreeve::mailbox::imap {
namespace {

// A refusal in the server's words; RFC 5530 codes tell what kind it is.
Error FromRefusal(const Response& end, std::string_view doing) {
  const std::string code = end.code_name();
  Code kind = Code::kDenied;
  if (end.name == "BAD") kind = Code::kInvalid;
  if (code == "UNAVAILABLE" || code == "INUSE" || code == "SERVERBUG" || code == "LIMIT")
    kind = Code::kUnavailable;
  if (code == "AUTHENTICATIONFAILED" || code == "EXPIRED" || code == "PRIVACYREQUIRED")
    kind = Code::kUnauthenticated;
  if (code == "NONEXISTENT") kind = Code::kNotFound;
  std::string text(doing);
  text += ": the mail store answered " + end.name;
  if (!code.empty()) text += " [" + ToValidUtf8(code) + "]";
  text += " " + std::string(CutUtf8(ToValidUtf8(end.text), 300));
  return Error(kind, std::move(text));
}

const Node* After(const std::vector<Node>& items, std::string_view name) {
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (AsciiEqualFold(items[i].text, name)) return &items[i + 1];
  }
  return nullptr;
}

std::optional<uint32_t> NumberOf(const Node& node) {
  uint64_t value = 0;
  if (node.kind != Node::Kind::kAtom || node.text.empty() || node.text.size() > 10)
    return std::nullopt;
  for (const char c : node.text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(value);
}

}  // namespace

io::Task<Result<Response>> Session::ReadResponse(size_t* budget) {
  std::string whole;
  CO_TRY(std::string line, co_await stream_->ReadLine());
  while (true) {
    if (line.size() + 2 > *budget) {
      co_return Fail(Code::kLimited, "the mail store answered more than " +
                                         std::to_string(options_.max_answer) +
                                         " bytes to one command");
    }
    *budget -= line.size() + 2;
    whole += line;
    const auto literal = AnnouncedLiteral(whole, line);
    if (!literal) break;
    if (*literal > options_.max_literal || *literal > *budget) {
      co_return Fail(Code::kLimited,
                     "the mail store announced " + std::to_string(*literal) + " bytes at once");
    }
    *budget -= *literal;
    whole += "\r\n";
    CO_TRY_VOID(co_await stream_->ReadExactly(*literal, &whole));
    CO_TRY(line, co_await stream_->ReadLine());
  }
  co_return ParseResponse(whole);
}

io::Task<Result<Session::Answer>> Session::Run(Command command) {
  if (command.spoilt())
    co_return Fail(Code::kInvalid, "a NUL byte cannot be sent to the mail store");
  const std::string tag = "m" + std::to_string(next_tag_++);
  size_t budget = options_.max_answer;
  Answer answer;
  std::string out = tag + " ";
  const bool non_synchronizing = Can("LITERAL+");
  for (const Command::Piece& piece : command.pieces()) {
    if (!piece.is_literal) {
      out += piece.bytes;
      continue;
    }
    out += "{" + std::to_string(piece.bytes.size()) + (non_synchronizing ? "+}\r\n" : "}\r\n");
    if (!non_synchronizing) {
      CO_TRY_VOID(co_await stream_->Write(std::move(out)));
      out.clear();
      while (true) {
        CO_TRY(Response response, co_await ReadResponse(&budget));
        if (response.kind == Response::Kind::kContinuation) break;
        if (response.kind == Response::Kind::kTagged) {
          answer.end = std::move(response);
          co_return answer;
        }
        if (response.name == "BYE")
          co_return Fail(Code::kUnavailable, "the mail store ended the session");
      }
    }
    out += piece.bytes;
  }
  out += "\r\n";
  CO_TRY_VOID(co_await stream_->Write(std::move(out)));
  while (true) {
    CO_TRY(Response response, co_await ReadResponse(&budget));
    if (response.kind == Response::Kind::kTagged) {
      if (response.tag != tag)
        co_return Fail(Code::kInvalid, "the mail store answered a command that was not given");
      answer.end = std::move(response);
      co_return answer;
    }
    if (response.kind == Response::Kind::kContinuation) {
      co_return Fail(Code::kInvalid, "the mail store asks for more where nothing is to follow");
    }
    if (response.name == "BYE") {
      co_return Fail(Code::kUnavailable, "the mail store ended the session: " +
                                             std::string(CutUtf8(ToValidUtf8(response.text), 200)));
    }
    if (answer.untagged.size() >= options_.max_responses) {
      co_return Fail(Code::kLimited, "the mail store sent more than " +
                                         std::to_string(options_.max_responses) +
                                         " responses to one command");
    }
    answer.untagged.push_back(std::move(response));
  }
}

io::Task<Result<Session::Answer>> Session::RunOk(Command command, std::string_view doing) {
  const std::string what(doing);
  CO_TRY(Answer answer, co_await Run(std::move(command)));
  if (answer.end.name != "OK") co_return Fail(FromRefusal(answer.end, what));
  co_return answer;
}

void Session::LearnCapabilities(std::string_view words) {
  capabilities_.clear();
  for (const std::string_view word : Split(words, ' ')) {
    if (capabilities_.size() >= 200) return;
    std::string upper(word);
    for (char& c : upper) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    capabilities_.insert(std::move(upper));
  }
}

io::Task<Result<void>> Session::AskCapabilities() {
  CO_TRY(Answer answer, co_await RunOk(Command("CAPABILITY"), "asking for capabilities"));
  for (const Response& response : answer.untagged) {
    if (response.name != "CAPABILITY") continue;
    std::string words;
    for (const Node& node : response.items) words += node.text + " ";
    LearnCapabilities(words);
  }
  co_return Result<void>();
}

io::Task<Result<std::unique_ptr<Session>>> Session::Connect(const ImapOptions& options,
                                                            io::TlsContext tls) {
  if (options.security == Security::kPlain && !options.allow_plain) {
    co_return Fail(Code::kDenied, "IMAP without TLS is not allowed by the settings");
  }
  if (options.security != Security::kPlain && !tls)
    co_return Fail(Code::kInternal, "IMAP: no TLS context");
  io::TextStream::Options how{.host = options.host,
                              .port = options.port,
                              .tls = options.security == Security::kTls ? tls : nullptr,
                              .server_name = options.server_name,
                              .max_line = options.max_line,
                              .connect_timeout = options.connect_timeout,
                              .io_timeout = options.io_timeout};
  CO_TRY(auto stream, co_await io::TextStream::Connect(std::move(how)));
  std::unique_ptr<Session> session(new Session(options, std::move(stream)));
  size_t budget = options.max_line;
  CO_TRY(Response greeting, co_await session->ReadResponse(&budget));
  if (greeting.kind != Response::Kind::kUntagged || !greeting.is_status()) {
    co_return Fail(Code::kInvalid, "the mail store does not greet as an IMAP server");
  }
  if (greeting.name == "BYE") {
    co_return Fail(Code::kUnavailable, "the mail store turns us away: " +
                                           std::string(CutUtf8(ToValidUtf8(greeting.text), 200)));
  }
  if (greeting.name != "OK") {
    co_return Fail(Code::kInvalid, "the mail store has us logged in already as nobody knows whom");
  }
  session->greeting_ = std::string(CutUtf8(ToValidUtf8(greeting.text), 200));
  if (options.security == Security::kStartTls) CO_TRY_VOID(co_await session->Secure(tls));
  CO_TRY_VOID(co_await session->AskCapabilities());
  co_return session;
}

io::Task<Result<void>> Session::Secure(io::TlsContext tls) {
  CO_TRY_VOID(co_await RunOk(Command("STARTTLS"), "starting TLS"));
  CO_TRY_VOID(co_await stream_->StartTls(std::move(tls)));
  co_return Result<void>();
}

io::Task<Result<void>> Session::LogIn(std::string user, Secret secret) {
  std::string plain;
  if (options_.login_style == LoginStyle::kAuthorizationId) {
    plain = user + '\0' + options_.master_user + '\0';
  } else {
    plain = std::string(1, '\0') + user + options_.separator + options_.master_user + '\0';
  }
  if (user.empty() || user.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos ||
      user.find(options_.separator) != std::string::npos) {
    // With the separator in it, the address would name another user or master user.
    co_return Fail(Code::kNotFound, "no mailbox can have such a name");
  }
  plain += secret.Reveal();
  std::string coded = Base64Encode(plain);
  Secret wipe(std::move(plain));

  if (!Can("AUTH=PLAIN"))
    co_return Fail(Code::kDenied, "the mail store offers no AUTHENTICATE PLAIN");
  const std::string tag = "m" + std::to_string(next_tag_++);
  size_t budget = options_.max_line;
  Response end;
  if (Can("SASL-IR")) {
    CO_TRY_VOID(co_await stream_->Write(tag + " AUTHENTICATE PLAIN " + coded + "\r\n"));
  } else {
    CO_TRY_VOID(co_await stream_->Write(tag + " AUTHENTICATE PLAIN\r\n"));
  }
  bool sent = Can("SASL-IR");
  std::string learned;
  for (size_t count = 0;; ++count) {
    if (count > 100)
      co_return Fail(Code::kInvalid, "the mail store talks on instead of logging us in");
    CO_TRY(Response response, co_await ReadResponse(&budget));
    if (response.kind == Response::Kind::kContinuation) {
      // A second challenge has no place in PLAIN: give up the exchange.
      CO_TRY_VOID(co_await stream_->Write(sent ? std::string("*\r\n") : coded + "\r\n"));
      sent = true;
      continue;
    }
    if (response.kind == Response::Kind::kUntagged) {
      if (response.name == "BYE") {
        co_return Fail(Code::kUnavailable, "the mail store ended the session at the log-in");
      }
      if (response.name == "CAPABILITY") {
        for (const Node& node : response.items) learned += node.text + " ";
      }
      continue;
    }
    if (response.tag != tag)
      co_return Fail(Code::kInvalid, "the mail store answered a command that was not given");
    end = std::move(response);
    break;
  }
  Secret wipe_coded(std::move(coded));
  if (end.name != "OK") {
    Error error = FromRefusal(end, "log-in to the mailbox");
    // RFC 5530: the master user is who it says, but there is no such user to act as.
    if (end.code_name() == "AUTHORIZATIONFAILED") {
      error.code = Code::kNotFound;
    } else if (error.code == Code::kDenied) {
      error.code = Code::kUnauthenticated;
    }
    co_return Fail(std::move(error));
  }
  if (end.code_name() == "CAPABILITY") {
    LearnCapabilities(std::string_view(end.code).substr(std::string_view("CAPABILITY").size()));
  } else if (!learned.empty()) {
    LearnCapabilities(learned);
  } else {
    CO_TRY_VOID(co_await AskCapabilities());
  }
  co_return Result<void>();
}

io::Task<Result<std::vector<Folder>>> Session::ListFolders(bool* cut) {
  *cut = false;
  // Folders of other users and shared ones are not this mailbox (hostile-input.md B03).
  std::vector<std::string> foreign;
  if (Can("NAMESPACE")) {
    CO_TRY(Answer names, co_await RunOk(Command("NAMESPACE"), "asking for name spaces"));
    for (const Response& response : names.untagged) {
      if (response.name != "NAMESPACE" || response.items.size() < 3) continue;
      for (size_t i = 1; i < 3; ++i) {
        for (const Node& space : response.items[i].items) {
          if (!space.items.empty() && !space.items[0].text.empty())
            foreign.push_back(space.items[0].text);
        }
      }
    }
  }
  CO_TRY(Answer answer, co_await RunOk(Command("LIST \"\" \"*\""), "listing folders"));
  std::vector<Folder> out;
  std::set<std::string> seen, shown;
  for (Response& response : answer.untagged) {
    if (response.name != "LIST") continue;
    if (response.items.size() < 3 || response.items[0].kind != Node::Kind::kList ||
        response.items[2].kind == Node::Kind::kList) {
      co_return Fail(Code::kInvalid, "the mail store's list of folders cannot be read");
    }
    const bool selectable = std::none_of(response.items[0].items.begin(),
                                         response.items[0].items.end(), [](const Node& flag) {
                                           return AsciiEqualFold(flag.text, "\\Noselect") ||
                                                  AsciiEqualFold(flag.text, "\\NonExistent");
                                         });
    std::string& wire = response.items[2].text;
    const bool is_foreign =
        std::any_of(foreign.begin(), foreign.end(),
                    [&](const std::string& prefix) { return wire.starts_with(prefix); });
    if (!selectable || is_foreign || !seen.insert(wire).second) continue;
    if (out.size() >= options_.max_folders) {
      *cut = true;
      break;
    }
    auto decoded = DecodeMailboxName(wire);
    std::string name = decoded ? *decoded : ToValidUtf8(wire);
    if (AsciiEqualFold(name, "INBOX")) name = "INBOX";
    std::string unique = name;
    for (int n = 2; !shown.insert(unique).second; ++n) unique = name + " #" + std::to_string(n);
    out.push_back({std::move(wire), std::move(unique)});
  }
  co_return out;
}

io::Task<Result<Selected>> Session::Open(std::string wire_name, bool read_only) {
  CO_TRY(Answer answer,
         co_await RunOk(Command(read_only ? "EXAMINE " : "SELECT ").Argument(wire_name),
                        "opening a folder"));
  Selected out;
  for (const Response& response : answer.untagged) {
    if (response.name != "OK" || response.code_name() != "UIDVALIDITY") continue;
    const Node value{.kind = Node::Kind::kAtom,
                     .text = std::string(TrimSpace(std::string_view(response.code).substr(11)))};
    if (const auto number = NumberOf(value)) out.uid_validity = *number;
  }
  if (out.uid_validity == 0)
    co_return Fail(Code::kInvalid, "the mail store gives no UIDVALIDITY for a folder");
  out.read_only = answer.end.code_name() == "READ-ONLY";
  co_return out;
}

io::Task<Result<std::vector<uint32_t>>> Session::Search(Command criteria) {
  CO_TRY(Answer answer, co_await RunOk(std::move(criteria), "searching a folder"));
  std::vector<uint32_t> out;
  for (const Response& response : answer.untagged) {
    if (response.name != "SEARCH") continue;
    for (const Node& node : response.items) {
      // CONDSTORE servers may add "(MODSEQ n)".
      if (node.kind == Node::Kind::kList) continue;
      const auto uid = NumberOf(node);
      if (!uid || *uid == 0)
        co_return Fail(Code::kInvalid, "the mail store's search result cannot be read");
      out.push_back(*uid);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  co_return out;
}

io::Task<Result<std::vector<Fetched>>> Session::Fetch(std::vector<uint32_t> uids,
                                                      std::string section) {
  if (uids.empty()) co_return std::vector<Fetched>();
  std::sort(uids.begin(), uids.end());
  Command command("UID FETCH ");
  command.Words(UidSet(uids)).Words(" (UID FLAGS INTERNALDATE BODY.PEEK[" + section + "])");
  CO_TRY(Answer answer, co_await RunOk(std::move(command), "fetching messages"));
  std::vector<Fetched> out;
  for (Response& response : answer.untagged) {
    if (response.name != "FETCH" || response.items.empty() ||
        response.items[0].kind != Node::Kind::kList)
      continue;
    std::vector<Node>& items = response.items[0].items;
    const Node* uid_node = After(items, "UID");
    if (uid_node == nullptr) continue;
    const auto uid = NumberOf(*uid_node);
    if (!uid || !std::binary_search(uids.begin(), uids.end(), *uid)) continue;
    Fetched one{.uid = *uid};
    bool has_body = false;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i].text.size() >= 5 &&
          AsciiEqualFold(std::string_view(items[i].text).substr(0, 5), "BODY[") &&
          items[i + 1].kind != Node::Kind::kList) {
        if (!items[i + 1].is_nil()) one.body = std::move(items[i + 1].text);
        has_body = true;
      }
    }
    // Without a body it is news of a flag that another session changed.
    if (!has_body) continue;
    if (const Node* flags = After(items, "FLAGS"); flags != nullptr) {
      for (const Node& flag : flags->items) {
        if (!one.flags.empty()) one.flags.push_back(' ');
        one.flags += ToValidUtf8(flag.text);
      }
    }
    if (const Node* date = After(items, "INTERNALDATE"); date != nullptr) {
      if (const auto time = ParseInternalDate(date->text)) {
        one.internal_date = *time;
        one.has_date = true;
      }
    }
    out.push_back(std::move(one));
  }
  co_return out;
}

io::Task<Result<void>> Session::Remove(uint32_t uid) {
  // Plain EXPUNGE would also remove what others have marked.
  if (!Can("UIDPLUS")) {
    co_return Fail(Code::kDenied,
                   "the mail store has no UIDPLUS, so one message cannot be removed alone");
  }
  const std::string number = std::to_string(uid);
  CO_TRY_VOID(co_await RunOk(Command("UID STORE " + number + " +FLAGS.SILENT (\\Deleted)"),
                             "marking as deleted"));
  auto expunged = co_await RunOk(Command("UID EXPUNGE " + number), "removing");
  if (!expunged) {
    // Left marked, a later EXPUNGE of the user's would remove it without a receipt.
    (void)co_await RunOk(Command("UID STORE " + number + " -FLAGS.SILENT (\\Deleted)"),
                         "unmarking");
    co_return Fail(std::move(expunged.error()));
  }
  co_return Result<void>();
}

io::Task<void> Session::LogOut() {
  (void)co_await io::WithDeadline(Run(Command("LOGOUT")), std::chrono::seconds(2), "log-out");
  stream_->Close();
}

}  // namespace mailreeve::mailbox::imap
