#include "response/appliance/appliance.h"

#include "base/bytes.h"
#include "base/text.h"
#include "relay/body.h"
#include "response/appliance/tracking_api.h"

#include <algorithm>

namespace mailreeve::response::appliance {
namespace {

using observable::Observable;

constexpr std::string_view kPrefix = "/esa/api/v2.0/";
constexpr size_t kMaxSessions = 10000;

std::string TextOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
// A setting that is a number or digits, within [1, most].
size_t NumberOf(const json::object& from, std::string_view key, size_t otherwise, size_t most) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return otherwise;
  int64_t number = 0;
  if (value->is_int64()) number = value->get_int64();
  if (value->is_string() && !value->get_string().empty() && value->get_string().size() < 10 &&
      value->get_string().find_first_not_of("0123456789") == boost::json::string::npos) {
    number = std::stoll(std::string(value->get_string()));
  }
  if (number <= 0) return otherwise;
  return std::min<size_t>(static_cast<size_t>(number), most);
}

// {"error":{"message"}} of an answer, cut; "status N" otherwise.
std::string MessageOf(const http::Response& response) {
  auto body = json::Parse(response.body, {.max_bytes = 64 * 1024, .max_depth = 8});
  if (body && body->is_object()) {
    const json::value* error = body->get_object().if_contains("error");
    if (error != nullptr && error->is_object()) {
      const std::string message = TextOf(error->get_object(), "message");
      if (!message.empty()) return ToValidUtf8(CutUtf8(message, 200));
    }
  }
  return "status " + std::to_string(response.status);
}

Code CodeOf(int status) {
  if (status == 401) return Code::kUnauthenticated;
  if (status == 403) return Code::kDenied;
  if (status == 429) return Code::kLimited;
  if (status == 400 || status == 404) return Code::kInvalid;
  return Code::kUnavailable;
}

}  // namespace

class ApplianceOpener::Module final : public relay::Module {
 public:
  Module(outbound::Fetcher& fetcher, const Clock& clock, const Options& options,
         std::shared_ptr<Session> session, modules::ModuleInstance instance)
      : shared_(std::make_shared<Shared>(
            Shared{fetcher, clock, options, std::move(session), std::move(instance)})) {}

  io::Task<Result<json::value>> Ask(relay::Call call) override {
    return Answer(shared_, std::move(call));
  }

 private:
  struct Shared {
    outbound::Fetcher& fetcher;
    const Clock& clock;
    const Options options;
    std::shared_ptr<Session> session;
    modules::ModuleInstance instance;

    std::string base() const {
      std::string url = TextOf(instance.settings, "url");
      while (url.ends_with('/')) url.pop_back();
      return url;
    }
    std::string console() const {
      const std::string console = TextOf(instance.settings, "console_url");
      return console.empty() ? base() : console;
    }
  };
  using Until = std::chrono::steady_clock::time_point;

  static io::Task<Result<json::value>> Answer(std::shared_ptr<Shared> shared, relay::Call call) {
    const Until until = std::chrono::steady_clock::now() + call.deadline;
    if (call.route == "/health") co_return co_await Health(shared, until);
    if (call.route == "/observe/observables") {
      co_return co_await Observe(shared, std::move(call.body), until);
    }
    if (call.route == "/refer/observables") co_return Refer(*shared, call.body);
    co_return Fail(Code::kNotFound, "an appliance has no route " + call.route);
  }

  static io::Task<Result<json::value>> Health(std::shared_ptr<Shared> shared, Until until) {
    CO_TRY_VOID(co_await Get(shared, "login/privileges", until));
    co_return json::object{{"data", {{"status", "ok"}}}};
  }

