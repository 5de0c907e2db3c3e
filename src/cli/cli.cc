#include "cli/cli.h"

#include "cli/reference.h"
#include "cli/terminal.h"
#include "http/client.h"
#include "json/json.h"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace mailreeve::cli {
namespace {

bool PrefersChinese() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return std::string_view(value).substr(0, 2) == "zh";
  }
  return false;
}

// One text in the reader's language.
class Language {
 public:
  explicit Language(bool chinese) : chinese_(chinese) {}
  std::string operator()(const char* en, const char* zh) const { return chinese_ ? zh : en; }

 private:
  bool chinese_;
};

struct Options {
  std::string socket = "/run/mailreeve/gateway.sock";
  int timeout_ms = 30000;
  bool json = false;

  std::string server, token, token_file, ca_file;
  uint64_t mid = 0;
  std::vector<std::string> text;
  std::string sender, recipient, subject, message_id, ip, file, sha256, url, domain, since, until,
      cursor;
  int limit = 50;
  std::string shell;
};

int ExitOfStatus(int status) {
  if (status == 400) return kExitUsage;
  if (status == 404) return kExitNotFound;
  if (status == 504) return kExitTimeout;
  return kExitFailed;
}

std::string TextOf(const json::value& v) {
  if (v.is_null()) return "";
  if (v.is_string()) return TerminalText(std::string_view(v.get_string()));
  return TerminalText(json::Serialize(v));
}

// The value at "a.b.c", or null.
json::value At(const json::value& root, std::string_view path) {
  const json::value* here = &root;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string_view key = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    if (!here->is_object()) return nullptr;
    here = here->get_object().if_contains(key);
    if (here == nullptr) return nullptr;
  }
  return *here;
}

class Session {
 public:
  Session(const Options& options, const Language& say, std::ostream& out, std::ostream& err)
      : options_(options), say_(say), out_(out), err_(err) {}

  // Asks the gateway. Empty when it failed: the complaint is written and `exit` set.
  std::optional<json::value> Ask(const std::string& method, const std::string& target,
                                 const std::string& body, int& exit) {
    asio::io_context context(1);
    std::optional<Result<http::Response>> answer;
    asio::co_spawn(
        context,
        [](Options options, std::string method, std::string target,
           std::string body) -> io::Task<Result<http::Response>> {
          http::Headers headers;
          if (!body.empty()) headers.Add("Content-Type", "application/json");
          http::ClientOptions client;
          client.timeout = std::chrono::milliseconds(options.timeout_ms);
          co_return co_await http::FetchUnix(options.socket, method, target, headers, body, client);
        }(options_, method, target, body),
        [&](std::exception_ptr thrown, Result<http::Response> got) {
          if (thrown) {
            answer = Fail(Code::kUnavailable, "the connection broke");
          } else {
            answer = std::move(got);
          }
        });
    context.run();
    if (!*answer) {
      const Error& error = answer->error();
      exit = error.code == Code::kTimeout ? kExitTimeout : kExitUnreachable;
      err_ << "mailreeve: " << say_("cannot reach the gateway at ", "无法连接网关：")
           << options_.socket << ": " << TerminalText(error.ToString()) << "\n"
           << say_("Is mailreeve-gateway running, and may you open its socket? See --socket.\n",
                   "mailreeve-gateway 是否在运行？您是否有权访问该套接字？参见 --socket。\n");
      return std::nullopt;
    }
    const http::Response& response = **answer;
    auto parsed = json::Parse(response.body);
    if (!parsed) {
      exit = kExitFailed;
      err_ << "mailreeve: " << say_("the gateway's answer is not JSON", "网关的答复不是 JSON")
           << " (HTTP " << response.status << ")\n";
      return std::nullopt;
    }
    if (response.status >= 400) {
      exit = ExitOfStatus(response.status);
      if (options_.json) out_ << json::SerializePretty(*parsed) << "\n";
      const std::string why = TextOf(At(*parsed, "error_description"));
      err_ << "mailreeve: " << (why.empty() ? TextOf(At(*parsed, "error")) : why) << "\n";
      return std::nullopt;
    }
    return *std::move(parsed);
  }

