// Times every row of the linear and quantize tables on shapes of SmolLM2-135M,
// one thread, weights cycled through more memory than the caches hold (as when
// decoding) or kept hot. GB/s are bytes of weights, GOPS two per multiply-add.
//
//   kernels_bench --benchmark_filter='linear_int4_.*/m:1/'
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "runtime/base/fp_env.h"
#include "runtime/kernels/linear/contract.h"
#include "runtime/quant/layout.h"

namespace hasten {
namespace {

struct FreeAligned {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{4096}); }
};
using Bytes = std::unique_ptr<std::byte[], FreeAligned>;
Bytes Allocate(size_t bytes) { return Bytes(new (std::align_val_t{4096}) std::byte[bytes]); }

struct Shape {
  int64_t m, n, k;
};

// Codes at random, every scale and float 2^-7: only the time matters.
Bytes Weights(Scheme scheme, int64_t n, int64_t k) {
  const size_t bytes = PackedBytes(scheme, n, k).value();
  Bytes w = Allocate(bytes);
  const PackedLayout l = LayoutOf(scheme, n, k);
  std::mt19937 rng(1);
  if (!GetScheme(scheme).integer) {
    const uint32_t one = GetScheme(scheme).bits == 16 ? 0x20002000u : 0x3c000000u;
    for (size_t i = 0; i < bytes; i += 4) std::memcpy(w.get() + i, &one, 4);
    return w;
  }
  for (size_t i = 0; i < bytes; ++i) w[i] = static_cast<std::byte>(rng() & 0x77);
  for (int64_t b = 0; b < l.blocks; ++b) {
    std::byte* scale = w.get() + b * l.block_bytes + l.scale_offset;
    const uint32_t one = l.scale_bytes == 2 ? 0x20002000u : 0x3c000000u;
    for (int64_t i = 0; i < l.groups * kBlockRows * l.scale_bytes; i += 4) std::memcpy(scale + i, &one, 4);
    if (GetScheme(scheme).bits == 4) std::memset(w.get() + b * l.block_bytes + l.zero_offset, 7, static_cast<size_t>(l.groups * kBlockRows));
  }
  return w;
}

void TimeLinear(benchmark::State& state, const Kernel<LinearArgs>& kernel, Scheme scheme, const Shape& s, size_t working_set) {
  ScopedFpEnv env;
  const SchemeInfo& info = GetScheme(scheme);
  const size_t bytes = PackedBytes(scheme, s.n, s.k).value();
  std::vector<Bytes> weights;
  do weights.push_back(Weights(scheme, s.n, s.k));
  while (weights.size() * bytes < working_set);
  std::vector<float> x(static_cast<size_t>(s.m * s.k)), out(static_cast<size_t>(s.m * s.n));
  std::mt19937 rng(2);
  for (float& v : x) v = static_cast<float>(rng() % 1000) - 500.0f;
  LinearArgs a{.scheme = scheme, .rows = s.m, .n = s.n, .k = s.k, .ga = info.group ? info.group : 64};
  a.out = out.data();
  a.out_stride = s.n;
  a.x = x.data();
  a.x_stride = s.k;
  const QuantizedLayout l = QuantizedRowLayout(s.k, a.ga);
  const Bytes quantized = Allocate(l.bytes_per_row * static_cast<size_t>(s.m));
  a.xq = QuantizedRowsAt(quantized.get(), s.m, l);
  const QuantizeArgs q{.x = x.data(), .x_stride = s.k, .rows = s.m, .cols = s.k, .ga = a.ga, .out = a.xq};
  const Kernel<QuantizeArgs>* quantize = SelectKernel(QuantizeKernels(), q, BestIsa());
  quantize->run(q, 0, quantize->tiles(q), nullptr);
  const Bytes scratch = Allocate(kernel.scratch(a) + 64);
  size_t next = 0;
  for (auto _ : state) {
    a.w = weights[next++ % weights.size()].get();
    kernel.run(a, 0, kernel.tiles(a), scratch.get());
    benchmark::ClobberMemory();
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["GB/s"] = benchmark::Counter(runs * static_cast<double>(bytes) * 1e-9, benchmark::Counter::kIsRate);
  state.counters["GOPS"] = benchmark::Counter(runs * 2e-9 * static_cast<double>(s.m * s.n * s.k), benchmark::Counter::kIsRate);
}

void TimeQuantize(benchmark::State& state, const Kernel<QuantizeArgs>& kernel, int64_t rows, int64_t cols, int64_t ga) {
  ScopedFpEnv env;
  std::vector<float> x(static_cast<size_t>(rows * cols));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 977) - 488.0f;
  const QuantizedLayout l = QuantizedRowLayout(cols, ga);
  const Bytes out = Allocate(l.bytes_per_row * static_cast<size_t>(rows));
  const QuantizeArgs a{.x = x.data(), .x_stride = cols, .rows = rows, .cols = cols, .ga = ga, .out = QuantizedRowsAt(out.get(), rows, l)};
  for (auto _ : state) {
    kernel.run(a, 0, kernel.tiles(a), nullptr);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * rows * cols);
}

void Register() {
  constexpr Shape kShapes[] = {{1, 576, 576}, {1, 576, 1536}, {1, 49152, 576}, {4, 1536, 576}, {8, 1536, 576},
                               {16, 1536, 576}, {512, 1536, 576}, {512, 576, 1536}};
  constexpr size_t kCold = size_t{256} << 20, kHot = 0;
  for (const Kernel<LinearArgs>& kernel : LinearKernels()) {
    if (kernel.isa == Isa::kScalar || !IsaAvailable(kernel.isa)) continue;
    for (const SchemeInfo& info : AllSchemes()) {
      const LinearArgs probe{.scheme = info.scheme, .rows = 1, .n = 576, .k = 576, .ga = info.group ? info.group : 64};
      if (!kernel.accepts(probe)) continue;
      for (const Shape& s : kShapes) {
        const std::string name = StrCat(kernel.name, "/", info.name, "/m:", s.m, "/n:", s.n, "/k:", s.k);
        benchmark::RegisterBenchmark(name.c_str(), [&kernel, &info, s](benchmark::State& st) {
          TimeLinear(st, kernel, info.scheme, s, s.m <= 16 ? kCold : kHot);
        });
      }
    }
  }
  for (const Kernel<QuantizeArgs>& kernel : QuantizeKernels()) {
    if (!IsaAvailable(kernel.isa)) continue;
    for (int64_t rows : {1, 512})
      benchmark::RegisterBenchmark(StrCat(kernel.name, "/m:", rows, "/k:576").c_str(),
                                   [&kernel, rows](benchmark::State& st) { TimeQuantize(st, kernel, rows, 576, 64); });
  }
}

}  // namespace
}  // namespace hasten

int main(int argc, char** argv) {
  hasten::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
