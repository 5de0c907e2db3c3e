// `mailreeve user`: who may use the REST API.
#include "cli/session.h"
#include "cli/terminal.h"
#include "http/message.h"

#include <termios.h>
#include <unistd.h>

#include <iostream>

namespace mailreeve::cli {
namespace {

// What is typed must not show on the screen.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    struct termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~NoEcho() {
    if (changed_) (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;

 private:
  struct termios before_ {};
  bool changed_ = false;
};

}  // namespace

Result<std::string> Session::ReadPassphrase() const {
  if (!options_.passphrase_file.empty()) return ReadSecret(options_.passphrase_file);
  if (::isatty(STDIN_FILENO) == 0) return ReadSecret("-");
  const NoEcho quiet;
  std::string first, second;
  std::cerr << say_("Passphrase: ", "口令：") << std::flush;
  std::getline(std::cin, first);
  std::cerr << "\n" << say_("Once more: ", "再次输入：") << std::flush;
  std::getline(std::cin, second);
  std::cerr << "\n";
  if (first != second)
    return Fail(Code::kInvalid, say_("the two are not the same", "两次输入不一致"));
  return first;
}

int Session::ListUsers() {
  int exit = kExitDone;
  const auto answer = Ask("GET", "/v1/users", "", exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);
  std::vector<std::vector<std::string>> rows;
  const json::value users = At(*answer, "users");
  if (users.is_array()) {
    for (const json::value& user : users.get_array()) {
      rows.push_back({TextOf(At(user, "name")), TextOf(At(user, "role")), TextOf(At(user, "email")),
                      TextOf(At(user, "last_login"))});
    }
  }
  if (rows.empty()) {
    out_ << say_("There is no user yet; make one with: mailreeve user add NAME --role ROLE\n",
                 "尚无用户；请用 mailreeve user add NAME --role ROLE 创建\n");
    return kExitDone;
  }
  out_ << Table({say_("User", "用户"), say_("Role", "角色"), say_("E-mail", "邮箱"),
                 say_("Last log-in", "上次登录")},
                rows);
  return kExitDone;
}

int Session::AddUser() {
  auto passphrase = ReadPassphrase();
  if (!passphrase) return Wrong(passphrase.error().ToString());
  json::object body{{"name", options_.user}, {"role", options_.role}, {"passphrase", *passphrase}};
  if (!options_.email.empty()) body["email"] = options_.email;
  int exit = kExitDone;
  const auto answer = Ask("POST", "/v1/users", json::Serialize(body), exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);
  out_ << say_("Made user ", "已创建用户 ") << TextOf(At(*answer, "name")) << " ("
       << TextOf(At(*answer, "role")) << ")\n";
  return kExitDone;
}

int Session::SetPassphrase() {
  auto passphrase = ReadPassphrase();
  if (!passphrase) return Wrong(passphrase.error().ToString());
  int exit = kExitDone;
  const auto answer = Ask("PUT", "/v1/users/" + http::PercentEncode(options_.user) + "/passphrase",
                          json::Serialize(json::object{{"passphrase", *passphrase}}), exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);
  out_ << say_("Set the passphrase; tokens given out before are refused now.\n",
               "已设置口令；此前发出的令牌已失效。\n");
  return kExitDone;
}

int Session::SetRole() {
  int exit = kExitDone;
  const auto answer = Ask("PUT", "/v1/users/" + http::PercentEncode(options_.user) + "/role",
                          json::Serialize(json::object{{"role", options_.role}}), exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);
  out_ << TextOf(At(*answer, "name")) << ": " << TextOf(At(*answer, "role")) << "\n";
  return kExitDone;
}

int Session::RemoveUser() {
  int exit = kExitDone;
  const auto answer = Ask("DELETE", "/v1/users/" + http::PercentEncode(options_.user), "", exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);
  out_ << say_("Removed.\n", "已删除。\n");
  return kExitDone;
}

}  // namespace mailreeve::cli