  int Status() {
    int exit = kExitDone;
    const auto answer = Ask("GET", "/v1/status", "", exit);
    if (!answer) return exit;
    if (options_.json) return Json(*answer);
    const auto at = [&](const char* path) { return TextOf(At(*answer, path)); };
    out_ << Pairs({
        {say_("Gateway", "网关"), at("name") + "  " + at("version")},
        {say_("Started", "启动时间"), at("started")},
        {say_("Messages tracked", "已跟踪邮件"), at("messages.tracked")},
        {say_("Delivered untracked", "未跟踪投递"), at("messages.untracked")},
        {say_("Refused for now", "暂时拒收"), at("messages.temporarily_refused")},
        {say_("Inspections failed", "检查失败"), at("inspection.failed")},
        {say_("Records held", "保存的记录"), at("tracking.records_held") + "  (" +
                                                 at("tracking.oldest") + " – " +
                                                 at("tracking.newest") + ")"},
        {say_("Delivery events", "投递事件"), at("delivery.events")},
        {say_("Registration", "注册"), at("device.state")},
        {say_("Channel", "通道"), at("device.channel")},
        {say_("Response server", "响应服务器"), at("device.server")},
    });
    return kExitDone;
  }

  int Device() {
    int exit = kExitDone;
    const auto answer = Ask("GET", "/v1/device", "", exit);
    if (!answer) return exit;
    if (options_.json) return Json(*answer);
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const auto& [label, path] : std::vector<std::pair<std::string, const char*>>{
             {say_("State", "状态"), "state"},
             {say_("Device id", "设备 ID"), "device_id"},
             {say_("Server", "服务器"), "server"},
             {say_("Channel", "通道"), "channel"},
             {say_("Last error", "最近错误"), "last_error"},
             {say_("Last registration", "最近一次注册"), "registration_error"},
             {say_("Clock", "时钟"), "clock_warning"},
             {say_("Certificate expires", "证书到期"), "certificate_expires"}}) {
      const std::string value = TextOf(At(*answer, path));
      if (!value.empty()) pairs.emplace_back(label, value);
    }
    out_ << Pairs(pairs);
    return kExitDone;
  }

  int Register() {
    std::string token = options_.token;
    if (token.empty() && !options_.token_file.empty()) {
      auto read = ReadToken(options_.token_file);
      if (!read) {
        err_ << "mailreeve: " << TerminalText(read.error().ToString()) << "\n";
        return kExitUsage;
      }
      token = *std::move(read);
    }
    if (token.empty()) {
      err_ << "mailreeve: "
           << say_("give the one-time token of the Devices page with --token or --token-file\n",
                   "请用 --token 或 --token-file 提供设备页面上的一次性令牌\n");
      return kExitUsage;
    }
    json::object body{{"server", options_.server}, {"token", token}};
    // The gateway reads it, and its working folder is not the caller's.
    if (!options_.ca_file.empty())
      body["ca_file"] = std::filesystem::absolute(options_.ca_file).string();
    int exit = kExitDone;
    const auto answer = Ask("POST", "/v1/device/registration", json::Serialize(body), exit);
    if (!answer) return exit;
    if (options_.json) return Json(*answer);
    out_ << say_("Registered as device ", "已注册，设备 ID：") << TextOf(At(*answer, "device_id"))
         << "\n";
    return kExitDone;
  }

  int Deregister() {
    int exit = kExitDone;
    const auto answer = Ask("DELETE", "/v1/device/registration", "", exit);
    if (!answer) return exit;
    if (options_.json) return Json(*answer);
    out_ << say_("Deregistered.\n", "已注销。\n");
    return kExitDone;
  }

  int Track() {
    std::string query;
    const auto add = [&](const char* name, const std::string& value) {
      if (value.empty()) return;
      query += (query.empty() ? "?" : "&") + std::string(name) + "=" + http::PercentEncode(value);
    };
    std::string text;
    for (const auto& word : options_.text) text += (text.empty() ? "" : " ") + word;
    add("text", text);
    add("sender", options_.sender);
    add("recipient", options_.recipient);
    add("subject", options_.subject);
    add("message_id", options_.message_id);
    add("client_address", options_.ip);
    add("file_name", options_.file);
    add("file_sha256", options_.sha256);
    if (!options_.url.empty()) add("observable", "url:" + options_.url);
    if (!options_.domain.empty()) add("observable", "domain:" + options_.domain);
    add("from", options_.since);
    add("until", options_.until);
    add("cursor", options_.cursor);
    add("limit", std::to_string(options_.limit));
    int exit = kExitDone;
    const auto answer = Ask("GET", "/v1/messages" + query, "", exit);
    if (!answer) return exit;
    if (options_.json) return Json(*answer);
    const json::value messages = At(*answer, "messages");
    std::vector<std::vector<std::string>> rows;
    if (messages.is_array()) {
      for (const json::value& message : messages.get_array()) {
        std::string recipients;
        const json::value list = At(message, "recipients");
        if (list.is_array() && !list.get_array().empty()) {
          recipients = TextOf(At(list.get_array()[0], "address"));
          if (list.get_array().size() > 1)
            recipients += " +" + std::to_string(list.get_array().size() - 1);
        }
        rows.push_back({TextOf(At(message, "mid")), TextOf(At(message, "received")),
                        TextOf(At(message, "sender")), recipients, TextOf(At(message, "status")),
                        TextOf(At(message, "subject"))});
      }
    }
    out_ << Table({"MID", say_("Received", "接收时间"), say_("Sender", "发件人"),
                   say_("Recipients", "收件人"), say_("Status", "状态"), say_("Subject", "主题")},
                  rows);
    out_ << "\n"
         << rows.size() << say_(" messages; records held: ", " 封邮件；保存的记录：")
         << TextOf(At(*answer, "coverage.records_held")) << " ("
         << TextOf(At(*answer, "coverage.oldest")) << " – "
         << TextOf(At(*answer, "coverage.newest")) << ")\n";
    if (const std::string why = TextOf(At(*answer, "coverage.why")); !why.empty())
      out_ << why << "\n";
    if (const std::string next = TextOf(At(*answer, "next_cursor")); !next.empty()) {
      out_ << say_("More: repeat with --cursor ", "还有更多：加上 --cursor ") << next << "\n";
    }
    return kExitDone;
  }

  int Message() {
    int exit = kExitDone;
    const auto answer = Ask("GET", "/v1/messages/" + std::to_string(options_.mid), "", exit);
    if (!answer) return exit;
    if (options_.json) return Json(*answer);
    const auto at = [&](const char* path) { return TextOf(At(*answer, path)); };
    out_ << Pairs({{"MID", at("mid")},
                   {say_("Received", "接收时间"), at("received")},
                   {say_("Status", "状态"), at("status")},
                   {say_("Sender", "发件人"), at("sender")},
                   {say_("Subject", "主题"), at("subject")},
                   {"Message-ID", at("message_id")},
                   {say_("Client", "客户端"), at("client_address") + " " + at("client_name")},
                   {say_("Size", "大小"), at("size")}});
    const auto table = [&](const char* key,
                           const std::vector<std::pair<std::string, const char*>>& columns) {
      const json::value items = At(*answer, key);
      if (!items.is_array() || items.get_array().empty()) return;
      std::vector<std::string> headings;
      for (const auto& [label, field] : columns) headings.push_back(label);
      std::vector<std::vector<std::string>> rows;
      for (const json::value& item : items.get_array()) {
        std::vector<std::string> row;
        for (const auto& [label, field] : columns)
          row.push_back(*field == '\0' ? TextOf(item) : TextOf(At(item, field)));
        rows.push_back(std::move(row));
      }
      out_ << "\n" << Table(headings, rows, 72);
    };
    table("recipients", {{"RID", "rid"},
                         {say_("Recipient", "收件人"), "address"},
                         {say_("Status", "状态"), "status"}});
    table("attachments", {{say_("Attachment", "附件"), "name"},
                          {"SHA-256", "sha256"},
                          {say_("Size", "大小"), "size"}});
    table("urls", {{"URL", ""}});
    table("events", {{say_("Time", "时间"), "time"},
                     {say_("Event", "事件"), "event"},
                     {"RID", "rid"},
                     {"DSN", "dsn"},
                     {say_("Relay", "中继"), "relay"},
                     {say_("Detail", "详情"), "detail"}});
    return kExitDone;
  }

  int Version() {
    int exit = kExitDone;
    const auto answer = Ask("GET", "/v1/version", "", exit);
    json::object versions{{"mailreeve", MAILREEVE_VERSION}};
    if (answer) versions["gateway"] = At(*answer, "version");
    if (options_.json) return Json(versions);
    out_ << "mailreeve " << MAILREEVE_VERSION << "\n";
    if (answer) out_ << "mailreeve-gateway " << TextOf(At(*answer, "version")) << "\n";
    return exit;
  }

 private:
  int Json(const json::value& answer) {
    out_ << json::SerializePretty(answer) << "\n";
    return kExitDone;
  }

  // A token on the command line shows in the process list, so a file or standard input ("-") can
  // hold it.
  static Result<std::string> ReadToken(const std::string& path) {
    std::string text;
    if (path == "-") {
      std::getline(std::cin, text);
    } else {
      std::FILE* file = std::fopen(path.c_str(), "r");
      if (file == nullptr) return Fail(Code::kInvalid, "cannot read the token file '" + path + "'");
      char buffer[4096];
      const size_t got = std::fread(buffer, 1, sizeof(buffer), file);
      std::fclose(file);
      text.assign(buffer, got);
    }
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
      text.pop_back();
    return text;
  }

  const Options& options_;
  const Language& say_;
  std::ostream& out_;
  std::ostream& err_;
};

}  // namespace

