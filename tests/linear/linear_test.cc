// Every row of linear's table against the scalar reference, in bits.
#include "runtime/kernels/linear/contract.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>

#include "runtime/base/fp_env.h"
#include "runtime/kernels/linear/plan.h"
#include "tests/linear/random_matrix.h"

namespace hasten {
namespace {

using testing::AlignedArray;
using testing::Fill;
using testing::MakeAligned;
using testing::RandomPacked;

// Inputs of one linear; every array exactly as long as the contract asks.
struct Case {
  LinearArgs args;
  AlignedArray weights, quantized;
  std::vector<float> x, bias;
};

struct Shape {
  int64_t m, n, k, ga;
  bool residual = false;
};

Case MakeCase(Scheme scheme, const Shape& s, bool bias, Fill fill, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  Case c;
  c.weights = RandomPacked(scheme, s.n, s.k, fill, rng);
  c.x.resize(static_cast<size_t>((s.m - 1) * (s.k + 3) + s.k));
  for (float& v : c.x) v = fill == Fill::kExtreme ? (rng() % 8 ? 1.0f : -1.0f) : normal(rng) * (rng() % 50 ? 1.0f : 20.0f);
  if (fill == Fill::kZeroRows)
    for (int64_t i = 0; i < s.k; ++i) c.x[static_cast<size_t>((s.m - 1) * (s.k + 3) + i)] = i % 2 ? 0.0f : 0x1p-140f;
  if (bias) {
    c.bias.resize(static_cast<size_t>(s.n));
    for (float& v : c.bias) v = normal(rng);
  }
  c.args = {.scheme = scheme, .rows = s.m, .n = s.n, .k = s.k, .ga = s.ga};
  c.args.w = c.weights.get();
  c.args.bias = bias ? c.bias.data() : nullptr;
  if (GetScheme(scheme).integer) {
    const QuantizedLayout l = QuantizedRowLayout(s.k, s.ga, s.residual);
    c.quantized = MakeAligned(l.bytes_per_row * static_cast<size_t>(s.m));
    c.args.xq = QuantizedRowsAt(c.quantized.get(), s.m, l);
    QuantizeArgs q{.x = c.x.data(), .x_stride = s.k + 3, .rows = s.m, .cols = s.k, .ga = s.ga, .out = c.args.xq};
    const auto* kernel = SelectKernel(QuantizeKernels(), q, Isa::kScalar);
    kernel->run(q, 0, kernel->tiles(q), MakeAligned(kernel->scratch(q)).get());
  } else {
    c.args.x = c.x.data();
    c.args.x_stride = s.k + 3;
  }
  return c;
}

constexpr uint32_t kUntouched = 0x7fedcba9;

// Runs all tiles, in pieces of random size and order; what lies between the
// rows of the output must stay as it was.
std::vector<uint32_t> RunKernel(const Kernel<LinearArgs>& kernel, LinearArgs args, uint32_t seed) {
  std::mt19937 rng(seed);
  const int64_t stride = args.n + (seed % 3) * 5;
  std::vector<uint32_t> out(static_cast<size_t>((args.rows - 1) * stride + args.n), kUntouched);
  args.out = reinterpret_cast<float*>(out.data());
  args.out_stride = stride;
  const int64_t tiles = kernel.tiles(args);
  std::vector<std::pair<int64_t, int64_t>> pieces;
  for (int64_t t = 0; t < tiles;) {
    const int64_t end = std::min<int64_t>(tiles, t + 1 + static_cast<int64_t>(rng() % 4));
    pieces.emplace_back(t, end);
    t = end;
  }
  std::shuffle(pieces.begin(), pieces.end(), rng);
  const AlignedArray scratch = MakeAligned(kernel.scratch(args));
  for (const auto& [begin, end] : pieces) kernel.run(args, begin, end, scratch.get());
  std::vector<uint32_t> dense;
  for (int64_t i = 0; i < static_cast<int64_t>(out.size()); ++i) {
    if (i % stride < args.n) dense.push_back(out[static_cast<size_t>(i)]);
    else EXPECT_EQ(out[static_cast<size_t>(i)], kUntouched) << "wrote between the rows, at " << i;
  }
  return dense;
}

const Kernel<LinearArgs>& Reference() {
  for (const auto& k : LinearKernels())
    if (k.isa == Isa::kScalar) return k;
  throw std::logic_error("linear has no scalar row");
}

void CompareAll(Scheme scheme, const Shape& s, bool bias, Fill fill, uint32_t seed) {
  const Case c = MakeCase(scheme, s, bias, fill, seed);
  const std::vector<uint32_t> want = RunKernel(Reference(), c.args, seed);
  for (const auto& kernel : LinearKernels()) {
    if (kernel.isa == Isa::kScalar || !IsaAvailable(kernel.isa) || !kernel.accepts(c.args)) continue;
    const std::vector<uint32_t> got = RunKernel(kernel, c.args, seed + 1);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_EQ(got[i], want[i]) << kernel.name << " " << GetScheme(scheme).name << " m " << s.m << " n " << s.n << " k "
                                 << s.k << " ga " << s.ga << (s.residual ? " residual" : "") << " bias " << bias << " at row " << i / s.n << " column " << i % s.n
                                 << ": " << std::bit_cast<float>(got[i]) << " wanted " << std::bit_cast<float>(want[i]);
  }
}

class LinearBits : public ::testing::TestWithParam<Scheme> {
 protected:
  // The activation groups that go with this scheme: its divisors, and all of K.
  static std::vector<int64_t> Groups(Scheme scheme, int64_t k) {
    const SchemeInfo& info = GetScheme(scheme);
    if (!info.integer) return {0};
    std::vector<int64_t> out;
    for (int64_t ga : {32, 64, 128, 512})
      if (info.group == 0 || info.group % ga == 0) out.push_back(ga);
    if (info.group == 0 || k <= info.group) out.push_back(k);
    return out;
  }
  ScopedFpEnv env_;
};

TEST_P(LinearBits, EveryColumnCountAroundABlock) {
  for (int64_t n : {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 100})
    for (int64_t m : {1, 3, 13})
      for (int64_t ga : Groups(GetParam(), 96)) CompareAll(GetParam(), {m, n, 96, ga}, n % 2, Fill::kRandom, static_cast<uint32_t>(n * 100 + m));
}

TEST_P(LinearBits, EveryDepthAroundGroupsAndSegments) {
  for (int64_t k : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513, 576, 577, 1024, 1025, 1536, 2049, 3584})
    for (int64_t m : {1, 2, 14})
      for (int64_t ga : Groups(GetParam(), k)) CompareAll(GetParam(), {m, 33, k, ga}, k % 2, Fill::kRandom, static_cast<uint32_t>(k * 100 + m));
}

TEST_P(LinearBits, EveryRowCountAroundATile) {
  for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 23, 24, 25, 31, 32, 33, 64, 65, 143, 144, 145, 300})
    for (int64_t ga : Groups(GetParam(), 160)) CompareAll(GetParam(), {m, 50, 160, ga}, m % 2, Fill::kRandom, static_cast<uint32_t>(m));
}

