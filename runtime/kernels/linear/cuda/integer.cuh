// What linear's integer kernels share: how a block of 16 rows of W, as it lies in the
// file (quant/layout.h), becomes the operands of mma.m16n8k32.
//
// A warp takes 32 rows of W, two blocks, and 32 elements of K at a step. Lane
// (g, t) = (lane / 4, lane % 4) holds four words of a line at once: rows 4 g to 4 g + 3
// of the 32, the elements 8 t to 8 t + 7 of the 32 in `low` and `high`. Two products
// take rows 4 g, 4 g + 1 and 4 g + 2, 4 g + 3 as their rows g and g + 8: rows of W and
// elements within a run may stand in any order as long as x and the sums follow. So
// all schemes have 16-byte loads and one order of x, 8 bytes a lane.
#pragma once

#include "runtime/kernels/cuda/simt.h"

namespace hasten::cuda {

inline constexpr int kStep = 32;        // elements of K of a product
inline constexpr int kStageK = 64;      // elements of K on the way together
inline constexpr int kChunkK = 512;     // the definition's segment
inline constexpr int kPairRows = 32;    // rows of W of a warp
inline constexpr int kOneShift = 30;    // of a run or a group that is all of K

// Runs whose products fit DotFromOrigin, as a power of two: 256 elements. Codes of x are
// within 127, those of W less their zero-points within 128.
inline constexpr int kShortShift = 8;
static_assert((127 * 128 << kShortShift) <= kMostDot);

// LinearArgs and PackedLayout in what a kernel uses. Sizes are below 2^31 (linear.cu).
struct IntegerLinear {
  const std::byte* w;
  const int8_t* q;
  const float* sx;
  const int32_t* sum;
  const float* bias;
  float* out;
  int64_t q_stride, g_stride, out_stride, block_bytes;
  int rows, parts;                // rows: residuals counted
  int n, k, blocks;
  int code_bytes, zero_offset;    // of a block: its codes, then scales; its zero-points
  int run_shift, group_shift;
  int segments;                   // stretches of 512, though one run be longer
  bool one_run;                   // all of K is one run and one segment
  bool short_runs;                // within kShortShift: sums of products begin at kDotOrigin
  bool half_scale;                // fp16 a group; else fp32 a row
};

// Where a run's sums of products begin.
HST_DEVICE int32_t DotOrigin(const IntegerLinear& p) { return p.short_runs ? kDotOrigin : 0; }
// A finished run's sum as a float.
template <bool kShort>
HST_DEVICE float DotOfRun(int32_t d) { return kShort ? DotFromOrigin(d) : static_cast<float>(d); }

// Where chunk c (16 bytes: four rows of a line) of a block's stage lies in shared
// memory: turned so that the eight lanes that read at once meet different banks.
HST_DEVICE int Turned(int c) { return c ^ (c >> 2 & 6); }

HST_DEVICE void Load16(const std::byte* p, uint32_t (&v)[4]) {
  const uint4 w = *reinterpret_cast<const uint4*>(p);
  v[0] = w.x, v[1] = w.y, v[2] = w.z, v[3] = w.w;
}

// A stage of a block: 64 elements of K by 16 rows, kChunks times 16 bytes in a row.
template <int kBits>
struct Codes {
  static constexpr int kChunks = 8 * kBits;
  static constexpr int kBytes = 16 * kChunks;
  static constexpr int kPerElement = kBytes / kStageK;   // bytes of a block
  static constexpr bool kZero = kBits < 8;

