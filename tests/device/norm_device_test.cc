// norm's device rows against the scalar row in bits, around segment edges.
#include "runtime/kernels/norm/contract.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::OnDevice;
using testing::SameBits;

void Check(NormKind kind, int64_t rows, int64_t groups, int64_t cols, bool scaled) {
  testing::Rng rng(static_cast<uint64_t>(cols));
  const int64_t stride = groups * cols + 5;
  const std::vector<float> x = rng.Normals(static_cast<size_t>(rows * stride), 2.0f);
  const std::vector<float> w = rng.Normals(static_cast<size_t>(cols)), b = rng.Normals(static_cast<size_t>(cols));
  std::vector<float> want = x;
  NormArgs a{kind, x.data(), scaled ? w.data() : nullptr, scaled ? b.data() : nullptr, want.data(), stride, stride, rows, groups, cols, 1e-5f};
  testing::RunShuffled(testing::ScalarRow(NormKernels(), a), a, 1);
  const OnDevice<float> dw(w), db(b);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<NormArgs>& k) {
    const OnDevice<float> dx(x);   // in place: the gaps keep what they hold
    NormArgs d = a;
    d.x = d.out = dx.get(), d.w = scaled ? dw.get() : nullptr, d.b = scaled ? db.get() : nullptr;
    testing::RunOnDevice(k, d);
    EXPECT_TRUE(SameBits(want, dx.Get())) << k.name << " cols " << cols << " rows " << rows << " groups " << groups;
  });
}

TEST(NormDevice, RowsAgreeWithTheReferenceInBits) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer})
    for (const int64_t cols : {1, 15, 16, 17, 64, 511, 512, 513, 1025, 2560, 4099}) {
      Check(kind, 1, 1, cols, true);
      Check(kind, 3, 2, cols, cols % 2 == 0);
    }
  for (const int64_t cols : {14336, 16384, 16897, 17000}) Check(NormKind::kRms, 1, 1, cols, true);   // 28 to 34 segments
}

}  // namespace
}  // namespace hasten
