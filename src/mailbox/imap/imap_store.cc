#include "mailbox/imap/imap_store.h"

#include "base/text.h"
#include "io/file.h"
#include "mail/header_fields.h"
#include "observable/observable.h"

#include <algorithm>
#include <map>

namespace mailreeve::mailbox::imap {
namespace {

constexpr size_t kHeadersAtOnce = 200;

bool IsPlainAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// Message-ID without its angle brackets: a search is for a part of the field.
std::string_view Bare(std::string_view message_id) {
  if (message_id.starts_with('<')) message_id.remove_prefix(1);
  if (message_id.ends_with('>')) message_id.remove_suffix(1);
  return message_id;
}

// Does this header have the Message-ID; or, when `message_id` is empty, none at all?
bool HasMessageId(std::string_view header, std::string_view message_id) {
  const mail::HeaderBlock block = mail::SplitHeader(header);
  bool any = false;
  for (const mail::HeaderField& field : block.fields) {
    if (field.kind != mail::FieldKind::kMessageId) continue;
    const auto canonical = observable::CanonicalMessageId(mail::Unfold(field.value));
    if (!canonical) continue;
    any = true;
    if (!message_id.empty() && AsciiEqualFold(*canonical, message_id)) return true;
  }
  return message_id.empty() && !any;
}

class ImapMailbox final : public Mailbox {
 public:
  ImapMailbox(const ImapOptions& options, std::unique_ptr<Session> session)
      : options_(options), session_(std::move(session)) {}

  io::Task<Result<FindResult>> Find(MessageIdentity identity) override {
    bool cut = false;
    CO_TRY(const std::vector<Folder> folders, co_await session_->ListFolders(&cut));
    wire_names_.clear();
    FindResult out;
    out.server = session_->greeting();
    for (const Folder& folder : folders) {
      wire_names_[folder.name] = folder.wire;
      out.folders.push_back(folder.name);
    }
    if (cut)
      out.folders_unreadable.push_back("folders after the first " +
                                       std::to_string(options_.max_folders));

    const std::string core(Bare(identity.message_id));
    if (!core.empty() && core.size() <= 900 && IsPlainAscii(core)) {
      out.asked = "HEADER Message-ID <" + core + ">";
      for (const Folder& folder : folders) {
        Command search("UID SEARCH HEADER Message-ID ");
        search.Argument(core);
        CO_TRY_VOID(co_await InFolder(folder, identity, std::move(search), false, &out));
      }
      out.folders_searched = folders.size() - Unreadable(out, folders);
    }
    if (out.confirmed.empty()) {
      // A Message-ID with white space or comments in it is not found by its canonical form, and a
      // message may have none: look at the Message-ID of all that came in about that time.
      const Time from = identity.received - options_.window_before - std::chrono::hours(24);
      const Time until = identity.received + options_.window_after + std::chrono::hours(48);
      const std::string window = "SINCE " + FormatDate(from) + " BEFORE " + FormatDate(until);
      out.asked +=
          (out.asked.empty() ? "" : "; then ") + window + " and Message-ID read one by one";
      const std::vector<std::string> before = out.folders_unreadable;
      for (const Folder& folder : folders) {
        if (std::find(before.begin(), before.end(), folder.name) != before.end()) continue;
        CO_TRY_VOID(
            co_await InFolder(folder, identity, Command("UID SEARCH " + window), true, &out));
      }
      out.folders_searched = folders.size() - Unreadable(out, folders);
    }
    co_return out;
  }

  io::Task<Result<std::string>> Fetch(Location location) override {
    CO_TRY(const Selected selected, co_await session_->Open(WireName(location.folder), true));
    if (selected.uid_validity != location.uid_validity) co_return Fail(MadeAnew());
    CO_TRY(std::vector<Fetched> found, co_await session_->Fetch({location.uid}, ""));
    if (found.empty()) co_return Fail(Code::kNotFound, "the message is not there any more");
    co_return std::move(found.front().body);
  }

