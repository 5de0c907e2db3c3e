#pragma once

#include "base/time.h"
#include "gateway/tracking/core.h"
#include "gateway/tracking/store.h"
#include "io/asio.h"
#include "io/files.h"
#include "log/log.h"
#include "settings/settings.h"

#include <memory>
#include <string>

// The tracking engine: journal, head and segments of core.h with threads around them: one that
// commits, one that seals and compacts, and some that read.
//
// Threads: calls from the one executor. Ownership: the executor's context, files, logger and clock
// outlive the store. Its destructor waits until what was appended is on disk. Errors: those of
// Core::Open. Calls: as in store.h.
//
//   TRY(auto store, tracking::OpenStore({.core = {.dir = "/var/lib/mailreeve/tracking"}},
//   io::PosixFiles(), executor, logger, clock)); record.mid = store->NextMid();
//   CO_TRY_VOID(co_await store->Append(record));
namespace mailreeve::gateway::tracking {

struct EngineOptions {
  CoreOptions core;

  // Settings (schema/settings/tracking.json).
  size_t readers = 2;                            // threads that search
  size_t max_pending_reads = 256;                // searches running and waiting; more are kLimited
  size_t max_pending = 10000;                    // appends waiting to be written; more are kLimited
  size_t max_pending_bytes = 256 * 1024 * 1024;  // the same, in bytes of encoded records
  size_t max_batch = 4096;                       // appends in one sync
};

// The settings part; the caller fills in the folder and, when a field is to be hashed
// (`core.privacy.any()`), the key.
EngineOptions FromSettings(const settings::Snapshot& snapshot);

Result<std::unique_ptr<Store>> OpenStore(EngineOptions options, io::Files& files,
                                         io::Executor executor, log::Logger& logger,
                                         const Clock& clock);

}  // namespace mailreeve::gateway::tracking
