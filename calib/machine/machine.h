// What this machine can do at most: read memory, multiply and add, and open a
// parallel region. Measured, so that a kernel's time can be held against it. Not
// a benchmark of hasten: none of its kernels runs here.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/isa.h"
#include "runtime/base/status.h"

namespace hasten::calib {

// Of several rounds. Others may use the machine: the best is what it can do,
// the median what it did.
struct Figure {
  double best = 0, median = 0;
};

// Sweeps over more memory than caches hold, by the widest loads there are.
struct ReadRate {
  int threads = 0;
  Figure small;                  // GB/s, own memory in pages of 4 KiB
  std::optional<Figure> huge;    // GB/s, own memory in huge pages: fewer misses of the TLB, longer prefetches
  std::optional<Figure> file;    // GB/s, a mapped file in the page cache, as an artifact's weights are
};

struct Peak {
  Isa isa;
  int threads = 0;
  std::optional<Figure> int8;    // GOPS (2 a multiply-add), bytes multiplied and added into 32 bits
  std::optional<Figure> fp32;    // GFLOPS, fused multiply-add
};

// From opening a parallel region with nothing in it to its end: the least that one
// costs, for a thread that is alone at it ends it without the others.
struct RegionTime {
  int threads = 0;
  Figure us;
};

struct Machine {
  std::string cpu;
  int cores = 0;                 // that this process may use
  uint64_t sweep_bytes = 0;
  std::vector<ReadRate> reads;
  std::vector<Peak> peaks;
  std::vector<RegionTime> regions;
  std::string huge_note, file_note;   // why there is no such figure; "" when there is

  // The ceilings for kernels of `isa` with `threads` threads, as measured; 0 where nothing was.
  double ReadGbPerS(int threads) const;
  double Int8Gops(int threads, Isa isa) const;
  double Fp32Gflops(int threads, Isa isa) const;
};

struct MachineOptions {
  std::vector<int> threads;      // what to measure with
  uint64_t sweep_bytes = uint64_t{512} << 20;   // a multiple of 1 MB
  std::function<void(std::string_view)> stage;  // may be null
  const std::atomic<bool>* cancel = nullptr;
};

// 1, 2, 4 ... below `threads`, and `threads`.
std::vector<int> ThreadCounts(int threads);

// kResource when memory or threads cannot be had; kCancelled.
Result<Machine> MeasureMachine(const MachineOptions& options);

}  // namespace hasten::calib
