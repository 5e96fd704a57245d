// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror & Shaw 2011
// ("Parallel Random Numbers: As Easy as 1, 2, 3", section 4.3): 128 random bits
// as a pure function of a 128-bit counter and a 64-bit key. Nothing to seed,
// nothing to advance, the same on every backend. Not for cryptography.
#pragma once

#include <array>
#include <cstdint>

namespace hasten {

constexpr std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> c, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0], b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;  // the golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return c;
}

}  // namespace hasten
