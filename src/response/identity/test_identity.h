#pragma once

#include "audit/witness.h"
#include "response/identity/identity.h"
#include "sql/test_databases.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

// An Identity on a folder of its own, with a clock that tests move. For tests only.
namespace mailreeve::response::identity {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = testing::TempDir() + "/mailreeve-identity-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

template <class T>
T RunTask(io::Task<T> task) {
  asio::io_context context;
  std::optional<T> out;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    out = std::move(value);
  });
  context.run();
  return *std::move(out);
}

class IdentityWorld {
 public:
  IdentityWorld() {
    options.database = database.options();
    options.key_path = folder.path() + "/token-key.pem";
    options.password_cost = {.memory_kib = 64, .passes = 1, .lanes = 1};
    Open();
  }
  void Open() {
    identity.reset();
    auto opened = Identity::Open(options, clock, witness, logger);
    ASSERT_TRUE(opened) << opened.error().ToString();
    identity = *std::move(opened);
  }
  std::string FirstUser() {
    return std::string(identity->CreateFirstUser("admin", "admin@example.org").value().Reveal());
  }
  Result<SignedIn> SignIn(std::string user, std::string password,
                          std::string address = "192.0.2.1") {
    return RunTask(identity->sessions().SignIn(std::move(user), Secret(std::move(password)),
                                               {std::move(address), "r1"}));
  }
  Caller Admin() {
    const std::string password = FirstUser();
    return identity->Authenticate(SignIn("admin", password)->token.access_token).value();
  }

  TemporaryFolder folder;
  sql::TestDatabase database;
  FakeClock clock{ParseTime("2026-03-01T10:00:00.000Z").value()};
  audit::MemoryLog audit;
  audit::Witness witness{audit};
  log::NullLogger logger;
  Options options;
  std::unique_ptr<Identity> identity;
};

}  // namespace mailreeve::response::identity
