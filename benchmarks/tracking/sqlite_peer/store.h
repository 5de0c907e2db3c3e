#pragma once

#include "base/time.h"
#include "gateway/tracking/store.h"
#include "io/asio.h"
#include "log/log.h"

#include <memory>
#include <string>

// What the measures compare with: the same store on one SQLite file in WAL mode. One thread writes,
// and commits many messages in one transaction (synchronous=FULL: acknowledged is on disk); readers
// have connections and threads of their own. It answers what the old engine of the gateway
// answered: no text conditions, no networks, no counts of matches.
//
// Threads: calls from the one executor. Ownership: the executor's context, logger and clock outlive
// the store. Its destructor waits until what was appended is on disk. Errors: kUnavailable (folder
// or file cannot be opened), kCorrupt, and as in gateway/tracking/store.h.
namespace mailreeve::bench::sqlite {

using namespace gateway::tracking;  // the door, and what it speaks of

struct SqliteOptions {
  std::string dir;  // made when it is not there; holds tracking.db and SQLite's files beside it

  size_t readers = 2;                            // threads and connections that search
  size_t max_pending_reads = 256;                // searches running and waiting; more are kLimited
  size_t max_pending = 10000;                    // appends waiting to be written; more are kLimited
  size_t max_pending_bytes = 256 * 1024 * 1024;  // the same, in bytes of encoded records
  size_t max_batch = 512;                        // appends in one transaction
  size_t max_record_bytes = 16 * 1024 * 1024;    // of an encoded record; larger ones are kInvalid
  size_t max_examined =
      500000;  // messages one search looks at before it answers with what it has and a cursor
  size_t max_any_of = 1000;  // observables of a query
  size_t max_page_bytes =
      64 * 1024 * 1024;    // encoded records of one page; the page ends early then
  uint64_t keep_days = 0;  // records received longer ago are dropped; 0: kept for good

  uint64_t id_block = 100000;  // ids reserved ahead in one write
  int compression_level = 1;   // zstd
};
Result<std::unique_ptr<Store>> OpenSqliteStore(SqliteOptions options, io::Executor executor,
                                               log::Logger& logger, const Clock& clock);

}  // namespace mailreeve::bench::sqlite
