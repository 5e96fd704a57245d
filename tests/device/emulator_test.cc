// The emulator itself: that it shows what it is there to show, and computes what CUDA
// defines; and the maps of fragments.h. Compiled as device code.
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "runtime/base/status.h"
#include "runtime/kernels/cuda/simt.h"
#include "tests/kernels/test_util.h"

namespace hasten::cuda {
namespace {

constexpr uint64_t kOrders[] = {0, 1, 7, 12345};

// Each thread reads what another one wrote.
void ReverseKernel(int* out, bool barrier) {
  HST_SHARED(int, values, 128);
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (barrier) __syncthreads();
  out[threadIdx.x] = values[127 - threadIdx.x];
}
bool Reverses(bool barrier, uint64_t order) {
  int out[128];
  ::emulated::SetOrder(order);
  ::emulated::Run(1, 128, 0, [&] { ReverseKernel(out, barrier); });
  for (int i = 0; i < 128; ++i)
    if (out[i] != 127 - i) return false;
  return true;
}

TEST(Emulator, AMissingBarrierShows) {
  for (const uint64_t order : kOrders) {
    EXPECT_TRUE(Reverses(true, order)) << order;
    EXPECT_FALSE(Reverses(false, order)) << order;
  }
}

TEST(Emulator, OrdersDiffer) {
  std::set<std::vector<unsigned>> seen;
  for (const uint64_t order : kOrders) {
    std::vector<unsigned> came;
    ::emulated::SetOrder(order);
    ::emulated::Run(1, 40, 0, [&] { came.push_back(threadIdx.x); });
    EXPECT_EQ(came.size(), 40u);
    seen.insert(came);
  }
  EXPECT_EQ(seen.size(), std::size(kOrders));
}

TEST(Emulator, SharedMemoryIsPoisonedBeforeEachBlock) {
  for (const uint64_t order : kOrders) {
    ::emulated::SetOrder(order);
    int poisoned = 0;
    ::emulated::Run(3, 32, 64, [&] {
      HST_SHARED(uint32_t, fixed, 4);
      HST_DYNAMIC_SHARED(dynamic);
      if (threadIdx.x == 0) {
        poisoned += fixed[3] == 0xffffffffu && dynamic[63] == std::byte{0xff};
        fixed[3] = 0, dynamic[63] = std::byte{0};
      }
    });
    EXPECT_EQ(poisoned, 3);
  }
}

TEST(Emulator, GridAndBlockAreCounted) {
  std::set<std::tuple<unsigned, unsigned, unsigned, unsigned, unsigned, unsigned>> seen;
  ::emulated::Run(dim3(2, 3, 4), dim3(5, 2, 3), 0, [&] {
    EXPECT_TRUE(blockDim.x == 5 && blockDim.y == 2 && blockDim.z == 3 && gridDim.x == 2 && gridDim.y == 3 && gridDim.z == 4);
    seen.insert({blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z});
  });
  EXPECT_EQ(seen.size(), 2u * 3 * 4 * 5 * 2 * 3);
}

TEST(Emulator, WarpOperationsAreCudas) {
  for (const uint64_t order : kOrders) {
    ::emulated::SetOrder(order);
    ::emulated::Run(1, 64, 0, [&] {
      const int t = static_cast<int>(threadIdx.x), lane = t % 32, warp = t / 32 * 32;
      EXPECT_EQ(__shfl_sync(kFullMask, t, 5), warp + 5);
      EXPECT_EQ(__shfl_sync(kFullMask, t, 3, 8), warp + lane / 8 * 8 + 3);
      EXPECT_EQ(__shfl_xor_sync(kFullMask, t, 9), warp + (lane ^ 9));
      EXPECT_EQ(__shfl_down_sync(kFullMask, t, 3), lane + 3 < 32 ? t + 3 : t);
      EXPECT_EQ(__shfl_down_sync(kFullMask, t, 3, 16), lane % 16 + 3 < 16 ? t + 3 : t);
      EXPECT_EQ(__shfl_up_sync(kFullMask, t, 4), lane >= 4 ? t - 4 : t);
      EXPECT_EQ(__shfl_up_sync(kFullMask, uint64_t{1} << lane, 1, 8), lane % 8 ? uint64_t{1} << (lane - 1) : uint64_t{1} << lane);
      EXPECT_EQ(__ballot_sync(kFullMask, lane % 3 == 0), 0x49249249u);
      EXPECT_EQ(__any_sync(kFullMask, t == 40), warp == 32);
      EXPECT_EQ(__all_sync(kFullMask, t != 40), warp == 0);
      EXPECT_EQ(__syncthreads_count(t % 5 == 0), 13);
      EXPECT_EQ(__syncthreads_or(t == 63), 1);
      EXPECT_EQ(__syncthreads_or(t == 64), 0);
    });
  }
}

TEST(Emulator, AtomicsReturnWhatWas) {
  int sum = 0;
  unsigned bits = 0;
  std::set<int> before;
  ::emulated::Run(2, 32, 0, [&] {
    before.insert(atomicAdd(&sum, 2));
    atomicOr(&bits, 1u << threadIdx.x);
  });
  EXPECT_EQ(sum, 128);
  EXPECT_EQ(before.size(), 64u);
  EXPECT_EQ(bits, 0xffffffffu);
}

template <bool kSigned>
void CheckMma(uint64_t order) {
  testing::Rng rng(order + 3);
  int32_t a[16][32], b[32][8], d[16][8], want[16][8];
  for (auto& row : a) for (int32_t& v : row) v = static_cast<int32_t>(rng.Below(256)) - (kSigned ? 128 : 0);
  for (auto& row : b) for (int32_t& v : row) v = static_cast<int32_t>(rng.Below(256)) - 128;
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < 8; ++c) {
      d[r][c] = want[r][c] = static_cast<int32_t>(rng.Below(1000));
      for (int k = 0; k < 32; ++k) want[r][c] += a[r][k] * b[k][c];
    }
  ::emulated::SetOrder(order);
  ::emulated::Run(1, 32, 0, [&] {
    const int lane = static_cast<int>(threadIdx.x);
    uint32_t ar[4] = {}, br[2] = {};
    int32_t sums[4];
    for (int byte = 0; byte < 4; ++byte) {
      for (int reg = 0; reg < 4; ++reg) ar[reg] |= static_cast<uint32_t>(a[PlaceInA(lane, reg, byte).row][PlaceInA(lane, reg, byte).col] & 255) << 8 * byte;
      for (int reg = 0; reg < 2; ++reg) br[reg] |= static_cast<uint32_t>(b[PlaceInB(lane, reg, byte).row][PlaceInB(lane, reg, byte).col] & 255) << 8 * byte;
    }
    for (int reg = 0; reg < 4; ++reg) sums[reg] = d[PlaceInSums(lane, reg).row][PlaceInSums(lane, reg).col];
    if constexpr (kSigned) MmaS8S8(sums, ar, br);
    else MmaU8S8(sums, ar, br);
    for (int reg = 0; reg < 4; ++reg) d[PlaceInSums(lane, reg).row][PlaceInSums(lane, reg).col] = sums[reg];
  });
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < 8; ++c) EXPECT_EQ(d[r][c], want[r][c]) << r << " " << c << (kSigned ? " signed" : " unsigned");
}

