#include "gateway/remediation/journal.h"

namespace mailreeve::gateway::remediation {
namespace {

Error Corrupt(const Error& error) {
  return Error(Code::kCorrupt, "remediation journal: " + error.message);
}

std::string CallerText(const relay::Caller& caller) {
  return json::Serialize(json::object{{"user_id", caller.user_id},
                                      {"user_name", caller.user_name},
                                      {"client_id", caller.client_id},
                                      {"org_id", caller.org_id},
                                      {"request_id", caller.request_id}});
}

Result<relay::Caller> CallerOf(const std::string& text) {
  TRY(const json::value parsed, json::Parse(text));
  TRY(const json::object* object, json::AsObject(parsed, "caller"));
  relay::Caller out;
  TRY(out.user_id, json::OptionalString(*object, "user_id", ""));
  TRY(out.user_name, json::OptionalString(*object, "user_name", ""));
  TRY(out.client_id, json::OptionalString(*object, "client_id", ""));
  TRY(out.org_id, json::OptionalString(*object, "org_id", ""));
  TRY(out.request_id, json::OptionalString(*object, "request_id", ""));
  return out;
}

template <class E>
Result<E> ByName(std::string_view name, std::string_view (*name_of)(E), size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (name_of(static_cast<E>(i)) == name) return static_cast<E>(i);
  }
  return Fail(Code::kCorrupt, "remediation journal: unknown word '" + std::string(name) + "'");
}

constexpr std::string_view kBatchColumns =
    "b.id, b.plan_id, b.plan_hash, b.idempotency_key, b.name, b.action, b.state, b.forward_to, "
    "b.caller, b.created, "
    "b.ended, (SELECT COUNT(*) FROM item i WHERE i.batch_id = b.id), "
    "(SELECT COUNT(*) FROM item i WHERE i.batch_id = b.id AND i.progress = 'done')";

Result<Batch> ReadBatch(const sql::Statement& row) {
  Batch out;
  out.id = row.Text(0);
  out.plan_id = row.Text(1);
  out.plan_hash = row.Text(2);
  out.idempotency_key = row.Text(3);
  out.name = row.Text(4);
  TRY(out.action, ParseAction(row.Text(5)));
  TRY(out.state, ByName<BatchState>(row.Text(6), BatchStateName, 5));
  out.forward_to = row.Text(7);
  TRY(out.caller, CallerOf(row.Text(8)));
  out.created = FromEpochMicros(row.Integer(9));
  out.ended = FromEpochMicros(row.OptionalInteger(10));
  out.total = static_cast<size_t>(row.Integer(11));
  out.done = static_cast<size_t>(row.Integer(12));
  return out;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  TRY(sql::Database db, sql::Database::Open({.path = path}));
  TRY_VOID(db.Migrate("remediation", sql::MigrationsOf("remediation")));
  return std::unique_ptr<Journal>(new Journal(std::move(db)));
}

io::Task<Result<void>> Journal::SavePlan(Plan plan) {
  co_return co_await pool_.Run([this, plan = std::move(plan)] { return DoSavePlan(plan); });
}

Result<void> Journal::DoSavePlan(const Plan& plan) {
  json::array items;
  for (const PlanItem& item : plan.items) items.push_back(ToJson(item));
  TRY(auto insert,
      db_.Prepare(
          "INSERT INTO plan (id, hash, action, created, expires, caller, forward_address, items) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  TRY_VOID(insert.Bind(1, plan.id)
               .Bind(2, plan.hash)
               .Bind(3, ActionName(plan.action))
               .Bind(4, ToEpochMicros(plan.created))
               .Bind(5, ToEpochMicros(plan.expires))
               .Bind(6, CallerText(plan.caller))
               .Bind(7, plan.forward_address)
               .Bind(8, json::Serialize(items))
               .Run());
  return {};
}

io::Task<Result<Plan>> Journal::LoadPlan(std::string id) {
  co_return co_await pool_.Run([this, id = std::move(id)] { return DoLoadPlan(id); });
}

Result<Plan> Journal::DoLoadPlan(const std::string& id) {
  TRY(auto select,
      db_.Prepare(
          "SELECT id, hash, action, created, expires, caller, forward_address, items FROM plan "
          "WHERE id = ?1"));
  TRY(const bool found, select.Bind(1, id).Step());
  if (!found) return Fail(Code::kNotFound, "there is no such remediation plan; make a new one");
  Plan out;
  out.id = select.Text(0);
  out.hash = select.Text(1);
  TRY(out.action, ParseAction(select.Text(2)));
  out.created = FromEpochMicros(select.Integer(3));
  out.expires = FromEpochMicros(select.Integer(4));
  TRY(out.caller, CallerOf(select.Text(5)));
  out.forward_address = select.Text(6);
  auto items = json::Parse(select.Text(7), {.max_bytes = size_t{1} << 30});
  if (!items) return Fail(Corrupt(items.error()));
  TRY(const json::array* list, json::AsArray(*items, "items"));
  for (const json::value& item : *list) {
    TRY(PlanItem one, PlanItemFromJson(item));
    out.items.push_back(std::move(one));
  }
  return out;
}

io::Task<Result<std::string>> Journal::Begin(Batch batch, std::vector<PlanItem> items,
                                             std::vector<ForwardState> forwards) {
  co_return co_await pool_.Run(
      [this, batch = std::move(batch), items = std::move(items), forwards = std::move(forwards)] {
        return DoBegin(batch, items, forwards);
      });
}

Result<std::string> Journal::DoBegin(const Batch& batch, const std::vector<PlanItem>& items,
                                     const std::vector<ForwardState>& forwards) {
  std::string id = batch.id;
  TRY_VOID(db_.Transaction([&]() -> Result<void> {
    {
      TRY(auto same,
          db_.Prepare(
              "SELECT id, plan_id, idempotency_key FROM batch WHERE idempotency_key = ?1 OR "
              "plan_id = ?2 ORDER BY CASE WHEN idempotency_key = ?1 THEN 0 ELSE 1 END"));
      TRY(const bool found, same.Bind(1, batch.idempotency_key).Bind(2, batch.plan_id).Step());
      if (found) {
        if (same.Text(2) != batch.idempotency_key) {
          return Fail(Code::kConflict,
                      "the plan was carried out already, as batch " + same.Text(0));
        }
        if (same.Text(1) != batch.plan_id) {
          return Fail(Code::kConflict, "the idempotency key was used for another plan");
        }
        id = same.Text(0);
        return {};
      }
    }
    TRY(auto busy,
        db_.Prepare(
            "SELECT b.id FROM item i JOIN batch b ON b.id = i.batch_id WHERE i.mid = ?1 AND "
            "i.rid = ?2 AND i.progress <> 'done'"));
    for (const PlanItem& item : items) {
      TRY(const bool found, busy.Bind(1, static_cast<int64_t>(item.mid))
                                .Bind(2, static_cast<int64_t>(item.rid))
                                .Step());
      if (found) {
        return Fail(Code::kConflict, "MID " + std::to_string(item.mid) +
                                         " is being worked on by batch " + busy.Text(0));
      }
      busy.Reset();
    }
    TRY(auto insert,
        db_.Prepare("INSERT INTO batch (id, plan_id, plan_hash, idempotency_key, name, action, "
                    "state, forward_to, "
                    "caller, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
    TRY_VOID(insert.Bind(1, batch.id)
                 .Bind(2, batch.plan_id)
                 .Bind(3, batch.plan_hash)
                 .Bind(4, batch.idempotency_key)
                 .Bind(5, batch.name)
                 .Bind(6, ActionName(batch.action))
                 .Bind(7, BatchStateName(batch.state))
                 .Bind(8, batch.forward_to)
                 .Bind(9, CallerText(batch.caller))
                 .Bind(10, ToEpochMicros(batch.created))
                 .Run());
    TRY(auto add, db_.Prepare("INSERT INTO item (batch_id, number, mid, rid, planned, progress, "
                              "outcome, why, detail, "
                              "attempts, evidence, events_recorded) VALUES (?1, ?2, ?3, ?4, ?5, "
                              "'queued', '', '', '', "
                              "0, '{}', 0)"));
    for (size_t i = 0; i < items.size(); ++i) {
      TRY_VOID(add.Bind(1, batch.id)
                   .Bind(2, static_cast<int64_t>(i))
                   .Bind(3, static_cast<int64_t>(items[i].mid))
                   .Bind(4, static_cast<int64_t>(items[i].rid))
                   .Bind(5, json::Serialize(ToJson(items[i])))
                   .Run());
    }
    for (const ForwardState& forward : forwards) {
      TRY(auto one,
          db_.Prepare(
              "INSERT INTO forward (batch_id, mid, state, message_id, recipient, source, queue_id, "
              "reply, server, why, attempts, evidence) VALUES (?1, ?2, ?3, ?4, ?5, '', '', '', '', "
              "'', 0, '')"));
      TRY_VOID(one.Bind(1, batch.id)
                   .Bind(2, static_cast<int64_t>(forward.mid))
                   .Bind(3, forward.state)
                   .Bind(4, forward.message_id)
                   .Bind(5, forward.to)
                   .Run());
    }
    return {};
  }));
  return id;
}

io::Task<Result<std::optional<Batch>>> Journal::FindByKey(std::string key) {
  co_return co_await pool_.Run([this, key = std::move(key)]() -> Result<std::optional<Batch>> {
    TRY(auto select, db_.Prepare("SELECT " + std::string(kBatchColumns) +
                                 " FROM batch b WHERE b.idempotency_key = ?1"));
    TRY(const bool found, select.Bind(1, key).Step());
    if (!found) return std::optional<Batch>();
    TRY(Batch batch, ReadBatch(select));
    return std::optional<Batch>(std::move(batch));
  });
}

io::Task<Result<void>> Journal::SetBatchState(std::string id, BatchState state,
                                              std::optional<Time> ended) {
  co_return co_await pool_.Run([this, id = std::move(id), state, ended]() -> Result<void> {
    TRY(auto update, db_.Prepare("UPDATE batch SET state = ?2, ended = ?3 WHERE id = ?1"));
    TRY_VOID(update.Bind(1, id).Bind(2, BatchStateName(state)).Bind(3, ToEpochMicros(ended)).Run());
    return {};
  });
}

Result<void> Journal::DoStep(const std::string& batch_id, Time now, const Step& step) {
  TRY(auto insert, db_.Prepare("INSERT INTO step (batch_id, mid, rid, time, name, detail) VALUES "
                               "(?1, ?2, ?3, ?4, ?5, ?6)"));
  std::optional<int64_t> rid;
  if (step.rid) rid = *step.rid;
  TRY_VOID(insert.Bind(1, batch_id)
               .Bind(2, static_cast<int64_t>(step.mid))
               .Bind(3, rid)
               .Bind(4, ToEpochMicros(now))
               .Bind(5, step.name)
               .Bind(6, step.detail)
               .Run());
  return {};
}

Result<void> Journal::DoSaveItem(const std::string& batch_id, const JournalItem& item) {
  TRY(auto update,
      db_.Prepare("UPDATE item SET progress = ?3, outcome = ?4, why = ?5, detail = ?6, attempts = "
                  "?7, evidence = ?8, "
                  "ended = ?9, events_recorded = ?10 WHERE batch_id = ?1 AND number = ?2"));
  const Receipt& receipt = item.receipt;
  TRY_VOID(update.Bind(1, batch_id)
               .Bind(2, static_cast<int64_t>(item.number))
               .Bind(3, ProgressName(receipt.progress))
               .Bind(4, OutcomeName(receipt.outcome))
               .Bind(5, receipt.why)
               .Bind(6, receipt.detail)
               .Bind(7, static_cast<int64_t>(receipt.attempts))
               .Bind(8, json::Serialize(receipt.evidence))
               .Bind(9, ToEpochMicros(receipt.ended))
               .Bind(10, static_cast<int64_t>(item.events_recorded ? 1 : 0))
               .Run());
  return {};
}

io::Task<Result<void>> Journal::SaveItem(std::string batch_id, JournalItem item, Time now,
                                         Step step) {
  co_return co_await pool_.Run(
      [this, batch_id = std::move(batch_id), item = std::move(item), now, step = std::move(step)] {
        return db_.Transaction([&]() -> Result<void> {
          TRY_VOID(DoSaveItem(batch_id, item));
          return DoStep(batch_id, now, step);
        });
      });
}

Result<void> Journal::DoSaveForward(const std::string& batch_id, const JournalForward& forward) {
  TRY(auto update, db_.Prepare("UPDATE forward SET state = ?3, source = ?4, queue_id = ?5, reply = "
                               "?6, server = ?7, why = ?8, "
                               "attempts = ?9, intended = ?10, accepted = ?11, evidence = ?12 "
                               "WHERE batch_id = ?1 AND mid = ?2"));
  const ForwardState& state = forward.state;
  TRY_VOID(update.Bind(1, batch_id)
               .Bind(2, static_cast<int64_t>(state.mid))
               .Bind(3, state.state)
               .Bind(4, state.source)
               .Bind(5, state.queue_id)
               .Bind(6, state.reply)
               .Bind(7, state.server)
               .Bind(8, state.why)
               .Bind(9, static_cast<int64_t>(state.attempts))
               .Bind(10, ToEpochMicros(forward.intended))
               .Bind(11, ToEpochMicros(state.accepted))
               .Bind(12, state.evidence)
               .Run());
  return {};
}

io::Task<Result<void>> Journal::SaveForward(std::string batch_id, JournalForward forward, Time now,
                                            Step step) {
  co_return co_await pool_.Run([this, batch_id = std::move(batch_id), forward = std::move(forward),
                                now, step = std::move(step)] {
    return db_.Transaction([&]() -> Result<void> {
      TRY_VOID(DoSaveForward(batch_id, forward));
      return DoStep(batch_id, now, step);
    });
  });
}

io::Task<Result<JournalBatch>> Journal::LoadBatch(std::string id) {
  co_return co_await pool_.Run([this, id = std::move(id)] { return DoLoadBatch(id); });
}

Result<JournalBatch> Journal::DoLoadBatch(const std::string& id) {
  JournalBatch out;
  {
    TRY(auto select,
        db_.Prepare("SELECT " + std::string(kBatchColumns) + " FROM batch b WHERE b.id = ?1"));
    TRY(const bool found, select.Bind(1, id).Step());
    if (!found) return Fail(Code::kNotFound, "there is no such remediation batch");
    TRY(out.batch, ReadBatch(select));
  }
  TRY(auto items,
      db_.Prepare(
          "SELECT number, planned, progress, outcome, why, detail, attempts, evidence, ended, "
          "events_recorded FROM item WHERE batch_id = ?1 ORDER BY number"));
  items.Bind(1, id);
  while (true) {
    TRY(const bool row, items.Step());
    if (!row) break;
    JournalItem item;
    item.number = static_cast<size_t>(items.Integer(0));
    auto planned = json::Parse(items.Text(1));
    if (!planned) return Fail(Corrupt(planned.error()));
    TRY(item.receipt.planned, PlanItemFromJson(*planned));
    TRY(item.receipt.progress, ByName<Progress>(items.Text(2), ProgressName, 4));
    TRY(item.receipt.outcome, ByName<Outcome>(items.Text(3), OutcomeName, 7));
    item.receipt.why = items.Text(4);
    item.receipt.detail = items.Text(5);
    item.receipt.attempts = static_cast<uint32_t>(items.Integer(6));
    auto evidence = json::Parse(items.Text(7));
    if (!evidence || !evidence->is_object())
      return Fail(Code::kCorrupt, "remediation journal: evidence");
    item.receipt.evidence = evidence->as_object();
    item.receipt.ended = FromEpochMicros(items.OptionalInteger(8));
    item.events_recorded = items.Integer(9) != 0;
    out.items.push_back(std::move(item));
  }
  TRY(auto forwards,
      db_.Prepare(
          "SELECT mid, state, message_id, recipient, source, queue_id, reply, server, why, "
          "attempts, intended, accepted, evidence FROM forward WHERE batch_id = ?1 ORDER BY mid"));
  forwards.Bind(1, id);
  while (true) {
    TRY(const bool row, forwards.Step());
    if (!row) break;
    JournalForward forward;
    forward.state.mid = static_cast<mail::Mid>(forwards.Integer(0));
    forward.state.state = forwards.Text(1);
    forward.state.message_id = forwards.Text(2);
    forward.state.to = forwards.Text(3);
    forward.state.source = forwards.Text(4);
    forward.state.queue_id = forwards.Text(5);
    forward.state.reply = forwards.Text(6);
    forward.state.server = forwards.Text(7);
    forward.state.why = forwards.Text(8);
    forward.state.attempts = static_cast<uint32_t>(forwards.Integer(9));
    forward.intended = FromEpochMicros(forwards.OptionalInteger(10));
    forward.state.accepted = FromEpochMicros(forwards.OptionalInteger(11));
    forward.state.evidence = forwards.Text(12);
    out.forwards.push_back(std::move(forward));
  }
  return out;
}

io::Task<Result<std::vector<Batch>>> Journal::List(size_t limit, std::optional<mail::Mid> mid) {
  co_return co_await pool_.Run([this, limit, mid] { return DoList(limit, mid); });
}

Result<std::vector<Batch>> Journal::DoList(size_t limit, std::optional<mail::Mid> mid) {
  std::string text = "SELECT " + std::string(kBatchColumns) + " FROM batch b ";
  if (mid) text += "WHERE b.id IN (SELECT batch_id FROM item WHERE mid = ?2) ";
  text += "ORDER BY b.created DESC, b.id LIMIT ?1";
  TRY(auto select, db_.Prepare(text));
  select.Bind(1, static_cast<int64_t>(limit));
  if (mid) select.Bind(2, static_cast<int64_t>(*mid));
  std::vector<Batch> out;
  while (true) {
    TRY(const bool row, select.Step());
    if (!row) return out;
    TRY(Batch batch, ReadBatch(select));
    out.push_back(std::move(batch));
  }
}

io::Task<Result<std::vector<std::string>>> Journal::OpenBatches() {
  co_return co_await pool_.Run([this]() -> Result<std::vector<std::string>> {
    TRY(auto select, db_.Prepare("SELECT id FROM batch WHERE ended IS NULL ORDER BY created, id"));
    std::vector<std::string> out;
    while (true) {
      TRY(const bool row, select.Step());
      if (!row) return out;
      out.push_back(select.Text(0));
    }
  });
}

io::Task<Result<std::optional<std::string>>> Journal::ForwardRecipient(std::string message_id) {
  co_return co_await pool_.Run([this, message_id]() -> Result<std::optional<std::string>> {
    // Kept without the angle brackets.
    if (message_id.size() < 2) return std::nullopt;
    TRY(auto select, db_.Prepare("SELECT recipient FROM forward WHERE message_id = ?1"));
    TRY(const bool row, select.Bind(1, message_id.substr(1, message_id.size() - 2)).Step());
    if (!row) return std::nullopt;
    return std::optional<std::string>(select.Text(0));
  });
}

io::Task<Result<void>> Journal::Prune(Time plans, Time batches) {
  co_return co_await pool_.Run([this, plans, batches]() -> Result<void> {
    TRY(auto old, db_.Prepare("DELETE FROM plan WHERE expires < ?1"));
    TRY_VOID(old.Bind(1, ToEpochMicros(plans)).Run());
    TRY(auto ended, db_.Prepare("DELETE FROM batch WHERE ended IS NOT NULL AND ended < ?1"));
    TRY_VOID(ended.Bind(1, ToEpochMicros(batches)).Run());
    return {};
  });
}

}  // namespace mailreeve::gateway::remediation
