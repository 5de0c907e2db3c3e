#include "gateway/counters/group.h"

#include "base/random.h"

#include <xxhash.h>

#include <numeric>

namespace mailreeve::gateway::counters {

uint64_t HashOf(std::string_view key) {
  static const uint64_t seed = RandomNumber();
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

bool IsNotable(Metric metric) {
  switch (CountOf(metric)) {
    case Count::kMessages:
    case Count::kRecipients:
    case Count::kBytes:
    case Count::kConnections:
    case Count::kClean:
    case Count::kAccepted:
    case Count::kDelivered:
    case Count::kSpfPass:
    case Count::kDkimPass:
    case Count::kDmarcPass:
    case Count::kTls:
    case Count::kPlain:
    case Count::kAuthenticated:
    case Count::kNotAuthenticated:
    case Count::kTlsConnections:
    case Count::kPlainConnections:
    case Count::kAuthenticatedConnections:
    case Count::kNotAuthenticatedConnections:
    case Count::kDmarcFailNone:
      return false;
    default:
      return true;
  }
}

template <class V>
std::vector<uint32_t> Group<V>::Best(const Shapes& shapes, size_t keep,
                                     std::vector<uint32_t>* dropped) const {
  std::vector<uint32_t> order(rows());
  std::iota(order.begin(), order.end(), 1);
  if (order.size() > keep) {
    std::vector<uint64_t> notable(rows_.size(), 0), sum(rows_.size(), 0);
    for (const uint32_t row : order) {
      const std::vector<Metric>& metrics = shapes.At(rows_[row].shape);
      for (size_t i = 0; i < metrics.size(); ++i) {
        const uint64_t value = ValuesOf(row)[i];
        sum[row] = Saturated(sum[row], value);
        if (IsNotable(metrics[i])) notable[row] = Saturated(notable[row], value);
      }
    }
    const auto by = [this](const std::vector<uint64_t>& weight) {
      return [this, &weight](uint32_t a, uint32_t b) {
        return weight[a] != weight[b] ? weight[a] > weight[b] : KeyOf(a) < KeyOf(b);
      };
    };
    const size_t with = static_cast<size_t>(
        std::count_if(order.begin(), order.end(), [&](uint32_t row) { return notable[row] != 0; }));
    const auto quarter = order.begin() + static_cast<std::ptrdiff_t>(std::min(keep / 4, with));
    std::nth_element(order.begin(), quarter, order.end(), by(notable));
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(keep);
    std::nth_element(quarter, end, order.end(), by(sum));
    if (dropped != nullptr) dropped->assign(end, order.end());
    order.erase(end, order.end());
  }
  std::sort(order.begin(), order.end(),
            [this](uint32_t a, uint32_t b) { return KeyOf(a) < KeyOf(b); });
  return order;
}

template <class V>
void Group<V>::Prune(const Shapes& shapes, size_t keep) {
  std::vector<uint32_t> dropped;
  const std::vector<uint32_t> kept = Best(shapes, keep, &dropped);
  if (dropped.empty()) return;
  uint64_t largest = 0;
  for (const uint32_t row : dropped) largest = std::max(largest, LargestOf(shapes, row));
  Group<V> next;
  next.missed_ = Saturated(missed_, largest);
  const auto copy = [&](uint32_t from, uint32_t to) {
    next.rows_[to].shape = rows_[from].shape;
    next.rows_[to].values_at = static_cast<uint32_t>(next.pool_.size());
    const V* values = ValuesOf(from);
    next.pool_.insert(next.pool_.end(), values, values + shapes.At(rows_[from].shape).size());
  };
  copy(0, 0);
  for (const uint32_t row : kept) copy(row, next.Insert(rows_[row].hash, KeyOf(row)));
  *this = std::move(next);
}

template class Group<uint32_t>;
template class Group<uint64_t>;

}  // namespace mailreeve::gateway::counters
