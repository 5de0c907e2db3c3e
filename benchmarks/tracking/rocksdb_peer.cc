#include "gateway/tracking/fold.h"
#include "peers.h"

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

namespace mailreeve::bench {
namespace {

// Keys: 'p' fingerprint, time and number of the message, both inverted so that the newest come
// first -> nothing; 'r' number of the message -> its record; 'e' number of the message, count -> an
// event that came later.
void AppendBig(std::string& out, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xff);
}

std::string RecordKey(mail::Mid mid) {
  std::string out("r");
  AppendBig(out, mid);
  return out;
}

Error Failed(const rocksdb::Status& status) {
  return Error(Code::kInternal, "RocksDB: " + status.ToString());
}

class RocksdbPeer final : public Peer {
 public:
  std::string name() const override { return "rocksdb"; }
  std::string note() const override {
    return "zstd, bloom filters, one synced write of its log for 4,096 messages";
  }

  Result<void> Open(const std::string& folder) override {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kZSTD;
    options.bottommost_compression = rocksdb::kZSTD;
    options.IncreaseParallelism(2);
    options.write_buffer_size = 128 << 20;
    options.level_compaction_dynamic_level_bytes = true;
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.block_size = 16 << 10;
    table.block_cache = rocksdb::NewLRUCache(256 << 20);
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    if (auto status = rocksdb::DB::Open(options, folder, &db); !status.ok())
      return Fail(Failed(status));
    db_.reset(db);
    return {};
  }

  Result<void> Append(std::vector<Made>& messages) override {
    rocksdb::WriteBatch batch;
    rocksdb::WriteOptions synced;
    synced.sync = true;
    std::string key;
    for (size_t i = 0; i < messages.size(); ++i) {
      const Made& made = messages[i];
      for (const uint64_t fingerprint : ShownFingerprints(made.record)) {
        key = "p";
        AppendBig(key, fingerprint);
        AppendBig(key, ~static_cast<uint64_t>(ToEpochMicros(made.record.received)));
        AppendBig(key, ~made.record.mid);
        batch.Put(key, "");
      }
      batch.Put(RecordKey(made.record.mid), mail::Encode(made.record));
      for (size_t k = 0; k < made.later.size(); ++k) {
        key = "e";
        AppendBig(key, made.record.mid);
        AppendBig(key, k);
        batch.Put(key, mail::Encode(made.later[k]));
      }
      if ((i + 1) % kPeerGroup == 0 || i + 1 == messages.size()) {
        if (auto status = db_->Write(synced, &batch); !status.ok()) return Fail(Failed(status));
        batch.Clear();
      }
    }
    return {};
  }

  Result<void> Settle() override {
    if (auto status = db_->Flush({}); !status.ok()) return Fail(Failed(status));
    if (auto status = db_->CompactRange({}, nullptr, nullptr); !status.ok())
      return Fail(Failed(status));
    return {};
  }

  Result<std::vector<mail::Mid>> Lookup(const observable::Observable& observable,
                                        size_t limit) override {
    std::string begin("p");
    AppendBig(begin, observable::Fingerprint(observable.type, observable.value));
    std::vector<mail::Mid> out;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek(begin); at->Valid() && at->key().starts_with(begin) && out.size() < limit;
         at->Next()) {
      uint64_t mid = 0;
      for (size_t i = at->key().size() - 8; i < at->key().size(); ++i)
        mid = mid << 8 | static_cast<unsigned char>(at->key()[i]);
      std::string value;
      if (auto status = db_->Get({}, RecordKey(~mid), &value); !status.ok())
        return Fail(Failed(status));
      TRY(auto record, mail::DecodeMessageRecord(value));
      std::string events("e");
      AppendBig(events, ~mid);
      const std::unique_ptr<rocksdb::Iterator> event(db_->NewIterator({}));
      for (event->Seek(events); event->Valid() && event->key().starts_with(events); event->Next()) {
        TRY(auto later, mail::DecodeEvent(event->value().ToStringView()));
        record.events.push_back(std::move(later));
      }
      out.push_back(record.mid);
    }
    if (!at->status().ok()) return Fail(Failed(at->status()));
    return out;
  }

  Result<uint64_t> CountSubjects(const std::string& folded) override {
    // There is no way but through every record.
    uint64_t count = 0;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek("r"); at->Valid() && at->key().starts_with("r"); at->Next()) {
      TRY(const auto record, mail::DecodeMessageRecord(at->value().ToStringView()));
      const std::string subject = gateway::tracking::FoldText(record.inspection.subject);
      count += subject.find(folded) != std::string::npos ? 1 : 0;
    }
    return count;
  }

  Result<std::vector<std::pair<std::string, uint64_t>>> TopSenders(Time, Time, size_t) override {
    return Fail(Code::kUnavailable, "it has no columns; every record would have to be read");
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Peer> MakeRocksdbPeer() { return std::make_unique<RocksdbPeer>(); }

}  // namespace mailreeve::bench
