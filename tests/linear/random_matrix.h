// Seeded random matrices in every scheme, packed, for the kernel tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "runtime/quant/layout.h"
#include "runtime/quant/scheme.h"

namespace hasten::testing {

struct FreeAligned {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using AlignedArray = std::unique_ptr<std::byte[], FreeAligned>;

// 64-byte aligned and exactly as long as asked, so that a sanitizer sees overreads.
inline AlignedArray MakeAligned(size_t bytes) {
  AlignedArray p(new (std::align_val_t{64}) std::byte[bytes ? bytes : 1]);
  std::memset(p.get(), 0xa5, bytes);
  return p;
}

enum class Fill { kRandom, kExtreme, kZeroRows };

inline AlignedArray RandomPacked(Scheme scheme, int64_t n, int64_t k, Fill fill, std::mt19937& rng) {
  const SchemeInfo& info = GetScheme(scheme);
  const size_t bytes = PackedBytes(scheme, n, k).value();
  AlignedArray out = MakeAligned(bytes);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  if (!info.integer) {
    std::vector<float> w(static_cast<size_t>(n * k));
    for (int64_t i = 0; i < n * k; ++i) w[i] = fill == Fill::kZeroRows && i / k % 3 == 0 ? 0.0f : normal(rng);
    if (fill == Fill::kExtreme)
      for (float& v : w) v = v > 0 ? 65504.0f : -0x1p-24f;  // fp16's largest and least
    EXPECT_TRUE(PackFloats(scheme, n, k, w, {out.get(), bytes}).ok());
    return out;
  }
  const PackedLayout l = LayoutOf(scheme, n, k);
  std::vector<int8_t> codes(static_cast<size_t>(n * k));
  std::vector<float> scale(static_cast<size_t>(n * l.groups));
  std::vector<uint8_t> zero(info.zero_point ? scale.size() : 0);
  for (int64_t i = 0; i < n * k; ++i) {
    const int lo = info.zero_point ? 0 : -127, hi = info.max_code;
    const int random = lo + static_cast<int>(rng() % static_cast<unsigned>(hi - lo + 1));
    codes[i] = static_cast<int8_t>(fill == Fill::kExtreme ? (rng() % 8 ? hi : lo) : random);
  }
  for (size_t i = 0; i < scale.size(); ++i) {
    const bool none = fill == Fill::kZeroRows && i / static_cast<size_t>(l.groups) % 3 == 0;
    scale[i] = none ? 0.0f : RoundScale(scheme, 0.001f + std::fabs(normal(rng)));
  }
  for (uint8_t& z : zero) z = static_cast<uint8_t>(fill == Fill::kExtreme ? (rng() % 2) * static_cast<unsigned>(info.max_code) : rng() % static_cast<unsigned>(info.max_code + 1));
  const Status s = PackCodes(scheme, n, k, {codes, scale, zero}, {out.get(), bytes});
  EXPECT_TRUE(s.ok()) << s.message();
  return out;
}

}  // namespace hasten::testing
