// The arithmetic of sampling, for every backend; ref.cc says in which order it is applied.
#pragma once

#include <cstdint>

#include "runtime/kernels/sample/philox.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten {

inline constexpr float kWeightOne = 0x1p40f;   // fixed-point 1: 2^23 tokens still sum below 2^63
inline constexpr float kLeastWeighed = 0x1p-40f;   // of e: what is less weighs nothing

HST_MATH uint64_t Weight(float e) { return static_cast<uint64_t>(e * kWeightOne); }

// Buckets of weights of one power of two, 1 (lightest) to 41: order among
// buckets is order of y. Only for e >= 2^-40, where the weight is not 0.
inline constexpr uint32_t kBuckets = 42;
HST_MATH uint32_t BucketOf(float e) { return (Bits(e) >> 23) - 86; }

// Ascending in (y descending, id ascending).
HST_MATH uint64_t Rank(float y, uint32_t id) {
  const uint32_t bits = Bits(y + 0.0f);  // -0 becomes +0: they tie
  const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(~ascending) << 32 | id;
}

// Divides positive and multiplies other logits (Keskar et al. 2019).
HST_MATH float Penalized(float x, float penalty) { return x > 0 ? x / penalty : x * penalty; }

// The weight that top_p asks for, of the total; at least 1.
HST_MATH uint64_t ShareOf(uint64_t total, float top_p) {
  const uint64_t p = static_cast<uint64_t>(top_p * 0x1p32f);
  const uint64_t need = static_cast<uint64_t>((static_cast<unsigned __int128>(total) * p + 0xffffffffu) >> 32);
  return need > 1 ? need : 1;
}

// The least weight that min_p leaves; 0: off.
HST_MATH uint64_t LeastWeight(float min_p) { return static_cast<uint64_t>(min_p * kWeightOne); }

// Where in the running sum the token of (seed, position) lies: below the total.
HST_MATH uint64_t DrawnOf(uint64_t total, uint64_t seed, int64_t position) {
  const uint64_t at = static_cast<uint64_t>(position);
  const auto random = Philox4x32({static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), 0, 0},
                                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const uint64_t r = static_cast<uint64_t>(random[1]) << 32 | random[0];
  return static_cast<uint64_t>((static_cast<unsigned __int128>(r) * total) >> 64);
}

}  // namespace hasten
