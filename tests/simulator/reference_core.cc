#include "simulator/reference_core.h"

#include "base/wire.h"

#include <algorithm>
#include <cstring>

namespace mailreeve::simulator {
namespace {

using namespace gateway::tracking;  // one of its stores

uint64_t Sum(std::string_view bytes) {
  uint64_t sum = 0xcbf29ce484222325u;
  for (const char c : bytes) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return sum;
}

class ReferenceCore final : public Core {
 public:
  ReferenceCore(CoreOptions options, io::Files& files, Mistake mistake)
      : options_(std::move(options)), files_(files), mistake_(mistake) {}

  Result<void> Recover() {
    TRY_VOID(files_.MakeFolders(options_.dir));
    TRY(lock_, files_.Lock(options_.dir + "/LOCK"));
    for (number_ = 1;; ++number_) {
      auto file = files_.Open(Path(number_), io::OpenMode::kRead);
      if (!file && file.error().code == Code::kNotFound) break;
      if (!file) return Fail(std::move(file).error());
      TRY_VOID(Replay(**file));
      if (mistake_ != Mistake::kTrustsCacheAtStart) TRY_VOID((*file)->Sync());
    }
    next_mid_ = std::max(next_mid_, reserved_);
    next_icid_ = next_mid_;
    if (mistake_ == Mistake::kTrustsCacheAtStart) {
      TRY_VOID(Begin());
    } else if (number_ > 1) {
      --number_;
      TRY(file_, files_.Open(Path(number_), io::OpenMode::kCreate));
      if (mistake_ == Mistake::kKeepsTornTail) {
        TRY(end_, file_->Size());
      } else {
        TRY_VOID(file_->Truncate(end_));
      }
    } else {
      TRY_VOID(Begin());
    }
    if (mistake_ != Mistake::kSkipsFolderSync) TRY_VOID(files_.SyncFolder(options_.dir));
    return Reserve();
  }

  mail::Mid NextMid() override {
    return next_mid_ < reserved_ || mistake_ == Mistake::kForgetsIds ? next_mid_++ : 0;
  }
  mail::Icid NextIcid() override {
    return next_icid_ < reserved_ || mistake_ == Mistake::kForgetsIds ? next_icid_++ : 0;
  }
  bool IdsRunLow() const override { return false; }
  void Prepare(Appended&) const override {}

  void Commit(std::span<Appended> batch) override {
    std::map<mail::Mid, mail::MessageRecord> changed;
    std::string frames;
    for (Appended& item : batch) {
      item.result = {};
      if (item.record) {
        const mail::Mid mid = item.record->mid;
        if (records_.contains(mid) || changed.contains(mid)) {
          item.result = Fail(Code::kConflict, "tracked already");
          continue;
        }
        changed[mid] = *item.record;
        WireWriter out;
        out.Number(1);
        out.String(mail::Encode(*item.record));
        frames += Frame(out.Take());
        continue;
      }
      auto at = changed.find(item.mid);
      if (at == changed.end()) {
        const auto held = records_.find(item.mid);
        if (held == records_.end()) {
          item.result = Fail(Code::kNotFound, "not tracked");
          continue;
        }
        at = changed.insert(*held).first;
      }
      for (const auto& event : item.events) {
        if (!AddEvent(at->second, event)) continue;
        WireWriter out;
        out.Number(2);
        out.Number(item.mid);
        out.String(mail::Encode(event));
        frames += Frame(out.Take());
      }
    }
    auto written = Write(frames);
    if (written) written = Reserve();
    if (!written) {
      for (Appended& item : batch) {
        // One that repeats another of this batch is no more there than that.
        const bool held = item.record && records_.contains(item.record->mid);
        if (item.result || (item.record && !held)) item.result = written;
      }
      return;
    }
    for (auto& [mid, record] : changed) records_[mid] = std::move(record);
  }

  bool HasFrozen() const override { return false; }
  Result<bool> Maintain() override { return false; }
  void StopMaintenance() override {}
  Result<void> Seal() override { return {}; }

  Result<Page> Search(const Query& query) const override {
    std::vector<const mail::MessageRecord*> all;
    for (const auto& [mid, record] : records_) all.push_back(&record);
    std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
      return std::tuple(a->received, a->mid) > std::tuple(b->received, b->mid);
    });
    const size_t first = query.cursor.empty() ? 0 : std::stoul(query.cursor);
    Page page;
    for (size_t i = first; i < all.size() && page.records.size() < query.limit; ++i)
      page.records.push_back(*all[i]);
    if (first + page.records.size() < all.size())
      page.next_cursor = std::to_string(first + page.records.size());
    return page;
  }
  Result<mail::MessageRecord> Get(mail::Mid mid) const override {
    const auto at = records_.find(mid);
    if (at == records_.end()) return Fail(Code::kNotFound, "not tracked");
    return at->second;
  }
  Result<mail::MessageRecord> FindByQueueId(const std::string&, Time) const override {
    return Unable();
  }
  Coverage Held() const override { return {}; }
  Result<Totals> Count(Time, Time) const override { return Unable(); }
  Result<Matches> CountMatches(const Query&) const override { return Unable(); }
  Result<gateway::counters::Answer> Counters(const gateway::counters::Question&) const override {
    return Unable();
  }
  Result<HuntStep> Hunt(const std::vector<uint64_t>&, const std::string&) const override {
    return Unable();
  }
  void Watch(std::vector<uint64_t>) override {}
  bool LoadFilters() override { return false; }

