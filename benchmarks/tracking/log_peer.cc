#include "child_program.h"
#include "peers.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

namespace mailreeve::bench {
namespace {

// What an administrator has without us: lines as Postfix writes them, one subject line by its
// header check, and grep.
class LogPeer final : public Peer {
 public:
  ~LogPeer() override {
    if (file_ >= 0) ::close(file_);
  }
  std::string name() const override { return "mail-log"; }
  std::string note() const override {
    return "lines as Postfix writes them with a header check on Subject; written and synced for "
           "4,096 messages";
  }
  size_t lookups() const override { return 15; }

  Result<void> Open(const std::string& folder) override {
    if (!Installed("grep")) return Fail(Code::kUnavailable, "grep is not installed");
    path_ = folder + "/mail.log";
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file_ < 0)
      return Fail(Code::kUnavailable, "opening '" + path_ + "': " + std::strerror(errno));
    return {};
  }

  Result<void> Append(std::vector<Made>& messages) override {
    std::string out;
    for (size_t i = 0; i < messages.size(); ++i) {
      Lines(messages[i], out);
      if ((i + 1) % kPeerGroup != 0 && i + 1 != messages.size()) continue;
      for (size_t at = 0; at < out.size();) {
        const ssize_t wrote = ::write(file_, out.data() + at, out.size() - at);
        if (wrote < 0)
          return Fail(Code::kUnavailable, "writing '" + path_ + "': " + std::strerror(errno));
        at += static_cast<size_t>(wrote);
      }
      if (::fdatasync(file_) != 0)
        return Fail(Code::kUnavailable, "fdatasync: " + std::string(std::strerror(errno)));
      out.clear();
    }
    return {};
  }
  Result<void> Settle() override { return {}; }

  Result<std::vector<mail::Mid>> Lookup(const observable::Observable& observable, size_t) override {
    using observable::Type;
    std::string needle;
    switch (observable.type) {
      case Type::kEmailMessageid:
        needle = "message-id=" + observable.value;
        break;
      case Type::kEmail:
        needle = "=<" + observable.value + ">";
        break;
      default:
        return Fail(Code::kUnavailable,
                    "the log does not say: URLs, files, hashes, header addresses, parent domains");
    }
    TRY(const std::string lines, OutputOf({"grep", "-a", "-F", "-m", "100", "--", needle, path_}));
    // Header addresses are not in the log; an address that is not found there is no mistake.
    if (lines.empty() && observable.type == Type::kEmail)
      return Fail(Code::kUnavailable, "the log does not say: addresses of header fields");
    return std::vector<mail::Mid>(
        static_cast<size_t>(std::count(lines.begin(), lines.end(), '\n')));
  }

  Result<uint64_t> CountSubjects(const std::string& folded) override {
    ::setenv("LC_ALL", "C.UTF-8", 1);
    TRY(const std::string count, OutputOf({"grep", "-a", "-c", "-i", "-F", "--", folded, path_}));
    return std::strtoull(count.c_str(), nullptr, 10);
  }

  Result<std::vector<std::pair<std::string, uint64_t>>> TopSenders(Time, Time, size_t) override {
    return Fail(Code::kUnavailable, "the log does not say which mail was incoming");
  }

 private:
  static void Lines(const Made& made, std::string& out) {
    const auto& record = made.record;
    const std::string when = FormatTime(record.received) + " mx ";
    const auto line = [&](std::string_view daemon) {
      out += when;
      out += daemon;
      out += "[2100]: ";
      out += record.queue_id;
      out += ": ";
    };
    line("postfix/smtpd");
    out +=
        "client=" + record.connection.client_name + "[" + record.connection.client_address + "]\n";
    line("postfix/cleanup");
    out += "message-id=" + record.inspection.message_id + "\n";
    line("postfix/cleanup");
    out += "info: header Subject: " + record.inspection.subject + " from " +
           record.connection.client_name + "\n";
    line("postfix/qmgr");
    out += "from=<" + record.envelope_from + ">, size=" + std::to_string(record.inspection.size) +
           ", nrcpt=" + std::to_string(record.recipients.size()) + " (queue active)\n";
    for (const auto& recipient : record.recipients) {
      line("postfix/lmtp");
      out += "to=<" + recipient.address +
             ">, relay=store[10.0.0.5]:24, delay=0.3, dsn=2.0.0, status=sent (250 2.0.0 Saved)\n";
    }
    line("postfix/qmgr");
    out += "removed\n";
  }

  std::string path_;
  int file_ = -1;
};

}  // namespace

std::unique_ptr<Peer> MakeLogPeer() { return std::make_unique<LogPeer>(); }

}  // namespace mailreeve::bench
