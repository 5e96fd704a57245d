// linear's rows for Hopper, which are on trial, against the scalar row in bits: around the
// edges of tiles, stages and segments, with every length of runs. The queue says that the
// device has one processor, so that a few tiles are enough for them and a block takes
// several; on another architecture they do what the other rows do.
#include <string_view>

#include "tests/device/linear_step.h"

namespace hasten {
namespace {

using testing::Fill;
using testing::LinearCase;
using testing::LinearStep;
using testing::OnDevice;
using testing::SameBits;
using testing::TestQueue;

class LinearWgmmaDevice : public ::testing::Test {
 protected:
  void SetUp() override { TestQueue().launches().processors = 1; }
  void TearDown() override { TestQueue().launches().processors = processors_; }

  // `orders`: of threads.
  static void Check(const LinearCase& c, int orders = 1) {
    const LinearStep step(c);
    int rows = 0;
    for (const DeviceKernel<LinearArgs>& k : testing::TestDevice().kernels().table<LinearArgs>()) {
      if (!k.trial || !k.accepts(step.host_args())) continue;
      ++rows;
      for (const uint64_t seed : {7, 0, 1}) {
        if (orders-- <= 0) break;
        testing::VaryDevice(seed);
        const OnDevice<float> out(step.empty());
        testing::RunOnDevice(k, step.Args(out.get()));
        EXPECT_TRUE(SameBits(step.want(), out.Get())) << k.name << " " << step.Name();
      }
    }
    EXPECT_EQ(rows, 1) << step.Name();
  }

 private:
  const int processors_ = TestQueue().launches().processors;
};

TEST_F(LinearWgmmaDevice, EverySchemeAndLengthOfRuns) {
  for (const SchemeInfo& s : AllSchemes()) {
    if (!s.integer) continue;
    for (const int64_t ga : {32, 64, 128, 256, 512, 700})
      if (s.group == 0 || s.group % ga == 0) Check({s.scheme, 66, 40, 700, ga});
  }
}

TEST_F(LinearWgmmaDevice, AllOrdersOfThreads) {
  Check({Scheme::kI4G128, 129, 130, 1200, 128}, 3);
  Check({Scheme::kI5G64, 130, 17, 600, 64, true}, 3);
  Check({Scheme::kI6G32, 65, 129, 300, 32}, 3);
  Check({Scheme::kI8, 65, 20, 600, 256}, 3);
}

TEST_F(LinearWgmmaDevice, EdgesOfTiles) {
  for (const int64_t m : {65, 127, 128, 129, 257}) Check({Scheme::kI4G64, m, m % 2 ? 63 : 65, 160, 64});
  for (const int64_t n : {1, 15, 16, 17, 64, 127, 128, 129}) Check({Scheme::kI8G128, 70, n, 128, 128, false, n % 2 == 0});
  Check({Scheme::kI4G128, 64, 40, 200, 128, true});   // 128 rows with their residuals
  Check({Scheme::kI8, 65, 40, 200, 64, true, false});
}

TEST_F(LinearWgmmaDevice, EdgesOfStagesAndSegments) {
  for (const int64_t k : {1, 31, 33, 64, 65, 127, 128, 129, 384, 385, 511, 512, 513, 640, 1024, 1025}) {
    Check({Scheme::kI4G128, 65, 18, k, 128});
    Check({k % 2 ? Scheme::kI4G32 : Scheme::kI6G64, 65, 18, k, k % 2 ? 32 : 64});
    Check({Scheme::kI8, 65, 18, k, k % 2 ? 256 : k});
  }
  // More segments than shared memory has levels of sums for.
  Check({Scheme::kI4G128, 65, 18, 4700, 128});
  Check({Scheme::kI8, 65, 18, 4096, 64});
}

TEST_F(LinearWgmmaDevice, ExtremesAndBrokenValues) {
  for (const Fill fill : {Fill::kExtreme, Fill::kZeroRows})
    for (const int64_t ga : {32, 128, 1300}) Check({Scheme::kI8, 66, 33, 1300, ga, false, true, fill});
  Check({Scheme::kI5G128, 66, 33, 600, 128, true, true, Fill::kExtreme});
  Check({Scheme::kI4G128, 66, 33, 600, 128, true, true, Fill::kRandom, true});
  Check({Scheme::kI8, 66, 33, 130, 130, false, true, Fill::kRandom, true});
}

}  // namespace
}  // namespace hasten
