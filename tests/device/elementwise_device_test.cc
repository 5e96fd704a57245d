// The elementwise device rows against the scalar rows in bits: every function and every
// kind of operand, in place and not.
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/simd_scalar.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::OnDevice;
using testing::SameBits;

constexpr int kUnaries = static_cast<int>(Unary::kSin) + 1, kBinaries = static_cast<int>(Binary::kPow) + 1;

// Numbers of all sizes, and what functions have special cases for.
std::vector<float> Values(size_t n, uint64_t seed) {
  testing::Rng rng(seed);
  std::vector<float> x(n);
  constexpr float kSpecial[] = {0.0f, -0.0f, 1.0f, -1.0f, 2.0f, -3.0f, 0.5f, kInf, -kInf, kNaN, 0x1p-149f, 0x1p-126f, 3e38f, -3e38f, 88.8f, -104.5f};
  for (float& v : x) v = rng.Below(4) == 0 ? kSpecial[rng.Below(16)] : rng.Normal() * std::exp2(static_cast<float>(rng.Below(24) - 12));
  return x;
}

template <class Args>
void Compare(std::span<const Kernel<Args>> table, const Args& a, const std::vector<float>& want, OnDevice<float>& out,
             const Args& d, const std::vector<float>& before, const char* what, int op) {
  testing::RunShuffled(testing::ScalarRow(table, a), a, 1);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<Args>& k) {
    out.Set(before);
    testing::RunOnDevice(k, d);
    EXPECT_TRUE(SameBits(want, out.Get())) << k.name << " op " << op << " cols " << a.cols << " " << what;
  });
}

struct Shape {
  int64_t rows, cols;
};
constexpr Shape kShapes[] = {{2, 1}, {1, 127}, {1, 129}, {2, 1023}, {1, 1025}};

TEST(ElementwiseDevice, UnaryAgreesInBits) {
  for (const auto [rows, cols] : kShapes)
    for (int op = 0; op < kUnaries; ++op) {
      const int64_t stride = cols + 3;
      const std::vector<float> x = Values(static_cast<size_t>(rows * stride), static_cast<uint64_t>(op));
      std::vector<float> want = x;   // in place: the gaps keep what they hold
      const UnaryArgs a{static_cast<Unary>(op), want.data(), want.data(), stride, stride, rows, cols};
      OnDevice<float> out(x);
      UnaryArgs d = a;
      d.x = d.out = out.get();
      Compare(UnaryKernels(), a, want, out, d, x, "in place", op);
    }
}

TEST(ElementwiseDevice, GatedAgreesInBits) {
  for (const auto [rows, cols] : kShapes)
    for (int op = 0; op < kUnaries; ++op) {
      const int64_t stride = 2 * cols + 3;
      const std::vector<float> x = Values(static_cast<size_t>(rows * stride), static_cast<uint64_t>(op + 100));
      std::vector<float> want = x;   // gate and up side by side, the product over the gate
      const GatedArgs a{static_cast<Unary>(op), want.data(), want.data() + cols, want.data(), stride, stride, stride, rows, cols};
      OnDevice<float> out(x);
      GatedArgs d = a;
      d.gate = d.out = out.get(), d.up = out.get() + cols;
      Compare(GatedKernels(), a, want, out, d, x, "over the gate", op);
    }
}

TEST(ElementwiseDevice, BinaryAgreesInBits) {
  for (const auto [rows, cols] : kShapes)
    for (int op = 0; op < kBinaries; ++op)
      for (const Operand kind : {Operand::kRows, Operand::kVector, Operand::kScalar})
        for (const bool swapped : {false, true}) {
          if (cols > 129 && (op + static_cast<int>(kind)) % 3 != 0) continue;
          const int64_t stride = cols + 5;
          const auto seed = static_cast<uint64_t>(op * 8 + static_cast<int>(kind));
          const std::vector<float> x = Values(static_cast<size_t>(rows * stride), seed), y = Values(static_cast<size_t>(rows * stride), seed + 99);
          std::vector<float> want(x.size(), -7.0f);
          const BinaryArgs a{static_cast<Binary>(op), kind, swapped, x.data(), y.data(), y[0], want.data(), stride, stride, stride, rows, cols};
          const OnDevice<float> dx(x), dy(y);
          OnDevice<float> out(x.size());
          BinaryArgs d = a;
          d.a = dx.get(), d.b = kind == Operand::kScalar ? nullptr : dy.get(), d.out = out.get();
          Compare(BinaryKernels(), a, want, out, d, std::vector<float>(x.size(), -7.0f), swapped ? "swapped" : "", op);
        }
}

}  // namespace
}  // namespace hasten
