// linear's device rows against the scalar row in bits: every scheme, around the edges of
// blocks, stages, segments and tiles.
#include "tests/device/linear_step.h"

namespace hasten {
namespace {

using testing::Fill;
using testing::LinearStep;
using testing::OnDevice;
using testing::SameBits;

struct Shape {
  int64_t m, n, k, ga;
  bool residual = false;
};

void Check(Scheme scheme, const Shape& s, bool bias, Fill fill = Fill::kRandom, bool broken = false) {
  const LinearStep step({scheme, s.m, s.n, s.k, s.ga, s.residual, bias, fill, broken});
  OnDevice<float> out(step.empty());
  testing::ForEachDeviceRow(step.host_args(), [&](const DeviceKernel<LinearArgs>& k) {
    out.Set(step.empty());
    testing::RunOnDevice(k, step.Args(out.get()));
    EXPECT_TRUE(SameBits(step.want(), out.Get())) << k.name << " " << step.Name();
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
