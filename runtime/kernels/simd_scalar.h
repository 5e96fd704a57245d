// The vocabulary of the kernel templates for V = float, the width of the
// reference: the same names as simd_avx2.h and simd_avx512.h give their
// vectors, so that a template instantiated with either is one sequence of
// operations. Everything here has internal linkage on purpose: files compiled
// for different instruction sets must never share an out-of-line copy.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define HST_HOST_DEVICE __host__ __device__
#else
#define HST_HOST_DEVICE
#endif
#define HST_MATH HST_HOST_DEVICE static inline
// HST_UNROLL, before a loop over registers: left rolled, the registers would live
// in memory, and neither gcc at -O2 nor clang around assembly unrolls by itself.
// HST_KERNEL_LOOP: a function of its own, so that registers are allocated for
// its loop alone (inlined into a large caller, gcc spills accumulators).
#define HST_KERNEL_LOOP __attribute__((noinline))
#if defined(__clang__)
#define HST_UNROLL _Pragma("unroll")
#else
#define HST_UNROLL _Pragma("GCC unroll 16")
#endif

namespace hasten {

inline constexpr float kInf = __builtin_inff();
inline constexpr float kNaN = __builtin_nanf("");

HST_MATH float Fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
HST_MATH float Sqrt(float a) { return __builtin_sqrtf(a); }
HST_MATH bool Lt(float a, float b) { return a < b; }
HST_MATH bool Eq(float a, float b) { return a == b; }
HST_MATH bool IsNaN(float a) { return a != a; }
HST_MATH float Select(bool m, float a, float b) { return m ? a : b; }
// The second operand where either is NaN, as MAXPS and MINPS do.
HST_MATH float Max(float a, float b) { return a > b ? a : b; }
HST_MATH float Min(float a, float b) { return a < b ? a : b; }

HST_MATH uint32_t Bits(float a) {
  uint32_t u;
  memcpy(&u, &a, sizeof u);
  return u;
}
template <class V>
HST_MATH V FromBits(uint32_t u) {
  V a;
  memcpy(&a, &u, sizeof a);
  return a;
}
HST_MATH uint32_t ShiftLeft(uint32_t a, int n) { return a << n; }
HST_MATH uint32_t ShiftRightSigned(uint32_t a, int n) { return static_cast<uint32_t>(static_cast<int32_t>(a) >> n); }
template <class V>
HST_MATH V ToFloat(uint32_t a) { return static_cast<float>(static_cast<int32_t>(a)); }

HST_MATH float Abs(float a) { return FromBits<float>(Bits(a) & 0x7fffffffu); }
// The magnitude of `a` (>= 0) with the sign of `s`.
HST_MATH float CopySign(float a, float s) { return FromBits<float>(Bits(a) | (Bits(s) & 0x80000000u)); }

// p * 2^n for |n| <= 252, one rounding; n as float and as integer. The two
// halves of n keep the intermediate product exact.
HST_MATH float ScaleByPowerOfTwo(float p, float, uint32_t n) {
  const uint32_t half = ShiftRightSigned(n, 1);
  return p * FromBits<float>((half + 127u) << 23) * FromBits<float>((n - half + 127u) << 23);
}

// p * 2^n for -126 <= n <= 127, one rounding.
HST_MATH float ScaleNormal(float p, float, uint32_t n) { return p * FromBits<float>((n + 127u) << 23); }

// Memory access. *Part touch only the first `count` lanes (0 to kLanes); the
// others read as zero.
template <class V>
inline constexpr int kLanes = 1;
template <class V>
HST_MATH V Load(const float* p) { return *p; }
template <class V>
HST_MATH V LoadPart(const float* p, int count) { return count > 0 ? *p : 0.0f; }
HST_MATH void Store(float* p, float v) { *p = v; }
HST_MATH void StorePart(float* p, float v, int count) {
  if (count > 0) *p = v;
}

}  // namespace hasten
