#include "sql/postgresql_connection.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace mailreeve::sql {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How much longer than its own timeouts the server is waited for: it cancels by itself, this is for
// one that hangs or is cut off.
constexpr milliseconds kGrace(5000);
constexpr int kOldestServer = 130000;
constexpr std::string_view kCertificates = "/etc/ssl/certs/ca-certificates.crt";

// SQLSTATE (its first two signs are the class) as our codes.
Code CodeOf(std::string_view state) {
  const std::string_view kind = state.substr(0, 2);
  if (kind == "23") return Code::kConflict;
  if (state == "57014") return Code::kTimeout;
  if (state == "40001" || state == "40P01" || state == "55P03" || state == "25006" ||
      state == "25P03" || state == "3D000" || kind == "08" || kind == "28" || kind == "53" ||
      kind == "57" || kind == "58") {
    return Code::kUnavailable;
  }
  if (kind == "XX" && state != "XX000") return Code::kCorrupt;
  if (state == "22021" || state == "22P05") return Code::kInvalid;
  return Code::kInternal;
}

// Waits for `events`; false at the deadline.
bool WaitFor(int socket, short events, steady_clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    pollfd item{.fd = socket, .events = events, .revents = 0};
    const int ready = ::poll(&item, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 3600'000)));
    if (ready > 0) return true;
    if (ready == 0 && left <= 0) return false;
    if (ready < 0 && errno != EINTR) return true;  // libpq finds out what is wrong
  }
}

bool IsThisMachine(std::string_view host) {
  return host.empty() || host.front() == '/' || host == "localhost" || host == "127.0.0.1" ||
         host == "::1";
}

// Notices are for people at a terminal; but class 57P says that the server closes the connection.
void OnNotice(void* doomed, const PGresult* notice) {
  const char* state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
  if (state != nullptr && std::string_view(state).starts_with("57P"))
    *static_cast<bool*>(doomed) = true;
}

std::string Seconds(int ms) { return std::to_string(std::max(2, (ms + 999) / 1000)); }

}  // namespace

Result<std::shared_ptr<PgConnection>> PgConnection::Make(const OpenOptions& options) {
  std::shared_ptr<PgConnection> out(new PgConnection(options));
  out->patience_ = milliseconds(options.statement_timeout_ms) + kGrace;
  std::vector<std::string>& keys = out->keys_;
  std::vector<std::string>& values = out->values_;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(options.path.c_str(), nullptr), PQconninfoFree);
  // What libpq says of it may hold parts of a password.
  if (!parsed)
    return Fail(Code::kInvalid,
                "the database's URL cannot be read; write postgresql://USER@HOST/DATABASE");
  std::string hosts;
  bool sslmode = false;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view key = option->keyword;
    if (key == "password" || key == "sslpassword") {
      return Fail(Code::kInvalid,
                  "the database's URL holds a password, which logs and process lists would show; "
                  "write the password into a file of its own, or into .pgpass");
    }
    if (key == "host") hosts = option->val;
    if (key == "sslmode") sslmode = true;
    keys.emplace_back(key);
    values.emplace_back(option->val);
  }
  const auto add = [&](std::string_view key, std::string value) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return;
    keys.emplace_back(key);
    values.push_back(std::move(value));
  };
  bool remote = false;
  for (size_t begin = 0; begin <= hosts.size();) {
    const size_t end = std::min(hosts.find(',', begin), hosts.size());
    remote = remote || !IsThisMachine(std::string_view(hosts).substr(begin, end - begin));
    begin = end + 1;
  }
  if (remote && !sslmode) {
    add("sslmode", "verify-full");
    add("sslrootcert", std::string(kCertificates));
  }
  add("application_name", "mailreeve");
  add("client_encoding", "UTF8");
  add("gssencmode", "disable");
  add("connect_timeout", Seconds(options.connect_timeout_ms));
  add("tcp_user_timeout", std::to_string(options.statement_timeout_ms + kGrace.count()));
  add("keepalives_idle", "30");
  add("keepalives_interval", "10");
  add("keepalives_count", "3");
  return out;
}

PgConnection::~PgConnection() { Disconnect(); }

void PgConnection::Disconnect() {
  if (connection_ != nullptr) PQfinish(std::exchange(connection_, nullptr));
  prepared_.clear();
}

Error PgConnection::Lost(std::string_view doing) {
  std::string why = connection_ != nullptr ? PQerrorMessage(connection_) : "";
  while (!why.empty() && (why.back() == '\n' || why.back() == ' ')) why.pop_back();
  std::replace(why.begin(), why.end(), '\n', ' ');
  Disconnect();
  return Error(Code::kUnavailable, std::string(doing) + (why.empty() ? "" : ": " + why));
}

