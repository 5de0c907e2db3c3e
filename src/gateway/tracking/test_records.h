#pragma once

#include "base/random.h"
#include "gateway/tracking/store.h"

#include <filesystem>
#include <string>

// What the tests of the store share.
namespace mailreeve::gateway::tracking {

inline constexpr int64_t kStart = 1'700'000'000'000'000;

class TempDir {
 public:
  TempDir() : path_(std::filesystem::temp_directory_path() / ("mailreeve-trk-" + RandomUuid())) {
    std::filesystem::create_directories(path_);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// Everything about it follows from its number, so that a reader can tell whether all of it is
// there.
inline mail::MessageRecord RecordOf(mail::Mid mid) {
  mail::MessageRecord record;
  record.mid = mid;
  record.queue_id = "Q" + std::to_string(mid);
  record.received = Time(Duration(kStart + static_cast<int64_t>(mid) * 1'000'000));
  record.connection.icid = mid / 10 + 1;
  record.connection.client_address = "198.51.100." + std::to_string(mid % 200 + 1);
  record.envelope_from = "sender" + std::to_string(mid % 7) + "@sender.example";
  record.recipients = {{0, "user" + std::to_string(mid % 40) + "@corp.example.co.uk", ""}};
  auto& inspection = record.inspection;
  inspection.subject = "Ｉnvoice number " + std::to_string(mid) + " für DICH";
  inspection.message_id = "<" + std::to_string(mid) + "@sender.example>";
  inspection.addresses = {
      {mail::AddressRole::kFrom, "boss@other.example", "The Boss", "boss@other.example"}};
  inspection.urls = {
      {"http://login.bad.example.co.uk/" + std::to_string(mid % 3), "", mail::UrlSource::kText}};
  mail::Attachment file;
  file.names = {"invoice-" + std::to_string(mid % 5) + ".pdf"};
  file.sha256 = std::string(63, 'a') + std::to_string(mid % 10);
  inspection.attachments = {file};
  mail::Event event;
  event.time = record.received;
  event.kind = mail::EventKind::kReceived;
  record.events = {event};
  return record;
}

inline mail::Event EventAt(Time time, mail::EventKind kind, std::string key, uint32_t rid = 0) {
  mail::Event event;
  event.time = time;
  event.kind = kind;
  event.rid = rid;
  event.dedup_key = std::move(key);
  return event;
}

}  // namespace mailreeve::gateway::tracking
