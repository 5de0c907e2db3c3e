#include "smtp/client.h"

#include "base/text.h"
#include "io/deadline.h"
#include "io/text_stream.h"
#include "smtp/fields.h"

#include <algorithm>
#include <set>

namespace mailreeve::smtp {
namespace {

constexpr size_t kWriteAtOnce = 64 * 1024;

std::string Words(const Reply& reply) {
  std::string out = std::to_string(reply.code);
  for (const std::string& line : reply.lines) out += " " + line;
  return std::string(CutUtf8(ToValidUtf8(out), 500));
}

// One conversation.
class Conversation {
 public:
  Conversation(const Options& options, std::unique_ptr<io::TextStream> stream)
      : options_(options), stream_(std::move(stream)) {}

  io::Task<Result<Reply>> Read(std::chrono::milliseconds limit) {
    co_return co_await io::WithDeadline(ReadReply(), limit, "the mail server's answer");
  }

  io::Task<Result<Reply>> Say(std::string line) {
    CO_TRY_VOID(co_await stream_->Write(line + "\r\n"));
    co_return co_await Read(options_.command_timeout);
  }

  io::Task<Result<void>> Hello() {
    CO_TRY(const Reply reply, co_await Say("EHLO " + options_.helo));
    extensions_.clear();
    if (reply.code != 250) co_return Fail(Refusal(reply, "EHLO"));
    for (size_t i = 1; i < reply.lines.size(); ++i) {
      std::string word = reply.lines[i];
      for (char& c : word) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      }
      extensions_.insert(word.substr(0, word.find(' ')));
      if (word.starts_with("SIZE ")) {
        max_size_ = 0;
        for (const char c : word.substr(5)) {
          if (c < '0' || c > '9' || max_size_ > UINT64_MAX / 20) break;
          max_size_ = max_size_ * 10 + static_cast<uint64_t>(c - '0');
        }
      }
    }
    co_return Result<void>();
  }

  static Error Refusal(const Reply& reply, std::string_view doing) {
    const Code code = reply.code >= 500   ? Code::kDenied
                      : reply.code >= 400 ? Code::kLimited
                                          : Code::kInvalid;
    return Error(code, std::string(doing) + ": the mail server answered " + Words(reply));
  }

  bool Offers(const std::string& extension) const { return extensions_.contains(extension); }
  uint64_t max_size() const { return max_size_; }
  io::TextStream& stream() { return *stream_; }

 private:
  io::Task<Result<Reply>> ReadReply() {
    Reply out;
    while (true) {
      CO_TRY(const std::string line, co_await stream_->ReadLine());
      CO_TRY(ReplyLine one, ParseReplyLine(line));
      if (!out.lines.empty() && one.code != out.code) {
        co_return Fail(Code::kInvalid, "the mail server's answer changes its code half-way");
      }
      out.code = one.code;
      out.lines.push_back(std::move(one.text));
      if (!one.more) co_return out;
      if (out.lines.size() >= options_.max_reply_lines) {
        co_return Fail(Code::kLimited, "the mail server's answer has too many lines");
      }
    }
  }

  const Options& options_;
  std::unique_ptr<io::TextStream> stream_;
  std::set<std::string> extensions_;
  uint64_t max_size_ = 0;
};

// Nothing was handed over yet: an answer that is no SMTP is a server that cannot be used now.
Error BeforeData(Error error) {
  if (error.code == Code::kInvalid || error.code == Code::kUnauthenticated)
    error.code = Code::kUnavailable;
  return error;
}

}  // namespace

Result<ReplyLine> ParseReplyLine(std::string_view line) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (line.size() < 3 || !digit(line[0]) || !digit(line[1]) || !digit(line[2]) || line[0] < '2' ||
      line[0] > '5' || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
    return Fail(Code::kInvalid, "the mail server's answer is no SMTP reply");
  }
  ReplyLine out;
  out.code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  out.more = line.size() > 3 && line[3] == '-';
  out.text = line.size() > 4 ? ToValidUtf8(line.substr(4)) : "";
  return out;
}

std::string QueueIdOf(std::string_view reply_text) {
  constexpr std::string_view kMark = "queued as ";
  const size_t at = reply_text.find(kMark);
  if (at == std::string_view::npos) return "";
  std::string out;
  for (const char c : reply_text.substr(at + kMark.size())) {
    const bool fits = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!fits || out.size() >= 64) break;
    out.push_back(c);
  }
  return out;
}

std::string DotStuff(std::string_view letter) {
  std::string out;
  out.reserve(letter.size() + letter.size() / 50 + 8);
  bool at_start = true;
  for (size_t i = 0; i < letter.size(); ++i) {
    const char c = letter[i];
    if (c == '\r' || c == '\n') {
      if (c == '\r' && i + 1 < letter.size() && letter[i + 1] == '\n') ++i;
      out += "\r\n";
      at_start = true;
      continue;
    }
    if (at_start && c == '.') out.push_back('.');
    out.push_back(c);
    at_start = false;
  }
  if (!at_start) out += "\r\n";
  return out + ".\r\n";
}