Error PgConnection::FromResult(const PGresult* result) {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  const std::string state = field(PG_DIAG_SQLSTATE);
  std::string message = field(PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = PQresultErrorMessage(result);
  if (state == "40001" || state == "40P01") can_run_again_ = true;
  if (state == "0A000" || state == "26000") stale_plan_ = true;
  return Error(state.empty() ? Code::kUnavailable : CodeOf(state),
               "SQL: " + message + (state.empty() ? "" : " [" + state + "]"));
}

Result<void> PgConnection::Connect() {
  Disconnect();
  std::vector<const char*> keys, values;
  for (size_t i = 0; i < keys_.size(); ++i) {
    keys.push_back(keys_[i].c_str());
    values.push_back(values_[i].c_str());
  }
  const std::string password(options_.password.Reveal());
  if (!password.empty()) {
    keys.push_back("password");
    values.push_back(password.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  constexpr std::string_view kDoing = "cannot connect to PostgreSQL";
  connection_ = PQconnectStartParams(keys.data(), values.data(), 0);
  if (connection_ == nullptr) return Fail(Code::kInternal, "out of memory for a connection");
  if (PQstatus(connection_) == CONNECTION_BAD) return Fail(Lost(kDoing));
  const auto deadline = steady_clock::now() + milliseconds(options_.connect_timeout_ms);
  for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!WaitFor(PQsocket(connection_), events, deadline)) {
      Disconnect();
      return Fail(Code::kUnavailable, std::string(kDoing) + ": no answer in time");
    }
    state = PQconnectPoll(connection_);
    if (state == PGRES_POLLING_FAILED) return Fail(Lost(kDoing));
  }
  if (auto done = SetUp(); !done) {
    Disconnect();
    return Fail(std::move(done).error().Note("connecting to PostgreSQL"));
  }
  return {};
}

Result<void> PgConnection::SetUp() {
  doomed_ = false;
  PQsetNoticeReceiver(connection_, OnNotice, &doomed_);
  if (PQsetnonblocking(connection_, 1) != 0) return Fail(Lost("cannot use the connection"));
  if (PQserverVersion(connection_) < kOldestServer)
    return Fail(Code::kInvalid, "PostgreSQL 13 or newer is needed");
  const char* encoding = PQparameterStatus(connection_, "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
    return Fail(Code::kInvalid,
                "the database's encoding is not UTF8; make it with CREATE DATABASE … ENCODING "
                "'UTF8' TEMPLATE template0");
  }
  const std::string statement = std::to_string(options_.statement_timeout_ms);
  std::string sql = "SET statement_timeout = " + statement +
                    "; SET lock_timeout = " + std::to_string(options_.busy_timeout_ms) +
                    "; SET idle_in_transaction_session_timeout = " + statement +
                    "; SET standard_conforming_strings = on; SET timezone = 'UTC'"
                    "; SET bytea_output = 'hex'";
  if (options_.read_only) sql += "; SET default_transaction_read_only = on";
  if (PQsendQuery(connection_, sql.c_str()) == 0) return Fail(Lost("cannot use the connection"));
  TRY_VOID(Await());
  return {};
}

Result<void> PgConnection::Ready() {
  if (in_transaction_) {
    if (connection_ == nullptr)
      return Fail(Code::kUnavailable, "the connection to PostgreSQL was lost in a transaction");
    return {};
  }
  if (connection_ == nullptr) return Connect();
  // What a server says unasked is that it closes, or nothing of interest.
  constexpr int kMostMessages = 100;
  for (int i = 0; i < kMostMessages; ++i) {
    if (!WaitFor(PQsocket(connection_), POLLIN, steady_clock::now())) break;
    if (PQconsumeInput(connection_) == 0) return Connect();
    (void)PQisBusy(connection_);  // reads what came
  }
  if (doomed_ || PQstatus(connection_) != CONNECTION_OK) return Connect();
  return {};
}

Result<PgResult> PgConnection::Await() {
  const auto deadline = steady_clock::now() + patience_;
  PgResult last;
  std::optional<Error> error;
  while (true) {
    while (true) {
      const int unsent = PQflush(connection_);
      if (unsent < 0) return Fail(Lost("the connection to PostgreSQL was lost"));
      if (unsent == 0 && PQisBusy(connection_) == 0) break;
      const auto events = static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
      if (!WaitFor(PQsocket(connection_), events, deadline)) {
        Disconnect();
        return Fail(Code::kUnavailable, "PostgreSQL does not answer; the connection was given up");
      }
      if (PQconsumeInput(connection_) == 0)
        return Fail(Lost("the connection to PostgreSQL was lost"));
    }
    PgResult result(PQgetResult(connection_));
    if (!result) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      Disconnect();
      return Fail(Code::kInternal, "SQL: COPY is not for here");
    }
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY &&
        !error) {
      error = FromResult(result.get());
    }
    last = std::move(result);
  }
  if (PQstatus(connection_) != CONNECTION_OK) {
    Error lost = Lost("the connection to PostgreSQL was lost");
    return Fail(error ? *std::move(error) : std::move(lost));
  }
  if (error) return Fail(*std::move(error));
  return last;
}