int Run(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  const Language say(PrefersChinese());
  Options options;
  if (const char* socket = std::getenv("MAILREEVE_SOCKET"); socket != nullptr && *socket != '\0') {
    options.socket = socket;
  }
  CLI::App app(say("Shows and steers the Mailreeve e-mail gateway on this machine.",
                   "查看和控制本机上的 Mailreeve 邮件网关。"),
               "mailreeve");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--socket", options.socket,
                 say("administration socket of the gateway", "网关的管理套接字"))
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option("--timeout-ms", options.timeout_ms,
                 say("longest wait for an answer", "等待答复的最长时间"))
      ->type_name("MS")
      ->check(CLI::Range(1, 3600000))
      ->capture_default_str();
  app.add_flag("--json", options.json, say("answer as JSON", "以 JSON 输出"));

  auto* status =
      app.add_subcommand("status", say("What the gateway does and how it is.", "网关的运行状态。"));
  auto* version = app.add_subcommand(
      "version", say("Versions of this command and of the gateway.", "本命令和网关的版本。"));
  auto* device = app.add_subcommand(
      "device",
      say("Registration with response and state of the channel.", "在响应平台的注册和通道状态。"));
  auto* enroll =
      app.add_subcommand("register", say("Registers the gateway with response by a one-time token.",
                                         "用一次性令牌在响应平台注册网关。"));
  enroll
      ->add_option("--server", options.server,
                   say("address of response, https://host:port", "响应平台地址 https://host:port"))
      ->type_name("URL")
      ->required();
  enroll
      ->add_option("--token", options.token,
                   say("the token; shows in the process list, prefer --token-file",
                       "令牌；会显示在进程列表中，建议用 --token-file"))
      ->type_name("TOKEN");
  enroll
      ->add_option("--token-file", options.token_file,
                   say("file with the token, - for standard input", "含令牌的文件，- 为标准输入"))
      ->type_name("PATH");
  enroll
      ->add_option("--ca", options.ca_file,
                   say("PEM file of the authority of response's certificate",
                       "响应平台证书颁发机构的 PEM 文件"))
      ->type_name("PATH");
  auto* deregister = app.add_subcommand("deregister", say("Ends the registration.", "注销网关。"));

  auto* track = app.add_subcommand(
      "track", say("Searches tracked messages, newest first.", "搜索已跟踪的邮件，最新的在前。"));
  track->add_option("text", options.text,
                    say("anything: addresses, URLs, domains, hashes, IPs, Message-IDs",
                        "任意内容：地址、URL、域名、哈希、IP、Message-ID"));
  track->add_option("--sender", options.sender, say("sender address", "发件人地址"))
      ->type_name("ADDRESS");
  track->add_option("--recipient", options.recipient, say("recipient address", "收件人地址"))
      ->type_name("ADDRESS");
  track->add_option("--subject", options.subject, say("part of the subject", "主题的一部分"))
      ->type_name("TEXT");
  track->add_option("--message-id", options.message_id, say("Message-ID header", "Message-ID 标头"))
      ->type_name("ID");
  track->add_option("--ip", options.ip, say("address of the sending host", "发送主机的地址"))
      ->type_name("IP");
  track->add_option("--file", options.file, say("attachment name", "附件名"))->type_name("NAME");
  track->add_option("--sha256", options.sha256, say("SHA-256 of an attachment", "附件的 SHA-256"))
      ->type_name("HASH");
  track->add_option("--url", options.url, say("URL in the message", "邮件中的 URL"))
      ->type_name("URL");
  track->add_option("--domain", options.domain, say("domain in the message", "邮件中的域名"))
      ->type_name("DOMAIN");
  track
      ->add_option("--since", options.since,
                   say("received at or after, ISO 8601", "起始时间，ISO 8601"))
      ->type_name("TIME");
  track
      ->add_option("--until", options.until, say("received before, ISO 8601", "结束时间，ISO 8601"))
      ->type_name("TIME");
  track->add_option("--limit", options.limit, say("rows of a page", "每页行数"))
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  track
      ->add_option("--cursor", options.cursor,
                   say("goes on where the last page ended", "从上一页结束处继续"))
      ->type_name("CURSOR");

  auto* message = app.add_subcommand(
      "message", say("One message with its events in order.", "一封邮件及其按序事件。"));
  message->add_option("mid", options.mid, say("MID of the message", "邮件的 MID"))
      ->required()
      ->type_name("MID");

  auto* completion = app.add_subcommand(
      "completion", say("Prints the completion script of a shell.", "输出 shell 补全脚本。"));
  completion->add_option("shell", options.shell, say("bash, zsh or fish", "bash、zsh 或 fish"))
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  auto* manual =
      app.add_subcommand("manual", say("Prints the manual page (troff).", "输出手册页 (troff)。"));

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitDone : kExitUsage;
  }

  Session session(options, say, out, err);
  if (*status) return session.Status();
  if (*version) return session.Version();
  if (*device) return session.Device();
  if (*enroll) return session.Register();
  if (*deregister) return session.Deregister();
  if (*track) return session.Track();
  if (*message) return session.Message();
  if (*completion) {
    out << (options.shell == "bash"  ? BashCompletion(app)
            : options.shell == "zsh" ? ZshCompletion(app)
                                     : FishCompletion(app));
    return kExitDone;
  }
  if (*manual) {
    out << ManualPage(app);
    return kExitDone;
  }
  return kExitUsage;
}

}  // namespace mailreeve::cli
