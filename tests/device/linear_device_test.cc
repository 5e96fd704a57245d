// linear's device rows against the scalar row in bits: every scheme, around the edges of
// blocks, stages, segments and tiles.
#include "runtime/kernels/linear/contract.h"

#include <random>

#include "runtime/kernels/simd_scalar.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"
#include "tests/linear/random_matrix.h"

namespace hasten {
namespace {

using testing::Fill;
using testing::OnDevice;
using testing::SameBits;

struct Shape {
  int64_t m, n, k, ga;
  bool residual = false;
};

void Check(Scheme scheme, const Shape& s, bool bias, Fill fill = Fill::kRandom, bool broken = false) {
  std::mt19937 random(static_cast<uint32_t>(s.k * 1000 + s.n * 10 + s.m));
  testing::Rng rng(random());
  const auto packed = testing::RandomPacked(scheme, s.n, s.k, fill, random);
  const std::vector<std::byte> w(packed.get(), packed.get() + *PackedBytes(scheme, s.n, s.k));
  const int64_t stride = s.k % 4 == 0 ? s.k : s.k + 3, out_stride = s.n + s.m % 2 * 3;
  std::vector<float> x = rng.Normals(static_cast<size_t>(s.m * stride)), b = rng.Normals(static_cast<size_t>(s.n));
  if (fill == Fill::kExtreme)
    for (float& v : x) v = rng.Below(8) ? 1.0f : -1.0f;
  if (fill == Fill::kZeroRows)
    for (int64_t i = 0; i < s.k; ++i) x[static_cast<size_t>((s.m - 1) * stride + i)] = i % 2 ? -0.0f : 0x1p-140f;
  if (broken) x[1] = kNaN, x[static_cast<size_t>((s.m - 1) * stride + s.k - 1)] = kInf;

  LinearArgs a{.scheme = scheme, .rows = s.m, .n = s.n, .k = s.k, .ga = s.ga};
  const bool integer = GetScheme(scheme).integer;
  const QuantizedLayout l = QuantizedRowLayout(s.k, integer ? s.ga : s.k, s.residual);
  std::vector<std::byte> quantized(integer ? l.bytes_per_row * static_cast<size_t>(s.m) : 0);
  if (integer) {
    a.xq = QuantizedRowsAt(quantized.data(), s.m, l);
    const QuantizeArgs q{.x = x.data(), .x_stride = stride, .rows = s.m, .cols = s.k, .ga = s.ga, .out = a.xq};
    testing::RunShuffled(testing::ScalarRow(QuantizeKernels(), q), q, 1);
  } else {
    a.x = x.data(), a.x_stride = stride;
  }
  std::vector<float> want(static_cast<size_t>(s.m * out_stride), -7.0f);   // what lies between rows stays
  const std::vector<float> empty = want;
  a.w = w.data(), a.bias = bias ? b.data() : nullptr, a.out = want.data(), a.out_stride = out_stride;
  testing::RunShuffled(testing::ScalarRow(LinearKernels(), a), a, 1);

  const OnDevice<std::byte> dw(w), dq(quantized);
  const OnDevice<float> dx(x), db(b);
  OnDevice<float> out(empty);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<LinearArgs>& k) {
    out.Set(empty);
    LinearArgs d = a;
    d.w = dw.get(), d.bias = bias ? db.get() : nullptr, d.out = out.get();
    if (integer) d.xq = QuantizedRowsAt(dq.get(), s.m, l);
    else d.x = dx.get();
    testing::RunOnDevice(k, d);
    EXPECT_TRUE(SameBits(want, out.Get())) << k.name << " " << GetScheme(scheme).name << " m " << s.m << " n " << s.n << " k " << s.k << " ga " << s.ga
                                           << " residual " << s.residual;
  });
}

class LinearDevice : public ::testing::TestWithParam<Scheme> {
 protected:
  const SchemeInfo& info() const { return GetScheme(GetParam()); }
  int64_t Group(int64_t most) const { return info().group && info().group < most ? info().group : most; }
};

