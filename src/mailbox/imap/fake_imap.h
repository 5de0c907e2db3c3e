#pragma once

#include "base/text.h"
#include "io/asio.h"
#include "io/scope.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

// An IMAP server for tests, with faults on demand. It serves one user, in the clear, on a free
// loopback port, in the test's own io_context.
namespace mailreeve::mailbox::imap {

struct FakeMessage {
  uint32_t uid = 0;
  std::string bytes;
  std::set<std::string> flags;
  std::string date = "24-Nov-2026 04:00:00 +0000";
};
struct FakeFolder {
  uint32_t uid_validity = 1;
  std::vector<FakeMessage> messages;
  std::string attributes;
  bool refuses = false;  // EXAMINE and SELECT answer NO
  bool read_only = false;
};

class FakeImap {
 public:
  explicit FakeImap(io::Scope& scope)
      : scope_(scope), acceptor_(scope.executor(), {asio::ip::address_v4::loopback(), 0}) {
    scope_.Spawn("fake imap", Accept());
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void Stop() { acceptor_.close(); }

  std::map<std::string, FakeFolder> folders;  // by wire name
  std::string capabilities = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE AUTH=PLAIN";
  std::string greeting = "* OK Fake ready.";
  std::string login_answer = "OK logged in";
  std::string drop_at;                // verb at which the connection is cut
  std::string nonsense_at;            // verb that is answered with rubbish
  std::string say_at, say;            // verb that is answered with these bytes
  std::vector<std::string> commands;  // as received, without tags; the log-in secret too

 private:
  using tcp = asio::ip::tcp;

  io::Task<void> Accept() {
    while (true) {
      auto [error, socket] = co_await acceptor_.async_accept(io::kTuple);
      if (error) co_return;
      scope_.Spawn("fake imap session", Serve(std::move(socket)));
    }
  }

  struct Peer {
    tcp::socket socket;
    std::string buffer;
    std::string selected;
  };

  static io::Task<bool> More(Peer& peer) {
    char space[4096];
    auto [error, got] = co_await peer.socket.async_read_some(asio::buffer(space), io::kTuple);
    if (error) co_return false;
    peer.buffer.append(space, got);
    co_return true;
  }
  static io::Task<bool> Send(Peer& peer, std::string text) {
    auto [error, n] = co_await asio::async_write(peer.socket, asio::buffer(text), io::kTuple);
    co_return !error;
  }

  // One command with its literals in place; empty: the client went.
  static io::Task<std::string> ReadCommand(Peer& peer) {
    std::string whole;
    while (true) {
      size_t end;
      while ((end = peer.buffer.find("\r\n")) == std::string::npos) {
        if (!co_await More(peer)) co_return "";
      }
      const std::string line = peer.buffer.substr(0, end);
      peer.buffer.erase(0, end + 2);
      whole += line;
      if (!line.ends_with('}')) co_return whole;
      const bool plus = line.ends_with("+}");
      const size_t open = line.rfind('{');
      const size_t size = std::stoul(line.substr(open + 1));
      if (!plus && !co_await Send(peer, "+ go on\r\n")) co_return "";
      while (peer.buffer.size() < size) {
        if (!co_await More(peer)) co_return "";
      }
      whole += "\r\n" + peer.buffer.substr(0, size);
      peer.buffer.erase(0, size);
    }
  }

  // The last argument, decoded.
  static std::string LastArgument(const std::string& command) {
    if (const size_t literal = command.find("}\r\n"); literal != std::string::npos)
      return command.substr(literal + 3);
    const size_t quote = command.find('"');
    if (quote == std::string::npos) return command.substr(command.rfind(' ') + 1);
    std::string out;
    for (size_t i = quote + 1; i < command.size() && command[i] != '"'; ++i) {
      if (command[i] == '\\') ++i;
      out.push_back(command[i]);
    }
    return out;
  }

  static std::string Verb(const std::string& command) {
    const size_t space = command.find(' ');
    std::string verb = command.substr(0, space);
    if (verb == "UID") verb = command.substr(0, command.find(' ', space + 1));
    return verb;
  }

  static std::string Quote(const std::string& text) {
    for (const char c : text) {
      if (c < ' ' || c > '~') return "{" + std::to_string(text.size()) + "}\r\n" + text;
    }
    std::string out = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    return out + "\"";
  }

  static std::string Header(const std::string& message) {
    return message.substr(0, message.find("\r\n\r\n") + 2);
  }

  static std::string MessageIdLines(const std::string& message) {
    std::string out;
    bool in = false;
    const std::string header = Header(message);
    for (const std::string_view line : Split(header, '\n')) {
      if (line.empty()) continue;
      if (line[0] != ' ' && line[0] != '\t') in = AsciiEqualFold(line.substr(0, 11), "Message-ID:");
      if (in) out += std::string(line) + "\n";
    }
    return out + "\r\n";
  }

  static bool InSet(const std::string& set, uint32_t uid) {
    for (const std::string_view piece : Split(set, ',')) {
      const size_t colon = piece.find(':');
      const auto low = std::stoul(std::string(piece.substr(0, colon)));
      const auto high =
          colon == std::string_view::npos ? low : std::stoul(std::string(piece.substr(colon + 1)));
      if (uid >= low && uid <= high) return true;
    }
    return false;
  }

  io::Task<void> Serve(tcp::socket socket) {
    Peer peer{std::move(socket), "", ""};
    if (drop_at == "greeting") co_return;
    if (!co_await Send(peer, greeting + "\r\n")) co_return;
    while (true) {
      const std::string line = co_await ReadCommand(peer);
      if (line.empty()) co_return;
      const std::string tag = line.substr(0, line.find(' '));
      const std::string command = line.substr(line.find(' ') + 1);
      commands.push_back(command);
      const std::string verb = Verb(command);
      if (verb == drop_at) co_return;
      std::string out;
      if (verb == nonsense_at) {
        out = "\x01\xff((( what?\r\n";
      } else if (verb == say_at) {
        out = say;
      } else {
        out = Answer(peer, tag, verb, command);
      }
      if (!co_await Send(peer, out) || verb == "LOGOUT") co_return;
    }
  }

  std::string Answer(Peer& peer, const std::string& tag, const std::string& verb,
                     const std::string& command) {
    const std::string ok = tag + " OK done\r\n";
    if (verb == "CAPABILITY") return "* CAPABILITY " + capabilities + "\r\n" + ok;
    if (verb == "AUTHENTICATE") return tag + " " + login_answer + "\r\n";
    if (verb == "NAMESPACE") return "* NAMESPACE ((\"\" \"/\")) ((\"Other/\" \"/\")) NIL\r\n" + ok;
    if (verb == "LIST") {
      std::string out;
      for (const auto& [name, folder] : folders) {
        out += "* LIST (" + folder.attributes + ") \"/\" " + Quote(name) + "\r\n";
      }
      return out + ok;
    }
    if (verb == "EXAMINE" || verb == "SELECT") {
      const auto found = folders.find(LastArgument(command));
      if (found == folders.end()) return tag + " NO [NONEXISTENT] no such folder\r\n";
      if (found->second.refuses) return tag + " NO [NOPERM] not yours\r\n";
      peer.selected = found->first;
      const bool only_read = verb == "EXAMINE" || found->second.read_only;
      return "* FLAGS (\\Seen)\r\n* " + std::to_string(found->second.messages.size()) +
             " EXISTS\r\n* OK [UIDVALIDITY " + std::to_string(found->second.uid_validity) +
             "] valid\r\n" + tag +
             (only_read ? " OK [READ-ONLY] done\r\n" : " OK [READ-WRITE] done\r\n");
    }
    if (verb == "LOGOUT") return "* BYE bye\r\n" + ok;
    if (peer.selected.empty() || !folders.contains(peer.selected))
      return tag + " BAD no folder\r\n";
    FakeFolder& folder = folders[peer.selected];
    if (verb == "UID SEARCH") {
      std::string out = "* SEARCH";
      const bool by_id = command.find("HEADER Message-ID") != std::string::npos;
      for (const FakeMessage& message : folder.messages) {
        if (!by_id || Header(message.bytes).find(LastArgument(command)) != std::string::npos) {
          out += " " + std::to_string(message.uid);
        }
      }
      return out + "\r\n" + ok;
    }
    const std::string set =
        command.substr(verb.size() + 1, command.find(' ', verb.size() + 1) - verb.size() - 1);
    if (verb == "UID FETCH") {
      const bool header = command.find("HEADER.FIELDS") != std::string::npos;
      // News of another message first, as real servers send it at any time.
      std::string out = "* 99 FETCH (FLAGS (\\Seen) UID 424242)\r\n";
      for (const FakeMessage& message : folder.messages) {
        if (!InSet(set, message.uid)) continue;
        std::string flags;
        for (const std::string& flag : message.flags) flags += (flags.empty() ? "" : " ") + flag;
        const std::string body = header ? MessageIdLines(message.bytes) : message.bytes;
        out += "* 1 FETCH (UID " + std::to_string(message.uid) + " FLAGS (" + flags +
               ") INTERNALDATE \"" + message.date + "\" BODY[" +
               (header ? "HEADER.FIELDS (MESSAGE-ID)" : "") + "] {" + std::to_string(body.size()) +
               "}\r\n" + body + ")\r\n";
      }
      return out + ok;
    }
    if (verb == "UID STORE") {
      for (FakeMessage& message : folder.messages) {
        if (!InSet(set, message.uid)) continue;
        if (command.find("+FLAGS") != std::string::npos) message.flags.insert("\\Deleted");
        if (command.find("-FLAGS") != std::string::npos) message.flags.erase("\\Deleted");
      }
      return ok;
    }
    if (verb == "UID EXPUNGE") {
      std::erase_if(folder.messages, [&](const FakeMessage& message) {
        return InSet(set, message.uid) && message.flags.contains("\\Deleted");
      });
      return ok;
    }
    return tag + " BAD what?\r\n";
  }

  io::Scope& scope_;
  tcp::acceptor acceptor_;
};

}  // namespace mailreeve::mailbox::imap