  // A lane reads the codes of its four rows in one or two pieces of 16 bytes: the nibbles
  // of a line, and the bits above them, or the other half. Where they lie in a stage.
  static constexpr int kLoads = kBits == 4 ? 1 : 2;
  static HST_DEVICE int Place(int step, int lane, int load) {
    const int t = lane & 3, quad = lane >> 2 & 3;
    int line = step * 4 + t;
    if constexpr (kBits == 8) line = step * 8 + t * 2 + load;
    if constexpr (kBits == 5) line = load == 0 ? step * 5 + t : step * 5 + 4;
    if constexpr (kBits == 6) line = (step * 2 + t / 2) * 3 + (load == 0 ? t % 2 : 2);
    return Turned(line * 4 + quad) * 16;
  }
  // Unsigned codes of those pieces.
  static HST_DEVICE void LoadAt(const std::byte* first, const std::byte* second, int lane, uint32_t (&low)[4], uint32_t (&high)[4]) {
    if constexpr (kBits == 8) {
      Load16(first, low);
      Load16(second, high);
    } else {
      uint32_t w[4], above[4] = {};
      Load16(first, w);
      if constexpr (kBits > 4) Load16(second, above);
      const int shift = kBits == 5 ? (lane & 3) * 2 : (lane & 1) * 4;   // of the bits above those in the nibbles
      HST_DEVICE_UNROLL
      for (int i = 0; i < 4; ++i) {
        low[i] = w[i] & 0x0f0f0f0fu, high[i] = w[i] >> 4 & 0x0f0f0f0fu;
        if constexpr (kBits > 4) {
          constexpr uint32_t kMask = kBits == 5 ? 0x01010101u : 0x03030303u;
          const uint32_t b = above[i] >> shift;
          low[i] |= (b & kMask) << 4, high[i] |= (b >> (kBits - 4) & kMask) << 4;
        }
      }
    }
  }
  // The same of step 0 or 1 of a stage.
  static HST_DEVICE void Load(const std::byte* stage, int step, int lane, uint32_t (&low)[4], uint32_t (&high)[4]) {
    LoadAt(stage + Place(step, lane, 0), stage + Place(step, lane, kLoads - 1), lane, low, high);
  }

  // 128 - zero in every byte: no byte of a sum with codes carries into the next.
  static HST_DEVICE uint32_t LessZero(uint32_t zero) { return 0x80808080u - (zero & 255u) * 0x01010101u; }

  // The same as signed bytes, code - zero; `zeros`: of the four rows, a byte each.
  static HST_DEVICE void LoadSigned(const std::byte* stage, int step, int lane, uint32_t zeros, uint32_t (&low)[4], uint32_t (&high)[4]) {
    Load(stage, step, lane, low, high);
    HST_DEVICE_UNROLL
    for (int i = 0; i < 4; ++i) {
      if constexpr (kZero) {
        const uint32_t less = LessZero(zeros >> (8 * i));
        low[i] += less, high[i] += less;
      }
      low[i] ^= 0x80808080u, high[i] ^= 0x80808080u;
    }
  }

  // The lane's part of A for wgmma.m64n64k32 (PlaceInA), of a block's rows 2 g and 2 g + 1
  // as rows g and g + 8, as signed bytes; `zeros`: of the two rows. x is in its own
  // order there, so a lane takes every other nibble of two lines and its neighbour the rest.
  static HST_DEVICE void LoadFragment(const std::byte* stage, int step, int lane, uint32_t zeros, uint32_t (&a)[4]) {
    const int g = lane >> 2, t = lane & 3;
    const auto at = [&](int line) { return *reinterpret_cast<const uint2*>(stage + Turned(line * 4 + g / 2) * 16 + g % 2 * 8); };
    HST_DEVICE_UNROLL
    for (int half = 0; half < 2; ++half) {   // elements 4 t to 4 t + 3, and those 16 behind
      uint2 w, above{};
      int shift = 0;   // of the bits above those in the nibbles
      if constexpr (kBits == 8) w = at(step * 8 + half * 4 + t);
      if constexpr (kBits == 4) w = at(step * 4 + half * 2 + t / 2);
      if constexpr (kBits == 5) w = at(step * 5 + half * 2 + t / 2), above = at(step * 5 + 4), shift = half * 4 + t;
      if constexpr (kBits == 6) {
        const int line = (step * 2 + half) * 3;
        w = at(line + t / 2), above = at(line + 2), shift = 2 * t;
      }
      HST_DEVICE_UNROLL
      for (int r = 0; r < 2; ++r) {
        uint32_t v = r == 0 ? w.x : w.y;
        if constexpr (kBits < 8) v = v >> (t % 2 * 4) & 0x0f0f0f0fu;
        if constexpr (kBits == 5 || kBits == 6) v |= ((r == 0 ? above.x : above.y) >> shift & (kBits == 5 ? 0x01010101u : 0x03030303u)) << 4;
        if constexpr (kZero) v += LessZero(zeros >> (8 * r));
        a[2 * half + r] = v ^ 0x80808080u;
      }
    }
  }

