// GatewayModule: orders to remediate mail, by the public actions and by plan and batch.
#include "base/random.h"
#include "base/text.h"
#include "gateway/enrich/module_parts.h"
#include "gateway/enrich/query_body.h"

#include <algorithm>
#include <array>

namespace mailreeve::gateway::enrich {
namespace {

using observable::Observable;
using observable::Type;
using std::chrono::milliseconds;

constexpr size_t kMaxRememberedOrders = 1000;

struct ActionInfo {
  std::string_view id, title, description;
  remediation::Action action;
};
constexpr std::array kActions = {
    ActionInfo{"esa-mor-delete", "Delete",
               "Removes the message from the mailboxes it was delivered to",
               remediation::Action::kDelete},
    ActionInfo{"esa-mor-forward", "Forward", "Forwards the message to the remediation address",
               remediation::Action::kForward},
    ActionInfo{
        "esa-mor-forward-delete", "Forward and delete",
        "Forwards the message to the remediation address, then removes it from the mailboxes",
        remediation::Action::kForwardAndDelete}};

}  // namespace

io::Task<Result<std::vector<mail::Mid>>> GatewayModule::MidsOf(Observable observable) {
  std::vector<mail::Mid> mids;
  tracking::Query query;
  query.any_of = {std::move(observable)};
  query.limit = tracking::kMaxPage;
  do {
    CO_TRY(auto page, co_await store_.Search(query));
    for (const auto& record : page.records) mids.push_back(record.mid);
    if (mids.size() > options_.max_trigger_messages) {
      co_return Fail(Code::kLimited, "more than " + std::to_string(options_.max_trigger_messages) +
                                         " messages fit");
    }
    // Acting on a part without saying so would be worse than not acting.
    if (!page.coverage.complete)
      co_return Fail(Code::kUnavailable, "not all messages could be read: " + page.coverage.why);
    query.cursor = page.next_cursor;
  } while (!query.cursor.empty());
  co_return mids;
}

io::Task<Result<json::value>> GatewayModule::RespondObservables(relay::Call call) {
  json::object out{{"data", json::array()}};
  auto read = ReadSupported(call.body, out);
  if (!read) co_return FatalOf(read.error());
  std::erase_if(read->asked, [](const auto& asked) { return !ActionsFit(asked.canonical.type); });
  json::array list;
  bool any = false;
  for (const auto& asked : read->asked) {
    auto mids = co_await MidsOf(asked.canonical);
    if (!mids) {
      relay::AddError(out, "warning", relay::ErrorWord(mids.error().code), mids.error().message);
      continue;
    }
    if (mids->empty()) continue;
    any = true;
    if (!options_.mailboxes_configured) continue;
    for (const ActionInfo& info : kActions) {
      if (remediation::Forwards(info.action) && options_.forward_address.empty()) continue;
      list.push_back(
          json::object{{"id", info.id},
                       {"title", info.title},
                       {"description", std::string(info.description) + " (" + options_.name + ", " +
                                           std::to_string(mids->size()) +
                                           (mids->size() == 1 ? " message)" : " messages)")},
                       {"categories", json::array{"Email"}},
                       {"query-params",
                        {{"observable_type", observable::TypeName(asked.canonical.type)},
                         {"observable_value", asked.canonical.value}}}});
    }
  }
  if (any && !options_.mailboxes_configured) {
    relay::AddError(out, "warning", "configuration",
                    "no mail store is configured on this gateway: mailboxes cannot be acted on");
  } else if (any && options_.forward_address.empty()) {
    relay::AddError(out, "warning", "configuration",
                    "no remediation forwarding address is set (remediation.forward_address): "
                    "forward is not offered");
  }
  out["data"] = std::move(list);
  co_return out;
}

io::Task<Result<std::string>> GatewayModule::Start(remediation::Action action,
                                                   Observable observable, std::string forward_to,
                                                   std::string key, relay::Caller caller) {
  if (const auto known = batches_.find(key); known != batches_.end()) co_return known->second;
  const std::string name = std::string(observable::TypeName(observable.type)) + " " +
                           std::string(CutUtf8(observable.value, 120));
  CO_TRY(auto mids, co_await MidsOf(std::move(observable)));
  if (mids.empty()) co_return Fail(Code::kNotFound, "no tracked message fits");
  CO_TRY(const auto plan, co_await actions_.MakePlan(action, std::move(mids), caller));
  if (remediation::Forwards(action) && forward_to.empty() && plan.forward_address.empty()) {
    co_return Fail(Code::kInvalid,
                   "no address to forward to: give forward_to, or set remediation.forward_address");
  }
  CO_TRY(std::string batch,
         co_await actions_.Execute(plan.id, plan.hash, key, std::move(forward_to), name,
                                   std::move(caller)));
  if (batches_.emplace(key, batch).second) batch_keys_.push_back(std::move(key));
  if (batch_keys_.size() > kMaxRememberedOrders) {
    batches_.erase(batch_keys_.front());
    batch_keys_.pop_front();
  }
  co_return batch;
}

io::Task<Result<json::value>> GatewayModule::Trigger(relay::Call call) {
  const auto started = std::chrono::steady_clock::now();
  const auto failed = [](const Error& error) {
    json::object out = FatalOf(error);
    out["data"] = json::object{{"status", "failure"}};
    return out;
  };
  remediation::Action action = remediation::Action::kDelete;
  Observable observable{};
  std::string forward_to, key;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY(const std::string id, json::RequireString(*body, "action-id"));
    const auto* info = std::find_if(kActions.begin(), kActions.end(),
                                    [&](const ActionInfo& each) { return each.id == id; });
    if (info == kActions.end())
      return Fail(Code::kInvalid,
                  "action-id: '" + std::string(CutUtf8(id, 50)) + "' is not offered");
    action = info->action;
    TRY(const std::string type_name, json::RequireString(*body, "observable_type"));
    TRY(const std::string value, json::RequireString(*body, "observable_value"));
    const auto type = observable::TypeFromName(type_name);
    if (!type || !ActionsFit(*type))
      return Fail(Code::kInvalid, "observable_type: must be cisco_mid or email_messageid");
    TRY(std::string canonical, observable::Canonical(*type, value));
    observable = {*type, std::move(canonical)};
    TRY(forward_to, json::OptionalString(*body, "forward_to", ""));
    TRY(key, json::OptionalString(*body, "idempotency_key", ""));
    if (key.size() > 200) return Fail(Code::kInvalid, "idempotency_key: is too long");
    return {};
  };
  if (auto good = read(); !good) co_return failed(good.error());
  if (key.empty()) key = RandomUuid();
  auto batch_id = co_await Start(action, std::move(observable), std::move(forward_to),
                                 std::move(key), call.caller);
  if (!batch_id) co_return failed(batch_id.error());

