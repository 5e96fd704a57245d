// The vocabulary of device code, so that it is compiled by nvcc for a GPU and by the
// C++ compiler for the emulator of tests/device, which runs a block's threads one
// after another and is force-included there. Beside CUDA's own names (threadIdx,
// __syncthreads, __shfl_sync with the full mask, atomicAdd, __threadfence, float4 ...)
// device code uses only what is here.
//
// HST_SHARED(T, name, count): an array in shared memory, at a function's top level.
// HST_DYNAMIC_SHARED(name): the launch's own, std::byte, 16-byte aligned.
// Loops over registers are unrolled by HST_DEVICE_UNROLL: an array that is indexed by a
// value not known to the compiler moves to local memory. HST_DEVICE_ROLLED: not at all,
// where what iterations need at once would not fit the registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/half.h"
#include "runtime/kernels/cuda/fragments.h"
#include "runtime/kernels/simd_scalar.h"

#if defined(__CUDACC__)
#define HST_SHARED(T, name, count) __shared__ T name[count]
#define HST_DYNAMIC_SHARED(name) extern __shared__ __align__(16) std::byte name[]
#define HST_DEVICE_UNROLL _Pragma("unroll")
#define HST_DEVICE_ROLLED _Pragma("unroll 1")
#elif !defined(HST_EMULATED)
#error "device code is compiled by nvcc, or for the emulator of tests/device"
#endif
#define HST_DEVICE __device__ __forceinline__

namespace hasten::cuda {

inline constexpr unsigned kFullMask = 0xffffffffu;
inline constexpr int kWarp = 32;

// c + the sum of four products, bytes of `u` unsigned, of `s` signed.
HST_DEVICE int32_t DotU8S8(uint32_t u, uint32_t s, int32_t c) {
#if defined(__CUDA_ARCH__)
  int32_t d;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(u), "r"(s), "r"(c));
  return d;
#else
  for (int i = 0; i < 4; ++i)
    c += static_cast<int32_t>(u >> (8 * i) & 255u) * static_cast<int8_t>(s >> (8 * i) & 255u);
  return c;
#endif
}

// c + the sum of four products, all bytes signed.
HST_DEVICE int32_t DotS8S8(uint32_t a, uint32_t b, int32_t c) {
#if defined(__CUDA_ARCH__)
  return __dp4a(static_cast<int>(a), static_cast<int>(b), c);
#else
  for (int i = 0; i < 4; ++i)
    c += int32_t{static_cast<int8_t>(a >> (8 * i) & 255u)} * static_cast<int8_t>(b >> (8 * i) & 255u);
  return c;
#endif
}

// float(dot) without a conversion, which GPUs do at a fraction of an addition's rate: an
// integer sum that begins at kDotOrigin, the bits of 1.5 * 2^23, has the bits of 1.5 * 2^23 +
// dot as long as |dot| <= kMostDot, and the subtraction is exact.
inline constexpr int32_t kDotOrigin = 0x4b400000;
inline constexpr int32_t kMostDot = 1 << 22;
HST_DEVICE float DotFromOrigin(int32_t d) { return FromBits<float>(static_cast<uint32_t>(d)) - 12582912.0f; }

// d += A B on the tensor cores: A 16 x 32 unsigned bytes, B 32 x 8 signed bytes, d int32;
// all 32 lanes together. fragments.h says which lane holds what.
HST_DEVICE void MmaU8S8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__)
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(HST_EMULATED)
  emulated::Mma(d, a, b, /*a_signed=*/false);
#endif
}

// The same with signed bytes in A.
HST_DEVICE void MmaS8S8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__)
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(HST_EMULATED)
  emulated::Mma(d, a, b, /*a_signed=*/true);
#endif
}

// The nearest integer, ties to even, for |x| < 2^31.
HST_DEVICE int32_t NearestInteger(float x) {
#if defined(__CUDA_ARCH__)
  return __float2int_rn(x);
#else
  return static_cast<int32_t>(__builtin_rintf(x));
#endif
}

// The same product alone: its sums begin at `origin`, which costs no instruction.
HST_DEVICE void MmaS8S8First(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], int32_t origin) {
#if defined(__CUDA_ARCH__)
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(origin));
#elif defined(HST_EMULATED)
  d[0] = d[1] = d[2] = d[3] = origin;
  emulated::Mma(d, a, b, /*a_signed=*/true);
#endif
}

// 16 bytes of what is read once and by this thread only: weights.
HST_DEVICE uint4 LoadOnce(const std::byte* p) {
#if defined(__CUDA_ARCH__)
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  return v;
#else
  return *reinterpret_cast<const uint4*>(p);
#endif
}

