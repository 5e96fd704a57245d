// Round-to-nearest quantization: fp32 rows to the codes and bytes of a weight
// scheme, with no data. Rows do not depend on one another, so that callers may
// stream a matrix and spread it over threads; the result is the same. Not here:
// anything calibrated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <vector>

#include "runtime/quant/scheme.h"

namespace hasten::passes {

// A matrix in codes, as `Codes` describes it, with storage; what is as large as the matrix
// may be given memory of its own.
struct OwnedCodes {
  std::pmr::vector<int8_t> codes;
  std::vector<float> scale;
  std::vector<uint8_t> zero;
  // Where each weight's own optimum lies from its code, in 2^-15 of a code, at most half
  // a code away: what learned rounding begins with. Empty: not known.
  std::pmr::vector<int16_t> fraction;
  double error = 0;   // of calibrated ones: relative squared error of the outputs
  Codes View() const { return {codes, scale, zero}; }
};

// w: [n][k] fp32, row-major. Integer schemes only (kUsage). int8 is symmetric,
// the scale from the largest magnitude; fewer bits span the group's range, zero
// included, with an integer zero-point. Scales are already rounded to what the
// scheme stores. kBadInput names the row that holds a NaN or an infinity, or a
// range that no scale can hold.
Status QuantizeRtn(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, OwnedCodes* out);

// Row r of W^, what codes with K columns stand for: scale * (code - zero), one rounding.
void DecodeRow(Scheme scheme, int64_t k, const OwnedCodes& codes, int64_t r, float* w);

// Quantizes and packs rows [first_row, first_row + rows.size() / k) of W[n, k]
// into `packed`, the bytes of the whole matrix (PackedBytes long), any scheme.
// The range must start at a multiple of 16 rows and end at one or at n; calls
// for disjoint ranges may run at the same time. Needs about 20 k bytes of memory.
Status QuantizeAndPack(Scheme scheme, int64_t n, int64_t k, int64_t first_row, std::span<const float> rows,
                       std::span<std::byte> packed);

}  // namespace hasten::passes