Result<std::unique_ptr<Client>> Client::Make(Options options) {
  io::TlsContext tls;
  if (options.tls != Options::Tls::kNever) {
    TRY(tls, io::MakeTlsClient({.ca_file = options.ca_file}));
  }
  return std::unique_ptr<Client>(new Client(std::move(options), std::move(tls)));
}

io::Task<Result<Receipt>> Client::Send(std::shared_ptr<const Letter> letter,
                                       std::shared_ptr<bool> outcome_unknown) {
  *outcome_unknown = false;
  if (letter->to.empty() ||
      (!letter->envelope_sender.empty() && !IsPlainAddress(letter->envelope_sender)) ||
      !std::all_of(letter->to.begin(), letter->to.end(),
                   [](const std::string& to) { return IsPlainAddress(to); })) {
    co_return Fail(Code::kInvalid, "an address of the letter cannot stand in SMTP");
  }
  io::TextStream::Options where{.host = options_.host,
                                .port = options_.port,
                                .server_name = options_.server_name,
                                .max_line = options_.max_line,
                                .connect_timeout = options_.connect_timeout,
                                .io_timeout = options_.data_timeout};
  CO_TRY(auto stream, co_await io::TextStream::Connect(std::move(where)));
  Conversation smtp(options_, std::move(stream));

  auto greeting = co_await smtp.Read(options_.command_timeout);
  if (!greeting) co_return Fail(BeforeData(std::move(greeting.error())));
  if (greeting->code != 220) co_return Fail(Conversation::Refusal(*greeting, "greeting"));
  Receipt receipt;
  const std::string& first = greeting->lines.front();
  receipt.server = std::string(CutUtf8(std::string_view(first).substr(0, first.find(' ')), 255));

  if (auto hello = co_await smtp.Hello(); !hello)
    co_return Fail(BeforeData(std::move(hello.error())));
  if (options_.tls != Options::Tls::kNever) {
    if (smtp.Offers("STARTTLS")) {
      auto ready = co_await smtp.Say("STARTTLS");
      if (!ready) co_return Fail(BeforeData(std::move(ready.error())));
      if (ready->code != 220) co_return Fail(Conversation::Refusal(*ready, "STARTTLS"));
      auto secured = co_await smtp.stream().StartTls(tls_);
      if (!secured) co_return Fail(BeforeData(std::move(secured.error())));
      if (auto hello = co_await smtp.Hello(); !hello)
        co_return Fail(BeforeData(std::move(hello.error())));
    } else if (options_.tls == Options::Tls::kAlways) {
      co_return Fail(Code::kUnavailable,
                     "the mail server offers no STARTTLS, which the settings ask for");
    }
  }

  const bool eight_bit = smtp.Offers("8BITMIME");
  const std::string body = DotStuff(letter->render(eight_bit));
  if (body.size() > options_.max_letter)
    co_return Fail(Code::kInvalid, "the letter is too large to send");
  if (smtp.Offers("SIZE") && smtp.max_size() != 0 && body.size() > smtp.max_size()) {
    co_return Fail(Code::kDenied, "the message is larger than the mail server takes");
  }
  std::string mail = "MAIL FROM:<" + letter->envelope_sender + ">";
  if (smtp.Offers("SIZE")) mail += " SIZE=" + std::to_string(body.size());
  if (eight_bit && letter->has_eight_bit) mail += " BODY=8BITMIME";
  auto from = co_await smtp.Say(mail);
  if (!from) co_return Fail(BeforeData(std::move(from.error())));
  if (from->code != 250) co_return Fail(Conversation::Refusal(*from, "MAIL FROM"));
  Error refusal(Code::kDenied, "");
  for (const std::string& to : letter->to) {
    auto reply = co_await smtp.Say("RCPT TO:<" + to + ">");
    if (!reply) co_return Fail(BeforeData(std::move(reply.error())));
    if (reply->code == 250 || reply->code == 251) continue;
    refusal = Conversation::Refusal(*reply, "RCPT TO");
    receipt.refused.push_back(to + ": " + Words(*reply));
  }
  if (receipt.refused.size() == letter->to.size()) co_return Fail(std::move(refusal));
  auto data = co_await smtp.Say("DATA");
  if (!data) co_return Fail(BeforeData(std::move(data.error())));
  if (data->code != 354) co_return Fail(Conversation::Refusal(*data, "DATA"));
  // The end-of-data line goes with the last bytes, apart from the rest: until then nothing can have
  // been accepted.
  const size_t last = body.size() - 3;
  for (size_t at = 0; at < last; at += kWriteAtOnce) {
    auto wrote = co_await smtp.stream().Write(body.substr(at, std::min(kWriteAtOnce, last - at)));
    if (!wrote) co_return Fail(BeforeData(std::move(wrote.error())));
  }
  *outcome_unknown = true;
  CO_TRY_VOID(co_await smtp.stream().Write(body.substr(last)));
  CO_TRY(const Reply end, co_await smtp.Read(options_.data_timeout));
  *outcome_unknown = false;
  if (end.code != 250) co_return Fail(Conversation::Refusal(end, "end of data"));
  receipt.reply = Words(end);
  receipt.queue_id = QueueIdOf(receipt.reply);
  // The letter is accepted whatever becomes of the farewell.
  (void)co_await smtp.stream().Write("QUIT\r\n");
  co_return receipt;
}

}  // namespace mailreeve::smtp