TEST(Emulator, TheTensorCoresMultiplyMatrices) {
  for (const uint64_t order : kOrders) CheckMma<false>(order), CheckMma<true>(order);
}

TEST(Emulator, DotsAreOfBytes) {
  EXPECT_EQ(DotU8S8(0xff0102fe, 0x80ff037f, 5), 5 + 255 * -128 + 1 * -1 + 2 * 3 + 254 * 127);
  EXPECT_EQ(DotS8S8(0xff0102fe, 0x80ff037f, 5), 5 + -1 * -128 + 1 * -1 + 2 * 3 + -2 * 127);
  EXPECT_EQ(NearestInteger(2.5f), 2);
  EXPECT_EQ(NearestInteger(-3.5f), -4);
  EXPECT_EQ(NearestInteger(126.50001f), 127);
}

TEST(Dots, FromTheirOriginAreTheFloatsOfAllSums) {
  int64_t wrong = 0;
  for (int32_t dot = -kMostDot; dot <= kMostDot; ++dot) wrong += Bits(DotFromOrigin(kDotOrigin + dot)) != Bits(static_cast<float>(dot));
  EXPECT_EQ(wrong, 0);
}

TEST(EmulatorDeathTest, ThreadsThatWaitInVainEndTheProgram) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  // Half of a warp takes part in a shuffle.
  EXPECT_DEATH(::emulated::Run(1, 32, 0, [] { if (threadIdx.x < 16) __shfl_sync(kFullMask, 1, 0); }), "16 in a warp operation, and 16 have returned");
  // One warp waits for the block, the other for a lane that does not come.
  EXPECT_DEATH(::emulated::Run(1, 64, 0, [] {
                 if (threadIdx.x < 32) __syncthreads();
                 else if (threadIdx.x > 32) __syncwarp();
                 else __syncthreads();
               }), "33 threads wait at a barrier, 31 in a warp operation");
}

