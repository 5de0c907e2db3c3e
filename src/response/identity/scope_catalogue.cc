#include "response/identity/scope_catalogue.h"

#include <array>

namespace mailreeve::response::identity {
namespace {

constexpr auto kCatalogue = std::to_array<ScopeText>({
    {"admin", "Administer the platform", "管理平台"},
    {"ao", "Automation", "自动化编排"},
    {"asset", "Assets and their properties", "资产及其属性"},
    {"casebook", "Casebooks", "案例集"},
    {"enrich", "Ask modules about observables", "向模块查询可观察对象"},
    {"event", "Event log", "事件日志"},
    {"feedback", "Feedback", "反馈"},
    {"global-intel:read", "Read global intelligence", "读取全球情报"},
    {"inspect", "Find observables in text", "在文本中识别可观察对象"},
    {"integration", "Modules and their health", "模块及其健康状态"},
    {"investigation", "Investigations", "调查"},
    {"invite", "Invite users", "邀请用户"},
    {"notification", "Notifications", "通知"},
    {"oauth", "API clients", "API 客户端"},
    {"openid", "Identity of the user (OpenID)", "用户身份（OpenID）"},
    {"playbook", "Workflows", "工作流"},
    {"private-intel", "Private intelligence: incidents, judgements, sightings",
     "私有情报：事件、判断、目击"},
    {"profile", "The user's profile and organisation", "用户资料与组织"},
    {"registry", "Stored choices of the user", "用户保存的选项"},
    {"registry/user/ribbon", "Stored choices of the ribbon", "功能区保存的选项"},
    {"response", "Response actions", "响应操作"},
    {"sse", "Devices", "设备"},
    {"telemetry:write", "Send telemetry", "发送遥测"},
    {"ui-settings", "Settings of the interface", "界面设置"},
    {"users", "Users of the organisation", "组织的用户"},
    {"vault", "Stored secrets of modules", "模块的已存机密"},
    {"webhook", "Webhooks", "网络回调"},
});

}  // namespace

std::span<const ScopeText> ScopeCatalogue() { return kCatalogue; }

std::string_view PresetScopes(std::string_view preset) {
  return preset == "ribbon" ? kRibbonScopes : std::string_view();
}

}  // namespace mailreeve::response::identity
