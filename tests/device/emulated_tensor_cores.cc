// The emulator's tensor cores, from the layouts that PTX defines: which lane holds what
// (runtime/kernels/cuda/fragments.h), and how a descriptor says where B lies in shared memory.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "tests/device/emulator.h"

#include "runtime/kernels/cuda/fragments.h"

namespace emulated {
namespace {

using hasten::cuda::Place;
using hasten::cuda::PlaceInA;
using hasten::cuda::PlaceInB;
using hasten::cuda::PlaceInSums;

constexpr int kWarp = 32;

// Which lane, register and byte hold an element of A or B: fragments.h the other way round.
struct Held {
  uint8_t lane, reg, shift;
};
struct Fragments {
  Held a[16][32], b[32][8];
  Fragments() {
    for (int l = 0; l < kWarp; ++l)
      for (int byte = 0; byte < 4; ++byte) {
        const auto held = [&](int r) { return Held{static_cast<uint8_t>(l), static_cast<uint8_t>(r), static_cast<uint8_t>(8 * byte)}; };
        for (int r = 0; r < 4; ++r) a[PlaceInA(l, r, byte).row][PlaceInA(l, r, byte).col] = held(r);
        for (int r = 0; r < 2; ++r) b[PlaceInB(l, r, byte).row][PlaceInB(l, r, byte).col] = held(r);
      }
  }
};

}  // namespace

void Mma(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_signed) {
  static const Fragments held;
  const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  uint64_t all[kWarp];   // where the lanes' registers are; they stay until all have read them
  std::memcpy(all, Exchange(reinterpret_cast<uintptr_t>(mine)), sizeof all);
  const auto byte = [&](const Held& h, int first) {
    return static_cast<uint8_t>(reinterpret_cast<const uint32_t*>(all[h.lane])[first + h.reg] >> h.shift);
  };
  for (int r = 0; r < 4; ++r) {
    const Place p = PlaceInSums(Lane(), r);
    uint32_t sum = static_cast<uint32_t>(d[r]);   // wraps, as on a GPU
    for (int k = 0; k < 32; ++k) {
      const uint8_t u = byte(held.a[p.row][k], 0);
      sum += static_cast<uint32_t>((a_signed ? int32_t{static_cast<int8_t>(u)} : int32_t{u}) * static_cast<int8_t>(byte(held.b[k][p.col], 4)));
    }
    d[r] = static_cast<int32_t>(sum);
  }
  Exchange(0);
}

namespace {

// What a thread has asked for and not waited for yet.
struct Product {
  int32_t* d;          // 32
  const uint32_t* a;   // 4
  uint64_t b;
  bool add;
};
struct ThreadProducts {
  std::vector<Product> products;
  std::vector<size_t> groups;   // how many products each committed group has
  size_t open = 0;              // products that are not committed
  bool fenced = false;
};
thread_local std::vector<ThreadProducts> threads;
thread_local bool late = false;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "emulator: a product of a warpgroup %s\n", what);
  std::abort();
}

// The 16 bytes of row `row` of B from byte `from` of K on.
const int8_t* RowOfB(uint64_t b, int row, int from) {
  const uint64_t start = (b & 0x3fff) << 4, stride = (b >> 32 & 0x3fff) << 4;
  if (b >> 62 != 1 || (b >> 49 & 7) != 0) Fail("has a B that is not in the 128-byte swizzle");
  uint64_t at = start + static_cast<uint64_t>(row / 8) * stride + static_cast<uint64_t>(row % 8 * 128 + from);
  at ^= at >> 3 & 0x70;   // of bits of the address, so that atoms of 1,024 bytes must be aligned
  if (at < kSharedBegins || at + 16 > kSharedBegins + DynamicSharedBytes()) Fail("reads outside shared memory");
  return reinterpret_cast<const int8_t*>(DynamicShared() + (at - kSharedBegins));
}

// A thread's part of its product `index`: two rows of A, which its quad of lanes holds.
void Multiply(size_t thread, size_t index) {
  const Product& mine = threads[thread].products[index];
  int8_t a[2][32];
  for (size_t other = thread / 4 * 4; other < thread / 4 * 4 + 4; ++other) {
    const Product& p = threads[other].products[index];
    if (p.b != mine.b || p.add != mine.add) Fail("is not the same in all threads");
    for (int reg = 0; reg < 4; ++reg)
      for (int byte = 0; byte < 4; ++byte) {
        const Place at = PlaceInA(static_cast<int>(other % kWarp), reg, byte);
        a[at.row / 8][at.col] = static_cast<int8_t>(p.a[reg] >> (8 * byte));
      }
  }
  for (int i = 0; i < 32; i += 4)
    for (int c = 0; c < 2; ++c) {
      const int col = i * 2 + PlaceInSums(static_cast<int>(thread % kWarp), c).col;
      const int8_t* b[2] = {RowOfB(mine.b, col, 0), RowOfB(mine.b, col, 16)};
      for (int r = 0; r < 2; ++r) {
        uint32_t sum = mine.add ? static_cast<uint32_t>(mine.d[i + 2 * r + c]) : 0;
        for (int k = 0; k < 32; ++k) sum += static_cast<uint32_t>(int32_t{a[r][k]} * b[k / 16][k % 16]);
        mine.d[i + 2 * r + c] = static_cast<int32_t>(sum);
      }
    }
}

// Runs the first `count` products of the calling thread; all of a warpgroup come here.
void RunProducts(size_t count) {
  SyncWarpgroup();
  for (size_t i = 0; i < count; ++i) Multiply(ThreadIndex(), i);
  SyncWarpgroup();   // all have read what registers hold
  std::vector<Product>& products = threads[ThreadIndex()].products;
  products.erase(products.begin(), products.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

uint32_t SharedAddress(const std::byte* p) { return kSharedBegins + static_cast<uint32_t>(p - DynamicShared()); }
void BeginProducts(size_t count) { threads.assign(count, {}); }
void RunProductsLate(bool l) { late = l; }

void WgmmaFence() { threads[ThreadIndex()].fenced = true; }

void WgmmaS8S8(int32_t (&d)[32], const uint32_t (&a)[4], uint64_t b, bool add) {
  ThreadProducts& t = threads[ThreadIndex()];
  if (!t.fenced) Fail("comes without a fence");
  t.products.push_back({d, a, b, add});
  if (late) {
    ++t.open;
    SyncWarpgroup();
  } else {
    RunProducts(1);
  }
}

void WgmmaCommit() {
  ThreadProducts& t = threads[ThreadIndex()];
  t.groups.push_back(std::exchange(t.open, 0)), t.fenced = false;
}

void WgmmaWait(int later) {
  ThreadProducts& t = threads[ThreadIndex()];
  size_t count = 0;
  while (t.groups.size() > static_cast<size_t>(later)) count += t.groups.front(), t.groups.erase(t.groups.begin());
  RunProducts(count);
}

}  // namespace emulated
