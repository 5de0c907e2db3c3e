#include "cli/session.h"

#include "cli/terminal.h"
#include "http/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <filesystem>
#include <iostream>

namespace mailreeve::cli {
namespace {

int ExitOfStatus(int status) {
  if (status == 400) return kExitUsage;
  if (status == 404) return kExitNotFound;
  if (status == 504) return kExitTimeout;
  return kExitFailed;
}

}  // namespace

std::string TextOf(const json::value& v) {
  if (v.is_null()) return "";
  if (v.is_string()) return TerminalText(std::string_view(v.get_string()));
  return TerminalText(json::Serialize(v));
}

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

std::optional<http::Response> Session::Exchange(const std::string& method,
                                                const std::string& target, const std::string& body,
                                                const std::string& content_type,
                                                size_t max_answer_bytes, int& exit) {
  asio::io_context context(1);
  std::optional<Result<http::Response>> answer;
  http::Headers headers;
  if (!body.empty()) headers.Add("Content-Type", content_type);
  http::ClientOptions client;
  client.timeout = std::chrono::milliseconds(options_.timeout_ms);
  client.max_body_bytes = max_answer_bytes;
  asio::co_spawn(context,
                 http::FetchUnix(options_.socket, method, target, std::move(headers), body, client),
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
  http::Response& response = **answer;
  if (response.status < 400) return std::move(response);
  exit = ExitOfStatus(response.status);
  if (const auto parsed = json::Parse(response.body)) {
    if (options_.json) out_ << json::SerializePretty(*parsed) << "\n";
    const std::string why = TextOf(At(*parsed, "error_description"));
    err_ << "mailreeve: " << (why.empty() ? TextOf(At(*parsed, "error")) : why) << "\n";
  } else {
    exit = kExitFailed;
    err_ << "mailreeve: " << say_("the gateway's answer is not JSON", "网关的答复不是 JSON")
         << " (HTTP " << response.status << ")\n";
  }
  return std::nullopt;
}

std::optional<json::value> Session::Ask(const std::string& method, const std::string& target,
                                        const std::string& body, int& exit) {
  const auto response = Exchange(method, target, body, "application/json", 16 * 1024 * 1024, exit);
  if (!response) return std::nullopt;
  auto parsed = json::Parse(response->body);
  if (!parsed) {
    exit = kExitFailed;
    err_ << "mailreeve: " << say_("the gateway's answer is not JSON", "网关的答复不是 JSON")
         << " (HTTP " << response->status << ")\n";
    return std::nullopt;
  }
  return *std::move(parsed);
}

int Session::Json(const json::value& answer) {
  out_ << json::SerializePretty(answer) << "\n";
  return kExitDone;
}

int Session::Wrong(const std::string& what) {
  err_ << "mailreeve: " << TerminalText(what) << "\n";
  return kExitUsage;
}

int Session::Status() {
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
      {say_("Refused at RCPT", "RCPT 阶段拒绝"), at("delivery.refused.rcpt")},
      {say_("Registration", "注册"), at("device.state")},
      {say_("Channel", "通道"), at("device.channel")},
      {say_("Response server", "响应服务器"), at("device.server")},
  });
  return kExitDone;
}

int Session::Device() {
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

int Session::Register() {
  std::string token = options_.token;
  if (token.empty() && !options_.token_file.empty()) {
    auto read = ReadSecret(options_.token_file);
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

int Session::Deregister() {
  int exit = kExitDone;
  const auto answer = Ask("DELETE", "/v1/device/registration", "", exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);
  out_ << say_("Deregistered.\n", "已注销。\n");
  return kExitDone;
}

int Session::Version() {
  int exit = kExitDone;
  const auto answer = Ask("GET", "/v1/version", "", exit);
  json::object versions{{"mailreeve", MAILREEVE_VERSION}};
  if (answer) versions["gateway"] = At(*answer, "version");
  if (options_.json) return Json(versions);
  out_ << "mailreeve " << MAILREEVE_VERSION << "\n";
  if (answer) out_ << "mailreeve-gateway " << TextOf(At(*answer, "version")) << "\n";
  return exit;
}

Result<std::string> ReadSecret(const std::string& path) {
  std::string text;
  if (path == "-") {
    std::getline(std::cin, text);
  } else {
    std::FILE* file = std::fopen(path.c_str(), "r");
    if (file == nullptr) return Fail(Code::kInvalid, "cannot read the file '" + path + "'");
    char buffer[4096];
    const size_t got = std::fread(buffer, 1, sizeof(buffer), file);
    std::fclose(file);
    text.assign(buffer, got);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.pop_back();
  return text;
}

}  // namespace mailreeve::cli