  static Result<json::value> Refer(const Shared& shared, const json::value& body) {
    TRY(const relay::AskedObservables asked, relay::ReadObservables(body, {}));
    json::array links;
    for (const relay::AskedObservable& item : asked.asked) {
      const auto filter = FilterFor(item.canonical);
      if (!filter) continue;
      const std::string type(observable::TypeName(item.canonical.type));
      links.push_back(json::object{
          {"id", "ref-appliance-search-" + type + "-" + http::PercentEncode(item.canonical.value)},
          {"title", "Search for this " + type},
          {"description", "Message tracking of " + shared.instance.name},
          {"url", SearchLink(shared.console(), *filter)},
          {"categories", json::array{"Search", shared.instance.name}}});
    }
    return json::object{{"data", std::move(links)}};
  }

  static io::Task<Result<json::value>> Observe(std::shared_ptr<Shared> shared, json::value body,
                                               Until until) {
    CO_TRY(const relay::AskedObservables asked, relay::ReadObservables(body, {}));
    const Time now = shared->clock.Now();
    const size_t days =
        NumberOf(shared->instance.settings, "look_back_days", shared->options.look_back_days, 3650);
    json::array sightings;
    json::object envelope;
    bool answered = false;
    for (const relay::AskedObservable& item : asked.asked) {
      std::vector<std::string> filters;
      if (const auto filter = FilterFor(item.canonical)) filters.push_back(*filter);
      if (item.canonical.type == observable::Type::kEmail) {
        // Attributes are joined by "and": who was written to is a question of its own.
        filters.push_back("envelopeRecipientfilterOperator=is&envelopeRecipientfilterValue=" +
                          http::PercentEncode(item.canonical.value));
      }
      for (const std::string& filter : filters) {
        auto rows = co_await Search(shared, filter, now - std::chrono::hours(24 * days), now,
                                    item.canonical, sightings, until);
        if (rows) {
          answered = true;
          if (*rows) {
            relay::AddError(envelope, "warning", "too long",
                            "more messages show this " +
                                std::string(observable::TypeName(item.canonical.type)) +
                                " than are told");
          }
          continue;
        }
        // Without log-in or connection the next one fares no better.
        const Code code = rows.error().code;
        if (!answered && code != Code::kInvalid) co_return Fail(std::move(rows.error()));
        relay::AddError(envelope, "error", relay::ErrorWord(code), rows.error().message);
        if (code != Code::kInvalid) {
          co_return Finish(std::move(sightings), std::move(envelope));
        }
      }
    }
    co_return Finish(std::move(sightings), std::move(envelope));
  }

  static json::value Finish(json::array sightings, json::object envelope) {
    // One message may show several of the observables.
    json::array unique;
    std::map<std::string, size_t> at;
    for (json::value& item : sightings) {
      const std::string id(item.at("id").get_string());
      const auto [found, is_new] = at.emplace(id, unique.size());
      if (is_new) {
        unique.push_back(std::move(item));
        continue;
      }
      json::array& shown = unique[found->second].at("observables").get_array();
      const json::value& other = item.at("observables").get_array().front();
      if (std::find(shown.begin(), shown.end(), other) == shown.end()) shown.push_back(other);
    }
    json::object data;
    if (!unique.empty()) {
      json::object list;
      list["count"] = unique.size();
      list["docs"] = std::move(unique);
      data["sightings"] = std::move(list);
    }
    envelope["data"] = std::move(data);
    return envelope;
  }

  // True: there are more than were taken.
  static io::Task<Result<bool>> Search(std::shared_ptr<Shared> shared, std::string filter,
                                       Time from, Time now, Observable asked,
                                       json::array& sightings, Until until) {
    const SightingWorld world{shared->instance.name, shared->console()};
    const size_t most = NumberOf(shared->instance.settings, "max_sightings",
                                 shared->options.max_sightings, shared->options.max_sightings);
    size_t offset = 0, taken = 0;
    while (true) {
      const size_t limit = std::min(shared->options.page, most - taken + 1);
      CO_TRY(const json::value page,
             co_await Get(shared, SearchTarget(filter, from, now, offset, limit), until));
      const json::object* object = page.if_object();
      const json::value* data = object == nullptr ? nullptr : object->if_contains("data");
      if (data == nullptr || !data->is_array()) {
        co_return Fail(Code::kInvalid, "the appliance's answer has no list of messages");
      }
      for (const json::value& row : data->get_array()) {
        if (taken >= most) co_return true;
        if (auto sighting = SightingOf(row, asked, world)) {
          sightings.push_back(*std::move(sighting));
          ++taken;
        }
      }
      if (data->get_array().size() < limit) co_return false;
      offset += data->get_array().size();
      // Rows that are none count towards no limit, so pages must.
      if (offset > 10 * (most + shared->options.page)) co_return true;
    }
  }

