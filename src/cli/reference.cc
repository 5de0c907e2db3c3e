#include "cli/reference.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace mailreeve::cli {
namespace {

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    out.push_back(command);
  return out;
}

std::vector<const CLI::Option*> Options(const CLI::App& app) {
  std::vector<const CLI::Option*> out;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_lnames().empty()) out.push_back(option);
  }
  return out;
}

// What may follow a command: its own commands, and its and their options.
std::string LongNames(const CLI::App& app) {
  std::string out;
  for (const CLI::App* command : Commands(app)) {
    out += (out.empty() ? "" : " ") + command->get_name();
    if (const std::string names = LongNames(*command); !names.empty()) out += " " + names;
  }
  for (const CLI::Option* option : Options(app)) {
    for (const auto& name : option->get_lnames()) out += (out.empty() ? "--" : " --") + name;
  }
  return out;
}

std::string OwnNames(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : Options(app)) {
    for (const auto& name : option->get_lnames()) out += (out.empty() ? "--" : " --") + name;
  }
  return out;
}

std::string Quoted(std::string text) {
  for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4)
    text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

std::string Troff(std::string text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  if (!out.empty() && (out[0] == '.' || out[0] == '\'')) out.insert(0, "\\&");
  return out;
}

void AppendOptions(std::string& out, const CLI::App& app) {
  for (const CLI::Option* option : Options(app)) {
    std::string names;
    for (const auto& name : option->get_snames()) names += (names.empty() ? "\\-" : ", \\-") + name;
    for (const auto& name : option->get_lnames())
      names += (names.empty() ? "\\-\\-" : ", \\-\\-") + Troff(name);
    out += ".TP\n\\fB" + names + "\\fR";
    if (option->get_items_expected_max() > 0)
      out += " \\fI" + Troff(option->get_type_name()) + "\\fR";
    out += "\n" + Troff(option->get_description()) + "\n";
  }
}

void AppendCommand(std::string& out, const CLI::App& command, const std::string& above) {
  const std::string name = above + " " + command.get_name();
  out += ".SS \"" + Troff(name) + "\"\n" + Troff(command.get_description()) + "\n";
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_lnames().empty() || !option->get_snames().empty()) continue;
    out += ".TP\n\\fI" + Troff(option->get_name()) + "\\fR\n" + Troff(option->get_description()) +
           "\n";
  }
  AppendOptions(out, command);
  for (const CLI::App* each : Commands(command)) AppendCommand(out, *each, name);
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  std::string commands, cases;
  for (const CLI::App* command : Commands(app)) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += "    " + command->get_name() + ") words='" + LongNames(*command) + "' ;;\n";
  }
  return "# bash completion for mailreeve\n_mailreeve() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} command= words= i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n  done\n"
         "  case $command in\n" +
         cases + "    *) words='" + commands + " " + OwnNames(app) +
         "' ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -F "
         "_mailreeve mailreeve\n";
}

std::string ZshCompletion(const CLI::App& app) {
  std::string out = "#compdef mailreeve\n_mailreeve() {\n  local -a commands\n  commands=(\n";
  for (const CLI::App* command : Commands(app)) {
    out += "    " + Quoted(command->get_name() + ":" + command->get_description()) + "\n";
  }
  out +=
      "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n  case $words[2] "
      "in\n";
  for (const CLI::App* command : Commands(app)) {
    out += "    " + command->get_name() + ") compadd -- " + LongNames(*command) + " ;;\n";
  }
  return out + "  esac\n}\n_mailreeve \"$@\"\n";
}

std::string FishCompletion(const CLI::App& app) {
  std::string out = "# fish completion for mailreeve\ncomplete -c mailreeve -f\n";
  for (const CLI::App* command : Commands(app)) {
    out += "complete -c mailreeve -n __fish_use_subcommand -a " + command->get_name() + " -d " +
           Quoted(command->get_description()) + "\n";
    for (const CLI::App* each : Commands(*command)) {
      out += "complete -c mailreeve -n '__fish_seen_subcommand_from " + command->get_name() +
             "' -a " + each->get_name() + " -d " + Quoted(each->get_description()) + "\n";
    }
    for (const CLI::Option* option : Options(*command)) {
      for (const auto& name : option->get_lnames()) {
        out += "complete -c mailreeve -n '__fish_seen_subcommand_from " + command->get_name() +
               "' -l " + name + (option->get_items_expected_max() > 0 ? " -r" : "") + " -d " +
               Quoted(option->get_description()) + "\n";
      }
    }
  }
  return out;
}

std::string ManualPage(const CLI::App& app) {
  std::string out =
      ".TH MAILREEVE 1 \"\" \"Mailreeve\" \"Mailreeve manual\"\n.SH NAME\nmailreeve \\- command "
      "line of the Mailreeve "
      "e-mail gateway\n.SH SYNOPSIS\n\\fBmailreeve\\fR [\\fIoptions\\fR] \\fIcommand\\fR "
      "[\\fIoptions\\fR]\n"
      ".SH DESCRIPTION\n" +
      Troff(app.get_description()) + "\n.SH OPTIONS\n";
  AppendOptions(out, app);
  out += ".SH COMMANDS\n";
  for (const CLI::App* command : Commands(app)) AppendCommand(out, *command, "mailreeve");
  out +=
      ".SH EXIT STATUS\n"
      ".TP\n0\ndone\n.TP\n1\nthe gateway reported a failure\n.TP\n2\nwrong usage or input\n"
      ".TP\n3\nthe gateway cannot be reached\n.TP\n4\nnot found\n.TP\n5\nno answer in time\n"
      ".SH ENVIRONMENT\n.TP\n\\fBMAILREEVE_SOCKET\\fR\nthe administration socket, when "
      "\\-\\-socket is not given\n"
      ".TP\n\\fBLC_ALL\\fR, \\fBLC_MESSAGES\\fR, \\fBLANG\\fR\na value that begins with zh gives "
      "Chinese texts\n"
      ".SH FILES\n.TP\n\\fI/run/mailreeve/gateway.sock\\fR\nthe default administration socket\n";
  return out;
}

}  // namespace mailreeve::cli
