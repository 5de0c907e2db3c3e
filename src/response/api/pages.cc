#include "response/api/pages.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <array>

namespace mailreeve::response::api {
namespace {

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0;display:flex;"
    "justify-content:center}main{max-width:28rem;width:100%;padding:2rem 1rem}h1{font-size:1.4rem}"
    "label{display:block;margin:.8rem 0 .2rem}input{font:inherit;width:100%;box-sizing:border-box;"
    "padding:.5rem}button{font:inherit;min-height:2.75rem;padding:.4rem 1.2rem;margin:1rem .5rem 0 "
    "0}[role=alert]{border:2px solid #b3261e;padding:.5rem 1rem}code{overflow-wrap:anywhere}"
    ":focus-visible{outline:3px solid #1a73e8;outline-offset:2px}";

constexpr auto kChinese = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"Sign in", "登录"},
    {"Allow access", "允许访问"},
    {"Connect a device", "连接设备"},
    {"The request cannot be served", "无法处理该请求"},
    {"Done", "完成"},
    {"User or e-mail address", "用户名或电子邮件地址"},
    {"Password", "密码"},
    {"One-time code, if you use one", "一次性验证码（如已启用）"},
    {"Code shown by the device", "设备上显示的代码"},
    {"Go on as signed in in this browser", "使用本浏览器已登录的身份继续"},
    {"Continue", "继续"},
    {"Allow", "允许"},
    {"Refuse", "拒绝"},
    {"This application asks for access: ", "以下应用请求访问："},
    {"Signed in as: ", "登录身份："},
    {"It may then, in your name:", "允许后，它可以以您的名义："},
    {"You will be sent to: ", "随后将转到："},
    {"Only go on if you see this on a device of your own that you are setting up.",
     "只有当您自己正在设置的设备上显示此代码时，才可继续。"},
    {"The device has access now. You may close this page.", "设备已获得访问权限，可以关闭此页。"},
    {"Access was refused. You may close this page.", "已拒绝访问，可以关闭此页。"},
    {"Wrong user, password or one-time code.", "用户名、密码或一次性验证码错误。"},
    {"Nobody is signed in in this browser.", "本浏览器中没有登录的用户。"},
    {"There is no such code, or it has run out.", "代码不存在或已过期。"},
    {"Too many failed tries. Wait a while before the next one.", "失败次数过多，请稍后再试。"},
    {"The request has run out or belongs to another browser. Begin again in the application.",
     "请求已过期或属于另一浏览器，请在应用中重新开始。"},
    {"This client is not for you, or it wants more than you may do.",
     "此客户端不供您使用，或其请求超出您的权限。"},
    {"Sign in at the console first: your account needs a new password or a one-time code.",
     "请先登录控制台：您的账户需要更换密码或启用一次性验证码。"},
    {"There is no such client, or it may not send you back to this address.",
     "客户端不存在，或不允许返回该地址。"},
    {"Something failed on our side. Try again later.", "服务器出现故障，请稍后再试。"},
});

std::string Html(std::string_view text) {
  std::string out;
  for (const char c : ToValidUtf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Render(const PageForm& form, size_t number) {
  std::string out = "<form method=\"post\" action=\"" + Html(form.action) + "\">\n";
  for (const auto& [name, value] : form.hidden) {
    out += "<input type=\"hidden\" name=\"" + Html(name) + "\" value=\"" + Html(value) + "\">\n";
  }
  for (const PageField& field : form.fields) {
    const std::string id = Html(field.name) + "-" + std::to_string(number);
    out += "<label for=\"" + id + "\">" + Html(field.label) + "</label>\n<input id=\"" + id +
           "\" name=\"" + Html(field.name) + "\" type=\"" + Html(field.type) +
           "\" autocomplete=\"" + Html(field.autocomplete) + "\" value=\"" + Html(field.value) +
           "\"" + (field.required ? " required" : "") + ">\n";
  }
  for (const auto& [step, label] : form.buttons) {
    out += "<button name=\"step\" value=\"" + Html(step) + "\">" + Html(label) + "</button>\n";
  }
  return out + "</form>\n";
}

}  // namespace

Language LanguageOf(const http::Request& request) {
  // The first that we have: browsers send them in order of preference.
  for (const std::string_view item : Split(request.headers.Get("Accept-Language"), ',')) {
    const std::string tag = AsciiLower(TrimSpace(item.substr(0, item.find(';'))));
    if (tag == "zh" || tag.starts_with("zh-")) return Language::kChinese;
    if (tag == "en" || tag.starts_with("en-")) return Language::kEnglish;
  }
  return Language::kEnglish;
}

std::string_view Say(Language language, std::string_view english) {
  if (language == Language::kEnglish) return english;
  for (const auto& [key, text] : kChinese) {
    if (key == english) return text;
  }
  return english;
}

http::Response Render(Language language, const Page& page) {
  const std::string title = Html(page.title);
  std::string out = "<!doctype html>\n<html lang=\"";
  out += language == Language::kChinese ? "zh-CN" : "en";
  out +=
      "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>" +
      title + " - Mailreeve</title><style>" + std::string(kStyle) +
      "</style></head><body><main>\n<h1>" + title + "</h1>\n";
  if (!page.error.empty()) out += "<p role=\"alert\">" + Html(page.error) + "</p>\n";
  for (const std::string& text : page.paragraphs) out += "<p>" + Html(text) + "</p>\n";
  if (!page.list.empty()) {
    out += "<ul>\n";
    for (const std::string& item : page.list) out += "<li><code>" + Html(item) + "</code></li>\n";
    out += "</ul>\n";
  }
  for (size_t i = 0; i < page.forms.size(); ++i) out += Render(page.forms[i], i);
  out += "</main></body></html>\n";
  http::Response response = http::Response::Text(page.status, out, "text/html; charset=utf-8");
  response.headers.Set("Content-Security-Policy",
                       "default-src 'none'; style-src 'sha256-" +
                           Base64Encode(crypto::Sha256(kStyle)) +
                           "'; base-uri 'none'; form-action 'self'" +
                           (page.form_target.empty() ? std::string() : " " + page.form_target) +
                           "; frame-ancestors 'none'");
  // With "no-referrer" a browser would hide the origin of the form's POST, which we check.
  response.headers.Set("Referrer-Policy", "same-origin");
  response.headers.Set("Cache-Control", "no-store");
  return response;
}

}  // namespace mailreeve::response::api