  static std::chrono::milliseconds Left(Until until) {
    return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(
                        until - std::chrono::steady_clock::now()),
                    std::chrono::milliseconds(1));
  }

  static io::Task<Result<void>> LogIn(std::shared_ptr<Shared> shared, Until until) {
    const json::object& settings = shared->instance.settings;
    const json::object body{
        {"data",
         {{"userName", Base64Encode(TextOf(settings, "basic-auth-user"))},
          {"passphrase", Base64Encode(TextOf(settings, "basic-auth-password"))}}}};
    outbound::Request request{.method = "POST",
                              .url = shared->base() + std::string(kPrefix) + "login"};
    request.headers.Set("Content-Type", "application/json");
    request.body = json::Serialize(body);
    request.timeout = Left(until);
    request.max_bytes = 64 * 1024;
    CO_TRY(const http::Response response, co_await shared->fetcher.Fetch(std::move(request)));
    if (response.status != 200) {
      co_return Fail(CodeOf(response.status), "log-in: " + MessageOf(response));
    }
    auto answer = json::Parse(response.body, {.max_bytes = 64 * 1024, .max_depth = 8});
    std::string token;
    if (answer && answer->is_object()) {
      const json::value* data = answer->get_object().if_contains("data");
      if (data != nullptr && data->is_object()) token = TextOf(data->get_object(), "jwtToken");
    }
    if (token.empty()) co_return Fail(Code::kInvalid, "log-in: the appliance gave no token");
    shared->session->token = Secret(std::move(token));
    shared->session->until = shared->clock.Now() + Duration(shared->options.token_life);
    co_return Result<void>();
  }

  // Logs in when there is no token, and again when the appliance no longer takes it.
  static io::Task<Result<json::value>> Get(std::shared_ptr<Shared> shared, std::string target,
                                           Until until) {
    for (int attempt = 0;; ++attempt) {
      Session& session = *shared->session;
      if (session.token.empty() || session.until <= shared->clock.Now()) {
        CO_TRY_VOID(co_await LogIn(shared, until));
      }
      outbound::Request request{.url = shared->base() + std::string(kPrefix) + target};
      request.headers.Set("jwtToken", std::string(session.token.Reveal()));
      request.headers.Set("Accept", "application/json");
      request.timeout = Left(until);
      request.max_bytes = shared->options.max_answer_bytes;
      CO_TRY(const http::Response response, co_await shared->fetcher.Fetch(std::move(request)));
      if (response.status == 401 && attempt == 0) {
        session.token = Secret();
        continue;
      }
      if (response.status != 200) {
        co_return Fail(CodeOf(response.status), "the appliance says: " + MessageOf(response));
      }
      auto body = json::Parse(response.body, {.max_bytes = response.body.size(), .max_depth = 32});
      if (!body) co_return Fail(Code::kInvalid, "the appliance's answer is no JSON");
      co_return *std::move(body);
    }
  }

  std::shared_ptr<Shared> shared_;
};

std::shared_ptr<relay::Module> ApplianceOpener::Open(const modules::ModuleInstance& instance) {
  if (sessions_.size() > kMaxSessions) sessions_.clear();
  std::shared_ptr<Session>& session = sessions_[instance.org_id + " " + instance.id];
  if (session == nullptr || session->updated != instance.updated) {
    session = std::make_shared<Session>();
    session->updated = instance.updated;
  }
  return std::make_shared<Module>(fetcher_, clock_, options_, session, instance);
}

}  // namespace mailreeve::response::appliance
