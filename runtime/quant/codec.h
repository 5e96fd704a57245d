// What a codec has to offer (float_codec.h, int8_codec.h, uint_codec.h): the
// bytes of one block and the reference conversion of one row. scheme.cc binds
// them to the rows of schemes.def; beside it only device code includes the codecs.
//
//   static PackedLayout Layout(int64_t n, int64_t k)   sizes already bounded
//   static Status PackBlock(k, rows, CodesView / const float*, std::byte* block)
//   static void UnpackCodes(const PackedLayout&, k, block, row in block, int8_t*, float*)
//   static void UnpackRow(const PackedLayout&, k, block, row in block, float*)
// Integer codecs also have ValueAt(const PackedLayout&, block, row in block, column), for
// devices, where each thread unpacks values of its own.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "runtime/base/half.h"
#include "runtime/base/status.h"
#include "runtime/quant/layout.h"

namespace hasten::codec {

constexpr int64_t CeilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }
constexpr int64_t AlignUp(int64_t a, int64_t b) { return CeilDiv(a, b) * b; }

// Up to 16 consecutive rows of codes; row r at codes + r * k.
struct CodesView {
  const int8_t* codes = nullptr;
  const float* scale = nullptr;    // [rows][groups]
  const uint8_t* zero = nullptr;   // [rows][groups] or null
  int64_t first_row = 0;           // for messages
};

// Little endian, and constexpr, so that a device can call it as well.
constexpr uint16_t LoadU16(const std::byte* p) {
  return static_cast<uint16_t>(static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8);
}

// Writes the scales of `rows` rows as fp16 [groups][16]; rows past `rows` get 0.
inline Status StoreHalfScales(const CodesView& in, int64_t rows, int64_t groups, std::byte* out) {
  for (int64_t r = 0; r < kBlockRows; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      uint16_t h = 0;
      if (r < rows) {
        const float s = in.scale[r * groups + g];
        h = FloatToHalf(s);
        if (!std::isfinite(s) || HalfToFloat(h) != s)
          return BadInput("scale of row ", in.first_row + r, ", group ", g, " is ", s,
                          ", which fp16 cannot hold; round it with RoundScale first");
      }
      std::memcpy(out + (g * kBlockRows + r) * 2, &h, 2);
    }
  }
  return Status();
}

}  // namespace hasten::codec
