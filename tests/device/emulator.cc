#include "tests/device/emulator.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include <boost/context/fiber.hpp>
#include <boost/context/stack_context.hpp>

namespace emulated {

thread_local Thread current;

namespace {

namespace ctx = boost::context;

constexpr int kWarp = 32;
constexpr size_t kWarpgroup = 128, kMostThreads = 1024;

// Stacks for a block's threads, kept from launch to launch. They lie an odd number of cache
// lines apart: at powers of two all of them would share a few lines of the caches.
class Stacks {
 public:
  ctx::stack_context Take() {
    if (free_.empty()) {
      memory_.reset(new std::byte[kApart * kMostThreads + 64]);
      const uintptr_t base = (reinterpret_cast<uintptr_t>(memory_.get()) + 63) & ~uintptr_t{63};
      for (size_t i = kMostThreads; i > 0; --i) free_.push_back(reinterpret_cast<void*>(base + kApart * i));
    }
    ctx::stack_context s;
    s.size = kApart, s.sp = free_.back();
    free_.pop_back();
    return s;
  }
  void Return(const ctx::stack_context& s) { free_.push_back(s.sp); }

 private:
  static constexpr size_t kApart = 64 * 1024 + 17 * 64;
  std::unique_ptr<std::byte[]> memory_;
  std::vector<void*> free_;
};
thread_local Stacks stacks;

struct FromStacks {   // as fibers want it
  ctx::stack_context allocate() { return stacks.Take(); }
  void deallocate(ctx::stack_context& s) { stacks.Return(s); }
};

// A warp's exchange: generation g uses slots[g % 2], so that a lane may go on to the
// next while others still read.
struct Warp {
  uint64_t slots[2][kWarp] = {};
  int arrived = 0, size = 0;
  uint64_t generation = 0;
};

struct Warpgroup {
  size_t arrived = 0;
  uint64_t generation = 0;
};

enum class Waits : uint8_t { kNothing, kBlock, kWarp, kWarpgroup, kDone };

struct Strand {
  ctx::fiber fiber;
  Waits waits = Waits::kNothing;
  uint64_t generation = 0;   // of the barrier that it waits for to pass
  dim3 thread;
};

struct Block {
  std::vector<Strand> strands;
  std::vector<Warp> warps;
  std::vector<Warpgroup> warpgroups;
  int arrived = 0, live = 0, votes = 0, counted = 0;
  uint64_t generation = 0;
  size_t running = 0;
  ctx::fiber scheduler;
};

thread_local Block* block = nullptr;
thread_local std::vector<std::byte> dynamic_shared;
thread_local std::vector<std::pair<void*, size_t>> static_shared;
thread_local uint64_t order_seed = 0;
thread_local NotRun* not_run = nullptr;
thread_local size_t shared_left = 0;                // of what a block may have
thread_local std::vector<const void*> shared_used;  // arrays that count in this launch

uint64_t Mix(uint64_t& state) {   // SplitMix64
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// What a block may have of shared memory (CUDA C++ Programming Guide, "Technical
// Specifications per Compute Capability"), its fixed arrays included.
size_t MostShared(int arch) {
  switch (arch) {
    case 75: return 64 * 1024;
    case 80: case 87: return 163 * 1024;
    case 90: case 100: case 103: case 110: return 227 * 1024;
    default: return 99 * 1024;
  }
}

[[noreturn]] void Refuse(const char* name, dim3 grid, size_t threads, size_t shared, int arch) {
  std::fprintf(stderr, "emulator: %s: a grid of %u x %u x %u blocks of %zu threads with %zu bytes of shared memory cannot be launched on sm_%d\n", name, grid.x,
               grid.y, grid.z, threads, shared, arch);
  std::abort();
}

Strand& Running() { return block->strands[block->running]; }

void Yield() { block->scheduler = std::move(block->scheduler).resume(); }

[[noreturn]] void Deadlock() {
  int at_block = 0, at_warp = 0;
  for (const Strand& s : block->strands) at_block += s.waits == Waits::kBlock, at_warp += s.waits == Waits::kWarp || s.waits == Waits::kWarpgroup;
  std::fprintf(stderr, "emulator: block (%u, %u, %u): %d threads wait at a barrier, %d in a warp operation, and %zu have returned\n",
               current.block.x, current.block.y, current.block.z, at_block, at_warp,
               block->strands.size() - static_cast<size_t>(at_block + at_warp));
  std::abort();
}

bool Ready(const Strand& s, size_t index) {
  switch (s.waits) {
    case Waits::kNothing: return true;
    case Waits::kBlock: return block->generation != s.generation;
    case Waits::kWarp: return block->warps[index / kWarp].generation != s.generation;
    case Waits::kWarpgroup: return block->warpgroups[index / kWarpgroup].generation != s.generation;
    case Waits::kDone: return false;
  }
  return false;
}

void PassBlockBarrier() {
  if (block->arrived == 0 || block->arrived < block->live) return;
  block->arrived = 0, block->counted = block->votes, block->votes = 0;
  ++block->generation;
}

void RunBlock(const std::function<void()>& kernel) {
  std::fill(dynamic_shared.begin(), dynamic_shared.end(), std::byte{0xff});
  for (const auto& [p, bytes] : static_shared) std::memset(p, 0xff, bytes);
  std::vector<size_t> order(block->strands.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = order_seed == 1 ? order.size() - 1 - i : i;
  for (size_t i = 0; i < order.size(); ++i) {
    Strand& s = block->strands[i];
    s.waits = Waits::kNothing;
    s.fiber = ctx::fiber(std::allocator_arg, FromStacks(), [&kernel](ctx::fiber&& from) {
      block->scheduler = std::move(from);
      kernel();
      Running().waits = Waits::kDone;
      return std::move(block->scheduler);
    });
  }
  block->live = static_cast<int>(order.size());
  block->arrived = block->votes = 0;
  for (Warp& w : block->warps) w.arrived = 0;
  BeginProducts(order.size());
  while (block->live > 0) {
    if (order_seed > 1)
      for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[Mix(order_seed) % i]);
    bool moved = false;
    for (const size_t i : order) {
      Strand& s = block->strands[i];
      if (!Ready(s, i)) continue;
      moved = true;
      block->running = i;
      current.thread = s.thread;
      s.waits = Waits::kNothing;
      s.fiber = std::move(s.fiber).resume();
      if (s.waits != Waits::kDone) continue;
      --block->live;
      PassBlockBarrier();   // those that have returned are not waited for
    }
    if (!moved) Deadlock();
  }
}

}  // namespace

void SetOrder(uint64_t seed) {
  order_seed = seed;
  RunProductsLate(seed != 0);
}

int Lane() { return static_cast<int>(block->running % kWarp); }
size_t ThreadIndex() { return block->running; }
std::byte* DynamicShared() { return dynamic_shared.data(); }
size_t DynamicSharedBytes() { return dynamic_shared.size(); }

bool PoisonEachBlock(void* p, size_t bytes) {
  static_shared.emplace_back(p, bytes);
  std::memset(p, 0xff, bytes);   // the block that it is first met in has begun
  return true;
}

void UseShared(const void* p, size_t bytes) {
  if (std::find(shared_used.begin(), shared_used.end(), p) != shared_used.end()) return;
  shared_used.push_back(p);
  if (bytes > shared_left) {
    std::fprintf(stderr, "emulator: %zu bytes of fixed shared memory do not fit beside %zu bytes of the launch's own\n", bytes, dynamic_shared.size());
    std::abort();
  }
  shared_left -= bytes;
}

int SyncBlockCount(bool vote) {
  Strand& s = Running();
  s.waits = Waits::kBlock, s.generation = block->generation;
  ++block->arrived, block->votes += vote;
  PassBlockBarrier();
  Yield();
  return block->counted;
}
void SyncBlock() { SyncBlockCount(false); }

void SyncWarpgroup() {
  Strand& s = Running();
  Warpgroup& w = block->warpgroups[block->running / kWarpgroup];
  s.waits = Waits::kWarpgroup, s.generation = w.generation;
  if (++w.arrived == kWarpgroup) w.arrived = 0, ++w.generation;
  Yield();
}

const uint64_t* Exchange(uint64_t value) {
  Strand& s = Running();
  Warp& w = block->warps[block->running / kWarp];
  uint64_t* slots = w.slots[w.generation % 2];
  slots[block->running % kWarp] = value;
  s.waits = Waits::kWarp, s.generation = w.generation;
  if (++w.arrived == w.size) w.arrived = 0, ++w.generation;
  Yield();
  return slots;
}

NotRun::NotRun() { not_run = this; }
NotRun::~NotRun() { not_run = nullptr; }

void Run(dim3 grid, dim3 threads, size_t shared, const std::function<void()>& kernel, int arch, const char* name) {
  const size_t count = size_t{threads.x} * threads.y * threads.z;
  if (count == 0 || count > kMostThreads || threads.z > 64 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535 || shared > MostShared(arch))
    Refuse(name, grid, count, shared, arch);
  if (not_run) return not_run->Count();
  shared_left = MostShared(arch) - shared, shared_used.clear();
  Block b;
  b.strands.resize(count);
  b.warps.resize((count + kWarp - 1) / kWarp);
  b.warpgroups.resize((count + kWarpgroup - 1) / kWarpgroup);
  for (size_t w = 0; w < b.warps.size(); ++w) b.warps[w].size = static_cast<int>(std::min<size_t>(kWarp, count - w * kWarp));
  for (size_t i = 0; i < count; ++i)
    b.strands[i].thread = dim3(static_cast<unsigned>(i % threads.x), static_cast<unsigned>(i / threads.x % threads.y),
                               static_cast<unsigned>(i / threads.x / threads.y));
  dynamic_shared.resize(shared);
  block = &b;
  current.threads = threads, current.blocks = grid;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        current.block = dim3(x, y, z);
        RunBlock(kernel);
      }
  block = nullptr;
}

}  // namespace emulated
