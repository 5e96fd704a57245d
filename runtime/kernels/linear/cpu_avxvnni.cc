// linear with AVX-VNNI: the 256-bit dot product of client CPUs without AVX-512.
// Float weights take the AVX2 row.
#include <utility>

#include "runtime/kernels/linear/plan.h"
#include "runtime/kernels/linear/rows.h"
#include "runtime/kernels/linear/vec_avx2.h"

namespace hasten {
namespace {

struct Vec : VecAvx2 {
  static constexpr bool kPairSums = false;
  static constexpr int32_t kByteOffset = 128;  // Bytes are unsigned to it: dot = dpbusd - 128 * sum(x)
  static constexpr int kByteM = 4, kByteV = 2, kNibbleM = 3, kNibbleV = 2, kTallRows = 0, kFlatV = 1;
  static constexpr int64_t kExpandFrom = 16;

  static I DotNibbles(I acc, I u, I s) { return _mm256_dpbusd_avx_epi32(acc, u, s); }
  static I DotBytes(I acc, I u, I s) { return _mm256_dpbusd_avx_epi32(acc, u, s); }
};

#include "runtime/kernels/linear/cpu_panel.inc"
#include "runtime/kernels/linear/cpu_integer.inc"

}  // namespace

void LinearRunInt4AvxVnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt4(a, begin, end, scratch); }
void LinearRunInt5AvxVnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt5(a, begin, end, scratch); }
void LinearRunInt6AvxVnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt6(a, begin, end, scratch); }
void LinearRunInt8AvxVnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt8(a, begin, end, scratch); }

}  // namespace hasten
