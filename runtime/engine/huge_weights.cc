// The move behind huge_weights.h. mremap with MREMAP_FIXED takes the place of the
// small pages under one lock of the address space: a thread that reads meanwhile
// waits in its page fault and then sees the same bytes on the new page.
#include "runtime/engine/huge_weights.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>

namespace hasten {
namespace {

constexpr uint64_t kPage = HugeWeights::kPageBytes;
// An address space has room for 65,530 mappings by default, and every move makes one.
constexpr uint64_t kMostMoves = 16384;

// The first bytes of a file of /proc or /sys; empty when it cannot be read.
std::string_view ReadStart(const char* path, char (&buffer)[4096]) {
  std::FILE* f = std::fopen(path, "re");
  if (!f) return {};
  const size_t n = std::fread(buffer, 1, sizeof buffer, f);
  std::fclose(f);
  return {buffer, n};
}

bool SystemHasHugePages() {
  char buffer[4096];
  const std::string_view modes = ReadStart("/sys/kernel/mm/transparent_hugepage/enabled", buffer);
  return modes.find("[always]") != modes.npos || modes.find("[madvise]") != modes.npos;
}

// Memory that is free or can be freed at once, in bytes (proc(5), MemAvailable).
uint64_t AvailableMemory() {
  char buffer[4096];
  const std::string_view info = ReadStart("/proc/meminfo", buffer);
  constexpr std::string_view kKey = "MemAvailable:";
  size_t at = info.find(kKey);
  if (at == info.npos) return 0;
  uint64_t kib = 0;
  for (at += kKey.size(); at < info.size() && (info[at] == ' ' || (info[at] >= '0' && info[at] <= '9')); ++at)
    if (info[at] != ' ') kib = kib * 10 + static_cast<uint64_t>(info[at] - '0');
  return kib * 1024;
}

// Moves the 2 MiB at `at` to a huge page; false when the system refuses.
bool MoveOne(std::byte* at) {
  void* const room = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return false;
  std::byte* const begin = static_cast<std::byte*>(room);
  const uint64_t skip = (kPage - reinterpret_cast<uintptr_t>(begin) % kPage) % kPage;
  std::byte* const page = begin + skip;
  if (madvise(page, kPage, MADV_HUGEPAGE) != 0) {
    munmap(room, 2 * kPage);
    return false;
  }
  std::memcpy(page, at, kPage);
  const bool moved = mprotect(page, kPage, PROT_READ) == 0 &&
                     mremap(page, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED;
  if (!moved) munmap(page, kPage);
  if (skip) munmap(begin, skip);
  munmap(page + kPage, kPage - skip);
  return moved;
}

}  // namespace

HugeWeights::~HugeWeights() {
  stop_.store(true, std::memory_order_relaxed);
  Wait();
}

void HugeWeights::Wait() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (thread_.joinable()) thread_.join();
}

void HugeWeights::Start() {
  // Twice the copy: what else runs on the machine must not be pushed out.
  if (weights_.size() / kPage > kMostMoves || !SystemHasHugePages() || AvailableMemory() / 2 < weights_.size()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  sigset_t all, before;   // handlers of the host run on the host's threads
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { MoveAll(); });
  } catch (const std::system_error&) {
    // No thread to be had: the weights stay where they are.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void HugeWeights::MoveAll() {
  // Tokens come first, whatever the priority of the thread that made this one.
  constexpr int kNice = 10;
  const sched_param none = {};
  sched_setscheduler(0, SCHED_BATCH, &none);
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(weights_.data()), end = begin + weights_.size();
  for (uintptr_t at = (begin + kPage - 1) / kPage * kPage; at + kPage <= end && !stop_.load(std::memory_order_relaxed); at += kPage) {
    if (!MoveOne(reinterpret_cast<std::byte*>(at))) return;
    moved_.fetch_add(kPage, std::memory_order_release);
  }
}

}  // namespace hasten
