// int4: unsigned codes 0..15 with an integer zero-point 0..15 and an fp16 scale
// per group, w = scale * (code - zero). Two K4 columns share a line, one in the
// low and one in the high nibbles; the zero-point's part of a dot product is
// zero * sum(x), exact in integers.
#pragma once

#include "runtime/quant/codec.h"

namespace hasten::codec {

template <int64_t kGroup>
struct Int4Codec {
  static constexpr bool kInteger = true;
  static constexpr int64_t kPerLine = 8;
  static_assert(kGroup % kPerLine == 0);

  static PackedLayout Layout(int64_t n, int64_t k) {
    PackedLayout l;
    l.blocks = CeilDiv(n, kBlockRows);
    l.lines = CeilDiv(k, kPerLine);
    l.k_per_line = kPerLine;
    l.group = kGroup;
    l.groups = CeilDiv(k, kGroup);
    l.scale_bytes = 2;
    l.scale_offset = l.lines * kLineBytes;
    l.zero_offset = l.scale_offset + l.groups * kBlockRows * l.scale_bytes;
    l.block_bytes = AlignUp(l.zero_offset + l.groups * kBlockRows, kLineBytes);
    return l;
  }

  static Status PackBlock(int64_t k, int64_t rows, const CodesView& in, std::byte* block) {
    const PackedLayout l = Layout(rows, k);
    std::memset(block, 0, static_cast<size_t>(l.block_bytes));
    for (int64_t r = 0; r < rows; ++r) {
      const int8_t* codes = in.codes + r * k;
      for (int64_t i = 0; i < k; ++i) {
        if (codes[i] < 0 || codes[i] > 15)
          return BadInput("int4 code of row ", in.first_row + r, ", column ", i, " is ", int{codes[i]}, ", not 0 to 15");
        block[i / 8 * kLineBytes + r * 4 + i % 4] |= static_cast<std::byte>(codes[i] << (i & 4));
      }
      for (int64_t g = 0; g < l.groups; ++g) {
        const uint8_t z = in.zero[r * l.groups + g];
        if (z > 15) return BadInput("int4 zero-point of row ", in.first_row + r, ", group ", g, " is ", int{z}, ", not 0 to 15");
        block[l.zero_offset + g * kBlockRows + r] = static_cast<std::byte>(z);
      }
    }
    return StoreHalfScales(in, rows, l.groups, block + l.scale_offset);
  }

  static int Code(const std::byte* block, int64_t row, int64_t i) {
    return (static_cast<int>(block[i / 8 * kLineBytes + row * 4 + i % 4]) >> (i & 4)) & 15;
  }
  static float Scale(const PackedLayout& l, const std::byte* block, int64_t row, int64_t g) {
    return HalfToFloat(LoadU16(block + l.scale_offset + (g * kBlockRows + row) * 2));
  }
  static int Zero(const PackedLayout& l, const std::byte* block, int64_t row, int64_t g) {
    return static_cast<int>(block[l.zero_offset + g * kBlockRows + row]);
  }

  static void UnpackCodes(const PackedLayout& l, int64_t k, const std::byte* block, int64_t row, int8_t* codes,
                          float* scales) {
    for (int64_t g = 0, i = 0; g < l.groups; ++g) {
      scales[g] = Scale(l, block, row, g);
      const int zero = Zero(l, block, row, g);
      for (const int64_t end = k - i < kGroup ? k : i + kGroup; i < end; ++i)
        codes[i] = static_cast<int8_t>(Code(block, row, i) - zero);
    }
  }

  static void UnpackRow(const PackedLayout& l, int64_t k, const std::byte* block, int64_t row, float* out) {
    for (int64_t g = 0, i = 0; g < l.groups; ++g) {
      const float s = Scale(l, block, row, g);
      const int zero = Zero(l, block, row, g);
      for (const int64_t end = k - i < kGroup ? k : i + kGroup; i < end; ++i)
        out[i] = s * static_cast<float>(Code(block, row, i) - zero);
    }
  }
};

}  // namespace hasten::codec
