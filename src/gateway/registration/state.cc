#include "gateway/registration/state.h"

#include "base/random.h"
#include "io/file.h"
#include "json/json.h"

#include <filesystem>

namespace mailreeve::gateway::registration {
namespace {

constexpr size_t kMaxState = 64 * 1024;
constexpr std::string_view kPrefix = "identity-";

bool IsKeyFolder(std::string_view name) {
  return name.starts_with(kPrefix) && name.find('/') == std::string_view::npos;
}

}  // namespace

Result<std::optional<Identity>> StateFolder::Load() const {
  const std::string file = path_ + "/registration.json";
  auto text = io::ReadFile(file, kMaxState);
  if (!text) {
    if (text.error().code == Code::kNotFound) return std::optional<Identity>();
    return Fail(text.error());
  }
  const auto read = [&]() -> Result<Identity> {
    TRY(const json::value document, json::Parse(*text));
    TRY(const json::object* from, json::AsObject(document, ""));
    TRY(const int64_t version, json::RequireInteger(*from, "version"));
    if (version != 1) return Fail(Code::kInvalid, "version: this program reads version 1 only");
    Identity identity;
    TRY(identity.folder, json::RequireString(*from, "folder"));
    if (!IsKeyFolder(identity.folder))
      return Fail(Code::kInvalid, "folder: not the name of a key folder");
    TRY(identity.device_id, json::RequireString(*from, "device_id"));
    TRY(identity.server_url, json::RequireString(*from, "server_url"));
    TRY(identity.channel_url, json::RequireString(*from, "channel_url"));
    TRY(identity.organisation_id, json::RequireString(*from, "organisation_id"));
    TRY(identity.organisation_name, json::RequireString(*from, "organisation_name"));
    TRY(identity.own_ca, json::OptionalBool(*from, "own_ca", false));
    TRY(const std::string registered, json::RequireString(*from, "registered"));
    TRY(identity.registered, ParseTime(registered));
    TRY(const std::string issued, json::RequireString(*from, "certificate_issued"));
    TRY(identity.certificate_issued, ParseTime(issued));
    TRY(const std::string expires, json::RequireString(*from, "certificate_expires"));
    TRY(identity.certificate_expires, ParseTime(expires));
    return identity;
  };
  auto identity = read();
  if (!identity) {
    return Fail(Code::kCorrupt, "registration state '" + file +
                                    "' is damaged: " + identity.error().message +
                                    "; remove the file and register again");
  }
  return std::optional<Identity>(std::move(*identity));
}

Result<std::string> StateFolder::WriteKeys(const std::string& key_pem,
                                           const std::string& certificate_pem,
                                           const std::string& server_ca_pem) const {
  const std::string name = std::string(kPrefix) + RandomUuid();
  const std::string folder = path_ + "/" + name;
  TRY_VOID(io::MakeFolders(path_, 0700));
  TRY_VOID(io::MakeFolders(folder, 0700));
  const auto write = [&]() -> Result<void> {
    TRY_VOID(io::WriteFileAtomically(folder + "/key.pem", key_pem, 0600));
    TRY_VOID(io::WriteFileAtomically(folder + "/certificate.pem", certificate_pem, 0600));
    if (!server_ca_pem.empty())
      TRY_VOID(io::WriteFileAtomically(folder + "/server_ca.pem", server_ca_pem, 0600));
    return {};
  };
  if (auto written = write(); !written) {
    RemoveKeys(name);
    return Fail(std::move(written).error());
  }
  return name;
}

Result<void> StateFolder::Save(const Identity& identity) const {
  json::object out;
  out["version"] = 1;
  out["folder"] = identity.folder;
  out["device_id"] = identity.device_id;
  out["server_url"] = identity.server_url;
  out["channel_url"] = identity.channel_url;
  out["organisation_id"] = identity.organisation_id;
  out["organisation_name"] = identity.organisation_name;
  out["own_ca"] = identity.own_ca;
  out["registered"] = FormatTime(identity.registered);
  out["certificate_issued"] = FormatTime(identity.certificate_issued);
  out["certificate_expires"] = FormatTime(identity.certificate_expires);
  return io::WriteFileAtomically(path_ + "/registration.json", json::SerializePretty(out) + "\n",
                                 0600);
}

Result<void> StateFolder::Clear() const {
  std::error_code error;
  std::filesystem::remove(path_ + "/registration.json", error);
  if (error) {
    return Fail(Code::kUnavailable,
                "cannot remove '" + path_ + "/registration.json': " + error.message());
  }
  RemoveAllKeysBut("");
  return {};
}

void StateFolder::RemoveKeys(const std::string& folder) const {
  if (!IsKeyFolder(folder)) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_ + "/" + folder, ignored);
}

void StateFolder::RemoveAllKeysBut(const std::string& folder) const {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at(path_, error), end; !error && at != end;
       at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  for (const std::string& name : names) {
    if (name != folder) RemoveKeys(name);
  }
}

}  // namespace mailreeve::gateway::registration
