// The products of a warpgroup in the emulator against matrices multiplied by hand, with
// operands laid out from PTX's description, and that what is done too early or too late
// with them shows. Compiled as device code.
#include <gtest/gtest.h>

#include "runtime/kernels/cuda/wgmma.h"
#include "tests/kernels/test_util.h"

namespace hasten::cuda {
namespace {

constexpr int kRows = 64, kCols = 128, kK = 128, kThreads = 128;

struct Matrices {
  int8_t a[kRows][kK], b[kCols][kK];
  int32_t start[kRows][kCols], want[kRows][kCols], got[kRows][kCols];
  explicit Matrices(uint64_t seed) {
    testing::Rng rng(seed);
    for (auto& row : a) for (int8_t& v : row) v = static_cast<int8_t>(rng.Below(256));
    for (auto& row : b) for (int8_t& v : row) v = static_cast<int8_t>(rng.Below(256));
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < kCols; ++c) {
        got[r][c] = -1, start[r][c] = want[r][c] = static_cast<int32_t>(rng.Below(100000));
        for (int k = 0; k < kK; ++k) want[r][c] += a[r][k] * b[c][k];
      }
  }
};

// Where an operand's element is in a warpgroup: a warp has 16 of its rows.
int RowOf(const Place& p) { return static_cast<int>(threadIdx.x % kThreads) / 32 * 16 + p.row; }
int LaneOf() { return static_cast<int>(threadIdx.x % 32); }

void LoadA(const Matrices& m, int step, uint32_t (&a)[4]) {
  for (int reg = 0; reg < 4; ++reg) {
    a[reg] = 0;
    for (int byte = 0; byte < 4; ++byte) {
      const Place p = PlaceInA(LaneOf(), reg, byte);
      a[reg] |= static_cast<uint32_t>(static_cast<uint8_t>(m.a[RowOf(p)][step * 32 + p.col])) << (8 * byte);
    }
  }
}
// Swizzle of 128 bytes: bits 4 to 6 of an address are exclusive or'ed with bits 7 to 9.
void StoreB(const Matrices& m, std::byte* tile) {
  for (int i = static_cast<int>(threadIdx.x); i < kCols * kK; i += static_cast<int>(blockDim.x)) {
    const int at = i ^ (i >> 3 & 0x70);
    tile[at] = static_cast<std::byte>(m.b[i / kK][i % kK]);
  }
}
std::byte* Aligned(std::byte* shared) { return shared + (kTileAlign - SharedAddress(shared) % kTileAlign) % kTileAlign; }

// What goes wrong on purpose.
enum class Fault { kNone, kReadsEarly, kFillsEarly, kStoresEarly, kNoFence, kOneWarpLess };

// Both halves of the columns, each a group; the second begins at `start`, the first at zero.
void Kernel(Matrices& m, Fault fault) {
  HST_DYNAMIC_SHARED(shared);
  std::byte* const tile = Aligned(shared);
  StoreB(m, tile);
  ShowToProducts();
  __syncthreads();
  if (fault == Fault::kOneWarpLess && threadIdx.x >= 96) return;
  WgmmaSums d[2];
  uint32_t a[4][4];
  for (int i = 0; i < 32; ++i) {
    const Place p = PlaceInSums(LaneOf(), i % 4);
    d[0][i] = 12345, d[1][i] = m.start[RowOf(p)][64 + i / 4 * 8 + p.col];
  }
  for (int step = 0; step < 4; ++step) LoadA(m, step, a[step]);
  for (int half = 0; half < 2; ++half) {
    if (fault != Fault::kNoFence) WgmmaFence();
    for (int step = 0; step < 4; ++step)
      WgmmaS8S8(d[half], a[step], DescribeTile(tile) + static_cast<uint64_t>(step) * kTileK32 + static_cast<uint64_t>(half) * (8 * kTileRows8),
                half == 1 || step > 0);
    WgmmaCommit();
  }
  const auto write = [&](int half) {
    for (int i = 0; i < 32; ++i) {
      const Place p = PlaceInSums(LaneOf(), i % 4);
      const int row = RowOf(p), col = half * 64 + i / 4 * 8 + p.col;
      m.got[row][col] = half == 1 ? d[1][i] : d[0][i] + m.start[row][col];
    }
  };
  WgmmaWait<1>();
  write(0);
  if (fault == Fault::kReadsEarly) write(1);
  if (fault == Fault::kFillsEarly) a[2][1] += 1;
  if (fault == Fault::kStoresEarly) tile[64 * 128 + 5 * 128 + threadIdx.x] ^= std::byte{1};
  WgmmaWait<0>();
  if (fault != Fault::kReadsEarly) write(1);
}

bool Agrees(uint64_t order, Fault fault) {
  Matrices m(order + 11);
  ::emulated::SetOrder(order);
  ::emulated::Run(1, kThreads, kCols * kTileRowBytes + kTileAlign, [&] { Kernel(m, fault); });
  return std::memcmp(m.got, m.want, sizeof m.got) == 0;
}

TEST(TensorCores, AWarpgroupMultipliesMatrices) {
  for (const uint64_t order : {0, 1, 7}) EXPECT_TRUE(Agrees(order, Fault::kNone)) << order;
}

TEST(TensorCores, ATileLiesAsTheSwizzleSays) {
  for (int row = 0; row < kCols; ++row)
    for (int chunk = 0; chunk < 8; ++chunk) {
      const int at = row * 128 + chunk * 16;
      EXPECT_EQ(InTile(row, chunk), at ^ (at >> 3 & 0x70));
    }
}

TEST(TensorCores, WhatIsNotWaitedForShows) {
  for (const uint64_t order : {1, 7})
    for (const Fault fault : {Fault::kReadsEarly, Fault::kFillsEarly, Fault::kStoresEarly}) EXPECT_FALSE(Agrees(order, fault)) << order << " " << static_cast<int>(fault);
}

TEST(TensorCoresDeathTest, WhatHardwareDoesNotDefineEndsTheProgram) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(Agrees(0, Fault::kNoFence), "comes without a fence");
  EXPECT_DEATH(Agrees(1, Fault::kOneWarpLess), "96 in a warp operation, and 32 have returned");
  EXPECT_DEATH(::emulated::Run(1, kThreads, 2048, [] {
                 HST_DYNAMIC_SHARED(shared);
                 WgmmaSums d{};
                 const uint32_t a[4] = {};
                 WgmmaFence();
                 WgmmaS8S8(d, a, DescribeTile(Aligned(shared)), false);
               }), "reads outside shared memory");
}

}  // namespace
}  // namespace hasten::cuda
