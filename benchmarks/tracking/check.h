#pragma once

#include "base/result.h"
#include "generator.h"

// Whether generated mail is what the measures take it for.
namespace mailreeve::bench {

struct Census {
  uint64_t messages = 0;
  double observables = 0;    // mean of a message
  double seen_once = 0;      // share of distinct observables
  double with_files = 0;     // share of messages
  double urls = 0;           // mean of a message
  double recipients = 0;     // mean of a message
  double encoded_bytes = 0;  // mean of a record
  double make_us = 0;        // processor time of making one message
};

// Makes `count` messages and compares each with what the product says about it: observables,
// canonical forms, folded subject, encoding. kInternal names the first difference.
Result<Census> CheckGenerator(const Generator& generator, uint64_t first, uint64_t count);
// Counts only. Holds the fingerprints of all `count` messages in memory.
Census TakeCensus(const Generator& generator, uint64_t count);

}  // namespace mailreeve::bench
