// What the files of kernels_bench share: memory, the loop, the counters. One
// thread throughout: what a core reaches, against what it could.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "runtime/base/fp_env.h"
#include "runtime/base/isa.h"
#include "runtime/kernels/kernel.h"

namespace hasten::bench {

struct FreeAligned {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{4096}); }
};
using Bytes = std::unique_ptr<std::byte[], FreeAligned>;
inline Bytes Allocate(size_t bytes) { return Bytes(new (std::align_val_t{4096}) std::byte[bytes]); }

std::vector<float> RandomFloats(int64_t count);   // in [-4, 4), the same every time
void FillRandom(std::byte* to, size_t bytes, uint64_t mask);

enum class Unit { kNone, kI8, kF32 };   // that multiplies

// What one call of a kernel has to move and do.
struct Amount {
  double bytes = 0, multiply_adds = 0;
  Unit unit = Unit::kNone;
};

// GB/s, GOPS (two a multiply-add), and `roofline`: the least time that this core
// could need by its measured limits, over the time it took. Above 1 where the
// operands stay in caches: reading is measured from memory.
void Report(benchmark::State& state, const Amount& amount, Isa isa, double seconds);
double CpuSeconds();   // of this thread

// Times kernel.run over all tiles; next(args) may move to other operands before each call.
template <class Args, class Next>
void Loop(benchmark::State& state, const Kernel<Args>& kernel, Args args, const Amount& amount, const Next& next) {
  const ScopedFpEnv env;
  const Bytes scratch = Allocate(kernel.scratch(args) + 64);
  const double begin = CpuSeconds();
  for (auto _ : state) {
    next(args);
    kernel.run(args, 0, kernel.tiles(args), scratch.get());
    benchmark::ClobberMemory();
  }
  Report(state, amount, kernel.isa, CpuSeconds() - begin);
}

template <class Args>
void Loop(benchmark::State& state, const Kernel<Args>& kernel, const Args& args, const Amount& amount) {
  Loop(state, kernel, args, amount, [](Args&) {});
}

template <class F>
void Register(const std::string& name, const F& run) {
  benchmark::RegisterBenchmark(name.c_str(), run);
}

void RegisterLinears();
void RegisterAttentions();
void RegisterRowwise();

}  // namespace hasten::bench
