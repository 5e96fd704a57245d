// Weight schemes: how a matrix W[N, K] is stored. The table is schemes.def, a
// row each; nothing outside runtime/quant switches over schemes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "runtime/base/status.h"

namespace hasten {

// The numbers are written into artifacts: append, never reorder.
enum class Scheme : uint8_t {
  kF32 = 0, kF16 = 1,
  kI8 = 2,                           // int8, symmetric, one scale an output channel
  kI8G32 = 3, kI8G64 = 4, kI8G128 = 5,   // int8, symmetric, a scale per group
  // Unsigned codes of 4, 5 and 6 bits, scale and integer zero-point per group.
  kI4G32 = 6, kI4G64 = 7, kI4G128 = 8,
  kI5G32 = 9, kI5G64 = 10, kI5G128 = 11,
  kI6G32 = 12, kI6G64 = 13, kI6G128 = 14,
};

struct SchemeInfo {
  Scheme scheme;
  std::string_view name;   // as the command line spells it: "int4:64", "int8", "fp16"
  int bits;                // 32, 16, 8, 6, 5, 4
  int64_t group;           // 0: per channel or none
  bool integer;            // wants quantized activations
  bool zero_point;         // codes are 0 to max_code with a zero-point; else -max_code to max_code
  int max_code;            // 127, 63, 31, 15; 0 for float schemes
};

const SchemeInfo& GetScheme(Scheme scheme);
std::span<const SchemeInfo> AllSchemes();
Result<Scheme> ParseScheme(std::string_view name);   // kUsage, lists the names
bool IsValidScheme(uint8_t raw);                      // for values from files

// One matrix in codes, before packing: what quantizers produce.
//   codes  [N][K]  int8 (-127..127) or, with a zero-point, 0..max_code
//   scale  [N][G]  fp32, already rounded to what the packed layout stores (fp16 or fp32)
//   zero   [N][G]  0..max_code, absent (empty) without a zero-point;  w = scale * (code - zero)
// with G = ceil(K / group) (1 per channel).
struct Codes {
  std::span<const int8_t> codes;
  std::span<const float> scale;
  std::span<const uint8_t> zero;
};

// Bytes of W[N, K] in the packed layout; nullopt on overflow or sizes below 1.
std::optional<uint64_t> PackedBytes(Scheme scheme, int64_t n, int64_t k);

// Packs codes (integer schemes) or fp32 values [N][K] (float schemes; values
// beyond fp16's range are an error for fp16) into `out`, PackedBytes long. The
// layout is rows in order, blocks of 16: rows [r, r + m) with r a multiple of 16
// may be packed alone, as a matrix of m rows at byte PackedBytes(scheme, r, k).
Status PackCodes(Scheme scheme, int64_t n, int64_t k, const Codes& codes, std::span<std::byte> out);
Status PackFloats(Scheme scheme, int64_t n, int64_t k, std::span<const float> values, std::span<std::byte> out);

// The scale nearest to `scale` that the packed layout can hold (fp16, or fp32
// where the scheme is per channel); infinite beyond fp16's range.
float RoundScale(Scheme scheme, float scale);

// Row `row` of the packed matrix as integers: codes [K] = code - zero, scales
// [G] widened to fp32. Integer schemes only; row in [0, n).
void UnpackCodes(Scheme scheme, int64_t n, int64_t k, const std::byte* packed, int64_t row, int8_t* codes,
                 float* scales);

// Row `row` of the packed matrix as fp32 [K]: w = scale * (code - zero), one
// rounding (embedding look-up, tests). row in [0, n).
void UnpackRow(Scheme scheme, int64_t n, int64_t k, const std::byte* packed, int64_t row, float* out);

}  // namespace hasten
