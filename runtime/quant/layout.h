// Where the bytes of a packed matrix W[N, K] lie: the geometry that packers and
// kernels share. Not the codes themselves: those are in the codec headers.
//
// Integer schemes: rows in blocks of 16, each block contiguous:
//   [lines][64]      weights. int8: a line is 16 rows x 4 elements of K, byte
//                    row*4+j, stored as code + 128. int4: a line is 16 rows x 8
//                    elements, elements 0-3 in the low nibbles, 4-7 in the high.
//                    int5, int6: a line is 4 or 2 such lines of nibbles, then 64
//                    bytes of the bits above, so 5 or 3 times 64 bytes.
//   [groups][16]     scales: fp16, or one fp32 a row where the group is 0
//   [groups][16]     u8 zero-points (int4, int5, int6)
//   padding to 64 bytes
// A group starts on a line because groups are multiples of 32. Rows past N and
// elements past K hold the code of zero and scale 0. 64 bytes feed one vpdpbusd
// (nibbles: two) with a broadcast activation and no horizontal step.
//
// Float schemes: row-major, every row padded with zeros to 64 bytes.
#pragma once

#include <cstdint>

#include "runtime/quant/scheme.h"

namespace hasten {

inline constexpr int64_t kBlockRows = 16;
inline constexpr int64_t kLineBytes = 64;

struct PackedLayout {
  int64_t blocks = 0;         // blocks of 16 rows; float schemes: N
  int64_t lines = 0;          // weight lines of a block (float: of a row)
  int64_t k_per_line = 0;     // 4 (int8), 8 (int4), 32 (int5), 16 (int6), 16 (fp32), 32 (fp16)
  int64_t line_bytes = kLineBytes;   // 320 (int5), 192 (int6), else 64
  int64_t group = 0;          // elements of K under one scale; K where per channel
  int64_t groups = 0;         // ceil(K / group); 0 for float schemes
  int64_t scale_bytes = 0;    // of one scale: 2 (fp16), 4 (fp32, per channel), 0
  int64_t scale_offset = 0;   // bytes from the block's start
  int64_t zero_offset = 0;
  int64_t block_bytes = 0;    // a block's (float: a row's) bytes, a multiple of 64
};

// n, k must be sizes for which PackedBytes has a value.
PackedLayout LayoutOf(Scheme scheme, int64_t n, int64_t k);

}  // namespace hasten
