// `mailreeve track` and `mailreeve message`.
#include "cli/session.h"
#include "cli/terminal.h"
#include "http/message.h"

namespace mailreeve::cli {

std::string Session::TrackQuery() const {
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
  const std::string* subject = &options_.subject;
  const char* match = "";
  if (!options_.subject_is.empty()) {
    subject = &options_.subject_is;
    match = "is";
  } else if (!options_.subject_begins.empty()) {
    subject = &options_.subject_begins;
    match = "begins_with";
  }
  add("subject", *subject);
  add("subject_match", match);
  if (options_.subject_empty) add("condition", "subject:is_empty:");
  add("message_id", options_.message_id);
  add("client_address", options_.ip);
  add("client_network", options_.network);
  add("queue_id", options_.queue_id);
  add("direction", options_.direction);
  add("status", options_.status);
  add("event", options_.event);
  add("file_name", options_.file);
  add("file_sha256", options_.sha256);
  const auto condition = [&](const char* prefix, const std::string& value) {
    if (!value.empty()) add("condition", prefix + value);
  };
  condition("reply_to:contains:", options_.reply_to);
  condition("sender_domain:is:", options_.sender_domain);
  condition("url:begins_with:", options_.url_prefix);
  if (!options_.url.empty()) add("observable", "url:" + options_.url);
  if (!options_.domain.empty()) add("observable", "domain:" + options_.domain);
  add("from", options_.since);
  add("until", options_.until);
  return query;
}

int Session::Track() {
  std::string query = TrackQuery();
  if (options_.count) {
    int exit = kExitDone;
    const auto answer = Ask("GET", "/v1/messages/count" + query, "", exit);
    if (!answer) return exit;
    if (options_.json) return Json(*answer);
    const bool exact = At(*answer, "exact") == json::value(true);
    out_ << (exact ? "" : say_("at least ", "至少 ")) << TextOf(At(*answer, "count")) << "\n";
    if (const std::string why = TextOf(At(*answer, "coverage.why")); !why.empty())
      err_ << why << "\n";
    return kExitDone;
  }
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    query += (query.empty() ? "?" : "&") + std::string(name) + "=" + http::PercentEncode(value);
  };
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
       << TextOf(At(*answer, "coverage.oldest")) << " – " << TextOf(At(*answer, "coverage.newest"))
       << ")\n";
  if (const std::string why = TextOf(At(*answer, "coverage.why")); !why.empty())
    out_ << why << "\n";
  if (const std::string next = TextOf(At(*answer, "next_cursor")); !next.empty()) {
    out_ << say_("More: repeat with --cursor ", "还有更多：加上 --cursor ") << next << "\n";
  }
  return kExitDone;
}

int Session::Message() {
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
  int ignored = kExitDone;
  const auto log = Ask("GET", "/v1/messages/" + std::to_string(options_.mid) + "/log", "", ignored);
  if (!log) return ignored;
  const json::value lines = At(*log, "lines");
  if (lines.is_array()) {
    out_ << "\n";
    for (const json::value& line : lines.get_array())
      out_ << TextOf(At(line, "time")) << "  " << TextOf(At(line, "text")) << "\n";
  }
  return kExitDone;
}

}  // namespace mailreeve::cli
