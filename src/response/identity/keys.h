#pragma once

#include "base/time.h"
#include "crypto/jwt.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The keys that sign tokens, and their rotation (docs/identity.md).
//
// Each private key is a PEM file of its own, mode 0600; beside the first one, at `path`, a list
// ("<path without .pem>s.json") says from when each signs and until when it verifies. A new key is
// published for a while before it signs, so that those who keep our public keys have seen it; an
// old one verifies until its last token has run out. Another process may rotate while this one
// runs: Maintain sees it.
//
// Threads: safe. Errors: kDenied a key file that others may read, kCorrupt a list or key that is
// none, kUnavailable the disk.
//
//   TRY(auto keys, KeyRing::Open({.path = "state/token-key.pem"}, clock));
//   TRY(std::string token, keys->Signing()->SignJwt(claims));
//   TRY(std::string kid, keys->Rotate(KeyRing::When::kSoon));
namespace mailreeve::response::identity {

struct KeyOptions {
  std::string path;                       // of the first private key
  int bits = 2048;                        // of keys that are made
  std::chrono::seconds life{90 * 86400};  // after which a new key is made; zero: only by command
  std::chrono::seconds publish_ahead{3600};
  std::chrono::seconds keep{86400};  // no token lives longer
};

class KeyRing {
 public:
  static Result<std::unique_ptr<KeyRing>> Open(KeyOptions options, const Clock& clock);
  // One key, held in memory only: for tests.
  static std::unique_ptr<KeyRing> Fixed(crypto::SigningKey key, const Clock& clock);

  enum class When {
    kSoon,   // the usual way: published now, signs after publish_ahead
    kAtOnce  // the present keys are no longer trusted: all tokens are refused from now on
  };
  // Makes a key and answers its id. Blocking.
  Result<std::string> Rotate(When when);
  // Reads the list again when another process changed it, makes a key when the last one is old,
  // removes those that have run out. Blocking.
  Result<void> Maintain();

  std::shared_ptr<const crypto::SigningKey> Signing() const;
  // Null when there is no such key, or no longer.
  std::shared_ptr<const crypto::SigningKey> Find(std::string_view kid) const;
  json::object Jwks() const;  // {"keys":[…]}, those to come and those running out too

 private:
  struct Item {
    std::string file;
    Time created, signs_from;
    std::optional<Time> verifies_until;
    std::shared_ptr<const crypto::SigningKey> key;
  };
  KeyRing(KeyOptions options, const Clock& clock);
  std::string ListPath() const;
  Result<void> Load();
  Result<void> Save(const std::vector<Item>& items);
  Result<std::string> RotateLocked(When when);

  const KeyOptions options_;
  const Clock& clock_;
  std::mutex change_mutex_;  // one change at a time in this process; the file lock: in all
  std::string loaded_;       // the list as it was read or written last
  mutable std::mutex mutex_;
  std::vector<Item> items_;
};

}  // namespace mailreeve::response::identity
