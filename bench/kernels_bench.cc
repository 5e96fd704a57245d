// Times every row of the kernel tables on shapes of SmolLM2-135M, Llama 3.2 1B and
// Llama 3.1 8B, with one thread.
//
//   kernels_bench --benchmark_filter='linear_int4_.*/m:1/'
#include "bench/kernels_bench.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include <time.h>

#include "calib/machine/machine.h"

namespace hasten::bench {
namespace {

const calib::Machine& Limits() {
  static const calib::Machine machine = [] {
    Result<calib::Machine> m = calib::MeasureMachine({.threads = {1}});
    if (m.ok()) return *std::move(m);
    std::fprintf(stderr, "kernels_bench: no roofline: %s\n", m.status().message().c_str());
    return calib::Machine();
  }();
  return machine;
}

}  // namespace

std::vector<float> RandomFloats(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  uint64_t state = 1;
  for (float& v : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
    v = static_cast<float>(static_cast<int64_t>(state) >> 40) * 0x1p-21f;
  }
  return values;
}

void FillRandom(std::byte* to, size_t bytes, uint64_t mask) {
  uint64_t state = 1;
  for (size_t i = 0; i < bytes; i += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint64_t v = (state ^ state >> 29) & mask;
    std::memcpy(to + i, &v, std::min<size_t>(8, bytes - i));
  }
}

double CpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

void Report(benchmark::State& state, const Amount& a, Isa isa, double seconds) {
  const double calls = static_cast<double>(state.iterations()) / seconds;
  state.counters["GB/s"] = calls * a.bytes * 1e-9;
  if (a.multiply_adds > 0) state.counters["GOPS"] = calls * 2e-9 * a.multiply_adds;
  const double read = Limits().ReadGbPerS(1);
  const double peak = a.unit == Unit::kI8 ? Limits().Int8Gops(1, isa) : a.unit == Unit::kF32 ? Limits().Fp32Gflops(1, isa) : 0;
  const double least = std::max(read > 0 ? a.bytes * 1e-9 / read : 0, peak > 0 ? 2e-9 * a.multiply_adds / peak : 0);
  if (least > 0) state.counters["roofline"] = calls * least;
}

}  // namespace hasten::bench

int main(int argc, char** argv) {
  hasten::bench::RegisterLinears();
  hasten::bench::RegisterAttentions();
  hasten::bench::RegisterRowwise();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
