#include "gateway/mailed_reports/document.h"

#include "base/text.h"

#include <algorithm>
#include <map>

namespace mailreeve::gateway::mailed_reports {
namespace {

const std::map<std::string_view, std::string_view>& ChineseWords() {
  static const std::map<std::string_view, std::string_view> words = {
      {"total_recipients", "收件人总数"},
      {"total_recipients_processed", "已处理收件人"},
      {"total_clean_recipients", "正常收件人"},
      {"total_threat_recipients", "威胁收件人"},
      {"total_graymail_recipients", "灰色邮件收件人"},
      {"graymail", "灰色邮件"},
      {"bulk_mail", "批量邮件"},
      {"marketing_mail", "营销邮件"},
      {"social_mail", "社交邮件"},
      {"blocked_dmarc", "DMARC 阻止"},
      {"blocked_invalid_recipient", "无效收件人"},
      {"blocked_reputation", "信誉阻止"},
      {"blocked_sdr", "发件域名信誉阻止"},
      {"detected_amp", "恶意文件"},
      {"detected_spam", "垃圾邮件"},
      {"detected_virus", "病毒"},
      {"detected_content_filter", "内容过滤器命中"},
      {"malicious_url", "恶意 URL"},
      {"threat_content_filter", "内容过滤器阻止"},
      {"failed_spf", "SPF 失败"},
      {"failed_dkim", "DKIM 失败"},
      {"total_accepted_connections", "已接受连接"},
      {"conn_plain", "明文连接"},
      {"conn_tls_opt_success", "TLS 连接"},
      {"conn_tls_total", "TLS 连接总数"},
      {"encrypted_tls", "TLS 加密邮件"},
      {"received_conn_plain", "明文连接"},
      {"received_conn_tls_opt_success", "TLS 连接"},
      {"received_conn_total", "连接总数"},
      {"received_encrypted_tls", "TLS 加密邮件"},
      {"received_unencrypted", "未加密邮件"},
      {"received_total", "邮件总数"},
      {"received_auth", "已验证邮件"},
      {"received_noauth", "未验证邮件"},
      {"received_conn_auth_success", "已验证连接"},
      {"received_conn_noauth", "未验证连接"},
      {"auth_success", "验证成功"},
      {"noauth", "未验证"},
      {"total", "总数"},
      {"delivered", "已投递"},
      {"total_recipients_delivered", "已投递收件人"},
      {"hard_bounces", "硬退回"},
      {"total_hard_bounces", "硬退回"},
      {"dmarc_failed_none", "DMARC 失败（未处理）"},
      {"dmarc_failed_quarantined", "DMARC 失败（隔离）"},
      {"dmarc_failed_rejected", "DMARC 失败（拒收）"},
      {"dmarc_failed_total", "DMARC 失败"},
      {"dmarc_passed", "DMARC 通过"},
      {"dmarc_total_attempted", "DMARC 检查总数"},
      {"recipients_matched", "匹配收件人"},
      {"num_msgs", "邮件"},
      {"count", "数量"},
      {"messages", "邮件"},
      {"connections", "连接"},
      {"bytes_in", "传入字节"},
      {"bytes_out", "外发字节"},
      {"average_message_size_in_bytes", "平均邮件大小（字节）"},
      {"msgs_deleted", "已删除"},
      {"msgs_forwarded", "已转发"},
      {"msgs_total", "总数"},
      {"recipients", "收件人"},
      {"threats", "威胁"},
      {"malicious", "恶意"},
      {"suspicious", "可疑"},
      {"accepted", "已接受"},
      {"rejected", "已拒收"},
      {"temporarily_refused", "暂时拒收"},
      {"discarded", "已丢弃"},
      {"quarantined", "已隔离"},
      {"released", "已释放"},
      {"deferred", "软退回"},
      {"bounced", "硬退回"},
      {"expired", "已过期"},
      {"spf_pass", "SPF 通过"},
      {"spf_fail", "SPF 失败"},
      {"dkim_pass", "DKIM 通过"},
      {"dkim_fail", "DKIM 失败"},
      {"dmarc_pass", "DMARC 通过"},
      {"dmarc_fail", "DMARC 失败"},
      {"removed", "已移除"},
      {"moved_followed", "跟踪移动后移除"},
      {"already_gone", "已不存在"},
      {"forwarded", "已转发"},
      {"refused", "被拒绝"},
      {"unreachable", "不可达"},
      {"restored", "已恢复"},
  };
  return words;
}

bool Takes2Columns(char32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
         (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
}

bool IsHidden(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

}  // namespace

std::string Say(Language language, std::string_view english, std::string_view chinese) {
  return std::string(language == Language::kChinese ? chinese : english);
}

std::string Document::Title() const {
  return weekly ? Say(language, "Weekly mail report", "邮件周报")
                : Say(language, "Daily mail report", "邮件日报");
}

std::string Document::Span() const {
  const std::string first = FormatTime(from).substr(0, 10);
  const std::string last = FormatTime(until - Duration(1)).substr(0, 10);
  return (first == last ? first : first + " – " + last) + " (UTC)";
}

std::string CounterLabel(Language language, std::string_view counter) {
  std::string name(counter), prefix;
  if (language == Language::kChinese) {
    for (const auto& [word, said] :
         {std::pair<std::string_view, std::string_view>{"incoming_", "传入"},
          {"outgoing_", "外发"}}) {
      const size_t at = name.find(word);
      if (at == std::string::npos) continue;
      name.erase(at, word.size());
      prefix = said;
    }
    if (const auto found = ChineseWords().find(name); found != ChineseWords().end())
      return prefix + std::string(found->second);
    return std::string(counter);
  }
  static const std::map<std::string_view, std::string_view> kSpelt = {
      {"spf", "SPF"},
      {"dkim", "DKIM"},
      {"dmarc", "DMARC"},
      {"tls", "TLS"},
      {"url", "URL"},
      {"amp", "malicious files"},
      {"num", ""},
      {"msgs", "messages"},
      {"conn", "connections"},
      {"opt", ""},
      {"noauth", "not authenticated"},
      {"auth", "authenticated"}};
  std::string out;
  for (const std::string_view word : Split(counter, '_')) {
    const auto spelt = kSpelt.find(word);
    const std::string_view said = spelt == kSpelt.end() ? word : spelt->second;
    if (said.empty()) continue;
    if (!out.empty()) out += ' ';
    out += said;
  }
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 32);
  return out;
}

std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number), out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string Shown(std::string_view text, size_t max_columns) {
  const std::string valid = ToValidUtf8(text);
  std::string out;
  size_t columns = 0;
  for (size_t at = 0; at < valid.size();) {
    const char32_t c = NextCodePoint(valid, at);
    const size_t width = Takes2Columns(c) ? 2 : 1;
    if (columns + width > max_columns) {
      out += "…";
      break;
    }
    AppendUtf8(out, IsHidden(c) ? U'\ufffd' : c);
    columns += width;
  }
  return out;
}

Section MakeSection(reporting::ReportTable table, Language language) {
  Section out;
  out.name = table.info->name;
  out.title = Say(language, table.info->title_en, table.info->title_zh);
  out.keyed = table.info->keyed;
  // What the rows are ordered by first, then what holds most; each number once.
  std::vector<size_t> order(table.counters.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto leads = [&](size_t i) {
    const std::string_view name = table.counters[i]->name;
    return out.keyed && (name == "total_recipients" || name == "total_recipients_processed" ||
                         name == "incoming_total_recipients");
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return leads(a) != leads(b) ? leads(a) : table.totals[a] > table.totals[b];
  });
  for (const size_t i : order) {
    if (out.keyed && out.shown.size() >= kShownColumns) break;
    const auto same = [&](size_t other) {
      return table.counters[other]->metrics == table.counters[i]->metrics &&
             table.counters[other]->divided_by == table.counters[i]->divided_by;
    };
    if (table.counters[i]->available() && table.totals[i] > 0 &&
        std::none_of(out.shown.begin(), out.shown.end(), same)) {
      out.shown.push_back(i);
    }
  }
  for (const size_t i : out.shown)
    out.columns.push_back(CounterLabel(language, table.counters[i]->name));
  if (!table.info->available()) {
    out.notes.push_back(Say(language, "Not available: nothing in this gateway counts it.",
                            "不可用：此网关不统计此项。"));
  } else if (out.shown.empty()) {
    out.notes.push_back(Say(language, "No mail in this period.", "此期间没有邮件。"));
  }
  if (!table.exact && out.keyed) {
    out.notes.push_back(Say(language, "Rows may be short of up to ", "各行的值最多可能少计 ") +
                        Grouped(table.missed) +
                        Say(language, "; totals are exact.", "；总数是精确的。"));
  }
  if (!table.complete) {
    out.notes.push_back(Say(language, "Not everything could be read: ", "部分数据无法读取：") +
                        table.why);
  }
  out.table = std::move(table);
  return out;
}

}  // namespace mailreeve::gateway::mailed_reports
