// What the kernel tests share: seeded numbers, running a row of a table with its
// tiles in a random order, and comparing results in bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/kernels/kernel.h"

namespace hasten::testing {

// SplitMix64 (Steele, Lea & Flood 2014): the same numbers on every platform.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  int64_t Below(int64_t n) { return static_cast<int64_t>(Next() % static_cast<uint64_t>(n)); }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  float Normal() {  // Box & Muller 1958
    return static_cast<float>(std::sqrt(-2 * std::log(1 - Uniform())) * std::cos(6.283185307179586 * Uniform()));
  }
  std::vector<float> Normals(size_t n, float scale = 1) {
    std::vector<float> v(n);
    for (float& x : v) x = scale * Normal();
    return v;
  }

 private:
  uint64_t state_;
};

// 64-byte aligned bytes, filled with a pattern that is NaN as a float, so that
// reading what was never written shows.
class AlignedBytes {
 public:
  explicit AlignedBytes(size_t n)
      : data_(static_cast<std::byte*>(std::aligned_alloc(64, (n + 127) / 64 * 64))), size_(n) {
    std::memset(data_.get(), 0xff, (n + 127) / 64 * 64);
  }
  std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_;
};

// Runs all tiles in random ranges and random order.
template <class Args>
void RunShuffled(const Kernel<Args>& kernel, const Args& args, uint64_t seed) {
  const int64_t tiles = kernel.tiles(args);
  const AlignedBytes scratch(kernel.scratch ? kernel.scratch(args) : 0);
  Rng rng(seed);
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (int64_t at = 0; at < tiles;) {
    const int64_t end = std::min(tiles, at + 1 + rng.Below(4));
    ranges.emplace_back(at, end);
    at = end;
  }
  for (size_t i = ranges.size(); i > 1; --i) std::swap(ranges[i - 1], ranges[static_cast<size_t>(rng.Below(static_cast<int64_t>(i)))]);
  for (const auto& [begin, end] : ranges) kernel.run(args, begin, end, scratch.data());
}

template <class Args>
const Kernel<Args>& ScalarRow(std::span<const Kernel<Args>> table, const Args& args) {
  return *SelectKernel(table, args, Isa::kScalar);
}

// Calls f(kernel) for every row but the scalar one that this machine can run.
template <class Args, class F>
void ForEachFastRow(std::span<const Kernel<Args>> table, const Args& args, F f) {
  for (const Kernel<Args>& k : table)
    if (k.isa != Isa::kScalar && IsaAvailable(k.isa) && (!k.accepts || k.accepts(args))) f(k);
}

// Equal bits; any NaN equals any NaN (payloads are not specified).
inline bool SameBits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}
inline ::testing::AssertionResult SameBits(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << "sizes " << a.size() << " and " << b.size();
  for (size_t i = 0; i < a.size(); ++i)
    if (!SameBits(a[i], b[i]))
      return ::testing::AssertionFailure() << "element " << i << " of " << a.size() << ": " << a[i] << " and " << b[i];
  return ::testing::AssertionSuccess();
}

}  // namespace hasten::testing
