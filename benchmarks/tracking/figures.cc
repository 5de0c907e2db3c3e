#include "figures.h"

#include <boost/json.hpp>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace mailreeve::bench {
namespace {

double Seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string Quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

// Four digits that count; never an exponent.
std::string Number(double value) {
  if (!std::isfinite(value)) return "null";
  const double size = std::abs(value);
  int digits = 0;
  for (double scale = 1; digits < 9 && size * scale < 1000 && size > 0; scale *= 10) ++digits;
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%.*f", digits, value);
  std::string out(text, static_cast<size_t>(length));
  if (out.find('.') != std::string::npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.ends_with('.')) out.pop_back();
  }
  return out;
}

template <class F>
void ForEachFile(const std::string& folder, F visit) {
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; at != end;
       at.increment(error)) {
    struct stat info {};
    // Files come and go while a store works.
    if (::lstat(at->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) visit(at->path(), info);
  }
}

}  // namespace

void Figures::Print(std::string_view figure, double value, std::string_view unit,
                    std::optional<Goal> goal, std::string_view note) {
  std::string line = "{\"bench\":\"tracking\",\"figure\":" + Quoted(figure) +
                     ",\"system\":" + Quoted(system) + ",\"messages\":" + std::to_string(messages) +
                     ",\"value\":" + Number(value) + ",\"unit\":" + Quoted(unit);
  if (goal && goals) {
    const bool met = goal->at_least ? value >= goal->value : value <= goal->value;
    line += ",\"goal\":" + Number(goal->value) + ",\"met\":" + (met ? "true" : "false");
    missed += met ? 0 : 1;
  }
  if (!note.empty()) line += ",\"note\":" + Quoted(note);
  std::printf("%s}\n", line.c_str());
  std::fflush(stdout);
}

void Figures::Missing(std::string_view figure, std::string_view why) {
  std::printf("{\"bench\":\"tracking\",\"figure\":%s,\"system\":%s,\"missing\":%s}\n",
              Quoted(figure).c_str(), Quoted(system).c_str(), Quoted(why).c_str());
  std::fflush(stdout);
  Say("NOT MEASURED: " + system + ": " + std::string(figure) + ": " + std::string(why));
}

void Say(const std::string& text) {
  static const double began = Now();
  std::fprintf(stderr, "bench: %6.1f s  %s\n", Now() - began, text.c_str());
}

double Percentile(std::vector<double>& samples, double part) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  // The smallest sample that at least this part of all is not above.
  const auto rank = static_cast<size_t>(std::ceil(part * static_cast<double>(samples.size())));
  return samples[std::clamp<size_t>(rank, 1, samples.size()) - 1];
}

double Now() { return Seconds(CLOCK_MONOTONIC); }
double ProcessSeconds() { return Seconds(CLOCK_PROCESS_CPUTIME_ID); }
double ThreadSeconds() { return Seconds(CLOCK_THREAD_CPUTIME_ID); }

Resident ReadResident() {
  Resident out;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const auto read = [&line](std::string_view name, double& to) {
      if (line.starts_with(name)) to = std::strtod(line.c_str() + name.size(), nullptr) / 1024;
    };
    read("VmRSS:", out.all);
    read("VmHWM:", out.peak);
    read("RssAnon:", out.anonymous);
    read("RssFile:", out.file);
  }
  return out;
}

void ResetPeak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

Space SpaceOf(const std::string& folder) {
  Space out;
  ForEachFile(folder, [&](const auto& path, const struct stat& info) {
    out.disk += static_cast<uint64_t>(info.st_blocks) * 512;
    out.length += static_cast<uint64_t>(info.st_size);
    ++out.files;
    const std::string name = path.filename().string();
    const auto* letters = std::find_if_not(name.data(), name.data() + name.size(), [](char c) {
      return std::isalpha(static_cast<unsigned char>(c));
    });
    out.by_kind[name.substr(0, static_cast<size_t>(letters - name.data()))] +=
        static_cast<uint64_t>(info.st_blocks) * 512;
  });
  return out;
}

uint64_t ForgetCached(const std::string& folder) {
  uint64_t left = 0;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  ForEachFile(folder, [&](const auto& path, const struct stat& info) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    (void)::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    const auto size = static_cast<size_t>(info.st_size);
    if (size > 0) {
      void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
      if (mapped != MAP_FAILED) {
        std::vector<unsigned char> pages((size + page - 1) / page);
        if (::mincore(mapped, size, pages.data()) == 0) {
          for (const auto held : pages) left += (held & 1) != 0 ? page : 0;
        }
        ::munmap(mapped, size);
      }
    }
    ::close(file);
  });
  return left;
}

}  // namespace mailreeve::bench
