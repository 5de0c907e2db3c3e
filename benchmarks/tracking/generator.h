#pragma once

#include "mail/message_record.h"
#include "observable/observable.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Mail that looks like mail, made from a seed: message `index` is a pure function of the options
// and its number, so that the truth about any of a hundred million can be had again without keeping
// them. What is imitated, and against which figures, is in benchmarks/README.md.
//
// Threads: const calls from any.
namespace mailreeve::bench {

enum class Mix : uint8_t {
  kOffice,  // a few hundred mailboxes
  kLarge,   // fifty thousand, with lists of up to 50,000 recipients
};

struct GeneratorOptions {
  uint64_t seed = 1;
  uint64_t messages = 1'000'000;  // spread over the span, so their rate follows
  Mix mix = Mix::kOffice;
  Time begin{std::chrono::seconds(1'788'220'800)};  // 2026-09-01
  Duration span{std::chrono::hours(24 * 60)};
};

struct Made {
  mail::MessageRecord record;      // mid is index + 1
  std::vector<mail::Event> later;  // what is appended to it afterwards
  std::string folded_subject;      // as fold.h would have it, known from how the subject was made
  uint32_t sender = kOtherSender;  // number of a frequent envelope sender

  static constexpr uint32_t kOtherSender = UINT32_MAX;
};

class Generator {
 public:
  // Frequent senders have numbers below this.
  static constexpr uint32_t kSenders = 1 << 20;

  explicit Generator(GeneratorOptions options);
  const GeneratorOptions& options() const { return options_; }

  // Fills `out`, whatever it held.
  void Make(uint64_t index, Made& out) const;
  Time TimeOf(uint64_t index) const;  // never falls as index grows
  std::string SenderAddress(uint32_t sender) const;
  std::string own_domain() const;

 private:
  class Draw;
  GeneratorOptions options_;
  uint64_t orgs_;         // that send mail here
  uint64_t users_;        // mailboxes here
  double hour_messages_;  // in a mean hour
};

// What the message shows, from how it was made: the same set as tracking::ObservablesOf finds
// (generator_check), at a tenth of its cost. Values can come twice. `found` is called with
// (observable::Type, std::string_view).
template <class F>
void ForEachShown(const mail::MessageRecord& record, F found);

}  // namespace mailreeve::bench

#include "shown.h"
