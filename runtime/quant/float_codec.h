// fp32 and fp16: rows one after another, padded with zeros to 64 bytes. No
// interleaving, because the canonical order sums 16 strided lanes along K: a
// vector of a row is a vector of lanes.
#pragma once

#include "runtime/quant/codec.h"

namespace hasten::codec {

template <int kBits>
struct FloatCodec {
  static constexpr bool kInteger = false, kZeroPoint = false;
  static constexpr int kMaxCode = 0;
  static constexpr int64_t kPerLine = kLineBytes * 8 / kBits;

  static PackedLayout Layout(int64_t n, int64_t k) {
    PackedLayout l;
    l.blocks = n;
    l.lines = CeilDiv(k, kPerLine);
    l.k_per_line = kPerLine;
    l.group = k;
    l.scale_offset = l.zero_offset = l.block_bytes = l.lines * kLineBytes;
    return l;
  }

  // `row_index` is for messages.
  static Status PackRow(int64_t k, const float* values, int64_t row_index, std::byte* row) {
    std::memset(row, 0, static_cast<size_t>(Layout(1, k).block_bytes));
    if constexpr (kBits == 32) {
      std::memcpy(row, values, static_cast<size_t>(k) * 4);
    } else {
      for (int64_t i = 0; i < k; ++i) {
        const uint16_t h = FloatToHalf(values[i]);
        if (std::isfinite(values[i]) && (h & 0x7c00u) == 0x7c00u)
          return BadInput("row ", row_index, ", column ", i, ": ", values[i],
                          " is beyond fp16's largest value, 65504; use another weight scheme");
        std::memcpy(row + i * 2, &h, 2);
      }
    }
    for (int64_t i = 0; i < k; ++i)
      if (!std::isfinite(values[i])) return BadInput("row ", row_index, ", column ", i, " is ", values[i], ", not a finite number");
    return Status();
  }

  static void UnpackRow(int64_t k, const std::byte* row, float* out) {
    if constexpr (kBits == 32) {
      std::memcpy(out, row, static_cast<size_t>(k) * 4);
    } else {
      for (int64_t i = 0; i < k; ++i) out[i] = HalfToFloat(LoadU16(row + i * 2));
    }
  }
};

}  // namespace hasten::codec