// Rows with residuals: twice the rows of x inside, around the edges of tiles and chunks.
TEST_P(LinearBits, EveryRowCountWithResiduals) {
  if (!GetScheme(GetParam()).integer) return;
  for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 31, 32, 33, 71, 72, 73, 150})
    for (int64_t ga : Groups(GetParam(), 1100)) CompareAll(GetParam(), {m, 50, 1100, ga, true}, m % 2, m % 3 ? Fill::kRandom : Fill::kZeroRows, static_cast<uint32_t>(m));
}

TEST_P(LinearBits, AResidualAddsItsOwnSum) {
  if (!GetScheme(GetParam()).integer) return;
  const Shape s{9, 21, 700, 32, true};
  const Case c = MakeCase(GetParam(), s, true, Fill::kRandom, 8);
  const std::vector<uint32_t> got = RunKernel(Reference(), c.args, 3);
  LinearArgs rows = c.args;   // the same as 18 rows of their own
  rows.rows *= 2, rows.xq.parts = 1, rows.bias = nullptr;
  const std::vector<uint32_t> apart = RunKernel(Reference(), rows, 3);
  for (int64_t m = 0; m < s.m; ++m)
    for (int64_t n = 0; n < s.n; ++n) {
      const float sum = std::bit_cast<float>(apart[static_cast<size_t>(2 * m * s.n + n)]) + std::bit_cast<float>(apart[static_cast<size_t>((2 * m + 1) * s.n + n)]);
      EXPECT_EQ(std::bit_cast<uint32_t>(sum + c.bias[static_cast<size_t>(n)]), got[static_cast<size_t>(m * s.n + n)]);
    }
}

TEST_P(LinearBits, ExtremeCodesDoNotSaturate) {
  for (int64_t m : {1, 5, 20})
    for (int64_t k : {64, 100, 1200})
      for (int64_t ga : Groups(GetParam(), k)) CompareAll(GetParam(), {m, 40, k, ga}, false, Fill::kExtreme, 7);
}

TEST_P(LinearBits, ZeroRowsAndDenormals) {
  for (int64_t m : {1, 4, 15})
    for (int64_t ga : Groups(GetParam(), 200)) CompareAll(GetParam(), {m, 36, 200, ga}, true, Fill::kZeroRows, 11);
}

