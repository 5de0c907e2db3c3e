#include "cli/cli.h"

#include "cli/reference.h"
#include "cli/session.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <string>

namespace mailreeve::cli {
namespace {

bool PrefersChinese() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return std::string_view(value).substr(0, 2) == "zh";
  }
  return false;
}

void AddTrackConditions(CLI::App& track, Options& options, const Language& say) {
  track.add_option("--subject-is", options.subject_is, say("the whole subject", "完整主题"))
      ->type_name("TEXT");
  track
      .add_option("--subject-begins", options.subject_begins,
                  say("how the subject begins", "主题的开头"))
      ->type_name("TEXT");
  track.add_flag("--subject-empty", options.subject_empty, say("without a subject", "主题为空"));
  track
      .add_option("--direction", options.direction,
                  say("incoming, outgoing or internal", "incoming、outgoing 或 internal"))
      ->check(CLI::IsMember({"incoming", "outgoing", "internal"}));
  track
      .add_option("--status", options.status,
                  say("how it stands, such as Delivered or \"Hard Bounced\"",
                      "当前状态，如 Delivered 或 \"Hard Bounced\""))
      ->type_name("STATUS");
  track
      .add_option("--event", options.event,
                  say("what happened to it, such as delivered, bounced, removed",
                      "发生过的事件，如 delivered、bounced、removed"))
      ->type_name("EVENT");
  track
      .add_option(
          "--network", options.network,
          say("network of the sending host, 192.0.2.0/24", "发送主机所在网络，192.0.2.0/24"))
      ->type_name("NETWORK");
  track
      .add_option("--queue-id", options.queue_id,
                  say("queue id of the mail server", "邮件服务器队列 ID"))
      ->type_name("ID");
  track
      .add_option("--reply-to", options.reply_to,
                  say("part of the Reply-To address", "Reply-To 地址的一部分"))
      ->type_name("TEXT");
  track
      .add_option("--sender-domain", options.sender_domain,
                  say("domain of the envelope sender; .example.org with its subdomains",
                      "信封发件人的域；.example.org 包含其子域"))
      ->type_name("DOMAIN");
  track
      .add_option("--url-prefix", options.url_prefix,
                  say("how a URL in the message begins", "邮件中 URL 的开头"))
      ->type_name("URL");
  track.add_flag("--count", options.count, say("only how many", "只显示数量"));
}

struct HistoryCommands {
  CLI::App *check, *exported, *imported;
};

HistoryCommands AddHistoryCommands(CLI::App& track, Options& options, const Language& say) {
  HistoryCommands out{};
  out.check = track.add_subcommand(
      "check",
      say("Verifies every checksum of the tracking store; exit status 1 when it is damaged.",
          "校验跟踪存储的全部校验和；有损坏时退出状态为 1。"));
  out.check->add_flag("--cancel", options.cancel,
                      say("cancel the check that is under way", "取消正在进行的校验"));
  out.exported = track.add_subcommand(
      "export", say("Writes tracked messages as JSON lines, newest first; zstd for FILE.zst.",
                    "以 JSON 行导出已跟踪的邮件，最新的在前；FILE.zst 用 zstd 压缩。"));
  out.exported
      ->add_option("--from,--since", options.since,
                   say("received at or after, ISO 8601", "起始时间，ISO 8601"))
      ->type_name("TIME");
  out.exported
      ->add_option("--until", options.until, say("received before, ISO 8601", "结束时间，ISO 8601"))
      ->type_name("TIME");
  out.exported
      ->add_option("file", options.history_file,
                   say("file, - for standard output (the default)", "文件，- 为标准输出（默认）"))
      ->type_name("FILE");
  out.imported = track.add_subcommand(
      "import",
      say("Takes in what export wrote, plain or zstd; what is there already is left as it is, so "
          "that it can be run again.",
          "导入 export 的输出（纯文本或 zstd）；已有的保持不变，因此可重复执行。"));
  out.imported
      ->add_option("file", options.history_files,
                   say("files, - for standard input", "文件，- 为标准输入"))
      ->required()
      ->type_name("FILE");
  out.imported
      ->add_option(
          "--format", options.format,
          say("what FILEs are: records (of export), or logs of postfix, rspamd or dovecot, "
              "plain, gzip or zstd; log for any of the three in one. Of several files "
              "rspamd's first, then the oldest",
              "文件格式：records（export 的输出），或 postfix、rspamd、dovecot "
              "的日志（纯文本、gzip 或 zstd）；log 表示三者混合。多个文件时先给 rspamd "
              "的，其余最旧的在前"))
      ->check(CLI::IsMember({"records", "log", "postfix", "rspamd", "dovecot"}));
  out.imported->add_flag("--postfix", options.postfix,
                         say("the same as --format postfix", "等同于 --format postfix"));
  return out;
}

