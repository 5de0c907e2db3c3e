#include "response/exchange/store.h"

namespace mailreeve::response::exchange {
namespace {

constexpr std::string_view kDeviceColumns =
    "SELECT d.id, d.organisation_id, d.name, d.type, d.description, d.version, d.serial, "
    "d.host_name, d.state, "
    "d.address, d.clock_skew_ms, d.alert, d.created, d.registered, d.last_seen, d.removed, "
    "(SELECT MAX(c.expires) FROM device_certificate c WHERE c.device_id = d.id AND c.revoked IS "
    "NULL) FROM device d ";

DeviceRow ReadDevice(const sql::Statement& row) {
  DeviceRow device;
  device.id = row.Text(0);
  device.organisation_id = row.Text(1);
  device.name = row.Text(2);
  device.type = row.Text(3);
  device.description = row.Text(4);
  device.version = row.Text(5);
  device.serial = row.Text(6);
  device.host_name = row.Text(7);
  device.state = row.Text(8);
  device.address = row.Text(9);
  device.clock_skew_ms = row.Integer(10);
  device.alert = row.Text(11);
  device.created = FromEpochMicros(row.Integer(12));
  device.registered = FromEpochMicros(row.OptionalInteger(13));
  device.last_seen = FromEpochMicros(row.OptionalInteger(14));
  device.removed = FromEpochMicros(row.OptionalInteger(15));
  device.certificate_expires = FromEpochMicros(row.OptionalInteger(16));
  return device;
}

std::string_view View(const std::string& text) { return text; }

}  // namespace

Result<Store> Store::Open(sql::Database database) {
  TRY_VOID(database.Migrate("exchange", sql::MigrationsOf("exchange")));
  return Store(std::move(database));
}

Result<void> Store::InsertDevice(const DeviceRow& device) {
  TRY(auto insert,
      database_.Prepare(
          "INSERT INTO device (id, organisation_id, name, type, description, version, serial, "
          "host_name, "
          "state, address, clock_skew_ms, alert, created, registered, last_seen, removed) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"));
  insert.Bind(1, View(device.id)).Bind(2, View(device.organisation_id)).Bind(3, View(device.name));
  insert.Bind(4, View(device.type)).Bind(5, View(device.description)).Bind(6, View(device.version));
  insert.Bind(7, View(device.serial)).Bind(8, View(device.host_name)).Bind(9, View(device.state));
  insert.Bind(10, View(device.address)).Bind(11, device.clock_skew_ms).Bind(12, View(device.alert));
  insert.Bind(13, ToEpochMicros(device.created)).Bind(14, ToEpochMicros(device.registered));
  insert.Bind(15, ToEpochMicros(device.last_seen)).Bind(16, ToEpochMicros(device.removed));
  TRY_VOID(insert.Run());
  return {};
}

Result<DeviceRow> Store::FindDevice(const std::string& id) {
  TRY(auto select, database_.Prepare(std::string(kDeviceColumns) + "WHERE d.id = ?1"));
  select.Bind(1, View(id));
  TRY(const bool found, select.Step());
  if (!found) return Fail(Code::kNotFound, "no device has the id '" + id + "'");
  return ReadDevice(select);
}

Result<std::vector<DeviceRow>> Store::ListDevices(const std::string& organisation_id) {
  TRY(auto select,
      database_.Prepare(std::string(kDeviceColumns) +
                        "WHERE d.removed IS NULL AND (?1 = '' OR d.organisation_id = ?1) "
                        "ORDER BY d.created, d.id"));
  select.Bind(1, View(organisation_id));
  std::vector<DeviceRow> devices;
  while (true) {
    TRY(const bool found, select.Step());
    if (!found) return devices;
    devices.push_back(ReadDevice(select));
  }
}

Result<void> Store::UpdateDevice(const DeviceRow& device) {
  TRY(auto update,
      database_.Prepare(
          "UPDATE device SET name = ?2, type = ?3, description = ?4, version = ?5, serial = ?6, "
          "host_name = ?7, state = ?8, address = ?9, clock_skew_ms = ?10, alert = ?11, registered "
          "= ?12, "
          "last_seen = ?13, removed = ?14 WHERE id = ?1"));
  update.Bind(1, View(device.id)).Bind(2, View(device.name)).Bind(3, View(device.type));
  update.Bind(4, View(device.description))
      .Bind(5, View(device.version))
      .Bind(6, View(device.serial));
  update.Bind(7, View(device.host_name)).Bind(8, View(device.state)).Bind(9, View(device.address));
  update.Bind(10, device.clock_skew_ms)
      .Bind(11, View(device.alert))
      .Bind(12, ToEpochMicros(device.registered));
  update.Bind(13, ToEpochMicros(device.last_seen)).Bind(14, ToEpochMicros(device.removed));
  TRY(const int64_t changed, update.Run());
  if (changed == 0) return Fail(Code::kNotFound, "no device has the id '" + device.id + "'");
  return {};
}

Result<void> Store::InsertCertificate(const CertificateRow& certificate) {
  TRY(auto insert,
      database_.Prepare(
          "INSERT INTO device_certificate (sha256, device_id, serial, issued, expires) "
          "VALUES (?1, ?2, ?3, ?4, ?5)"));
  insert.Bind(1, View(certificate.sha256))
      .Bind(2, View(certificate.device_id))
      .Bind(3, View(certificate.serial));
  insert.Bind(4, ToEpochMicros(certificate.issued)).Bind(5, ToEpochMicros(certificate.expires));
  TRY_VOID(insert.Run());
  return {};
}

Result<CertificateRow> Store::FindCertificate(const std::string& sha256) {
  TRY(auto select,
      database_.Prepare("SELECT sha256, device_id, serial, issued, expires, first_used, revoked "
                        "FROM device_certificate WHERE sha256 = ?1"));
  select.Bind(1, View(sha256));
  TRY(const bool found, select.Step());
  if (!found) return Fail(Code::kNotFound, "no such certificate was issued here");
  CertificateRow row;
  row.sha256 = select.Text(0);
  row.device_id = select.Text(1);
  row.serial = select.Text(2);
  row.issued = FromEpochMicros(select.Integer(3));
  row.expires = FromEpochMicros(select.Integer(4));
  row.first_used = FromEpochMicros(select.OptionalInteger(5));
  row.revoked = FromEpochMicros(select.OptionalInteger(6));
  return row;
}

Result<void> Store::MarkCertificateUsed(const std::string& sha256, Time now) {
  TRY(auto update, database_.Prepare("UPDATE device_certificate SET first_used = ?2 WHERE sha256 = "
                                     "?1 AND first_used IS NULL"));
  update.Bind(1, View(sha256)).Bind(2, ToEpochMicros(now));
  TRY_VOID(update.Run());
  return {};
}

Result<int64_t> Store::RevokeCertificates(const std::string& device_id, const std::string& except,
                                          Time now) {
  TRY(auto update,
      database_.Prepare("UPDATE device_certificate SET revoked = ?3 WHERE device_id = ?1 AND "
                        "sha256 <> ?2 AND revoked IS NULL"));
  update.Bind(1, View(device_id)).Bind(2, View(except)).Bind(3, ToEpochMicros(now));
  return update.Run();
}

Result<int64_t> Store::RevokeOlderCertificates(const CertificateRow& certificate, Time now) {
  TRY(auto update,
      database_.Prepare("UPDATE device_certificate SET revoked = ?4 WHERE device_id = ?1 AND "
                        "sha256 <> ?2 AND issued <= ?3 AND revoked IS NULL"));
  update.Bind(1, View(certificate.device_id)).Bind(2, View(certificate.sha256));
  update.Bind(3, ToEpochMicros(certificate.issued)).Bind(4, ToEpochMicros(now));
  return update.Run();
}

Result<void> Store::InsertToken(const TokenRow& token) {
  TRY(auto insert, database_.Prepare(
                       "INSERT INTO registration_token (hash, organisation_id, device_id, made_by, "
                       "created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  insert.Bind(1, View(token.hash)).Bind(2, View(token.organisation_id)).Bind(3, token.device_id);
  insert.Bind(4, View(token.made_by))
      .Bind(5, ToEpochMicros(token.created))
      .Bind(6, ToEpochMicros(token.expires));
  TRY_VOID(insert.Run());
  return {};
}

Result<TokenRow> Store::FindToken(const std::string& hash) {
  TRY(auto select,
      database_.Prepare(
          "SELECT hash, organisation_id, device_id, made_by, created, expires, used, revoked "
          "FROM registration_token WHERE hash = ?1"));
  select.Bind(1, View(hash));
  TRY(const bool found, select.Step());
  if (!found) return Fail(Code::kNotFound, "no such registration token");
  TokenRow token;
  token.hash = select.Text(0);
  token.organisation_id = select.Text(1);
  token.device_id = select.OptionalText(2);
  token.made_by = select.Text(3);
  token.created = FromEpochMicros(select.Integer(4));
  token.expires = FromEpochMicros(select.Integer(5));
  token.used = FromEpochMicros(select.OptionalInteger(6));
  token.revoked = FromEpochMicros(select.OptionalInteger(7));
  return token;
}

Result<bool> Store::UseToken(const std::string& hash, Time now) {
  TRY(auto update,
      database_.Prepare(
          "UPDATE registration_token SET used = ?2 WHERE hash = ?1 AND used IS NULL AND "
          "revoked IS NULL AND expires > ?2"));
  update.Bind(1, View(hash)).Bind(2, ToEpochMicros(now));
  TRY(const int64_t changed, update.Run());
  return changed == 1;
}

Result<int64_t> Store::RevokeTokens(const std::string& device_id, Time now) {
  TRY(auto update,
      database_.Prepare("UPDATE registration_token SET revoked = ?2 WHERE device_id = ?1 AND "
                        "used IS NULL AND revoked IS NULL"));
  update.Bind(1, View(device_id)).Bind(2, ToEpochMicros(now));
  return update.Run();
}

Result<int64_t> Store::ForgetTokens(Time before) {
  TRY(auto remove, database_.Prepare("DELETE FROM registration_token WHERE expires < ?1"));
  remove.Bind(1, ToEpochMicros(before));
  return remove.Run();
}

}  // namespace mailreeve::response::exchange
