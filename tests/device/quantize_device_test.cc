// quantize's device rows against the scalar row in bits: every group, with and without
// residuals, around the edges of lines and spans, and values that break a group.
#include "runtime/kernels/quantize/contract.h"
#include "runtime/kernels/simd_scalar.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::OnDevice;

std::vector<float> Values(int64_t rows, int64_t stride, uint64_t seed) {
  testing::Rng rng(seed);
  std::vector<float> x = rng.Normals(static_cast<size_t>(rows * stride), 3.0f);
  const float strange[] = {kNaN, kInf, -kInf, 0x1p-101f, -0.0f, 0x1p-149f, 3e38f, 1e-30f};
  for (size_t i = 0; i < x.size(); i += 97) x[i] = strange[static_cast<size_t>(rng.Below(8))];
  for (size_t i = 130; i < x.size() && i < 300; ++i) x[i] *= 0x1p-104f;   // a group without codes
  return x;
}

void Check(int64_t rows, int64_t cols, int64_t ga, bool residual, int64_t offset) {
  const QuantizedLayout l = QuantizedRowLayout(cols, ga, residual);
  const int64_t stride = cols + 7 + offset, stored = rows * l.parts;
  const std::vector<float> x = Values(rows, stride, static_cast<uint64_t>(cols * 8 + ga));
  std::vector<int8_t> q(static_cast<size_t>(stored * l.q_stride), -99);
  std::vector<float> scale(static_cast<size_t>(stored * l.g_stride), -7.0f);
  std::vector<int32_t> sum(scale.size(), -7);
  QuantizeArgs a{x.data() + offset, stride, rows, cols, ga, {q.data(), scale.data(), sum.data(), l.q_stride, l.g_stride, l.parts}};
  testing::RunShuffled(testing::ScalarRow(QuantizeKernels(), a), a, 1);
  const OnDevice<float> dx(x);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<QuantizeArgs>& k) {
    OnDevice<int8_t> dq(q.size());
    OnDevice<float> dscale(scale.size());
    OnDevice<int32_t> dsum(sum.size());
    QuantizeArgs d = a;
    d.x = dx.get() + offset, d.out = {dq.get(), dscale.get(), dsum.get(), l.q_stride, l.g_stride, l.parts};
    testing::RunOnDevice(k, d);
    const auto where = [&] { return ::testing::Message() << k.name << " cols " << cols << " ga " << ga << (residual ? " with residual" : ""); };
    EXPECT_EQ(dq.Get(), q) << where();
    EXPECT_TRUE(testing::SameBits(scale, dscale.Get())) << where();
    EXPECT_EQ(dsum.Get(), sum) << where();
  });
}

TEST(QuantizeDevice, GroupsWithinAWarpAgreeInBits) {
  for (const int64_t ga : {32, 64, 128, 256, 512})
    for (const int64_t cols : {1, 70, 511, 512, 513, 1600}) {
      Check(3, cols, ga, cols % 2 == 0, 0);
      Check(1, cols, ga, cols % 2 != 0, cols % 4);
    }
  Check(1, 2049, 64, true, 0);   // two blocks of threads
}

TEST(QuantizeDevice, OtherGroupsAgreeInBits) {
  for (const int64_t cols : {1, 3, 4, 65, 1023, 1024, 1025, 4099}) {
    Check(2, cols, cols, true, 0);
    Check(1, cols, cols, false, 1);
  }
  Check(2, 1000, 96, true, 0);
}

}  // namespace
}  // namespace hasten
