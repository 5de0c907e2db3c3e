// Parameters of message tracking: no crash, and a filter that was read can be tried on any record.
#include "base/check.h"
#include "gateway/rest/filter.h"
#include "http/message.h"
#include "mail/message_record.h"

#include <cstdint>

namespace {

using namespace mailreeve;
using namespace mailreeve::gateway;

mail::MessageRecord Record() {
  mail::MessageRecord record;
  record.mid = 52;
  record.received = ParseTime("2026-03-01T10:00:00.000Z").value();
  record.connection.client_address = "192.0.2.10";
  record.envelope_from = "alice@sender.test";
  record.recipients = {{0, "bob@example.test", ""}};
  record.inspection.subject = "Invoice";
  record.inspection.message_id = "<1@sender.test>";
  record.inspection.authentication = {{"mx", "dmarc", "fail", "header.from=sender.test"}};
  record.inspection.attachments.resize(1);
  record.inspection.attachments[0].names = {"a.pdf"};
  record.verdicts = {{"antispam", 2, ""}};
  mail::Event event;
  event.time = record.received;
  event.kind = mail::EventKind::kDelivered;
  record.events = {event};
  return record;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  http::Request request;
  request.target = "/m?" + std::string(reinterpret_cast<const char*>(data), size);
  if (!http::ParseTarget(request)) return 0;
  const rest::Parameters parameters(request.query);
  static const mail::MessageRecord record = Record();
  const auto filter = rest::ReadFilter(parameters, {"gateway-1"});
  if (filter) {
    const bool fits = filter->Fits(record);
    CHECK(!(filter->nothing && fits));
    CHECK(filter->query.from && filter->query.until && *filter->query.from < *filter->query.until);
    for (const auto& condition : filter->query.text) CHECK(condition.value.size() <= 3 * 8192 + 16);
  } else {
    CHECK(!filter.error().message.empty());
  }
  if (const auto paging = rest::ReadPaging(parameters, 20, 100)) CHECK(paging->limit <= 100);
  for (const auto& [name, value] : request.query) {
    // What was tidied once stays as it is.
    const std::string tidy = rest::TidyDate(value);
    if (const auto time = ParseTime(tidy)) CHECK(ParseTime(rest::TidyDate(tidy)).value() == *time);
  }
  return 0;
}