 private:
  static tl::unexpected<Error> Unable() { return Fail(Code::kUnavailable, "it only keeps"); }
  std::string Path(uint64_t number) const {
    return options_.dir + "/journal-" + std::to_string(number);
  }

  static bool AddEvent(mail::MessageRecord& record, const mail::Event& event, bool keys = true) {
    if (keys && !event.dedup_key.empty() &&
        std::any_of(record.events.begin(), record.events.end(),
                    [&](const auto& held) { return held.dedup_key == event.dedup_key; })) {
      return false;
    }
    const auto later = std::upper_bound(
        record.events.begin(), record.events.end(), event,
        [](const mail::Event& a, const mail::Event& b) { return a.time < b.time; });
    record.events.insert(later, event);
    return true;
  }

  static std::string Frame(const std::string& payload) {
    std::string out(12, '\0');
    const uint32_t size = static_cast<uint32_t>(payload.size());
    const uint64_t sum = Sum(payload);
    std::memcpy(out.data(), &size, 4);
    std::memcpy(out.data() + 4, &sum, 8);
    return out + payload;
  }

  Result<void> Replay(const io::File& file) {
    TRY(const uint64_t size, file.Size());
    TRY(const std::string bytes, file.ReadAt(0, size));
    size_t at = 0;
    while (bytes.size() - at >= 12) {
      uint32_t length = 0;
      uint64_t sum = 0;
      std::memcpy(&length, bytes.data() + at, 4);
      std::memcpy(&sum, bytes.data() + at + 4, 8);
      if (length == 0 || length > bytes.size() - at - 12) break;
      const std::string_view payload = std::string_view(bytes).substr(at + 12, length);
      if (Sum(payload) != sum) break;
      Take(payload);
      at += 12 + length;
    }
    end_ = at;
    return {};
  }

  void Take(std::string_view payload) {
    WireReader reader(payload);
    const uint64_t type = reader.Number();
    if (type == 1) {
      auto record = mail::DecodeMessageRecord(reader.String());
      if (record) records_.try_emplace(record->mid, std::move(*record));
      if (record && mistake_ == Mistake::kForgetsIds && record->mid < 1'000'000)
        next_mid_ = std::max(next_mid_, record->mid + 1);
    } else if (type == 2) {
      const auto at = records_.find(reader.Number());
      const auto event = mail::DecodeEvent(reader.String());
      if (event && at != records_.end())
        AddEvent(at->second, *event, mistake_ != Mistake::kTakesEventTwice);
    } else if (type == 3) {
      reserved_ = std::max(reserved_, reader.Number());
    }
  }

  Result<void> Begin() {
    TRY(file_, files_.Open(Path(number_), io::OpenMode::kTruncate));
    end_ = 0;
    if (mistake_ == Mistake::kSkipsFolderSync) return {};
    auto named = files_.SyncFolder(options_.dir);
    if (!named) file_.reset();  // a file that may lose its name is no use
    return named;
  }

  Result<void> Write(const std::string& frames) {
    if (frames.empty()) return {};
    if (!file_) {
      TRY_VOID(Begin());
    }
    auto written = file_->WriteAt(end_, frames);
    if (written && mistake_ != Mistake::kSkipsSync) {
      auto synced = file_->Sync();
      if (!synced && mistake_ != Mistake::kIgnoresFailedSync) written = std::move(synced);
    }
    if (!written) {
      // Nobody knows what its tail is now.
      if (mistake_ == Mistake::kTrustsFailedFile) {
        end_ += frames.size();
      } else {
        file_.reset();
        ++number_;
      }
      return written;
    }
    end_ += frames.size();
    return {};
  }

  Result<void> Reserve() {
    if (mistake_ == Mistake::kForgetsIds) return {};
    const uint64_t next = std::max(next_mid_, next_icid_);
    if (reserved_ >= next + options_.id_block / 2) return {};
    const uint64_t wanted = next + options_.id_block;
    WireWriter out;
    out.Number(3);
    out.Number(wanted);
    TRY_VOID(Write(Frame(out.Take())));
    reserved_ = wanted;
    return {};
  }

  const CoreOptions options_;
  io::Files& files_;
  const Mistake mistake_;
  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<io::File> file_;
  uint64_t number_ = 1, end_ = 0;
  uint64_t next_mid_ = 1, next_icid_ = 1, reserved_ = 1;
  std::map<mail::Mid, mail::MessageRecord> records_;
};

}  // namespace

Subject Reference(Mistake mistake) {
  Subject subject;
  subject.only_keeps = true;
  subject.open = [mistake](CoreOptions options, io::Files& files, log::Logger&,
                           const Clock&) -> Result<std::unique_ptr<Core>> {
    auto core = std::make_unique<ReferenceCore>(std::move(options), files, mistake);
    TRY_VOID(core->Recover());
    return std::unique_ptr<Core>(std::move(core));
  };
  return subject;
}

}  // namespace mailreeve::simulator
