// The loops of the machine probe, an instruction set a row: reading memory, and
// the multiply-adds that kernels are made of, with nothing around them. What
// they reach is the ceiling that kernels are held against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/isa.h"

namespace hasten::calib {

struct Probe {
  Isa isa;
  // Reads `bytes`, a multiple of 512, 64-byte aligned; the value only keeps the loads alive.
  uint64_t (*read)(const std::byte* from, size_t bytes);
  // `iterations` times kChains independent multiply-adds of vectors; null where
  // the set adds nothing of that kind to the row before it.
  void (*int8)(int64_t iterations);
  int64_t int8_lanes;   // multiply-adds of one vector
  void (*fp32)(int64_t iterations);
  int64_t fp32_lanes;
};

// Independent chains: more than latency times throughput of any multiply-add
// (5 cycles, 2 a cycle), and few enough for 16 registers.
inline constexpr int kChains = 12;

std::span<const Probe> AllProbes();   // of every instruction set, in their order

uint64_t ReadScalar(const std::byte* from, size_t bytes);
uint64_t ReadAvx2(const std::byte* from, size_t bytes);
uint64_t ReadAvx512(const std::byte* from, size_t bytes);
void Int8Avx2(int64_t iterations);
void Int8AvxVnni(int64_t iterations);
void Int8Avx512Vnni(int64_t iterations);
void Fp32Avx2(int64_t iterations);
void Fp32Avx512(int64_t iterations);

}  // namespace hasten::calib
