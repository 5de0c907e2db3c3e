#pragma once

#include "gateway/counters/counters.h"

#include <array>
#include <string_view>

// The reports: those of gateway-api.md 1.7.4, and ours (mailreeve_…). catalogue.cc says what feeds
// their counters.
namespace mailreeve::gateway::reporting {

// Whose mail a report is of. kNone: nothing here feeds it.
enum class Scope { kNone, kAny, kIn, kOut, kUser, kUserIn, kUserOut };

struct ReportData {
  std::string_view name;
  bool top;
  std::string_view title_en, title_zh;
  bool keyed;
  counters::Dimension dimension;
  Scope scope;
  std::string_view counters;  // separated by spaces
  std::string_view extra;
};

inline constexpr std::array<ReportData, 89> kReports = {{
    {"advanced_phishing_protection_summary", false, "Advanced phishing protection",
     "高级网络钓鱼防护", false, counters::Dimension::kAll, Scope::kNone, "", ""},
    {"mail_amp_file_analysis_by_filename", true, "File analysis by file name", "按文件名的文件分析",
     true, counters::Dimension::kAll, Scope::kNone,
     "completed_timestamp console_url interim_verdict msg_direction run_id score status "
     "submit_timestamp url",
     ""},
    {"mail_amp_reputation_update", true, "File reputation updates", "文件信誉更新", true,
     counters::Dimension::kAll, Scope::kNone,
     "console_url filenames msg_direction old_disposition timestamped_tuple", ""},
    {"mail_amp_threat_summary", true, "File threats", "文件威胁", false, counters::Dimension::kAll,
     Scope::kNone, "", ""},
    {"mail_authentication_incoming_domain", true, "SMTP authentication by domain",
     "按域名的 SMTP 身份验证", true, counters::Dimension::kAuthentication, Scope::kAny,
     "auth_disallow auth_fail auth_success cert_fail cert_fallback_fail "
     "cert_fallback_success cert_success noauth total",
     ""},
    {"mail_authentication_incoming_domain_ip", true, "SMTP authentication by address",
     "按地址的 SMTP 身份验证", true, counters::Dimension::kAll, Scope::kNone,
     "last_auth_disallow last_auth_fail last_auth_success last_cert_fail "
     "last_cert_fallback last_cert_success",
     ""},
    {"mail_authentication_summary", true, "SMTP authentication", "SMTP 身份验证", false,
     counters::Dimension::kAll, Scope::kAny,
     "received_auth received_conn_auth_fail received_conn_auth_success "
     "received_conn_cert_fail received_conn_cert_success received_conn_noauth "
     "received_conn_total received_noauth received_total",
     ""},
    {"mail_content_filter_incoming", true, "Content filters, incoming mail",
     "内容过滤器（传入邮件）", true, counters::Dimension::kPolicy, Scope::kIn, "recipients_matched",
     ""},
    {"mail_content_filter_outgoing", true, "Content filters, outgoing mail",
     "内容过滤器（外发邮件）", true, counters::Dimension::kPolicy, Scope::kOut,
     "recipients_matched", ""},
    {"mail_content_filter_users", true, "Content filters by user", "按用户的内容过滤器", true,
     counters::Dimension::kUser, Scope::kUser, "recipients_matched", ""},
    {"mail_destination_domain_detail", true, "Outgoing destinations", "外发目标域名", true,
     counters::Dimension::kDestinationDomain, Scope::kOut,
     "conn_dane_fail conn_dane_success conn_last_tls_status conn_plain conn_tls_fail "
     "conn_tls_opt_fail conn_tls_opt_success conn_tls_success conn_tls_total delivered "
     "detected_amp detected_spam detected_virus encrypted_tls hard_bounces "
     "threat_content_filter total_clean_recipients total_recipients "
     "total_recipients_processed total_threat_recipients",
     ""},
    {"mail_dlp_outgoing_policy_detail", true, "Data loss prevention by policy",
     "按策略的数据防泄漏", true, counters::Dimension::kAll, Scope::kNone,
     "dlp_action_delivered dlp_action_dropped dlp_action_encrypted dlp_incidents_critical "
     "dlp_incidents_high dlp_incidents_low dlp_incidents_medium total_dlp_incidents",
     ""},
    {"mail_dlp_outgoing_traffic_summary", true, "Data loss prevention", "数据防泄漏", false,
     counters::Dimension::kAll, Scope::kNone,
     "dlp_incidents_critical dlp_incidents_high dlp_incidents_low dlp_incidents_medium "
     "total_dlp_incidents",
     ""},
    {"mail_dlp_users_policy_detail", true, "Data loss prevention by user", "按用户的数据防泄漏",
     true, counters::Dimension::kAll, Scope::kNone,
     "outgoing_dlp_action_delivered outgoing_dlp_action_dropped "
     "outgoing_dlp_action_encrypted outgoing_dlp_action_quarantined "
     "outgoing_dlp_incidents_critical outgoing_dlp_incidents_high "
     "outgoing_dlp_incidents_low outgoing_dlp_incidents_medium total_dlp_incidents",
     ""},
    {"mail_dmarc_incoming_traffic_summary", true, "DMARC of incoming mail", "传入邮件的 DMARC",
     false, counters::Dimension::kAll, Scope::kIn,
     "dmarc_failed_none dmarc_failed_quarantined dmarc_failed_rejected dmarc_failed_total "
     "dmarc_passed dmarc_total_attempted",
     ""},
    {"mail_env_sender_rate_limit", true, "Senders over their rate limit", "超出速率限制的发件人",
     true, counters::Dimension::kAll, Scope::kNone,
     "env_sender_incidents env_sender_rejected_rcpts", ""},
    {"mail_env_sender_stats", true, "Top envelope senders", "主要信封发件人", true,
     counters::Dimension::kSender, Scope::kAny, "num_msgs", ""},
    {"mail_fed_content_filter_incoming", true, "Forged mail detection", "伪造邮件检测", true,
     counters::Dimension::kAll, Scope::kNone, "recipients_matched", ""},
    {"mail_hvm_msg_filter_stats", true, "High volume mail", "大量邮件", true,
     counters::Dimension::kAll, Scope::kNone, "num_matches", ""},
    {"mail_incoming_amp_summary", true, "File reputation of incoming mail", "传入邮件的文件信誉",
     false, counters::Dimension::kAll, Scope::kNone,
     "blockedlist clamav_lowrisk clean custom_threshold lowrisk malware unknown "
     "unscannable",
     ""},
    {"mail_incoming_domain_detail", true, "Incoming mail by sender domain", "按发件域名的传入邮件",
     true, counters::Dimension::kSenderDomain, Scope::kIn,
     "blocked_dmarc blocked_invalid_recipient blocked_reputation blocked_sdr bulk_mail "
     "conn_plain conn_tls_fail conn_tls_opt_fail conn_tls_opt_success conn_tls_success "
     "conn_tls_total detected_amp detected_spam detected_virus encrypted_tls "
     "last_sender_group last_sender_group_name marketing_mail social_mail "
     "threat_content_filter total_accepted_connections total_clean_recipients "
     "total_graymail_recipients total_recipients total_rejected_connections "
     "total_threat_recipients total_throttled_recipients",
     ""},
    {"mail_incoming_domain_ip_detail", true, "Incoming mail by domain and address",
     "按域名和地址的传入邮件", true, counters::Dimension::kSenderIp, Scope::kIn,
     "blocked_dmarc blocked_invalid_recipient blocked_reputation blocked_sdr bulk_mail "
     "detected_amp detected_spam detected_virus dns_verified last_sender_group "
     "last_sender_group_name marketing_mail sbrs_score social_mail threat_content_filter "
     "total_clean_recipients total_graymail_recipients total_recipients "
     "total_threat_recipients",
     ""},
    {"mail_incoming_hat_connections", true, "Connections by access rule", "按访问规则的连接", true,
     counters::Dimension::kAll, Scope::kNone, "total_hat_connections total_hat_messages", ""},
    {"mail_incoming_ip_hostname_detail", true, "Incoming mail by client address",
     "按客户端地址的传入邮件", true, counters::Dimension::kSenderIp, Scope::kIn,
     "blocked_dmarc blocked_invalid_recipient blocked_reputation blocked_sdr bulk_mail "
     "detected_amp detected_spam detected_virus dns_verified last_sender_group "
     "last_sender_group_name marketing_mail sbrs_score social_mail threat_content_filter "
     "total_clean_recipients total_graymail_recipients total_recipients "
     "total_threat_recipients",
     ""},
    {"mail_incoming_malware_threat_file_detail", true, "Malicious files, incoming mail",
     "恶意文件（传入邮件）", true, counters::Dimension::kAll, Scope::kNone, "detected_amp", ""},
    {"mail_incoming_malware_threat_file_detail_by_filename", true,
     "Malicious files by name, incoming mail", "按名称的恶意文件（传入邮件）", true,
     counters::Dimension::kAll, Scope::kNone,
     "amp_verdict_time console_url detected_amp score threat_name threat_type upload_flag", ""},
    {"mail_incoming_malware_threat_file_detail_summary", true,
     "Malicious files summary, incoming mail", "恶意文件汇总（传入邮件）", false,
     counters::Dimension::kAll, Scope::kNone, "detected_amp detected_amp_files", ""},
    {"mail_incoming_network_detail", true, "Incoming mail by network owner",
     "按网络所有者的传入邮件", true, counters::Dimension::kAll, Scope::kNone,
     "blocked_dmarc blocked_invalid_recipient blocked_reputation blocked_sdr bulk_mail "
     "detected_amp detected_spam detected_virus last_sender_group last_sender_group_name "
     "marketing_mail social_mail threat_content_filter total_accepted_connections "
     "total_clean_recipients total_graymail_recipients total_recipients "
     "total_rejected_connections total_threat_recipients total_throttled_recipients",
     ""},
    {"mail_incoming_network_domain_detail", true, "Incoming mail by network owner and domain",
     "按网络所有者和域名的传入邮件", true, counters::Dimension::kAll, Scope::kNone,
     "blocked_dmarc blocked_invalid_recipient blocked_reputation blocked_sdr bulk_mail "
     "detected_amp detected_spam detected_virus marketing_mail social_mail "
     "threat_content_filter total_accepted_connections total_clean_recipients "
     "total_graymail_recipients total_recipients total_rejected_connections "
     "total_threat_recipients total_throttled_recipients",
     ""},
    {"mail_incoming_traffic_summary", false, "Incoming mail", "传入邮件", false,
     counters::Dimension::kAll, Scope::kIn,
     "blocked_dmarc blocked_invalid_recipient blocked_reputation blocked_sdr bulk_mail "
     "detected_amp detected_spam detected_virus ims_spam_increment_over_case malicious_url "
     "marketing_mail social_mail threat_content_filter total_clean_recipients "
     "total_graymail_recipients total_recipients total_threat_recipients "
     "verif_decrypt_fail verif_decrypt_success",
     "detected_spam_suspect detected_spam_certain detected_virus_per_msg failed_spf "
     "failed_dkim total_spoofed_emails total_mailbox_auto_remediated_recipients"},
    {"mail_incoming_urlclick_track_details", true, "Clicked URLs, incoming mail",
     "被点击的 URL（传入邮件）", true, counters::Dimension::kAll, Scope::kNone, "rewrite_reason",
     ""},
    {"mail_incoming_web_interaction_track_malicious_users", true,
     "Users who clicked malicious URLs, incoming mail", "点击恶意 URL 的用户（传入邮件）", true,
     counters::Dimension::kAll, Scope::kNone, "users_count", ""},
    {"mail_incoming_web_interaction_track_urls", true, "Web interaction by URL, incoming mail",
     "按 URL 的网络交互（传入邮件）", true, counters::Dimension::kAll, Scope::kNone,
     "allowed blocked msg_count unknown", ""},
    {"mail_mailbox_auto_remediation", true, "Automatic mailbox remediation", "自动邮箱修复", true,
     counters::Dimension::kAll, Scope::kNone,
     "action completed_timestamp filenames rcpts_failure rcpts_success", "profile reason"},
    {"mail_mar_summary", false, "Automatic mailbox remediation summary", "自动邮箱修复汇总", false,
     counters::Dimension::kAll, Scope::kNone, "",
     "msgs_deleted msgs_forwarded msgs_forwarded_deleted msgs_total"},
    {"mail_md_attachment_incoming_file_type", true, "Attachment types, incoming mail",
     "附件类型（传入邮件）", true, counters::Dimension::kFileType, Scope::kIn, "total_recipients",
     ""},
    {"mail_md_attachment_outgoing_file_type", true, "Attachment types, outgoing mail",
     "附件类型（外发邮件）", true, counters::Dimension::kFileType, Scope::kOut, "total_recipients",
     ""},
    {"mail_mor_batch_summary", false, "Remediation batches", "修复批次", false,
     counters::Dimension::kAll, Scope::kNone, "",
     "msgs_deleted msgs_forwarded msgs_forwarded_deleted msgs_failed msgs_total"},
    {"mail_mor_summary", false, "Remediation on request", "按请求的修复", false,
     counters::Dimension::kAll, Scope::kAny, "",
     "msgs_deleted msgs_forwarded msgs_forwarded_deleted msgs_total"},
    {"mail_msg_filter_stats", true, "Message filters", "邮件过滤器", true,
     counters::Dimension::kAll, Scope::kNone, "num_matches", ""},
    {"mail_outgoing_amp_summary", true, "File reputation of outgoing mail", "外发邮件的文件信誉",
     false, counters::Dimension::kAll, Scope::kNone,
     "blockedlist clamav_lowrisk clean custom_threshold lowrisk malware unknown "
     "unscannable",
     ""},
    {"mail_outgoing_malware_threat_file_detail_by_filename", true,
     "Malicious files by name, outgoing mail", "按名称的恶意文件（外发邮件）", true,
     counters::Dimension::kAll, Scope::kNone,
     "amp_verdict_time console_url detected_amp score threat_name threat_type upload_flag", ""},
    {"mail_outgoing_malware_threat_file_detail_summary", true,
     "Malicious files summary, outgoing mail", "恶意文件汇总（外发邮件）", false,
     counters::Dimension::kAll, Scope::kNone, "detected_amp detected_amp_files", ""},
    {"mail_outgoing_traffic_summary", false, "Outgoing mail", "外发邮件", false,
     counters::Dimension::kAll, Scope::kOut,
     "detected_amp detected_spam detected_virus ims_spam_increment_over_case malicious_url "
     "threat_content_filter total_clean_recipients total_dlp_incidents total_hard_bounces "
     "total_recipients total_recipients_delivered total_recipients_processed",
     "cres_successful cres_failed"},
    {"mail_outgoing_urlclick_track_details", true, "Clicked URLs, outgoing mail",
     "被点击的 URL（外发邮件）", true, counters::Dimension::kAll, Scope::kNone, "rewrite_reason",
     ""},
    {"mail_outgoing_web_interaction_track_malicious_users", true,
     "Users who clicked malicious URLs, outgoing mail", "点击恶意 URL 的用户（外发邮件）", true,
     counters::Dimension::kAll, Scope::kNone, "users_count", ""},
    {"mail_outgoing_web_interaction_track_urls", true, "Web interaction by URL, outgoing mail",
     "按 URL 的网络交互（外发邮件）", true, counters::Dimension::kAll, Scope::kNone,
     "allowed blocked msg_count unknown", ""},
    {"mail_policy_incoming", false, "Mail policies, incoming mail", "邮件策略（传入邮件）", true,
     counters::Dimension::kAll, Scope::kNone, "recipients_matched", ""},
    {"mail_policy_outgoing", false, "Mail policies, outgoing mail", "邮件策略（外发邮件）", true,
     counters::Dimension::kAll, Scope::kNone, "recipients_matched", ""},
    {"mail_safeprint_details", false, "Safe print", "安全打印", false, counters::Dimension::kAll,
     Scope::kNone, "", ""},
    {"mail_security_summary", true, "TLS connections", "TLS 连接", false, counters::Dimension::kAll,
     Scope::kAny,
     "received_conn_plain received_conn_tls_fail received_conn_tls_opt_fail "
     "received_conn_tls_opt_success received_conn_tls_success received_conn_total "
     "received_encrypted_tls received_total received_unencrypted sent_conn_dane_fail "
     "sent_conn_dane_success sent_conn_plain sent_conn_tls_fail sent_conn_tls_opt_fail "
     "sent_conn_tls_opt_success sent_conn_tls_success sent_conn_total sent_encrypted_tls "
     "sent_total sent_unencrypted",
     ""},
    {"mail_sender_domain_detail", true, "Outgoing mail by sender domain", "按发件域名的外发邮件",
     true, counters::Dimension::kSenderDomain, Scope::kOut,
     "detected_amp detected_spam detected_virus threat_content_filter "
     "total_clean_recipients total_dlp_incidents total_recipients_processed "
     "total_threat_recipients",
     ""},
    {"mail_sender_domain_reputation", true, "Sender domain reputation", "发件域名信誉", false,
     counters::Dimension::kAll, Scope::kNone,
     "awful good neutral not_scanned poor tainted unknown unscannable weak", ""},
    {"mail_sender_domain_threat_categories", true, "Sender domain threat categories",
     "发件域名威胁类别", true, counters::Dimension::kAll, Scope::kNone, "total_threat_messages",
     ""},
    {"mail_sender_domain_threat_levels", false, "Sender domain threat levels", "发件域名威胁级别",
     false, counters::Dimension::kAll, Scope::kNone, "", ""},
    {"mail_sender_group_detail", true, "Sender groups", "发件人组", true, counters::Dimension::kAll,
     Scope::kNone, "total_connections", ""},
    {"mail_sender_group_summary", true, "Sender groups summary", "发件人组汇总", false,
     counters::Dimension::kAll, Scope::kNone,
     "connections_accept connections_reject connections_relay connections_tcp_refuse", ""},
    {"mail_sender_ip_hostname_detail", true, "Outgoing mail by client address",
     "按客户端地址的外发邮件", true, counters::Dimension::kSenderIp, Scope::kOut,
     "detected_amp detected_spam detected_virus threat_content_filter "
     "total_clean_recipients total_dlp_incidents total_recipients_processed "
     "total_threat_recipients",
     ""},
    {"mail_subject_stats", true, "Top subjects", "主要主题", true, counters::Dimension::kSubject,
     Scope::kAny, "num_msgs", ""},
    {"mail_system_capacity", true, "System capacity", "系统容量", false, counters::Dimension::kAll,
     Scope::kAny,
     "average_incoming_message_size_in_bytes average_memory_page_swapping "
     "average_outgoing_message_size_in_bytes bytes_in bytes_out incoming_connections "
     "incoming_messages outgoing_connections outgoing_messages overall_percent_cpu_usage "
     "overall_percent_cpu_usage_for_antispam overall_percent_cpu_usage_for_antivirus "
     "overall_percent_cpu_usage_for_mail_count overall_percent_cpu_usage_for_quarantine "
     "overall_percent_cpu_usage_for_reporting res_con_start_count "
     "workqueue_average_messages workqueue_average_time_spent workqueue_maximum_messages "
     "workqueue_messages_max",
     ""},
    {"mail_threatfeeds_indicator_summary", true, "Threat feed indicators", "威胁情报指标", false,
     counters::Dimension::kAll, Scope::kNone, "domain file_hash url", ""},
    {"mail_threatfeeds_indicator_value_detail", true, "Threat feed indicators by value",
     "按值的威胁情报指标", true, counters::Dimension::kAll, Scope::kNone, "ioc_consumed ioc_type",
     ""},
    {"mail_threatfeeds_source_detail", true, "Threat feeds by source", "按来源的威胁情报", true,
     counters::Dimension::kAll, Scope::kNone,
     "domain_indicator file_hash_indicator ip_indicator total_messages_matched "
     "url_indicator",
     ""},
    {"mail_url_analysis_summary", true, "URL retrospection", "URL 回溯", false,
     counters::Dimension::kAll, Scope::kNone, "",
     "url_convicted_timestamp total_message_count remediation_success_count "
     "remediation_failure_count remediation_skipped_count"},
    {"mail_url_category_summary", true, "URL categories", "URL 类别", true,
     counters::Dimension::kAll, Scope::kNone, "incoming_count outgoing_count", ""},
    {"mail_url_domain_summary", true, "Domains in URLs", "URL 中的域名", true,
     counters::Dimension::kUrlDomain, Scope::kAny, "incoming_count outgoing_count", ""},
    {"mail_url_reputation_summary", true, "URL reputation", "URL 信誉", true,
     counters::Dimension::kAll, Scope::kNone, "incoming_count outgoing_count", ""},
    {"mail_users_content_filter_incoming", true, "Content filters by recipient",
     "按收件人的内容过滤器", true, counters::Dimension::kUser, Scope::kUserIn, "recipients_matched",
     ""},
    {"mail_users_content_filter_outgoing", true, "Content filters by sender",
     "按发件人的内容过滤器", true, counters::Dimension::kUser, Scope::kUserOut,
     "recipients_matched", ""},
    {"mail_users_detail", true, "Internal users", "内部用户", true, counters::Dimension::kUser,
     Scope::kUser,
     "incoming_bulk_mail incoming_detected_amp incoming_detected_content_filter "
     "incoming_detected_ims_spam_increment_over_case incoming_detected_spam "
     "incoming_detected_virus incoming_graymail incoming_marketing_mail "
     "incoming_social_mail incoming_threat_content_filter incoming_total_clean_recipients "
     "incoming_total_recipients outgoing_detected_amp outgoing_detected_content_filter "
     "outgoing_detected_ims_spam_increment_over_case outgoing_detected_spam "
     "outgoing_detected_virus outgoing_threat_content_filter "
     "outgoing_total_clean_recipients outgoing_total_recipients",
     ""},
    {"mail_virus_type_detail", true, "Virus types", "病毒类型", true, counters::Dimension::kAll,
     Scope::kNone, "incoming_total_recipients outgoing_total_recipients total_recipients", ""},
    {"mail_vof_specific_threat_summary", false, "Outbreak threats, specific", "特定爆发威胁", false,
     counters::Dimension::kAll, Scope::kNone, "", ""},
    {"mail_vof_threat_details", true, "Outbreak threats", "爆发威胁", true,
     counters::Dimension::kAll, Scope::kNone, "threat_detected", ""},
    {"mail_vof_threat_summary", true, "Outbreak threats summary", "爆发威胁汇总", false,
     counters::Dimension::kAll, Scope::kNone, "threat_detected", ""},
    {"mail_vof_threats_by_level", true, "Outbreak threats by level", "按级别的爆发威胁", true,
     counters::Dimension::kAll, Scope::kNone, "threat_detected", ""},
    {"mail_vof_threats_by_threat_type", true, "Outbreak threats by threat type",
     "按威胁类型的爆发威胁", true, counters::Dimension::kAll, Scope::kNone, "threat_detected", ""},
    {"mail_vof_threats_by_time_threshold", true, "Outbreak threats by time in quarantine",
     "按隔离时间的爆发威胁", true, counters::Dimension::kAll, Scope::kNone,
     "local_store_quarantine_message_exit quarantine_message_exit", ""},
    {"mail_vof_threats_by_type", true, "Outbreak threats by type", "按类型的爆发威胁", true,
     counters::Dimension::kAll, Scope::kNone, "threat_detected", ""},
    {"mail_vof_threats_rewritten_url", true, "Outbreak threats: rewritten URLs",
     "爆发威胁：改写的 URL", true, counters::Dimension::kAll, Scope::kNone, "rewritten_url", ""},
    {"mailreeve_delivery", false, "Delivery", "投递", false, counters::Dimension::kAll, Scope::kAny,
     "accepted rejected temporarily_refused discarded quarantined released delivered "
     "deferred bounced expired",
     ""},
    {"mailreeve_files", true, "Attached files", "附件", true, counters::Dimension::kFile,
     Scope::kAny, "messages malicious suspicious", ""},
    {"mailreeve_message_authentication", false, "SPF, DKIM and DMARC of incoming mail",
     "传入邮件的 SPF、DKIM 和 DMARC", false, counters::Dimension::kAll, Scope::kIn,
     "spf_pass spf_fail dkim_pass dkim_fail dmarc_pass dmarc_fail", ""},
    {"mailreeve_policy", true, "Policy violators and verdicts", "策略违规与判定", true,
     counters::Dimension::kPolicy, Scope::kAny, "recipients malicious suspicious", ""},
    {"mailreeve_recipients", true, "Recipients", "收件人", true, counters::Dimension::kRecipient,
     Scope::kAny, "recipients threats bounced removed", ""},
    {"mailreeve_remediation", false, "Mailbox remediation", "邮箱修复", false,
     counters::Dimension::kAll, Scope::kAny,
     "removed moved_followed already_gone forwarded refused unreachable restored", ""},
    {"mailreeve_senders", true, "Envelope senders", "信封发件人", true,
     counters::Dimension::kSender, Scope::kAny, "messages recipients threats", ""},
    {"mailreeve_tls", true, "TLS protocols and ciphers", "TLS 协议与加密套件", true,
     counters::Dimension::kTls, Scope::kAny, "messages connections", ""},
    {"mailreeve_urls", true, "URLs", "URL", true, counters::Dimension::kUrl, Scope::kAny,
     "messages malicious suspicious", ""},
    {"reporting_system", true, "Reporting system", "报告系统", false, counters::Dimension::kAll,
     Scope::kNone, "begin_time end_time heartbeat", ""},
}};

}  // namespace mailreeve::gateway::reporting
