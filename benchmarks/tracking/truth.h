#pragma once

#include "gateway/tracking/store.h"
#include "generator.h"

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

// Questions, and what the right answers are. The answers are gathered from how each message was
// made, while it is made, not from what any store says.
//
// Threads: Look from any, each with a Findings of its own; Take from one, in the order of the
// messages.
namespace mailreeve::bench {

struct Question {
  std::string kind;  // questions are scored by kind
  std::string text;  // for people
  gateway::tracking::Query query;

  // A message fits when it shows one of `any` and all of `all` (observables), `fits` says so and it
  // was received in the query's time. Empty ones do not count.
  std::vector<observable::Observable> any, all;
  std::function<bool(const Made&)> fits;

  bool present = true;  // at least one fits; false: nothing is known

  static constexpr size_t kKeep = gateway::tracking::kMaxPage;
  uint64_t count = 0;             // messages that fit
  std::vector<mail::Mid> newest;  // the newest kKeep, as a ring over count
  // In the order that a page has.
  std::vector<mail::Mid> Newest() const;
};

// One of each kind of query at least; of messages below `messages`.
std::vector<Question> MakeQuestions(const Generator& generator, uint64_t messages,
                                    size_t observables);
// Of the first kind only.
std::vector<Question> ObservableQuestions(const Generator& generator, uint64_t messages,
                                          size_t count);
// Fingerprints for a retro-hunt or a watch: `present` of mail below `messages` (of types that are
// hunted for: url, sha256, message id, sender of a campaign), the rest of none. Sorted and unique.
std::vector<uint64_t> MakeFingerprints(const Generator& generator, uint64_t messages, size_t size,
                                       size_t present);

// A set of fingerprints that answers no fast.
class FingerprintSet {
 public:
  explicit FingerprintSet(std::span<const uint64_t> values);
  bool Has(uint64_t value) const {
    size_t at = value & mask_;
    while (slots_[at] != 0) {
      if (slots_[at] == value) return true;
      at = (at + 1) & mask_;
    }
    return false;
  }

 private:
  size_t mask_;
  std::vector<uint64_t> slots_;
};

class Truth {
 public:
  // What looking at some messages found.
  struct Findings {
    std::vector<std::pair<uint32_t, mail::Mid>> fitting;
    std::vector<gateway::tracking::HuntHit> hits;
    std::vector<uint32_t> senders;  // of incoming mail in the span of TopSenders
    uint64_t observables = 0;
  };

  Truth(std::vector<Question> questions, std::vector<uint64_t> hunted);
  void Look(const Made& made, Findings& found) const;
  void Take(const Findings& found);

  // Frequent senders of incoming mail received in [from, until), most messages first.
  void CountSenders(Time from, Time until) { from_ = from, until_ = until; }
  std::vector<std::pair<uint32_t, uint64_t>> TopSenders(size_t count) const;

  std::vector<Question>& questions() { return questions_; }
  const std::vector<uint64_t>& hunted() const { return *hunted_; }
  std::shared_ptr<const std::vector<uint64_t>> shared_hunted() const { return hunted_; }
  const std::vector<gateway::tracking::HuntHit>& hits() const { return hits_; }
  uint64_t observables() const { return observables_; }  // of all messages, unique in each

 private:
  bool Fits(const Question& question, const Made& made, std::span<const uint64_t> shown) const;

  std::vector<Question> questions_;
  std::vector<uint32_t> looked_at_always_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> by_fingerprint_;
  std::unique_ptr<FingerprintSet> leading_;
  std::vector<std::vector<uint64_t>> any_, all_;  // fingerprints, by question
  std::shared_ptr<const std::vector<uint64_t>> hunted_;
  FingerprintSet hunted_set_;
  std::vector<gateway::tracking::HuntHit> hits_;
  Time from_, until_;
  std::vector<uint32_t> sender_counts_;
  uint64_t observables_ = 0;
};

}  // namespace mailreeve::bench
