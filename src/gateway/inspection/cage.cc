#include "gateway/inspection/cage.h"

#include "base/wire.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>

namespace mailreeve::gateway::inspection {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MAILREEVE_SANITIZED 1
#endif
#endif
#ifdef MAILREEVE_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Reads frames with as few calls as can be: a call costs more than reading a small message takes.
class FrameReader {
 public:
  bool Read(std::string& frame, uint64_t max) {
    uint32_t size = 0;
    if (!Take(&size, sizeof size) || size > max) return false;
    frame.resize(size);
    return Take(frame.data(), size);
  }

 private:
  static ssize_t Receive(char* to, size_t size) {
    while (true) {
      const ssize_t got = read(kCageDescriptor, to, size);
      if (got >= 0 || errno != EINTR) return got;
    }
  }

  bool Take(void* to, size_t size) {
    auto* at = static_cast<char*>(to);
    while (size > 0) {
      if (start_ == end_ && size >= sizeof buffer_) {
        const ssize_t got = Receive(at, size);
        if (got <= 0) return false;
        at += got;
        size -= static_cast<size_t>(got);
        continue;
      }
      if (start_ == end_) {
        const ssize_t got = Receive(buffer_, sizeof buffer_);
        if (got <= 0) return false;
        start_ = 0;
        end_ = static_cast<size_t>(got);
      }
      const size_t some = std::min(size, end_ - start_);
      std::memcpy(at, buffer_ + start_, some);
      start_ += some;
      at += some;
      size -= some;
    }
    return true;
  }

  char buffer_[64 * 1024];
  size_t start_ = 0, end_ = 0;
};

bool WriteAll(const char* from, size_t size) {
  while (size > 0) {
    const ssize_t put = write(kCageDescriptor, from, size);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    from += put;
    size -= static_cast<size_t>(put);
  }
  return true;
}

bool WriteFrame(std::string_view frame) {
  const auto size = static_cast<uint32_t>(frame.size());
  // One write for what is small: the parent wakes once.
  std::string out(reinterpret_cast<const char*>(&size), sizeof size);
  if (frame.size() < 64 * 1024) {
    out += frame;
    return WriteAll(out.data(), out.size());
  }
  return WriteAll(out.data(), out.size()) && WriteAll(frame.data(), frame.size());
}

uint64_t AddressSpaceInUse() {
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0;
  file >> pages;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

bool LimitResource(decltype(RLIMIT_CORE) resource, uint64_t value) {
  const rlimit limit{value, value};
  return setrlimit(resource, &limit) == 0;
}

// Denies every file and network right that this kernel's landlock knows. 0: it has none.
uint64_t CloseFiles(bool& failed) {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi <= 0) return 0;
  // Debian 12's header may be older than the kernel, so the rights are counted here: 13 file rights
  // of the first version, then refer, truncate, (network), ioctl.
  struct {
    uint64_t files;
    uint64_t network;
  } attributes{(1ull << 13) - 1, 0};
  if (abi >= 2) attributes.files |= 1ull << 13;
  if (abi >= 3) attributes.files |= 1ull << 14;
  if (abi >= 5) attributes.files |= 1ull << 15;
  if (abi >= 4) attributes.network = 3;
  const size_t size = abi >= 4 ? sizeof attributes : sizeof attributes.files;
  const long rules = syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (rules < 0 || syscall(SYS_landlock_restrict_self, rules, 0) != 0) {
    failed = true;
    return 0;
  }
  close(static_cast<int>(rules));
  return static_cast<uint64_t>(abi);
}

// Only what reading needs: the pipe, memory without new code, the message's timer, the end.
bool CloseCalls() {
  const std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_KILL_PROCESS),
                                                      seccomp_release);
  if (filter == nullptr) return false;
  bool fine = true;
  const auto allow = [&](int call) {
    fine = fine && seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) == 0;
  };
  for (const int call :
       {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
        SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(getpid),
        SCMP_SYS(gettid), SCMP_SYS(setitimer), SCMP_SYS(restart_syscall)}) {
    allow(call);
  }
  for (const int call : {SCMP_SYS(read), SCMP_SYS(write)}) {
    fine = fine &&
           seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1,
                            SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(kCageDescriptor))) == 0;
  }
  // Complaints of GLib and of the C library go to standard error, which the parent has closed off.
  fine = fine && seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                  SCMP_A0(SCMP_CMP_EQ, 2)) == 0;
  fine = fine && seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(writev), 1,
                                  SCMP_A0(SCMP_CMP_EQ, 2)) == 0;
  // abort() of ours only.
  const auto self = static_cast<scmp_datum_t>(getpid());
  fine = fine && seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, self)) == 0;
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    fine = fine && seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1,
                                    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
  }
  if (kSanitized) {
    // What a sanitizer needs to say what it found.
    for (const int call :
         {SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigaction), SCMP_SYS(sched_yield), SCMP_SYS(prctl),
          SCMP_SYS(readlink), SCMP_SYS(getuid), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
          SCMP_SYS(sched_getaffinity), SCMP_SYS(ioctl)}) {
      allow(call);
    }
  }
  return fine && seccomp_load(filter.get()) == 0;
}

Result<CageReport> CloseCage(const CageOptions& options) {
  CageReport report;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Fail(Code::kInternal, "no_new_privs");
  bool failed = false;
  report.landlock_abi = CloseFiles(failed);
  if (failed) return Fail(Code::kInternal, "landlock");
  if (!kSanitized) {
    const uint64_t total = AddressSpaceInUse() + options.memory_bytes;
    if (!LimitResource(RLIMIT_AS, total) || !LimitResource(RLIMIT_DATA, total)) {
      return Fail(Code::kInternal, "memory limit");
    }
    report.memory_limit = true;
  }
  // NOFILE 0 would make even the descriptor in hand useless to poll(2) users; 4 leaves 0 to 3 and
  // nothing new.
  if (!LimitResource(RLIMIT_NOFILE, 4) || !LimitResource(RLIMIT_NPROC, 0) ||
      !LimitResource(RLIMIT_FSIZE, 0)) {
    return Fail(Code::kInternal, "resource limits");
  }
  if (!CloseCalls()) return Fail(Code::kInternal, "seccomp");
  report.seccomp = true;
  return report;
}