  // Copies chunk c of the stage that begins at element k. `live`: the block exists.
  static HST_DEVICE void Copy(std::byte* stage, const IntegerLinear& p, const std::byte* block, int c, int k, bool live) {
    const int from = k * kPerElement + c * 16;
    CopyToShared(stage + Turned(c) * 16, block + from, live && from < p.code_bytes);
  }
};

// The scales of a stage for kBlocks blocks: for each of its kSteps steps, kApart elements
// of K apart, the group's, fp16, and zero-points, copied 16 bytes each.
template <int kBlocks, int kSteps = 2, int kApart = kStep>
struct StageScales {
  static constexpr int kZeros = kSteps * kBlocks * 32;   // where the zero-points begin
  static constexpr int kBytes = kZeros + kSteps * kBlocks * 16;
  static constexpr int kScaleCopies = 2 * kSteps * kBlocks, kCopies = kScaleCopies + kSteps * kBlocks;

  // Copy i of kCopies of the stage at element k, for steps before `end`; of zero-points
  // only where there are some.
  static HST_DEVICE void Copy(std::byte* to, const IntegerLinear& p, int first_block, int i, int k, int end, bool zero) {
    const bool scale = i < kScaleCopies;
    const int j = scale ? i / 2 : i - kScaleCopies, step = j / kBlocks, block = j % kBlocks;
    const int at = k + step * kApart, group = at >> p.group_shift;
    const bool live = at < end && first_block + block < p.blocks && (scale ? p.half_scale : zero);
    const std::byte* from = p.w + (first_block + block) * p.block_bytes;
    if (scale) CopyToShared(to + i * 16, from + p.code_bytes + group * 32 + i % 2 * 16, live);
    else CopyToShared(to + kZeros + j * 16, from + p.zero_offset + group * 16, live);
  }
  // Of rows 4 quad to 4 quad + 3 of a block.
  static HST_DEVICE void Scales(const std::byte* from, int step, int block, int quad, float (&sw)[4]) {
    const uint2 v = *reinterpret_cast<const uint2*>(from + (step * kBlocks + block) * 32 + quad * 8);
    sw[0] = WidenHalf(v.x & 0xffffu), sw[1] = WidenHalf(v.x >> 16);
    sw[2] = WidenHalf(v.y & 0xffffu), sw[3] = WidenHalf(v.y >> 16);
  }
  // Of rows 2 pair and 2 pair + 1 of a block.
  static HST_DEVICE void PairScales(const std::byte* from, int step, int block, int pair, float (&sw)[2]) {
    const uint32_t v = *reinterpret_cast<const uint32_t*>(from + (step * kBlocks + block) * 32 + pair * 4);
    sw[0] = WidenHalf(v & 0xffffu), sw[1] = WidenHalf(v >> 16);
  }
  static HST_DEVICE uint32_t PairZeros(const std::byte* from, int step, int block, int pair) {
    return *reinterpret_cast<const uint16_t*>(from + kZeros + (step * kBlocks + block) * 16 + pair * 2);
  }
  static HST_DEVICE uint32_t Zeros(const std::byte* from, int step, int block, int quad) {
    return *reinterpret_cast<const uint32_t*>(from + kZeros + (step * kBlocks + block) * 16 + quad * 4);
  }
};

// A scale per channel: of rows 4 quad to 4 quad + 3 of a block, if it exists.
HST_DEVICE void LoadChannelScales(const IntegerLinear& p, int block, int quad, float (&sw)[4]) {
  float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (block < p.blocks) v = *reinterpret_cast<const float4*>(p.w + block * p.block_bytes + p.code_bytes + quad * 16);
  sw[0] = v.x, sw[1] = v.y, sw[2] = v.z, sw[3] = v.w;
}
// Of rows 2 pair and 2 pair + 1.
HST_DEVICE void LoadPairScales(const IntegerLinear& p, int block, int pair, float (&sw)[2]) {
  if (block >= p.blocks) return;
  const float2 v = *reinterpret_cast<const float2*>(p.w + block * p.block_bytes + p.code_bytes + pair * 8);
  sw[0] = v.x, sw[1] = v.y;
}

}  // namespace hasten::cuda
