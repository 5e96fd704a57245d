// Products of a warpgroup (four warps, from a multiple of four on) on Hopper's tensor
// cores: PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate
// Instructions". They run beside what the threads do next; sums and the registers of A
// must be left alone until they have been waited for. In order:
//   WaitCopies, ShowToProducts, __syncthreads    B has come to shared memory
//   WgmmaFence                                   registers have been written
//   WgmmaS8S8 ..., WgmmaCommit                   a group
//   WgmmaWait<later>, AfterWait(sums)            then sums may be read
// Only code for sm_90a has them; elsewhere these functions are empty and nothing that
// calls them is launched.
#pragma once

#include "runtime/kernels/cuda/simt.h"

namespace hasten::cuda {

// B lies in shared memory, rows of 128 bytes of K, with chunks of 16 bytes exchanged
// within each 8 rows ("128-byte swizzle"), aligned to kTileAlign.
inline constexpr int kTileRowBytes = 128, kTileAlign = 1024;
HST_DEVICE int InTile(int row, int chunk) { return row * kTileRowBytes + (chunk ^ (row & 7)) * 16; }

HST_DEVICE uint32_t SharedAddress(const std::byte* p) {
#if defined(__CUDA_ARCH__)
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
#elif defined(HST_EMULATED)
  return emulated::SharedAddress(p);
#else
  return 0;
#endif
}

// What a product is told of its B: where it begins, in 16 bytes; how far apart groups of
// 8 rows are; the swizzle. Rows and bytes of K are gone on to by adding to it.
HST_DEVICE uint64_t DescribeTile(const std::byte* tile) {
  constexpr uint64_t kApart = 8 * kTileRowBytes / 16, kUnused = 1, kSwizzle128 = 1;
  return SharedAddress(tile) >> 4 | kUnused << 16 | kApart << 32 | kSwizzle128 << 62;
}
inline constexpr uint64_t kTileRows8 = 8 * kTileRowBytes / 16, kTileK32 = 2;

// What this thread has written to shared memory can be read by products after the next barrier.
HST_DEVICE void ShowToProducts() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

HST_DEVICE void WgmmaFence() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#elif defined(HST_EMULATED)
  emulated::WgmmaFence();
#endif
}
HST_DEVICE void WgmmaCommit() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#elif defined(HST_EMULATED)
  emulated::WgmmaCommit();
#endif
}
// Until at most kLater of the committed groups run.
template <int kLater>
HST_DEVICE void WgmmaWait() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLater) : "memory");
#elif defined(HST_EMULATED)
  emulated::WgmmaWait(kLater);
#endif
}

// Sums of 64 rows by 64 columns: a warp has 16 rows, which lie in it as in 8 tiles of
// PlaceInSums (fragments.h); A's 16 rows by 32 of K as in PlaceInA.
using WgmmaSums = int32_t[32];

// The compiler sees no use of the sums in a wait; this keeps reads behind it.
HST_DEVICE void AfterWait(WgmmaSums& d) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  HST_DEVICE_UNROLL
  for (int i = 0; i < 32; ++i) asm volatile("" : "+r"(d[i])::"memory");
#else
  (void)d;
#endif
}

// d = A B, or d += A B with `add`: A the warp's registers, B 32 of K by 64 rows of a tile.
HST_DEVICE void WgmmaS8S8(WgmmaSums& d, const uint32_t (&a)[4], uint64_t b, bool add) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile(
      "{.reg .pred more; setp.ne.b32 more, %37, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, "
      "{%32,%33,%34,%35}, %36, more;}"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]), "+r"(d[4]), "+r"(d[5]), "+r"(d[6]), "+r"(d[7]), "+r"(d[8]), "+r"(d[9]), "+r"(d[10]),
        "+r"(d[11]), "+r"(d[12]), "+r"(d[13]), "+r"(d[14]), "+r"(d[15]), "+r"(d[16]), "+r"(d[17]), "+r"(d[18]), "+r"(d[19]), "+r"(d[20]),
        "+r"(d[21]), "+r"(d[22]), "+r"(d[23]), "+r"(d[24]), "+r"(d[25]), "+r"(d[26]), "+r"(d[27]), "+r"(d[28]), "+r"(d[29]), "+r"(d[30]),
        "+r"(d[31])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add ? 1 : 0));
#elif defined(HST_EMULATED)
  emulated::WgmmaS8S8(d, a, b, add);
#else
  (void)d, (void)a, (void)b, (void)add;
#endif
}

}  // namespace hasten::cuda
