// linear: all rows and schemes. Few rows of x read weights cycled through more
// memory than caches hold, as decoding does; many rows find them hot.
#include <cstring>
#include <map>

#include "bench/kernels_bench.h"
#include "runtime/kernels/linear/contract.h"
#include "runtime/quant/layout.h"

namespace hasten::bench {
namespace {

struct Matrix {
  const char* what;
  int64_t n, k;
};
constexpr Matrix kMatrices[] = {
    {"135m.qkv", 960, 576}, {"135m.o", 576, 576}, {"135m.gate_up", 3072, 576}, {"135m.down", 576, 1536}, {"135m.head", 49152, 576},
    {"1b.qkv", 3072, 2048}, {"1b.o", 2048, 2048}, {"1b.gate_up", 16384, 2048}, {"1b.down", 2048, 8192}, {"1b.head", 128256, 2048}};
constexpr int64_t kRows[] = {1, 2, 4, 8, 32, 128, 512};
constexpr int64_t kColdRows = 32;                      // up to here weights come from memory
constexpr size_t kColdBytes = size_t{128} << 20;

// Codes at random, every scale and float 2^-7: only the time matters.
Bytes Weights(Scheme scheme, int64_t n, int64_t k) {
  const size_t bytes = PackedBytes(scheme, n, k).value();
  Bytes w = Allocate(bytes);
  const PackedLayout l = LayoutOf(scheme, n, k);
  const auto fill = [](std::byte* to, size_t count, int width) {
    const uint32_t one = width == 2 ? 0x20002000u : 0x3c000000u;
    for (size_t i = 0; i < count; i += 4) std::memcpy(to + i, &one, 4);
  };
  if (!GetScheme(scheme).integer) {
    fill(w.get(), bytes, GetScheme(scheme).bits / 8);
    return w;
  }
  FillRandom(w.get(), bytes, 0x7777777777777777);
  for (int64_t b = 0; b < l.blocks; ++b) {
    std::byte* block = w.get() + b * l.block_bytes;
    fill(block + l.scale_offset, static_cast<size_t>(l.groups * kBlockRows * l.scale_bytes), static_cast<int>(l.scale_bytes));
    if (GetScheme(scheme).zero_point) std::memset(block + l.zero_offset, GetScheme(scheme).max_code / 2, static_cast<size_t>(l.groups * kBlockRows));
  }
  return w;
}

// The weights of the last benchmark: Google Benchmark calls each several times.
const std::vector<Bytes>& WeightsOf(Scheme scheme, const Matrix& m, bool cold) {
  static struct {
    Scheme scheme;
    const Matrix* matrix = nullptr;
    bool cold;
    std::vector<Bytes> weights;
  } last;
  if (last.matrix == &m && last.scheme == scheme && last.cold == cold) return last.weights;
  last.weights.clear();
  const size_t bytes = PackedBytes(scheme, m.n, m.k).value();
  do last.weights.push_back(Weights(scheme, m.n, m.k));
  while (cold && last.weights.size() * bytes < kColdBytes);
  last.scheme = scheme, last.matrix = &m, last.cold = cold;
  return last.weights;
}

void Time(benchmark::State& state, const Kernel<LinearArgs>& kernel, const SchemeInfo& info, const Matrix& m, int64_t rows) {
  const std::vector<Bytes>& weights = WeightsOf(info.scheme, m, rows <= kColdRows);
  const std::vector<float> x = RandomFloats(rows * m.k);
  std::vector<float> out(static_cast<size_t>(rows * m.n));
  LinearArgs a{.scheme = info.scheme, .rows = rows, .n = m.n, .k = m.k, .ga = info.group ? info.group : 64};
  a.out = out.data(), a.out_stride = m.n, a.x = x.data(), a.x_stride = m.k;
  const QuantizedLayout l = QuantizedRowLayout(m.k, a.ga);
  const Bytes quantized = Allocate(l.bytes_per_row * static_cast<size_t>(rows));
  a.xq = QuantizedRowsAt(quantized.get(), rows, l);
  const QuantizeArgs q{.x = x.data(), .x_stride = m.k, .rows = rows, .cols = m.k, .ga = a.ga, .out = a.xq};
  const Kernel<QuantizeArgs>* quantize = SelectKernel(QuantizeKernels(), q, BestIsa());
  quantize->run(q, 0, quantize->tiles(q), nullptr);
  const double weight_bytes = static_cast<double>(PackedBytes(info.scheme, m.n, m.k).value());
  const double row_bytes = static_cast<double>(info.integer ? l.bytes_per_row : static_cast<size_t>(m.k) * 4) + 4.0 * static_cast<double>(m.n);
  const double mads = static_cast<double>(rows) * static_cast<double>(m.n) * static_cast<double>(m.k);
  size_t next = 0;
  Loop(state, kernel, a, {weight_bytes + static_cast<double>(rows) * row_bytes, mads, info.integer ? Unit::kI8 : Unit::kF32},
       [&](LinearArgs& args) { args.w = weights[next++ % weights.size()].get(); });
}

// The scalar reference on large shapes would take minutes and say nothing.
bool Worthwhile(const Kernel<LinearArgs>& kernel, const Matrix& m, int64_t rows) {
  if (m.n > 32768) return rows <= 4 && kernel.isa != Isa::kScalar;
  return kernel.isa != Isa::kScalar || (rows <= 4 && m.k < 2048);
}

}  // namespace

void RegisterLinears() {
  for (const SchemeInfo& info : AllSchemes())
    for (const Kernel<LinearArgs>& kernel : LinearKernels()) {
      const LinearArgs probe{.scheme = info.scheme, .rows = 1, .n = 576, .k = 576, .ga = info.group ? info.group : 64};
      if (!IsaAvailable(kernel.isa) || (kernel.accepts && !kernel.accepts(probe))) continue;
      for (const Matrix& m : kMatrices)
        for (int64_t rows : kRows)
          if (Worthwhile(kernel, m, rows))
            Register(StrCat(kernel.name, "/", info.name, "/", m.what, "/m:", rows, "/n:", m.n, "/k:", m.k),
                     [&kernel, &info, &m, rows](benchmark::State& st) { Time(st, kernel, info, m, rows); });
    }
}

}  // namespace hasten::bench