// Gives each message its processor time; SIGPROF ends the process when it is used up. Setting the
// timer is a system call, so it is set anew only when the messages since may have used a hundredth
// of it: no more than the time that went by.
class MessageClock {
 public:
  explicit MessageClock(uint64_t ms) : ms_(ms) {}
  void Start() {
    const auto now = std::chrono::steady_clock::now();
    if (set_ && now - set_at_ < std::chrono::milliseconds(ms_) / 100) return;
    itimerval timer{};
    timer.it_value.tv_sec = static_cast<time_t>(ms_ / 1000);
    timer.it_value.tv_usec = static_cast<suseconds_t>(ms_ % 1000 * 1000);
    setitimer(ITIMER_PROF, &timer, nullptr);
    set_at_ = now;
    set_ = true;
  }

 private:
  uint64_t ms_;
  std::chrono::steady_clock::time_point set_at_;
  bool set_ = false;
};

}  // namespace

std::string Encode(const CageOptions& o) {
  WireWriter out;
  for (const uint64_t value : {o.memory_bytes,
                               o.cpu_ms,
                               o.max_message_bytes,
                               uint64_t{o.read.max_depth},
                               uint64_t{o.read.max_parts},
                               uint64_t{o.read.max_header_bytes},
                               uint64_t{o.read.max_headers},
                               uint64_t{o.read.max_addresses},
                               uint64_t{o.read.max_urls},
                               uint64_t{o.read.max_domains},
                               uint64_t{o.read.max_attachments},
                               uint64_t{o.read.max_text_bytes},
                               uint64_t{o.read.max_decoded_bytes},
                               uint64_t{o.read.max_name_length},
                               uint64_t{o.read.max_subject_length},
                               uint64_t{o.read.max_raw_length},
                               uint64_t{o.read.max_received_hosts},
                               uint64_t{o.read.max_authentication},
                               uint64_t{o.read.max_references},
                               uint64_t{o.read.max_content_types}}) {
    out.Number(value);
  }
  return out.Take();
}

Result<CageOptions> DecodeCageOptions(std::string_view bytes) {
  CageOptions o;
  WireReader in(bytes);
  o.memory_bytes = in.Number();
  o.cpu_ms = in.Number();
  o.max_message_bytes = in.Number();
  for (size_t* value :
       {&o.read.max_depth, &o.read.max_parts, &o.read.max_header_bytes, &o.read.max_headers,
        &o.read.max_addresses, &o.read.max_urls, &o.read.max_domains, &o.read.max_attachments,
        &o.read.max_text_bytes, &o.read.max_decoded_bytes, &o.read.max_name_length,
        &o.read.max_subject_length, &o.read.max_raw_length, &o.read.max_received_hosts,
        &o.read.max_authentication, &o.read.max_references, &o.read.max_content_types}) {
    *value = in.Number();
  }
  TRY_VOID(in.Finish("cage options"));
  return o;
}

std::string Encode(const CageReport& report) {
  WireWriter out;
  out.Number(report.landlock_abi);
  out.Bool(report.seccomp);
  out.Bool(report.memory_limit);
  out.Number(report.charsets);
  return out.Take();
}

Result<CageReport> DecodeCageReport(std::string_view bytes) {
  CageReport report;
  WireReader in(bytes);
  report.landlock_abi = in.Number();
  report.seccomp = in.Bool();
  report.memory_limit = in.Bool();
  report.charsets = in.Number();
  TRY_VOID(in.Finish("cage report"));
  return report;
}

Inspector MakeMailInspector(const CageOptions& options, uint64_t& charsets) {
  auto reader = std::make_shared<mail::Reader>(options.read);
  charsets = reader->Warm();
  return [reader](std::string_view message) { return mail::Encode(reader->Read(message)); };
}

int RunCageChild(int argc, char** argv) { return RunCageChild(argc, argv, MakeMailInspector); }

int RunCageChild(int, char**, const MakeInspector& make) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!LimitResource(RLIMIT_CORE, 0)) return 2;
  signal(SIGPIPE, SIG_DFL);
  signal(SIGPROF, SIG_DFL);
  std::string frame;
  const auto pipe = std::make_unique<FrameReader>();
  if (!pipe->Read(frame, 64 * 1024)) return 0;
  const auto options = DecodeCageOptions(frame);
  if (!options) return 2;
  uint64_t charsets = 0;
  const Inspector inspect = make(*options, charsets);
  auto report = CloseCage(*options);
  if (!report) {
    std::fprintf(stderr, "inspection cage: %s: %s\n", report.error().ToString().c_str(),
                 std::strerror(errno));
    return 2;
  }
  report->charsets = charsets;
  if (!WriteFrame(Encode(*report))) _exit(0);
  MessageClock clock(options->cpu_ms);
  while (pipe->Read(frame, options->max_message_bytes)) {
    clock.Start();
    const std::string answer = inspect(frame);
    if (!WriteFrame(answer)) break;
    // A large message must not keep its memory until the next large one.
    if (frame.capacity() > 1024 * 1024) std::string().swap(frame);
  }
  // No destructors: nothing here needs an orderly end, and leaving must not do what the cage
  // forbids.
  _exit(0);
}

}  // namespace mailreeve::gateway::inspection
