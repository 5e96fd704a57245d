// linear's rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/linear/cuda/float.cuh"
#include "runtime/kernels/linear/cuda/gemm.cuh"
#include "runtime/kernels/linear/cuda/gemv.cuh"
#include "runtime/kernels/linear/plan.h"

namespace hasten::cuda {
namespace {

constexpr int64_t kMostK = int64_t{1} << 18, kMostN = int64_t{1} << 21;   // of shared memory, of a grid
constexpr int kMostGemvSegments = 32;   // of sums in shared memory; beyond, as many rows

int Log2(int64_t n) {
  int log = 0;
  while (int64_t{1} << log < n) ++log;
  return log;
}

template <int kBits>
bool Accepts(const LinearArgs& a) {
  return GetScheme(a.scheme).bits == kBits && a.k <= kMostK && a.n <= kMostN && SelectKernel(LinearKernels(), a, Isa::kScalar);
}

IntegerLinear Describe(const LinearArgs& a) {
  const PackedLayout l = LayoutOf(a.scheme, a.n, a.k);
  IntegerLinear p{};
  p.w = a.w, p.q = a.xq.q, p.sx = a.xq.scale, p.sum = a.xq.sum, p.bias = a.bias, p.out = a.out;
  p.q_stride = a.xq.q_stride, p.g_stride = a.xq.g_stride, p.out_stride = a.out_stride, p.block_bytes = l.block_bytes;
  p.rows = static_cast<int>(a.rows * a.xq.parts), p.parts = static_cast<int>(a.xq.parts);
  p.n = static_cast<int>(a.n), p.k = static_cast<int>(a.k), p.blocks = static_cast<int>(l.blocks);
  p.code_bytes = static_cast<int>(l.scale_offset);
  p.zero_offset = GetScheme(a.scheme).zero_point ? static_cast<int>(l.zero_offset) : 0;
  p.one_run = a.ga >= a.k, p.half_scale = l.scale_bytes == 2;
  p.run_shift = p.one_run ? kOneShift : Log2(a.ga);
  p.group_shift = l.groups == 1 ? kOneShift : Log2(l.group);
  p.segments = static_cast<int>((a.k + kChunkK - 1) / kChunkK);
  return p;
}

// As many warps as share the segments out best.
int WarpsFor(int segments, int most) {
  if (segments <= most) return segments;
  const int each = (segments + most - 1) / most;
  return (segments + each - 1) / each;
}

template <int kBits>
void RunInteger(const LinearArgs& a, DeviceQueue& q) {
  const IntegerLinear p = Describe(a);
  if (p.rows == 0) return;
  if (p.rows <= kGemvRows && p.segments <= kMostGemvSegments) {
    const int warps = WarpsFor(p.segments, kGemvWarps);
    const LaunchShape shape{dim3(static_cast<unsigned>((p.blocks + 1) / 2)), dim3(static_cast<unsigned>(warps * kWarp)),
                            static_cast<size_t>(Gemv<kBits>::SharedBytes(warps, p.rows, p.segments))};
    if (p.rows == 1) Launch(q, "linear_gemv", shape, LinearGemvKernel<kBits, true>, p);
    else Launch(q, "linear_gemv", shape, LinearGemvKernel<kBits, false>, p);
    return;
  }
  const int levels = p.one_run ? 0 : Log2(p.segments);
  Launch(q, "linear_gemm",
         {dim3(static_cast<unsigned>((p.rows + kGemmCols - 1) / kGemmCols), static_cast<unsigned>((p.blocks + kGemmBlocks - 1) / kGemmBlocks)),
          dim3(kGemmThreads), static_cast<size_t>(Gemm<kBits>::SharedBytes(levels))},
         LinearGemmKernel<kBits>, p);
}

template <int kBits>
void RunFloat(const LinearArgs& a, DeviceQueue& q) {
  const int segments = static_cast<int>((a.k + kFloatSegment - 1) / kFloatSegment);
  const FloatLinear p{a.w, a.x, a.bias, a.out, a.x_stride, a.out_stride, LayoutOf(a.scheme, a.n, a.k).block_bytes, a.rows, a.n, a.k, segments};
  const auto launch = [&](auto kernel, int64_t cols) {
    Launch(q, "linear_float",
           {dim3(static_cast<unsigned>((a.n + kFloatRows - 1) / kFloatRows), static_cast<unsigned>((a.rows + cols - 1) / cols)),
            dim3(static_cast<unsigned>(WarpsFor(segments, kFloatWarps) * kWarp)), static_cast<size_t>(segments * cols * kFloatRows * 4)},
           kernel, p);
  };
  if (a.rows == 1) launch(LinearFloatKernel<kBits == 16, 1>, 1);
  else launch(LinearFloatKernel<kBits == 16, kFloatCols>, kFloatCols);
}

constexpr DeviceKernel<LinearArgs> kTable[] = {
    {"linear_int4_cuda", 80, Accepts<4>, nullptr, RunInteger<4>},   {"linear_int5_cuda", 80, Accepts<5>, nullptr, RunInteger<5>},
    {"linear_int6_cuda", 80, Accepts<6>, nullptr, RunInteger<6>},   {"linear_int8_cuda", 80, Accepts<8>, nullptr, RunInteger<8>},
    {"linear_fp16_cuda", 80, Accepts<16>, nullptr, RunFloat<16>}, {"linear_fp32_cuda", 80, Accepts<32>, nullptr, RunFloat<32>},
};

}  // namespace

Table<LinearArgs> LinearTable() { return kTable; }

}  // namespace hasten::cuda