struct UserCommands {
  CLI::App *list, *add, *passwd, *role, *remove;
};

UserCommands AddUserCommands(CLI::App& user, Options& options, const Language& say) {
  UserCommands out{};
  out.list = user.add_subcommand("list", say("The users and their roles.", "用户及其角色。"));
  out.add = user.add_subcommand("add", say("Makes a user.", "创建用户。"));
  out.passwd =
      user.add_subcommand("passwd", say("Sets a user's passphrase; ends the tokens given out.",
                                        "设置用户口令；已发出的令牌失效。"));
  out.role = user.add_subcommand("role", say("Changes a user's role; ends the tokens given out.",
                                             "更改用户角色；已发出的令牌失效。"));
  out.remove = user.add_subcommand("remove", say("Removes a user.", "删除用户。"));
  for (CLI::App* command : {out.add, out.passwd, out.role, out.remove}) {
    command->add_option("name", options.user, say("name of the user", "用户名"))
        ->required()
        ->type_name("NAME");
  }
  const std::string roles =
      say("Administrator, Cloud Administrator, Email Administrator, Operator, Read-Only Operator, "
          "Guest, Help Desk User or Technician",
          "Administrator、Cloud Administrator、Email Administrator、Operator、Read-Only "
          "Operator、Guest、Help Desk User 或 Technician");
  out.add->add_option("--role", options.role, roles)->required()->type_name("ROLE");
  out.role->add_option("role", options.role, roles)->required()->type_name("ROLE");
  out.add->add_option("--email", options.email, say("e-mail address", "邮箱地址"))
      ->type_name("ADDRESS");
  for (CLI::App* command : {out.add, out.passwd}) {
    command
        ->add_option("--passphrase-file", options.passphrase_file,
                     say("file with the passphrase, - for standard input; else it is asked for",
                         "含口令的文件，- 为标准输入；省略时提示输入"))
        ->type_name("PATH");
  }
  return out;
}

void AddReportOptions(CLI::App& report, Options& options, const Language& say) {
  report.add_option("name", options.report, say("the report, or list", "报告名，或 list"))
      ->type_name("REPORT");
  report
      .add_option(
          "--from,--since", options.since,
          say("whole hour, ISO 8601; default: a day ago", "整点起始时间，ISO 8601；默认一天前"))
      ->type_name("TIME");
  report
      .add_option("--until", options.until,
                  say("whole hour, not included; default: the end of this hour",
                      "整点结束时间（不含）；默认当前小时结束"))
      ->type_name("TIME");
  report.add_option("--top", options.top, say("rows", "行数"))
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  report.add_option("--counter", options.counter, say("one counter only", "只看一项计数"))
      ->type_name("NAME");
  report
      .add_option("--order-by", options.order_by,
                  say("counter that rows are ordered by", "排序依据的计数"))
      ->type_name("NAME");
  report.add_flag("--ascending", options.ascending, say("the smallest first", "从小到大"));
  report.add_option("--key", options.key, say("only this key", "只看此键"))->type_name("TEXT");
  report
      .add_option("--key-begins", options.key_begins,
                  say("only keys that begin so", "只看以此开头的键"))
      ->type_name("TEXT");
}

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

  AddTrackConditions(*track, options, say);
  const HistoryCommands history = AddHistoryCommands(*track, options, say);

  auto* user = app.add_subcommand("user", say("Who may use the REST API.", "REST API 的用户。"));
  user->require_subcommand(1);
  const UserCommands users = AddUserCommands(*user, options, say);

  auto* report = app.add_subcommand(
      "report", say("Reports of what was counted; without a name, or with list, their names.",
                    "统计报告；不带名称或用 list 时列出所有报告。"));
  AddReportOptions(*report, options, say);

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

  if (options.postfix) options.format = "postfix";
  Session session(options, say, out, err);
  if (*status) return session.Status();
  if (*version) return session.Version();
  if (*device) return session.Device();
  if (*enroll) return session.Register();
  if (*deregister) return session.Deregister();
  if (*history.check) return session.CheckTracking();
  if (*history.exported) return session.ExportHistory();
  if (*history.imported) {
    return options.format == "records" ? session.ImportHistory() : session.ImportLog();
  }
  if (*track) return session.Track();
  if (*message) return session.Message();
  if (*users.list) return session.ListUsers();
  if (*users.add) return session.AddUser();
  if (*users.passwd) return session.SetPassphrase();
  if (*users.role) return session.SetRole();
  if (*users.remove) return session.RemoveUser();
  if (*report) return session.Report();
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
