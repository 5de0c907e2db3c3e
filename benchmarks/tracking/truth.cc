#include "truth.h"

#include <algorithm>
#include <bit>

namespace mailreeve::bench {
namespace {

std::vector<uint64_t> FingerprintsOf(const std::vector<observable::Observable>& observables) {
  std::vector<uint64_t> out;
  for (const auto& each : observables)
    out.push_back(observable::Fingerprint(each.type, each.value));
  return out;
}

}  // namespace

std::vector<mail::Mid> Question::Newest() const {
  std::vector<mail::Mid> out(newest.begin(), newest.end());
  std::sort(out.rbegin(), out.rend());
  return out;
}

FingerprintSet::FingerprintSet(std::span<const uint64_t> values)
    : mask_(std::bit_ceil(values.size() * 2 + 8) - 1), slots_(mask_ + 1) {
  for (const uint64_t value : values) {
    size_t at = value & mask_;
    while (slots_[at] != 0 && slots_[at] != value) at = (at + 1) & mask_;
    slots_[at] = value;
  }
}

Truth::Truth(std::vector<Question> questions, std::vector<uint64_t> hunted)
    : questions_(std::move(questions)),
      hunted_(std::make_shared<const std::vector<uint64_t>>(std::move(hunted))),
      hunted_set_(*hunted_),
      sender_counts_(Generator::kSenders) {
  std::vector<uint64_t> leading;
  for (uint32_t i = 0; i < questions_.size(); ++i) {
    any_.push_back(FingerprintsOf(questions_[i].any));
    all_.push_back(FingerprintsOf(questions_[i].all));
    const auto lead =
        any_[i].empty() && !all_[i].empty() ? std::vector<uint64_t>{all_[i][0]} : any_[i];
    if (lead.empty()) looked_at_always_.push_back(i);
    for (const uint64_t fingerprint : lead) {
      by_fingerprint_[fingerprint].push_back(i);
      leading.push_back(fingerprint);
    }
  }
  leading_ = std::make_unique<FingerprintSet>(leading);
}

bool Truth::Fits(const Question& question, const Made& made,
                 std::span<const uint64_t> shown) const {
  const auto index = static_cast<size_t>(&question - questions_.data());
  const auto has = [shown](uint64_t value) {
    return std::binary_search(shown.begin(), shown.end(), value);
  };
  if (!any_[index].empty() && std::none_of(any_[index].begin(), any_[index].end(), has))
    return false;
  if (!std::all_of(all_[index].begin(), all_[index].end(), has)) return false;
  const auto& query = question.query;
  if (query.from && made.record.received < *query.from) return false;
  if (query.until && made.record.received >= *query.until) return false;
  return !question.fits || question.fits(made);
}

void Truth::Look(const Made& made, Findings& found) const {
  thread_local std::vector<uint64_t> shown;
  shown.clear();
  ForEachShown(made.record, [](observable::Type type, std::string_view value) {
    shown.push_back(observable::Fingerprint(type, value));
  });
  std::sort(shown.begin(), shown.end());
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  found.observables += shown.size();

  const size_t first = found.fitting.size();
  for (const uint64_t fingerprint : shown) {
    if (leading_->Has(fingerprint)) {
      for (const uint32_t i : by_fingerprint_.at(fingerprint)) {
        const bool known =
            std::any_of(found.fitting.begin() + static_cast<ptrdiff_t>(first), found.fitting.end(),
                        [i](const auto& each) { return each.first == i; });
        if (!known && Fits(questions_[i], made, shown))
          found.fitting.emplace_back(i, made.record.mid);
      }
    }
    if (hunted_set_.Has(fingerprint))
      found.hits.push_back({fingerprint, made.record.mid, made.record.received});
  }
  for (const uint32_t i : looked_at_always_) {
    if (Fits(questions_[i], made, shown)) found.fitting.emplace_back(i, made.record.mid);
  }
  if (made.sender != Made::kOtherSender && made.record.direction == mail::Direction::kIncoming &&
      made.record.received >= from_ && made.record.received < until_) {
    found.senders.push_back(made.sender);
  }
}

void Truth::Take(const Findings& found) {
  for (const auto& [i, mid] : found.fitting) {
    Question& question = questions_[i];
    const size_t at = question.count++ % Question::kKeep;
    if (at < question.newest.size()) {
      question.newest[at] = mid;
    } else {
      question.newest.push_back(mid);
    }
  }
  hits_.insert(hits_.end(), found.hits.begin(), found.hits.end());
  for (const uint32_t sender : found.senders) ++sender_counts_[sender];
  observables_ += found.observables;
}

std::vector<std::pair<uint32_t, uint64_t>> Truth::TopSenders(size_t count) const {
  std::vector<std::pair<uint32_t, uint64_t>> out;
  for (uint32_t i = 0; i < sender_counts_.size(); ++i) {
    if (sender_counts_[i] > 0) out.emplace_back(i, sender_counts_[i]);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::pair(b.second, a.first) < std::pair(a.second, b.first);
  });
  if (out.size() > count) out.resize(count);
  return out;
}

}  // namespace mailreeve::bench