  io::Task<Result<void>> Remove(Location location) override {
    CO_TRY(const Selected selected, co_await session_->Open(WireName(location.folder), false));
    if (selected.uid_validity != location.uid_validity) co_return Fail(MadeAnew());
    if (selected.read_only) co_return Fail(Code::kDenied, "the folder is read-only");
    co_return co_await session_->Remove(location.uid);
  }

  io::Task<void> Close() override { co_await session_->LogOut(); }

 private:
  static Error MadeAnew() {
    return Error(Code::kConflict, "the folder was made anew since (its UIDVALIDITY changed)");
  }

  static size_t Unreadable(const FindResult& out, const std::vector<Folder>& folders) {
    size_t count = 0;
    for (const Folder& folder : folders) {
      count += std::find(out.folders_unreadable.begin(), out.folders_unreadable.end(),
                         folder.name) != out.folders_unreadable.end();
    }
    return count;
  }

  std::string WireName(const std::string& name) const {
    const auto known = wire_names_.find(name);
    return known != wire_names_.end() ? known->second : EncodeMailboxName(name);
  }

  // Adds to `out` what the search brings up in one folder. Errors are those that end the session; a
  // folder that cannot be opened or read is noted in `out`.
  io::Task<Result<void>> InFolder(Folder folder, const MessageIdentity& identity, Command search,
                                  bool by_header, FindResult* out) {
    auto selected = co_await session_->Open(folder.wire, true);
    if (!selected) {
      if (!IsRefusal(selected.error())) co_return Fail(std::move(selected.error()));
      out->folders_unreadable.push_back(folder.name);
      co_return Result<void>();
    }
    auto uids = co_await session_->Search(std::move(search));
    if (!uids) {
      if (!IsRefusal(uids.error())) co_return Fail(std::move(uids.error()));
      out->folders_unreadable.push_back(folder.name);
      co_return Result<void>();
    }
    if (by_header) {
      if (uids->size() > options_.max_in_window) {
        out->folders_unreadable.push_back(folder.name);
        co_return Result<void>();
      }
      std::vector<uint32_t> fit;
      for (size_t at = 0; at < uids->size(); at += kHeadersAtOnce) {
        const size_t end = std::min(uids->size(), at + kHeadersAtOnce);
        CO_TRY(const std::vector<Fetched> headers,
               co_await session_->Fetch(
                   std::vector<uint32_t>(uids->begin() + static_cast<ptrdiff_t>(at),
                                         uids->begin() + static_cast<ptrdiff_t>(end)),
                   "HEADER.FIELDS (MESSAGE-ID)"));
        for (const Fetched& header : headers) {
          if (HasMessageId(header.body, identity.message_id)) fit.push_back(header.uid);
        }
      }
      *uids = std::move(fit);
    }
    if (uids->size() > options_.max_candidates) {
      out->folders_unreadable.push_back(folder.name);
      co_return Result<void>();
    }
    for (const uint32_t uid : *uids) {
      CO_TRY(const std::vector<Fetched> found, co_await session_->Fetch({uid}, ""));
      if (found.empty()) continue;  // removed while we looked
      const Fetched& one = found.front();
      Location location{.folder = folder.name,
                        .uid_validity = selected->uid_validity,
                        .uid = uid,
                        .flags = one.flags,
                        .internal_date = one.internal_date};
      std::string why = WhyNotIt(identity, one.body, one, options_);
      if (why.empty()) {
        out->confirmed.push_back(std::move(location));
      } else if (std::none_of(out->others.begin(), out->others.end(),
                              [&](const FindResult::Other& other) {
                                return other.location.folder == location.folder &&
                                       other.location.uid == location.uid;
                              })) {
        out->others.push_back({std::move(location), std::move(why)});
      }
    }
    co_return Result<void>();
  }

  static bool IsRefusal(const Error& error) {
    return error.code == Code::kDenied || error.code == Code::kNotFound;
  }

