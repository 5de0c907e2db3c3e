#pragma once

#include "http/message.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The few pages that the server writes itself: sign-in and consent for OAuth clients, the code of a
// device. Plain HTML without script, in English or Chinese by the browser's languages.
//
// Pure functions; thread-safe. All text is escaped in here.
namespace mailreeve::response::api {

enum class Language { kEnglish, kChinese };
// By Accept-Language.
Language LanguageOf(const http::Request& request);
// One of the texts of these pages, by its English form.
std::string_view Say(Language language, std::string_view english);

struct PageField {
  std::string name, label, type, autocomplete, value;
  bool required = true;
};

struct PageForm {
  std::string action;
  std::vector<std::pair<std::string, std::string>> hidden;
  std::vector<PageField> fields;
  // Value of the button named "step", and its label.
  std::vector<std::pair<std::string, std::string>> buttons;
};

struct Page {
  int status = 200;
  std::string title;
  std::string error;  // shown as an alert, above all
  std::vector<std::string> paragraphs;
  std::vector<std::string> list;  // scopes
  std::vector<PageForm> forms;
  // Where forms may lead, beside here: the client's redirect address (a browser also holds the
  // redirect after a form against the policy).
  std::string form_target;
};

http::Response Render(Language language, const Page& page);

}  // namespace mailreeve::response::api
