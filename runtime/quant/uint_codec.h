// int4, int5, int6: unsigned codes of kBits with an integer zero-point and an fp16
// scale per group, w = scale * (code - zero). Pieces of 4 elements of K share a
// line, two in the low and high nibbles of 64 bytes; a line of int5 and int6 ends
// with 64 bytes of the bits above, whose byte row*4+j holds those of every piece,
// the first in the lowest bits. The zero-point's part of a dot product is
// zero * sum(x), exact in integers.
#pragma once

#include "runtime/quant/codec.h"

namespace hasten::codec {

template <int kBits, int64_t kGroup>
struct UintCodec {
  static constexpr bool kInteger = true, kZeroPoint = true;
  static constexpr int kMaxCode = (1 << kBits) - 1;
  static constexpr int kHigh = kBits - 4;   // bits of a code that are not in its nibble
  static_assert(kHigh >= 0 && kHigh <= 2);
  static constexpr int64_t kPieces = kHigh ? 8 / kHigh : 2;
  static constexpr int64_t kPerLine = 4 * kPieces;
  static constexpr int64_t kHighOffset = kPieces / 2 * kLineBytes;
  static_assert(kGroup % kPerLine == 0);

  static PackedLayout Layout(int64_t n, int64_t k) {
    PackedLayout l;
    l.blocks = CeilDiv(n, kBlockRows);
    l.lines = CeilDiv(k, kPerLine);
    l.k_per_line = kPerLine;
    l.line_bytes = kHighOffset + (kHigh ? kLineBytes : 0);
    l.group = kGroup;
    l.groups = CeilDiv(k, kGroup);
    l.scale_bytes = 2;
    l.scale_offset = l.lines * l.line_bytes;
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
        if (codes[i] < 0 || codes[i] > kMaxCode)
          return BadInput("int", kBits, " code of row ", in.first_row + r, ", column ", i, " is ", int{codes[i]}, ", not 0 to ", kMaxCode);
        const Place p = PlaceOf(l, r, i);
        block[p.nibble] |= static_cast<std::byte>((codes[i] & 15) << (p.piece % 2 * 4));
        if constexpr (kHigh > 0) block[p.high] |= static_cast<std::byte>((codes[i] >> 4) << (p.piece * kHigh));
      }
      for (int64_t g = 0; g < l.groups; ++g) {
        const uint8_t z = in.zero[r * l.groups + g];
        if (z > kMaxCode)
          return BadInput("int", kBits, " zero-point of row ", in.first_row + r, ", group ", g, " is ", int{z}, ", not 0 to ", kMaxCode);
        block[l.zero_offset + g * kBlockRows + r] = static_cast<std::byte>(z);
      }
    }
    return StoreHalfScales(in, rows, l.groups, block + l.scale_offset);
  }

  static void UnpackCodes(const PackedLayout& l, int64_t k, const std::byte* block, int64_t row, int8_t* codes,
                          float* scales) {
    for (int64_t g = 0, i = 0; g < l.groups; ++g) {
      scales[g] = Scale(l, block, row, g);
      const int zero = Zero(l, block, row, g);
      for (const int64_t end = k - i < kGroup ? k : i + kGroup; i < end; ++i)
        codes[i] = static_cast<int8_t>(Code(l, block, row, i) - zero);
    }
  }

  static void UnpackRow(const PackedLayout& l, int64_t k, const std::byte* block, int64_t row, float* out) {
    for (int64_t g = 0, i = 0; g < l.groups; ++g) {
      const float s = Scale(l, block, row, g);
      const int zero = Zero(l, block, row, g);
      for (const int64_t end = k - i < kGroup ? k : i + kGroup; i < end; ++i) out[i] = Value(s, Code(l, block, row, i), zero);
    }
  }
  // Element i of a row, by itself.
  static constexpr float ValueAt(const PackedLayout& l, const std::byte* block, int64_t row, int64_t i) {
    return Value(Scale(l, block, row, i / kGroup), Code(l, block, row, i), Zero(l, block, row, i / kGroup));
  }

 private:
  static constexpr float Value(float scale, int code, int zero) { return scale * static_cast<float>(code - zero); }
  // Bytes of element i of a row: its nibble's and its high bits'.
  struct Place {
    int64_t nibble, high, piece;
  };
  static constexpr Place PlaceOf(const PackedLayout& l, int64_t row, int64_t i) {
    const int64_t line = i / kPerLine * l.line_bytes, piece = i % kPerLine / 4, byte = row * 4 + i % 4;
    return {line + piece / 2 * kLineBytes + byte, line + kHighOffset + byte, piece};
  }
  static constexpr int Code(const PackedLayout& l, const std::byte* block, int64_t row, int64_t i) {
    const Place p = PlaceOf(l, row, i);
    const int low = (static_cast<int>(block[p.nibble]) >> (p.piece % 2 * 4)) & 15;
    if constexpr (kHigh == 0) return low;
    else return low | ((static_cast<int>(block[p.high]) >> (p.piece * kHigh)) & (kMaxCode >> 4)) << 4;
  }
  static constexpr float Scale(const PackedLayout& l, const std::byte* block, int64_t row, int64_t g) {
    return HalfToFloat(LoadU16(block + l.scale_offset + (g * kBlockRows + row) * 2));
  }
  static constexpr int Zero(const PackedLayout& l, const std::byte* block, int64_t row, int64_t g) {
    return static_cast<int>(block[l.zero_offset + g * kBlockRows + row]);
  }
};

}  // namespace hasten::codec
