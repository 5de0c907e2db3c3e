#include "response/module_store/key_file.h"

#include "io/file.h"

#include <sys/stat.h>

namespace mailreeve::response::module_store {

Result<void> SaveKeys(const std::string& path, const crypto::SealingKeys& keys) {
  return io::WriteFileAtomically(path, keys.ToText().Reveal(), 0600);
}

Result<crypto::SealingKeys> LoadOrMakeKeys(const std::string& path, Time now,
                                           std::chrono::seconds rotate_after) {
  Result<std::string> text = io::ReadFile(path, 1024 * 1024);
  if (!text && text.error().code == Code::kNotFound) {
    crypto::SealingKeys made = crypto::SealingKeys::Make();
    TRY_VOID(SaveKeys(path, made));
    return made;
  }
  if (!text) return Fail(std::move(text.error()).Note("reading the keys of module secrets"));
  const Secret wiped(*text);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & 077) != 0) {
    return Fail(Code::kDenied,
                "the keys of module secrets, " + path + ", may be read by others; chmod 600 it");
  }
  Result<crypto::SealingKeys> keys = crypto::SealingKeys::FromText(*text);
  if (!keys) return Fail(std::move(keys.error()).Note(path));
  const Time written = FromEpochMicros(static_cast<int64_t>(info.st_mtim.tv_sec) * 1000000);
  if (rotate_after.count() > 0 && written + rotate_after < now) {
    keys->AddKey();
    TRY_VOID(SaveKeys(path, *keys));
  }
  return keys;
}

}  // namespace mailreeve::response::module_store
