#include "response/identity/keys.h"

#include "base/check.h"
#include "io/file.h"
#include "json/json.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

constexpr size_t kMaxListBytes = 1024 * 1024;

// Held while the list is read and written again, against other processes.
class FileLock {
 public:
  static Result<FileLock> Take(const std::string& path) {
    FileLock lock;
    lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock.fd_ < 0 || ::flock(lock.fd_, LOCK_EX) != 0)
      return Fail(Code::kUnavailable, "cannot lock " + path);
    return lock;
  }
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  FileLock() = default;
  int fd_ = -1;
};

Result<std::shared_ptr<const crypto::SigningKey>> LoadKey(const std::string& path) {
  Result<std::string> pem = io::ReadFile(path, 64 * 1024);
  if (!pem) return Fail(std::move(pem.error()).Note("reading a token signing key"));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & 077) != 0) {
    return Fail(Code::kDenied,
                "the token signing key " + path + " may be read by others; chmod 600 it");
  }
  Result<crypto::SigningKey> key = crypto::SigningKey::FromPem(*pem);
  if (!key) return Fail(Code::kCorrupt, path + ": not a private key: " + key.error().message);
  return std::make_shared<const crypto::SigningKey>(*std::move(key));
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

std::string NameOf(const std::string& path) { return path.substr(FolderOf(path).size()); }

std::string StemOf(const std::string& path) {
  return path.ends_with(".pem") ? path.substr(0, path.size() - 4) : path;
}

}  // namespace

