#pragma once

#include "base/result.h"
#include "base/time.h"

#include <optional>
#include <string>

namespace mailreeve::gateway::registration {

// What a registration leaves behind. registration.json (0600) in the state folder names the folder
// of key and certificates that is in force, so that replacing that one file switches from one
// identity to the next.
struct Identity {
  std::string folder;  // name within the state folder: "identity-…", holds key.pem,
                       // certificate.pem, server_ca.pem
  std::string device_id;
  std::string server_url;   // as registered with: "https://response.example.org"
  std::string channel_url;  // "wss://…/device/v1/channel"
  std::string organisation_id;
  std::string organisation_name;
  bool own_ca = false;  // server_ca.pem is there; else the system's trust is used
  Time registered{};
  Time certificate_issued{};
  Time certificate_expires{};
};

// Blocking. Threads: one at a time.
class StateFolder {
 public:
  explicit StateFolder(std::string path) : path_(std::move(path)) {}

  // None: not registered. kCorrupt when the file is damaged.
  Result<std::optional<Identity>> Load() const;
  // Writes key and certificate into a fresh folder (0700; files 0600) and answers its name. Not yet
  // in force.
  Result<std::string> WriteKeys(const std::string& key_pem, const std::string& certificate_pem,
                                const std::string& server_ca_pem) const;
  // Puts `identity` in force. Only then may the old folder go.
  Result<void> Save(const Identity& identity) const;
  // Forgets the registration; keys are removed too.
  Result<void> Clear() const;
  // Best effort; never the folder in force.
  void RemoveKeys(const std::string& folder) const;
  // Key folders that a crash left behind.
  void RemoveAllKeysBut(const std::string& folder) const;

  std::string key_path(const Identity& identity) const {
    return path_ + "/" + identity.folder + "/key.pem";
  }
  std::string certificate_path(const Identity& identity) const {
    return path_ + "/" + identity.folder + "/certificate.pem";
  }
  // Empty when the system's trust is used.
  std::string server_ca_path(const Identity& identity) const {
    return identity.own_ca ? path_ + "/" + identity.folder + "/server_ca.pem" : std::string();
  }

 private:
  const std::string path_;
};

}  // namespace mailreeve::gateway::registration
