#pragma once

#include "mail/message_record.h"

#include <random>
#include <string>

// Small random mail for the simulator: few senders, domains and files, so that messages share what
// they show; every text is one of its kind's canonical forms. All of it follows from the random
// numbers.
namespace mailreeve::simulator {

class Mailbag {
 public:
  explicit Mailbag(std::mt19937_64& random) : random_(random) {}

  // Its events are in order of time; no field needs mending.
  mail::MessageRecord Record(mail::Mid mid, mail::Icid icid, Time received);
  // One that no other is equal to.
  mail::Event Event(const mail::MessageRecord& of, Time time);

  uint64_t Below(uint64_t end) { return end == 0 ? 0 : random_() % end; }
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }

 private:
  std::string Host();
  std::string Address();
  std::string Hex(size_t digits);

  std::mt19937_64& random_;
  uint64_t made_ = 0;
};

}  // namespace mailreeve::simulator
