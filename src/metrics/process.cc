#include "metrics/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace mailreeve::metrics {

void CollectProcess(Registry& registry) {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    registry.Set("process_cpu_seconds_total", "CPU time used.", {},
                 seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  std::error_code error;
  double open = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error))
    ++open;
  registry.Set("process_open_fds", "Open file descriptors.", {}, open);
  // proc(5): after the name in parentheses come the fields from the third on.
  std::ostringstream text;
  text << std::ifstream("/proc/self/stat").rdbuf();
  const std::string stat = text.str();
  const size_t end = stat.rfind(')');
  if (end == std::string::npos) return;
  std::istringstream fields(stat.substr(end + 1));
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 20)
      registry.Set("process_threads", "Threads.", {}, std::strtod(field.c_str(), nullptr));
    if (number == 22) {
      double boot = 0;
      std::ifstream system("/proc/stat");
      for (std::string line; std::getline(system, line);)
        if (line.rfind("btime ", 0) == 0) boot = std::strtod(line.c_str() + 6, nullptr);
      registry.Set(
          "process_start_time_seconds", "Start, in seconds since 1970.", {},
          boot + std::strtod(field.c_str(), nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK)));
    }
    if (number == 24) {
      registry.Set(
          "process_resident_memory_bytes", "Memory in use.", {},
          std::strtod(field.c_str(), nullptr) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    }
  }
}

}  // namespace mailreeve::metrics