TEST_P(LinearBits, ARowsBitsDoNotDependOnItsCompany) {
  const int64_t k = 700, n = 48, m = 150, ga = GetScheme(GetParam()).integer ? 32 : 0;
  const Case c = MakeCase(GetParam(), {m, n, k, ga, GetScheme(GetParam()).integer}, true, Fill::kRandom, 5);
  for (const auto& kernel : LinearKernels()) {
    if (!IsaAvailable(kernel.isa) || !kernel.accepts(c.args)) continue;
    const std::vector<uint32_t> all = RunKernel(kernel, c.args, 1);
    for (int64_t first : {0, 7, 149}) {
      LinearArgs one = c.args;
      one.rows = 1;
      if (one.x) one.x += first * one.x_stride;
      if (one.xq.q) {
        one.xq.q += first * one.xq.parts * one.xq.q_stride;
        one.xq.scale += first * one.xq.parts * one.xq.g_stride;
        one.xq.sum += first * one.xq.parts * one.xq.g_stride;
      }
      const std::vector<uint32_t> alone = RunKernel(kernel, one, 2);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + first * n)) << kernel.name << " row " << first;
    }
  }
}

// The reference itself, against a plain sum in double.
TEST_P(LinearBits, ReferenceIsAMatrixProduct) {
  for (int64_t k : {5, 64, 513, 1300}) {
    for (int64_t ga : Groups(GetParam(), k)) {
      const Shape s{3, 21, k, ga};
      const Case c = MakeCase(GetParam(), s, true, Fill::kRandom, static_cast<uint32_t>(k));
      const std::vector<uint32_t> got = RunKernel(Reference(), c.args, 3);
      std::vector<float> w(static_cast<size_t>(k));
      for (int64_t n = 0; n < s.n; ++n) {
        UnpackRow(GetParam(), s.n, k, c.weights.get(), n, w.data());
        for (int64_t m = 0; m < s.m; ++m) {
          double sum = c.bias[static_cast<size_t>(n)], size = std::fabs(sum);
          for (int64_t i = 0; i < k; ++i) {
            const double x = c.args.x ? c.args.x[m * c.args.x_stride + i]
                                      : double{c.args.xq.scale[m * c.args.xq.g_stride + i / ga]} * c.args.xq.q[m * c.args.xq.q_stride + i];
            sum += x * w[static_cast<size_t>(i)];
            size += std::fabs(x * w[static_cast<size_t>(i)]);
          }
          // fp32 rounding of at most a few dozen partial sums.
          EXPECT_NEAR(std::bit_cast<float>(got[static_cast<size_t>(m * s.n + n)]), sum, size * 1e-6) << "m " << m << " n " << n << " k " << k;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, LinearBits, ::testing::ValuesIn([] {
                           std::vector<Scheme> all;
                           for (const SchemeInfo& s : AllSchemes()) all.push_back(s.scheme);
                           return all;
                         }()),
                         [](const auto& info) {
                           std::string name(GetScheme(info.param).name);
                           std::replace(name.begin(), name.end(), ':', '_');
                           return name;
                         });

TEST(LinearPlan, HalvingFedInOrderIsTheRecursion) {
  for (int64_t n = 1; n <= 70; ++n) {
    // Strings instead of sums show the order of every addition.
    std::vector<std::string> stack;
    for (int64_t i = 0; i < n; ++i) {
      std::string top = std::to_string(i);
      for (int64_t c = MergesAfter(i, n); c > 0; --c) {
        ASSERT_FALSE(stack.empty());
        top = "(" + stack.back() + "+" + top + ")";
        stack.pop_back();
      }
      stack.push_back(top);
    }
    const auto sum = [](auto&& self, int64_t first, int64_t count) -> std::string {
      if (count == 1) return std::to_string(first);
      const int64_t head = (count + 1) / 2;
      return "(" + self(self, first, head) + "+" + self(self, first + head, count - head) + ")";
    };
    ASSERT_EQ(stack.size(), 1u);
    EXPECT_EQ(stack[0], sum(sum, 0, n));
    LinearArgs a{.scheme = Scheme::kF32, .rows = 1, .n = 1, .k = n * kSegment};
    EXPECT_LE(PlanLinear(a).depth, 8);
  }
}

TEST(LinearTable, RefusesGroupsThatCrossTheWeightsGroups) {
  LinearArgs a{.scheme = Scheme::kI4G32, .rows = 1, .n = 16, .k = 256, .ga = 64};
  EXPECT_EQ(SelectKernel(LinearKernels(), a, Isa::kAvx512Vnni), nullptr);
  a.ga = 32;
  EXPECT_NE(SelectKernel(LinearKernels(), a, Isa::kScalar), nullptr);
  a.ga = 48;
  EXPECT_EQ(SelectKernel(LinearKernels(), a, Isa::kScalar), nullptr);
  a.scheme = Scheme::kI8;
  a.ga = a.k = 200000;  // a run whose dot could overflow an int32
  EXPECT_EQ(SelectKernel(LinearKernels(), a, Isa::kScalar), nullptr);
}

}  // namespace
}  // namespace hasten