TEST_P(LinearDevice, FewRowsAgreeWithTheReferenceInBits) {
  Check(GetParam(), {1, 33, 1100, Group(512)}, true);
  Check(GetParam(), {3, 17, 576, 32, true}, false);
  Check(GetParam(), {8, 16, 100, Group(64)}, true);
  Check(GetParam(), {2, 1, 32, 32}, false, Fill::kExtreme);
  Check(GetParam(), {1, 15, 33, 33 <= Group(33) || info().group == 0 ? 33 : 32}, true, Fill::kZeroRows);
}

TEST_P(LinearDevice, ManyRowsAgreeWithTheReferenceInBits) {
  Check(GetParam(), {17, 48, 576, Group(512)}, true);
  Check(GetParam(), {9, 100, 100, 32, true}, false);
  Check(GetParam(), {65, 33, 65, Group(64)}, true, Fill::kExtreme);
}

INSTANTIATE_TEST_SUITE_P(Schemes, LinearDevice, ::testing::ValuesIn([] {
                           std::vector<Scheme> all;
                           for (const SchemeInfo& s : AllSchemes()) all.push_back(s.scheme);
                           return all;
                         }()),
                         [](const auto& info) {
                           std::string name(GetScheme(info.param).name);
                           std::replace(name.begin(), name.end(), ':', '_');
                           return name;
                         });

TEST(LinearDeviceEdges, EveryRowCount) {
  for (const int64_t m : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 32, 33, 64, 65, 130}) {
    Check(Scheme::kI4G64, {m, 17, 96, 64}, m % 2);
    Check(Scheme::kI8, {m, 15, 70, 64, true}, m % 2 == 0);
    Check(Scheme::kF16, {m, 17, 70, 0}, m % 2);
  }
}

// As many tiles as make them wide, with more segments than shared memory has levels, and
// more tiles than blocks run at once.
TEST(LinearDeviceEdges, ManyTiles) {
  Check(Scheme::kI4G64, {129, 70, 2100, 64}, true);
  Check(Scheme::kI5G32, {258, 130, 96, 32}, false);
  Check(Scheme::kI6G128, {65, 130, 320, 128, true}, false);
  Check(Scheme::kI8, {385, 190, 33, 32}, true);
  Check(Scheme::kI4G128, {33, 870, 32, 32}, false);
}

TEST(LinearDeviceEdges, EveryColumnCount) {
  for (const int64_t n : {1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130})
    for (const int64_t m : {1, 10}) {
      Check(Scheme::kI4G32, {m, n, 64, 32}, n % 2);
      Check(Scheme::kF32, {m, n, 20, 0}, n % 2);
    }
}

TEST(LinearDeviceEdges, EveryDepth) {
  for (const int64_t k : {1, 8, 31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513, 576, 1000, 1536, 2100}) {
    Check(Scheme::kI4G64, {1, 20, k, 64}, false);
    Check(Scheme::kI6G128, {1, 18, k, 128, true}, false);
    Check(Scheme::kI5G32, {11, 18, k, 32}, false);
    Check(Scheme::kI8, {33, 18, k, k % 2 ? 256 : 64}, false);
    Check(Scheme::kF32, {k % 2 ? 1 : 9, 9, k, 0}, false);
  }
  Check(Scheme::kI4G128, {1, 16, 14336, 128}, true);    // 28 segments, more than the warps
  Check(Scheme::kI4G64, {2, 5, 16500, 64, true}, false);   // 33: more than a few rows have room for, and a part than shared memory has levels
  Check(Scheme::kF32, {1, 5, 17000, 0}, true);
}

TEST(LinearDeviceEdges, OneRunOverAllOfK) {
  for (const int64_t k : {5, 600, 1537})
    for (const int64_t m : {1, 5, 40}) Check(Scheme::kI8, {m, 20, k, k, m < 9}, true);
  Check(Scheme::kI4G128, {3, 20, 100, 128}, true);
}

TEST(LinearDeviceEdges, ABrokenValueReachesItsRowsOutputs) {
  for (const int64_t m : {1, 4, 12}) {
    Check(Scheme::kI5G64, {m, 18, 600, 64}, true, Fill::kRandom, true);
    Check(Scheme::kI8, {m, 18, 130, 130, true}, true, Fill::kRandom, true);
    Check(Scheme::kF16, {m, 18, 600, 0}, true, Fill::kRandom, true);
  }
}

}  // namespace
}  // namespace hasten