// Asks for a line of 128 bytes to be in L2 soon.
HST_DEVICE void PrefetchL2(const std::byte* p) {
#if defined(__CUDA_ARCH__)
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
#else
  (void)p;
#endif
}

// 16 bytes from global to shared memory, on the way until WaitCopies. Both aligned to 16.
// `live` false: zeros, and nothing is read.
HST_DEVICE void CopyToShared(std::byte* to, const std::byte* from, bool live) {
#if defined(__CUDA_ARCH__)
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(live ? 16 : 0));
#else
  *reinterpret_cast<uint4*>(to) = live ? *reinterpret_cast<const uint4*>(from) : uint4{0, 0, 0, 0};
#endif
}
HST_DEVICE void CommitCopies() {
#if defined(__CUDA_ARCH__)
  asm volatile("cp.async.commit_group;");
#endif
}
// Until at most kLater of the committed groups are on the way; of this thread's copies:
// __syncthreads comes after.
template <int kLater>
HST_DEVICE void WaitCopies() {
#if defined(__CUDA_ARCH__)
  asm volatile("cp.async.wait_group %0;" ::"n"(kLater));
#endif
}

// 4 bytes in the same way.
HST_DEVICE void Copy4ToShared(std::byte* to, const std::byte* from, bool live) {
#if defined(__CUDA_ARCH__)
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(at), "l"(from), "r"(live ? 4 : 0));
#else
  *reinterpret_cast<uint32_t*>(to) = live ? *reinterpret_cast<const uint32_t*>(from) : 0u;
#endif
}

// fp16, in the low bits, widened exactly.
HST_DEVICE float WidenHalf(uint32_t h) {
#if defined(__CUDA_ARCH__)
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(static_cast<unsigned short>(h)));
  return f;
#else
  return HalfToFloat(static_cast<uint16_t>(h));
#endif
}

// Programmatic dependent launch (CUDA C++ Programming Guide, 4.5): a kernel may start as
// soon as all blocks of the one before it have called LetNextStart, and what that one and all
// earlier ones wrote is there after WaitForPrevious (PTX ISA, griddepcontrol: all of its grid
// has completed, which has waited itself). So every kernel lets the next one start first of all,
// and waits before it reads or writes anything but weights: a chain of small kernels is resident
// while the first of them runs, and the linear behind them already reads its weights.
HST_DEVICE void LetNextStart() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
HST_DEVICE void WaitForPrevious() {
  LetNextStart();   // again is nothing, for a kernel that did before it prefetched
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The tree of docs/numerics.md, "Sums", over lanes 0 to 15 of each half of a warp:
// lane j += lane j + 8, then + 4, + 2, + 1. The sum is in lanes 0 and 16.
HST_DEVICE float SumOf16(float lane) {
  HST_DEVICE_UNROLL
  for (int half = 8; half >= 1; half /= 2) lane = lane + __shfl_down_sync(kFullMask, lane, half, 16);
  return lane;
}

// The value of an fp16 number, exactly.
HST_DEVICE float HalfAsFloat(uint16_t h) {
#if defined(__CUDA_ARCH__)
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
  return f;
#else
  return HalfToFloat(h);
#endif
}

// f(i) for i = thread, thread + kThreads and so on below kCount. Written so that the compiler
// knows how many there are: a loop that begins at a thread's number is not unrolled as a whole.
template <int kCount, int kThreads, class F>
HST_DEVICE void ForEachOf(unsigned thread, F f) {
  HST_DEVICE_UNROLL
  for (unsigned j = 0; j < (kCount + kThreads - 1) / kThreads; ++j)
    if ((j + 1) * kThreads <= kCount || thread + j * kThreads < kCount) f(static_cast<int>(thread + j * kThreads));
}

// x, in a register from here on: it cannot be computed again where it is used, which costs
// more than the register in a loop.
HST_DEVICE int Kept(int x) {
#if defined(__CUDA_ARCH__)
  asm volatile("" : "+r"(x));
#endif
  return x;
}
HST_DEVICE const std::byte* Kept(const std::byte* x) {
#if defined(__CUDA_ARCH__)
  asm volatile("" : "+l"(x));
#endif
  return x;
}

// x; what is computed of it is computed where it is needed, and not kept in registers
// from before a loop on.
HST_DEVICE int NotBefore(int x) {
#if defined(__CUDA_ARCH__)
  asm volatile("" : "+r"(x));
#endif
  return x;
}

}  // namespace hasten::cuda