Result<std::string> PgConnection::Prepared(const std::string& sql) {
  TRY_VOID(Ready());
  if (const auto found = prepared_.find(sql); found != prepared_.end()) return found->second;
  if (prepared_.size() >= static_cast<size_t>(options_.max_prepared)) {
    prepared_.clear();
    if (PQsendQuery(connection_, "DEALLOCATE ALL") == 0)
      return Fail(Lost("the connection to PostgreSQL was lost"));
    TRY_VOID(Await());
  }
  const std::string name = "m" + std::to_string(++next_name_);
  if (PQsendPrepare(connection_, name.c_str(), sql.c_str(), 0, nullptr) == 0)
    return Fail(Lost("the connection to PostgreSQL was lost"));
  TRY_VOID(Await());
  prepared_.emplace(sql, name);
  return name;
}

Result<PgResult> PgConnection::RunOnce(const std::string& sql,
                                       const std::vector<PgParameter>& parameters) {
  TRY(const std::string name, Prepared(sql));
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (const PgParameter& parameter : parameters) {
    values.push_back(parameter.null ? nullptr : parameter.bytes.c_str());
    lengths.push_back(static_cast<int>(parameter.bytes.size()));
    formats.push_back(parameter.binary ? 1 : 0);
  }
  if (PQsendQueryPrepared(connection_, name.c_str(), static_cast<int>(values.size()), values.data(),
                          lengths.data(), formats.data(), 0) == 0) {
    return Fail(Lost("the connection to PostgreSQL was lost"));
  }
  return Await();
}

Result<PgResult> PgConnection::Run(const std::string& sql,
                                   const std::vector<PgParameter>& parameters) {
  stale_plan_ = false;
  Result<PgResult> done = RunOnce(sql, parameters);
  if (done || !stale_plan_) return done;
  // The tables have changed since it was prepared: another node migrated them.
  prepared_.clear();
  if (in_transaction_) {
    can_run_again_ = true;
    return done;
  }
  return RunOnce(sql, parameters);
}

Result<PgResult> PgConnection::RunText(const std::string& sql) {
  TRY_VOID(Ready());
  if (sql.find('\0') != std::string::npos) return Fail(Code::kInvalid, "SQL: holds a NUL");
  if (PQsendQuery(connection_, sql.c_str()) == 0)
    return Fail(Lost("the connection to PostgreSQL was lost"));
  return Await();
}

Result<void> PgConnection::Begin(sql::Begin kind) {
  if (in_transaction_) return Fail(Code::kInternal, "SQL: a transaction within a transaction");
  can_run_again_ = false;
  std::string sql;
  switch (kind) {
    case sql::Begin::kWrite:
      sql = "BEGIN ISOLATION LEVEL SERIALIZABLE";
      break;
    case sql::Begin::kSnapshot:
      // Reading everything may take longer than any single question.
      sql =
          "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
          "SET LOCAL idle_in_transaction_session_timeout = " +
          std::to_string(options_.migration_timeout_ms);
      break;
    case sql::Begin::kMigration: {
      // READ COMMITTED: what is read after the lock was waited for must be what is there then.
      const std::string most = std::to_string(options_.migration_timeout_ms);
      sql = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = " + most +
            "; SET LOCAL lock_timeout = " + most +
            "; SELECT pg_advisory_xact_lock(hashtextextended('mailreeve migration ' || "
            "current_schema(), 0))";
      patience_ = milliseconds(options_.migration_timeout_ms) + kGrace;
      break;
    }
  }
  if (auto done = RunText(sql); !done) {
    in_transaction_ = true;
    Rollback();
    return Fail(std::move(done).error());
  }
  in_transaction_ = true;
  return {};
}

Result<void> PgConnection::Commit() {
  Result<PgResult> done = RunText("COMMIT");
  const bool lost = connection_ == nullptr;
  in_transaction_ = false;
  patience_ = milliseconds(options_.statement_timeout_ms) + kGrace;
  if (!done) {
    if (!lost) Rollback();
    return Fail(std::move(done).error().Note(
        lost ? "at the end of a transaction: it may or may not have been kept" : "committing"));
  }
  // A COMMIT after a failed statement is a ROLLBACK that looks well.
  if (std::string_view(PQcmdStatus(done->get())) != "COMMIT")
    return Fail(can_run_again_ ? Code::kUnavailable : Code::kInternal,
                "SQL: a statement of the transaction had failed; nothing of it was kept");
  return {};
}

void PgConnection::Rollback() {
  if (connection_ != nullptr && !RunText("ROLLBACK")) Disconnect();
  in_transaction_ = false;
  patience_ = milliseconds(options_.statement_timeout_ms) + kGrace;
}

}  // namespace mailreeve::sql
