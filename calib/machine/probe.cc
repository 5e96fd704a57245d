#include "calib/machine/probe.h"

#include <cstring>

namespace hasten::calib {
namespace {

constexpr Probe kProbes[] = {
    {Isa::kScalar, ReadScalar, nullptr, 0, nullptr, 0},
    {Isa::kAvx2, ReadAvx2, Int8Avx2, 32, Fp32Avx2, 8},
    {Isa::kAvxVnni, ReadAvx2, Int8AvxVnni, 32, nullptr, 0},
    {Isa::kAvx512Vnni, ReadAvx512, Int8Avx512Vnni, 64, Fp32Avx512, 16},
};

}  // namespace

std::span<const Probe> AllProbes() { return kProbes; }

uint64_t ReadScalar(const std::byte* from, size_t bytes) {
  uint64_t acc[4] = {};
  for (size_t at = 0; at < bytes; at += 32) {
    for (size_t i = 0; i < 4; ++i) {
      uint64_t v;
      std::memcpy(&v, from + at + 8 * i, 8);
      acc[i] ^= v;
    }
  }
  return acc[0] ^ acc[1] ^ acc[2] ^ acc[3];
}

}  // namespace hasten::calib