  const auto passed =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - started);
  const milliseconds left = std::max(call.deadline - passed - kAnswerMargin, milliseconds(1));
  auto batch = co_await actions_.WaitBatch(*batch_id, left);
  json::object out{{"data", {{"status", "failure"}, {"batch_id", *batch_id}}}};
  if (!batch) {
    relay::AddError(out, "fatal", relay::ErrorWord(batch.error().code), batch.error().message);
    co_return out;
  }
  out["data"].get_object()["state"] = remediation::BatchStateName(batch->state);
  const json::object told = remediation::ToJson(*batch);
  if (const json::value* counts = told.if_contains("counts"))
    out["data"].get_object()["counts"] = *counts;
  if (!batch->finished()) {
    relay::AddError(out, "warning", "timeout",
                    "batch " + *batch_id + " is still running: " + std::to_string(batch->done) +
                        " of " + std::to_string(batch->total) + " mailboxes are done");
  } else if (batch->state == remediation::BatchState::kCompleted) {
    out["data"].get_object()["status"] = "success";
  } else {
    relay::AddError(out, "error", "remediation incomplete",
                    "batch " + *batch_id + " ended as " +
                        std::string(remediation::BatchStateName(batch->state)) +
                        "; its receipts say what became of each mailbox");
  }
  co_return out;
}

io::Task<Result<json::value>> GatewayModule::Plan(relay::Call call) {
  remediation::Action action = remediation::Action::kDelete;
  std::vector<mail::Mid> mids;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"action", "mids", "forward_to"}));
    TRY(const std::string name, json::RequireString(*body, "action"));
    TRY(action, remediation::ParseAction(name));
    const json::value* list = body->if_contains("mids");
    if (list == nullptr) return Fail(Code::kInvalid, "mids: is required");
    TRY(const json::array* items, json::AsArray(*list, "mids"));
    if (items->empty()) return Fail(Code::kInvalid, "mids: is empty");
    if (items->size() > options_.max_trigger_messages)
      return Fail(Code::kInvalid, "mids: too many");
    for (const auto& item : *items) {
      TRY(const mail::Mid mid, ReadMid(item, "mids"));
      mids.push_back(mid);
    }
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  auto plan = co_await actions_.MakePlan(action, std::move(mids), call.caller);
  if (!plan) co_return FatalOf(plan.error());
  co_return json::object{{"data", remediation::ToJson(*plan)}};
}

io::Task<Result<json::value>> GatewayModule::Execute(relay::Call call) {
  std::string plan, hash, key, forward_to, name;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(
        *body, {"plan_id", "plan_hash", "idempotency_key", "forward_to", "name"}));
    TRY(plan, json::RequireString(*body, "plan_id"));
    TRY(hash, json::RequireString(*body, "plan_hash"));
    TRY(key, json::RequireString(*body, "idempotency_key"));
    TRY(forward_to, json::OptionalString(*body, "forward_to", ""));
    TRY(name, json::OptionalString(*body, "name", ""));
    if (key.empty() || key.size() > 200)
      return Fail(Code::kInvalid, "idempotency_key: must have 1 to 200 bytes");
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  auto batch = co_await actions_.Execute(std::move(plan), std::move(hash), std::move(key),
                                         std::move(forward_to), std::move(name), call.caller);
  if (!batch) co_return FatalOf(batch.error());
  co_return json::object{{"data", {{"batch_id", *batch}}}};
}

io::Task<Result<json::value>> GatewayModule::BatchState(relay::Call call) {
  std::string id;
  int64_t wait_ms = 0;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object* body, json::AsObject(call.body, ""));
    TRY_VOID(json::RefuseUnknownKeys(*body, {"batch_id", "wait_ms"}));
    TRY(id, json::RequireString(*body, "batch_id"));
    TRY(wait_ms, json::OptionalInteger(*body, "wait_ms", 0));
    return {};
  };
  if (auto good = read(); !good) co_return FatalOf(good.error());
  const milliseconds wait =
      std::min(milliseconds(std::max<int64_t>(0, wait_ms)), call.deadline - kAnswerMargin);
  const bool waits = wait.count() > 0;
  Result<remediation::Batch> batch = Fail(Code::kInternal, "");
  if (waits) {
    batch = co_await actions_.WaitBatch(id, wait);
  } else {
    batch = co_await actions_.GetBatch(id);
  }
  if (!batch) co_return FatalOf(batch.error());
  co_return json::object{{"data", remediation::ToJson(*batch)}};
}

}  // namespace mailreeve::gateway::enrich
