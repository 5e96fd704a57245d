// The move behind huge_weights.h. mremap with MREMAP_FIXED takes the place of the
// small pages under one lock of the address space: a thread that reads meanwhile
// waits in its page fault and then sees the same bytes on the new page.
#include "runtime/engine/huge_weights.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

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

// The number that `text` begins with, after blanks; nothing where there is none.
std::optional<uint64_t> NumberAt(std::string_view text) {
  size_t at = text.find_first_not_of(' ');
  if (at == text.npos || text[at] < '0' || text[at] > '9') return std::nullopt;
  uint64_t n = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) n = n * 10 + static_cast<uint64_t>(text[at] - '0');
  return n;
}

// Memory that is free or can be freed at once, in bytes (proc(5), MemAvailable).
uint64_t AvailableOnMachine() {
  char buffer[4096];
  const std::string_view info = ReadStart("/proc/meminfo", buffer);
  constexpr std::string_view kKey = "MemAvailable:";
  const size_t at = info.find(kKey);
  return at == info.npos ? 0 : NumberAt(info.substr(at + kKey.size())).value_or(0) * 1024;
}

// What one control group leaves, in bytes; its page cache counts as used.
uint64_t RoomInGroup(const std::string& limit_file, const std::string& used_file) {
  char limit[4096], used[4096];
  const std::optional<uint64_t> most = NumberAt(ReadStart(limit_file.c_str(), limit));   // "max": none
  const std::optional<uint64_t> now = NumberAt(ReadStart(used_file.c_str(), used));
  return most && now ? *most - std::min(*most, *now) : UINT64_MAX;
}

// What the control groups that hold this process leave it (cgroups(7)): a
// container's limit is one. Of version 1 the one that a container sees as root.
uint64_t RoomInControlGroups() {
  const std::string root = "/sys/fs/cgroup";
  uint64_t room = RoomInGroup(root + "/memory/memory.limit_in_bytes", root + "/memory/memory.usage_in_bytes");
  char buffer[4096];
  std::string_view group = ReadStart("/proc/self/cgroup", buffer);
  const size_t at = group.find("0::/");
  if (at == group.npos) return room;
  group.remove_prefix(at + 3);
  for (std::string path(group.substr(0, group.find('\n')));; path.erase(path.rfind('/'))) {
    if (path == "/") path.clear();
    room = std::min(room, RoomInGroup(root + path + "/memory.max", root + path + "/memory.current"));
    if (path.rfind('/') == path.npos) return room;
  }
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
  if (weights_.size() / kPage > kMostMoves || !SystemHasHugePages()) return;
  // Twice the copy: what else runs on the machine must not be pushed out.
  if (std::min(AvailableOnMachine(), RoomInControlGroups()) / 2 < weights_.size()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  sigset_t all, before;   // handlers of the host run on the host's threads
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { MoveAll(); });
  } catch (const std::exception&) {
    // No thread or no memory for one: the weights stay where they are.
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
