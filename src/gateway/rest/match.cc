#include "gateway/rest/match.h"

#include "gateway/tracking/fold.h"
#include "gateway/tracking/observables_of.h"
#include "io/asio.h"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <algorithm>

namespace mailreeve::gateway::rest {
namespace {

using mail::MessageRecord;
using tracking::TextCondition;
using tracking::TextMatch;

bool Matches(std::string_view text, TextMatch match, const std::string& folded) {
  const std::string have = tracking::FoldText(text);
  switch (match) {
    case TextMatch::kIs:
      return have == folded;
    case TextMatch::kContains:
      return have.find(folded) != std::string::npos;
    case TextMatch::kBeginsWith:
      return have.starts_with(folded);
    case TextMatch::kIsEmpty:
      return have.empty();
  }
  return false;
}

std::string DomainOf(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string() : std::string(address.substr(at + 1));
}

std::vector<std::string> TextsOf(const MessageRecord& record, TextCondition::Field field) {
  using enum TextCondition::Field;
  const auto& inspection = record.inspection;
  std::vector<std::string> out;
  switch (field) {
    case kSubject:
      out.push_back(inspection.subject);
      out.insert(out.end(), inspection.other_subjects.begin(), inspection.other_subjects.end());
      return out;
    case kEnvelopeSender:
      return {record.envelope_from};
    case kSender:
      return tracking::SendersOf(record);
    case kRecipient:
      return tracking::RecipientsOf(record);
    case kReplyTo:
      for (const auto& address : inspection.addresses) {
        if (address.role == mail::AddressRole::kReplyTo) out.push_back(address.address);
      }
      return out;
    case kFileName:
      for (const auto& file : inspection.attachments)
        out.insert(out.end(), file.names.begin(), file.names.end());
      return out;
    case kSenderDomain:
      return {DomainOf(record.envelope_from)};
    case kMessageId:
      out.push_back(inspection.message_id);
      out.insert(out.end(), inspection.other_message_ids.begin(),
                 inspection.other_message_ids.end());
      return out;
    case kUrl:
      for (const auto& url : inspection.urls) out.push_back(url.url);
      return out;
  }
  return out;
}

}  // namespace

bool TextFits(const MessageRecord& record, const TextCondition& condition) {
  const std::vector<std::string> texts = TextsOf(record, condition.field);
  if (condition.match == TextMatch::kIsEmpty && texts.empty()) return true;
  const std::string folded = tracking::FoldText(condition.value);
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
    return Matches(text, condition.match, folded);
  });
}

bool InNetwork(std::string_view address, std::string_view network) {
  io::error_code bad;
  const auto parsed = asio::ip::make_address(std::string(address), bad);
  if (bad) return false;
  if (parsed.is_v4()) {
    const auto wanted = asio::ip::make_network_v4(std::string(network), bad);
    if (bad) return false;
    return asio::ip::network_v4(parsed.to_v4(), wanted.prefix_length()).canonical() ==
           wanted.canonical();
  }
  const auto wanted = asio::ip::make_network_v6(std::string(network), bad);
  if (bad) return false;
  return asio::ip::network_v6(parsed.to_v6(), wanted.prefix_length()).canonical() ==
         wanted.canonical();
}

}  // namespace mailreeve::gateway::rest