TEST(EmulatorDeathTest, WhatADeviceWouldRefuseEndsTheProgram) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(::emulated::Run(1, 1025, 0, [] {}), "of 1025 threads .* cannot be launched on sm_90");
  EXPECT_DEATH(::emulated::Run(dim3(1, 65536), 32, 0, [] {}), "1 x 65536 x 1 blocks .* cannot be launched");
  EXPECT_DEATH(::emulated::Run(dim3(1, 1, 65536), 32, 0, [] {}), "1 x 1 x 65536 blocks .* cannot be launched");
  for (const auto& [arch, most] : {std::pair<int, size_t>{80, 163}, {86, 99}, {89, 99}, {90, 227}, {100, 227}, {120, 99}}) {
    int ran = 0;
    ::emulated::Run(1, 32, most * 1024, [&] { ++ran; }, arch);
    EXPECT_EQ(ran, 32);
    EXPECT_DEATH(::emulated::Run(1, 32, most * 1024 + 1, [] {}, arch), StrCat("cannot be launched on sm_", arch));
  }
  // Arrays of fixed size count too.
  EXPECT_DEATH(::emulated::Run(1, 32, 99 * 1024 - 16, [] {
                 HST_SHARED(uint32_t, fixed, 5);
                 fixed[0] = 0;
               }, 86), "20 bytes of fixed shared memory do not fit");
}

TEST(Emulator, WhatIsNotRunIsCounted) {
  int ran = 0;
  {
    ::emulated::NotRun count;
    ::emulated::Run(7, 32, 0, [&] { ++ran; });
    ::emulated::Run(1, 32, 0, [&] { ++ran; });
    EXPECT_EQ(count.launches(), 2);
  }
  EXPECT_EQ(ran, 0);
  ::emulated::Run(1, 32, 0, [&] { ++ran; });
  EXPECT_EQ(ran, 32);
}

template <class F>
void ExpectBijection(int regs, int bytes, int rows, int cols, F place) {
  std::set<std::pair<int, int>> seen;
  for (int lane = 0; lane < 32; ++lane)
    for (int reg = 0; reg < regs; ++reg)
      for (int byte = 0; byte < bytes; ++byte) {
        const Place p = place(lane, reg, byte);
        EXPECT_TRUE(p.row >= 0 && p.row < rows && p.col >= 0 && p.col < cols);
        EXPECT_TRUE(seen.insert({p.row, p.col}).second) << "twice: " << p.row << ", " << p.col;
      }
  EXPECT_EQ(seen.size(), static_cast<size_t>(rows * cols));
}

TEST(Fragments, EveryElementHasOnePlace) {
  ExpectBijection(4, 4, 16, 32, PlaceInA);
  ExpectBijection(2, 4, 32, 8, PlaceInB);
  ExpectBijection(4, 1, 16, 8, [](int lane, int reg, int) { return PlaceInSums(lane, reg); });
}

}  // namespace
}  // namespace hasten::cuda
