// fp16 and bf16 as 16-bit patterns: exact widening, round-to-nearest-even
// narrowing, in plain integer code so that every instruction set and the GPU
// give the same bits. NaNs stay NaNs (quieted).
#pragma once

#include <bit>
#include <cstdint>

namespace hasten {

constexpr float HalfToFloat(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t exp = (h >> 10) & 0x1fu, man = h & 0x3ffu;
  if (exp == 31) return std::bit_cast<float>(sign | 0x7f800000u | (man << 13) | (man ? 0x400000u : 0u));
  if (exp != 0) return std::bit_cast<float>(sign | ((exp + 112u) << 23) | (man << 13));
  // Subnormal or zero: man * 2^-24 is exact in fp32.
  const float f = static_cast<float>(man) * 0x1p-24f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(f) | sign);
}

constexpr uint16_t FloatToHalf(float f) {
  const uint32_t x = std::bit_cast<uint32_t>(f);
  const uint32_t sign = (x >> 16) & 0x8000u, a = x & 0x7fffffffu;
  if (a > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
  if (a >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 2^16 or more
  if (a < 0x33000001u) return static_cast<uint16_t>(sign);             // at most half of the least subnormal
  uint32_t man, shift, base;
  if (a < 0x38800000u) {  // subnormal half: value = man * 2^(exp-150), unit 2^-24
    const uint32_t exp = a >> 23;
    man = (a & 0x7fffffu) | 0x800000u;
    shift = 126u - exp;
    base = 0;
  } else {
    man = a - 0x38000000u;
    shift = 13;
    base = 0;
  }
  const uint32_t q = man >> shift, rest = man & ((1u << shift) - 1u), halfway = 1u << (shift - 1u);
  return static_cast<uint16_t>(sign | (base + q + ((rest > halfway || (rest == halfway && (q & 1u))) ? 1u : 0u)));
}

constexpr float BFloatToFloat(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }

constexpr uint16_t FloatToBFloat(float f) {
  const uint32_t x = std::bit_cast<uint32_t>(f);
  if ((x & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((x >> 16) | 0x40u);
  return static_cast<uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
}

}  // namespace hasten
