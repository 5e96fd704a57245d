// int8: symmetric codes -127..127, stored as code + 128 so that they are the
// unsigned operand of vpdpbusd; dot(x, code) = dot(x, stored) - 128 * sum(x),
// and the activations' sums are at hand. 127 * 127 * 2 fits int16, so AVX2 may
// use maddubs on |code| and a sign-adjusted activation without saturation.
#pragma once

#include "runtime/quant/codec.h"

namespace hasten::codec {

// kGroup 0: one fp32 scale a row.
template <int64_t kGroup>
struct Int8Codec {
  static constexpr bool kInteger = true, kZeroPoint = false;
  static constexpr int kMaxCode = 127;
  static constexpr int64_t kPerLine = 4;

  static PackedLayout Layout(int64_t n, int64_t k) {
    PackedLayout l;
    l.blocks = CeilDiv(n, kBlockRows);
    l.lines = CeilDiv(k, kPerLine);
    l.k_per_line = kPerLine;
    l.group = kGroup ? kGroup : k;
    l.groups = CeilDiv(k, l.group);
    l.scale_bytes = kGroup ? 2 : 4;
    l.scale_offset = l.lines * kLineBytes;
    l.zero_offset = l.scale_offset + l.groups * kBlockRows * l.scale_bytes;
    l.block_bytes = AlignUp(l.zero_offset, kLineBytes);
    return l;
  }

  static Status PackBlock(int64_t k, int64_t rows, const CodesView& in, std::byte* block) {
    const PackedLayout l = Layout(rows, k);
    std::memset(block, 128, static_cast<size_t>(l.scale_offset));
    std::memset(block + l.scale_offset, 0, static_cast<size_t>(l.block_bytes - l.scale_offset));
    for (int64_t r = 0; r < rows; ++r) {
      const int8_t* codes = in.codes + r * k;
      for (int64_t i = 0; i < k; ++i) {
        if (codes[i] == -128) return BadInput("int8 code of row ", in.first_row + r, ", column ", i, " is -128; -127 is the least");
        block[i / 4 * kLineBytes + r * 4 + i % 4] = static_cast<std::byte>(codes[i] + 128);
      }
    }
    if constexpr (kGroup != 0) return StoreHalfScales(in, rows, l.groups, block + l.scale_offset);
    for (int64_t r = 0; r < rows; ++r) {
      if (!std::isfinite(in.scale[r])) return BadInput("scale of row ", in.first_row + r, " is ", in.scale[r]);
      std::memcpy(block + l.scale_offset + r * 4, in.scale + r, 4);
    }
    return Status();
  }

  static constexpr float Scale(const PackedLayout& l, const std::byte* block, int64_t row, int64_t g) {
    const std::byte* p = block + l.scale_offset;
    if constexpr (kGroup != 0) return HalfToFloat(LoadU16(p + (g * kBlockRows + row) * 2));
    else return std::bit_cast<float>(uint32_t{LoadU16(p + row * 4)} | uint32_t{LoadU16(p + row * 4 + 2)} << 16);
  }

  static void UnpackCodes(const PackedLayout& l, int64_t k, const std::byte* block, int64_t row, int8_t* codes,
                          float* scales) {
    for (int64_t i = 0; i < k; ++i)
      codes[i] = static_cast<int8_t>(static_cast<int>(block[i / 4 * kLineBytes + row * 4 + i % 4]) - 128);
    for (int64_t g = 0; g < l.groups; ++g) scales[g] = Scale(l, block, row, g);
  }

  static void UnpackRow(const PackedLayout& l, int64_t k, const std::byte* block, int64_t row, float* out) {
    for (int64_t g = 0, i = 0; g < l.groups; ++g) {
      const float s = Scale(l, block, row, g);
      for (const int64_t end = k - i < l.group ? k : i + l.group; i < end; ++i)
        out[i] = Value(s, block, row, i);
    }
  }
  // Element i of a row, by itself.
  static constexpr float ValueAt(const PackedLayout& l, const std::byte* block, int64_t row, int64_t i) {
    if constexpr (kGroup != 0) return Value(Scale(l, block, row, i / kGroup), block, row, i);
    else return Value(Scale(l, block, row, 0), block, row, i);
  }

 private:
  static constexpr float Value(float scale, const std::byte* block, int64_t row, int64_t i) {
    return scale * static_cast<float>(static_cast<int>(block[i / 4 * kLineBytes + row * 4 + i % 4]) - 128);
  }
};

}  // namespace hasten::codec
