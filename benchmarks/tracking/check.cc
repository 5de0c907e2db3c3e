#include "check.h"

#include "gateway/tracking/fold.h"
#include "gateway/tracking/observables_of.h"

#include <time.h>

#include <algorithm>
#include <set>

namespace mailreeve::bench {
namespace {

using Shown = std::set<std::pair<observable::Type, std::string>>;

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string Difference(const Shown& a, const Shown& b) {
  for (const auto& [type, value] : a) {
    if (!b.contains({type, value}))
      return std::string(observable::TypeName(type)) + " '" + value + "'";
  }
  return "";
}

}  // namespace

Result<Census> CheckGenerator(const Generator& generator, uint64_t first, uint64_t count) {
  Census census;
  Time before = first == 0 ? Time() : generator.TimeOf(first - 1);
  for (uint64_t i = first; i < first + count; ++i) {
    Made made, again;
    generator.Make(i, made);
    generator.Make(i, again);
    const auto wrong = [&](const std::string& what) {
      return Fail(Code::kInternal, "generated message " + std::to_string(i) + ": " + what);
    };
    const auto& record = made.record;
    if (record != again.record || made.later != again.later)
      return wrong("differs when made again");
    if (record.mid != i + 1) return wrong("has another number");
    if (record.received < before) return wrong("is older than the one before");
    before = record.received;
    auto decoded = mail::DecodeMessageRecord(mail::Encode(record));
    if (!decoded || *decoded != record) return wrong("does not survive its encoding");
    if (gateway::tracking::FoldText(record.inspection.subject) != made.folded_subject) {
      return wrong("subject '" + record.inspection.subject + "' folds otherwise than '" +
                   made.folded_subject + "'");
    }
    if (made.sender != Made::kOtherSender &&
        generator.SenderAddress(made.sender) != record.envelope_from) {
      return wrong("sender " + record.envelope_from + " has another's number");
    }
    Shown shown, found;
    ForEachShown(record, [&](observable::Type type, std::string_view value) {
      shown.emplace(type, std::string(value));
    });
    for (const auto& each : gateway::tracking::ObservablesOf(record))
      found.emplace(each.type, each.value);
    if (const auto more = Difference(shown, found); !more.empty())
      return wrong("is not found to show " + more);
    if (const auto more = Difference(found, shown); !more.empty())
      return wrong("was not made to show " + more);
    census.observables += static_cast<double>(shown.size());
    ++census.messages;
  }
  census.observables /= static_cast<double>(std::max<uint64_t>(census.messages, 1));
  return census;
}

Census TakeCensus(const Generator& generator, uint64_t count) {
  Census census;
  census.messages = count;
  std::vector<uint64_t> all, of_one;
  double spent = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Made made;
    const double began = ThreadSeconds();
    generator.Make(i, made);
    spent += ThreadSeconds() - began;
    const auto& record = made.record;
    of_one.clear();
    ForEachShown(record, [&](observable::Type type, std::string_view value) {
      of_one.push_back(observable::Fingerprint(type, value));
    });
    std::sort(of_one.begin(), of_one.end());
    of_one.erase(std::unique(of_one.begin(), of_one.end()), of_one.end());
    all.insert(all.end(), of_one.begin(), of_one.end());
    census.with_files += record.inspection.attachments.empty() ? 0 : 1;
    census.urls += static_cast<double>(record.inspection.urls.size());
    census.recipients += static_cast<double>(record.recipients.size());
    if (i % 64 == 0) census.encoded_bytes += static_cast<double>(mail::Encode(record).size());
  }
  const auto messages = static_cast<double>(std::max<uint64_t>(count, 1));
  census.observables = static_cast<double>(all.size()) / messages;
  census.with_files /= messages;
  census.urls /= messages;
  census.recipients /= messages;
  census.encoded_bytes /= static_cast<double>(std::max<uint64_t>((count + 63) / 64, 1));
  census.make_us = spent * 1e6 / messages;
  std::sort(all.begin(), all.end());
  uint64_t distinct = 0, once = 0;
  for (size_t i = 0, next = 0; i < all.size(); i = next) {
    next = i + 1;
    while (next < all.size() && all[next] == all[i]) ++next;
    ++distinct;
    once += next - i == 1 ? 1 : 0;
  }
  census.seen_once =
      static_cast<double>(once) / static_cast<double>(std::max<uint64_t>(distinct, 1));
  return census;
}

}  // namespace mailreeve::bench