  const ImapOptions& options_;
  std::unique_ptr<Session> session_;
  std::map<std::string, std::string> wire_names_;
};

std::string CanonicalOr(std::string_view address) {
  const auto canonical = observable::CanonicalEmail(address);
  return canonical ? *canonical : AsciiLower(TrimSpace(address));
}

// The fields above the first Received field: those that the last mail server and the mail store put
// there.
std::vector<std::pair<std::string_view, std::string>> TraceFields(std::string_view message) {
  constexpr size_t kMost = 100;
  std::vector<std::pair<std::string_view, std::string>> out;
  while (!message.empty() && out.size() < kMost) {
    const size_t end = message.find('\n');
    std::string_view line = message.substr(0, end);
    message.remove_prefix(end == std::string_view::npos ? message.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') {
      if (out.empty()) break;
      out.back().second += line;
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) break;
    const std::string_view name = TrimSpace(line.substr(0, colon));
    if (AsciiEqualFold(name, "Received")) break;
    out.emplace_back(name, std::string(TrimSpace(line.substr(colon + 1))));
  }
  return out;
}

}  // namespace

std::string MailboxUser(std::string_view recipient, char delimiter) {
  const size_t at = recipient.rfind('@');
  const std::string_view local = recipient.substr(0, at);
  const size_t detail = delimiter == 0 ? std::string_view::npos : local.find(delimiter);
  if (detail == std::string_view::npos || detail == 0) return std::string(recipient);
  std::string out(local.substr(0, detail));
  if (at != std::string_view::npos) out += recipient.substr(at);
  return out;
}

std::string WhyNotIt(const MessageIdentity& identity, std::string_view message,
                     const Fetched& fetched, const ImapOptions& options) {
  if (identity.content_digest.empty()) return "digest_unknown: the content was never digested";
  if (mail::ContentDigest(message) != identity.content_digest)
    return "digest_differs: other content";
  bool delivered_to = false, recipient_fits = false;
  for (const auto& [name, value] : TraceFields(message)) {
    if (AsciiEqualFold(name, "Return-Path")) {
      const std::string sender = TrimSpace(value) == "<>" ? "" : CanonicalOr(value);
      if (sender != identity.envelope_from) return "envelope_differs: another envelope sender";
    }
    if (AsciiEqualFold(name, "Delivered-To") || AsciiEqualFold(name, "X-Original-To")) {
      delivered_to = true;
      const std::string to = CanonicalOr(value);
      recipient_fits = recipient_fits || to == identity.recipient ||
                       MailboxUser(to, options.recipient_delimiter) ==
                           MailboxUser(identity.recipient, options.recipient_delimiter);
    }
  }
  if (delivered_to && !recipient_fits) return "envelope_differs: delivered for another recipient";
  if (fetched.has_date && (fetched.internal_date < identity.received - options.window_before ||
                           fetched.internal_date > identity.received + options.window_after)) {
    return "time_differs: received at another time";
  }
  return "";
}

Result<std::unique_ptr<ImapStore>> ImapStore::Make(ImapOptions options) {
  if (options.host.empty() || options.port == 0)
    return Fail(Code::kInvalid, "IMAP: no host or port is given");
  io::TlsContext tls;
  if (options.security == Security::kPlain) {
    if (!options.allow_plain)
      return Fail(Code::kInvalid, "IMAP without TLS is not allowed by the settings");
  } else {
    TRY(tls, io::MakeTlsClient({.ca_file = options.ca_file}));
  }
  return std::unique_ptr<ImapStore>(new ImapStore(std::move(options), std::move(tls)));
}

io::Task<Result<std::unique_ptr<Mailbox>>> ImapStore::Open(std::string recipient) {
  auto secret = io::ReadFile(options_.secret_file, 4096);
  if (!secret)
    co_return Fail(Error(Code::kUnauthenticated, "the IMAP master user's secret cannot be read: " +
                                                     secret.error().message));
  const Secret password{std::string(TrimSpace(*secret))};
  CO_TRY(auto session, co_await Session::Connect(options_, tls_));
  CO_TRY_VOID(
      co_await session->LogIn(MailboxUser(recipient, options_.recipient_delimiter), password));
  co_return std::make_unique<ImapMailbox>(options_, std::move(session));
}

}  // namespace mailreeve::mailbox::imap
