#include "response/relay_client/verdict_cache.h"

#include "base/text.h"

#include <algorithm>
#include <optional>

namespace mailreeve::response::relay_client {
namespace {

std::optional<std::string> KeyOf(const json::value& observable) {
  const json::object* object = observable.if_object();
  if (object == nullptr) return std::nullopt;
  const json::value* type = object->if_contains("type");
  const json::value* value = object->if_contains("value");
  if (type == nullptr || value == nullptr || !type->is_string() || !value->is_string()) {
    return std::nullopt;
  }
  return AsciiLower(type->get_string()) + ":" + std::string(value->get_string());
}

// Until when a verdict may be told again; nullopt: not at all.
std::optional<Time> ValidUntil(const json::object& verdict, Time latest, Time now) {
  const json::value* valid = verdict.if_contains("valid_time");
  if (valid == nullptr) return latest;
  if (!valid->is_object()) return std::nullopt;
  Time until = latest;
  for (const std::string_view key : {"start_time", "end_time"}) {
    const json::value* value = valid->get_object().if_contains(key);
    if (value == nullptr) continue;
    if (!value->is_string()) return std::nullopt;
    const auto time = ParseTime(value->get_string());
    if (!time) return std::nullopt;
    if (key == "start_time" && *time > now) return std::nullopt;
    if (key == "end_time") until = std::min(until, *time);
  }
  if (until <= now) return std::nullopt;
  return until;
}

}  // namespace

json::array VerdictCache::Take(const json::array& asked, Time now, json::array& verdicts) {
  json::array unknown;
  for (const json::value& observable : asked) {
    const auto key = KeyOf(observable);
    const auto found = key ? entries_.find(*key) : entries_.end();
    if (found == entries_.end()) {
      unknown.push_back(observable);
      continue;
    }
    Entry& entry = found->second;
    if (entry.until <= now) {
      order_.erase(entry.used);
      entries_.erase(found);
      unknown.push_back(observable);
      continue;
    }
    order_.splice(order_.end(), order_, entry.used);
    for (const json::value& verdict : entry.verdicts) verdicts.push_back(verdict);
  }
  return unknown;
}

void VerdictCache::Put(const json::array& asked, const json::array& verdicts, bool complete,
                       Time now) {
  if (options_.life.count() == 0 || options_.max_observables == 0) return;
  struct Found {
    json::array verdicts;
    std::optional<Time> until;
  };
  std::unordered_map<std::string, Found> by_key;
  for (const json::value& observable : asked) {
    if (const auto key = KeyOf(observable)) by_key[*key].until = now + options_.life;
  }
  for (const json::value& verdict : verdicts) {
    const json::object* object = verdict.if_object();
    const json::value* about = object == nullptr ? nullptr : object->if_contains("observable");
    const auto key = about == nullptr ? std::nullopt : KeyOf(*about);
    // What was not asked for is passed on and not remembered.
    const auto found = key ? by_key.find(*key) : by_key.end();
    if (found == by_key.end()) continue;
    const auto until = ValidUntil(*object, now + options_.life, now);
    if (!until || !found->second.until) {
      found->second.until.reset();
    } else {
      found->second.until = std::min(*found->second.until, *until);
    }
    found->second.verdicts.push_back(verdict);
  }
  for (auto& [key, found] : by_key) {
    if (!found.until) continue;
    Time until = *found.until;
    if (found.verdicts.empty()) {
      if (!complete || options_.negative_life.count() == 0) continue;
      until = std::min(until, now + Duration(options_.negative_life));
    }
    if (const auto old = entries_.find(key); old != entries_.end()) {
      order_.erase(old->second.used);
      entries_.erase(old);
    }
    order_.push_back(key);
    entries_[key] = {std::move(found.verdicts), until, std::prev(order_.end())};
    if (entries_.size() > options_.max_observables) {
      entries_.erase(order_.front());
      order_.pop_front();
    }
  }
}

void VerdictCache::Clear() {
  entries_.clear();
  order_.clear();
}

}  // namespace mailreeve::response::relay_client
