#include "calib/machine/proc.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <sched.h>

namespace hasten::calib {
namespace {

// A size in /proc/PROCESS/status, which is in kB.
int64_t StatusBytes(std::string_view process, std::string_view key) {
  const std::string path = "/proc/" + std::string(process) + "/status";
  return std::strtoll(ProcValue(path.c_str(), key).c_str(), nullptr, 10) * 1024;
}

}  // namespace

std::string ProcValue(const char* path, std::string_view key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

void ResetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

int64_t PeakMemoryBytes(std::string_view process) { return StatusBytes(process, "VmHWM"); }
int64_t ResidentBytes() { return StatusBytes("self", "VmRSS"); }

}  // namespace hasten::calib