KeyRing::KeyRing(KeyOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

std::string KeyRing::ListPath() const { return StemOf(options_.path) + "s.json"; }

std::unique_ptr<KeyRing> KeyRing::Fixed(crypto::SigningKey key, const Clock& clock) {
  std::unique_ptr<KeyRing> ring(new KeyRing({}, clock));
  ring->items_.push_back({"", Time{}, Time{}, std::nullopt,
                          std::make_shared<const crypto::SigningKey>(std::move(key))});
  return ring;
}

Result<std::unique_ptr<KeyRing>> KeyRing::Open(KeyOptions options, const Clock& clock) {
  std::unique_ptr<KeyRing> ring(new KeyRing(std::move(options), clock));
  TRY(const FileLock lock, FileLock::Take(ring->ListPath() + ".lock"));
  TRY_VOID(ring->Load());
  return ring;
}

Result<void> KeyRing::Load() {
  Result<std::string> text = io::ReadFile(ListPath(), kMaxListBytes);
  if (!text && text.error().code == Code::kNotFound) {
    // A key without a list: made before there was one, or put there by the administrator.
    Result<std::shared_ptr<const crypto::SigningKey>> key = LoadKey(options_.path);
    if (!key && key.error().code == Code::kNotFound) {
      TRY(crypto::SigningKey made, crypto::SigningKey::GenerateRsa(options_.bits));
      TRY_VOID(io::WriteFileAtomically(options_.path, made.ToPem(), 0600));
      key = std::make_shared<const crypto::SigningKey>(std::move(made));
    }
    if (!key) return Fail(std::move(key.error()));
    const Time now = clock_.Now();
    return Save({{NameOf(options_.path), now, now, std::nullopt, *std::move(key)}});
  }
  if (!text) return Fail(std::move(text.error()).Note("reading the list of token keys"));
  if (!items_.empty() && *text == loaded_) return {};
  const auto corrupt = [this](const std::string& why) {
    return Fail(Code::kCorrupt, ListPath() + ": " + why);
  };
  TRY(const json::value document, json::Parse(*text));
  TRY(const json::object* object, json::AsObject(document, ""));
  const json::value* list = object->if_contains("keys");
  if (list == nullptr || !list->is_array() || list->get_array().empty())
    return corrupt("names no keys");
  std::vector<Item> items;
  for (const json::value& value : list->get_array()) {
    TRY(const json::object* from, json::AsObject(value, "keys"));
    Item item;
    TRY(item.file, json::RequireString(*from, "file"));
    if (item.file.find('/') != std::string::npos || item.file.empty())
      return corrupt("a key's file must stand beside the list");
    TRY(const std::string created, json::RequireString(*from, "created"));
    TRY(item.created, ParseTime(created));
    TRY(const std::string signs, json::RequireString(*from, "signs_from"));
    TRY(item.signs_from, ParseTime(signs));
    TRY(const std::string until, json::OptionalString(*from, "verifies_until", ""));
    if (!until.empty()) {
      TRY(item.verifies_until, ParseTime(until));
    }
    TRY(item.key, LoadKey(FolderOf(options_.path) + item.file));
    items.push_back(std::move(item));
  }
  const std::lock_guard lock(mutex_);
  items_ = std::move(items);
  loaded_ = *std::move(text);
  return {};
}

Result<void> KeyRing::Save(const std::vector<Item>& items) {
  json::array keys;
  for (const Item& item : items) {
    json::object out{{"kid", item.key->kid()},
                     {"file", item.file},
                     {"created", FormatTime(item.created)},
                     {"signs_from", FormatTime(item.signs_from)}};
    if (item.verifies_until) out["verifies_until"] = FormatTime(*item.verifies_until);
    keys.push_back(std::move(out));
  }
  std::string text = json::SerializePretty(json::object{{"keys", std::move(keys)}}) + "\n";
  TRY_VOID(io::WriteFileAtomically(ListPath(), text, 0600));
  const std::lock_guard lock(mutex_);
  items_ = items;
  loaded_ = std::move(text);
  return {};
}

Result<std::string> KeyRing::RotateLocked(When when) {
  const Time now = clock_.Now();
  TRY(crypto::SigningKey made, crypto::SigningKey::GenerateRsa(options_.bits));
  Item item;
  item.file = NameOf(StemOf(options_.path)) + "-" + made.kid() + ".pem";
  TRY_VOID(io::WriteFileAtomically(FolderOf(options_.path) + item.file, made.ToPem(), 0600));
  item.created = now;
  item.signs_from = when == When::kSoon ? now + options_.publish_ahead : now;
  item.key = std::make_shared<const crypto::SigningKey>(std::move(made));
  const std::string kid = item.key->kid();
  std::vector<Item> items = items_;
  for (Item& old : items) {
    const Time until = when == When::kSoon ? item.signs_from + options_.keep : now;
    if (!old.verifies_until || *old.verifies_until > until) old.verifies_until = until;
  }
  items.push_back(std::move(item));
  TRY_VOID(Save(items));
  return kid;
}

Result<std::string> KeyRing::Rotate(When when) {
  const std::lock_guard one(change_mutex_);
  TRY(const FileLock lock, FileLock::Take(ListPath() + ".lock"));
  TRY_VOID(Load());
  return RotateLocked(when);
}

Result<void> KeyRing::Maintain() {
  const std::lock_guard one(change_mutex_);
  TRY(const FileLock lock, FileLock::Take(ListPath() + ".lock"));
  TRY_VOID(Load());
  const Time now = clock_.Now();
  Time newest = items_.front().created;
  for (const Item& item : items_) newest = std::max(newest, item.created);
  if (options_.life.count() > 0 && now - newest >= options_.life)
    TRY_VOID(RotateLocked(When::kSoon));
  std::vector<Item> kept, gone;
  for (const Item& item : items_)
    (item.verifies_until && *item.verifies_until <= now ? gone : kept).push_back(item);
  if (gone.empty()) return {};
  TRY_VOID(Save(kept));
  // The list first: a file too many is harmless, a key that the list names and that is gone is not.
  for (const Item& item : gone) {
    const std::string path = FolderOf(options_.path) + item.file;
    if (::unlink(path.c_str()) != 0)
      return Fail(Code::kUnavailable, "the old key " + path + " cannot be removed");
  }
  return {};
}

std::shared_ptr<const crypto::SigningKey> KeyRing::Signing() const {
  const Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  CHECK(!items_.empty());
  const Item* best = nullptr;
  for (const Item& item : items_) {
    if (item.signs_from > now || (item.verifies_until && *item.verifies_until <= now)) continue;
    if (best == nullptr || item.signs_from >= best->signs_from) best = &item;
  }
  // A clock that was set back: the first key is better than none.
  return best != nullptr ? best->key : items_.front().key;
}

std::shared_ptr<const crypto::SigningKey> KeyRing::Find(std::string_view kid) const {
  const Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  for (const Item& item : items_) {
    if (item.key->kid() == kid && (!item.verifies_until || *item.verifies_until > now))
      return item.key;
  }
  return nullptr;
}

json::object KeyRing::Jwks() const {
  const Time now = clock_.Now();
  json::array keys;
  const std::lock_guard lock(mutex_);
  for (const Item& item : items_) {
    if (!item.verifies_until || *item.verifies_until > now) keys.push_back(item.key->PublicJwk());
  }
  return {{"keys", std::move(keys)}};
}

}  // namespace mailreeve::response::identity
