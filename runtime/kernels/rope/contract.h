// rope: rotary position embedding (Su et al. 2021, arXiv:2104.09864) of the
// first rotary_dim values of every head, in place or not. The cosine and sine
// table is made once on the host from the artifact's inverse frequencies
// (fp64 angle, exact range reduction, rounded once to fp32, times `scale`).
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"

namespace hasten {

// table[p][i] = {cos, sin} for position p < positions, pair i < inv_freq.size(), without
// the positions before `first`: out holds (positions - first) * inv_freq.size() * 2 floats.
void BuildRopeTable(std::span<const float> inv_freq, float scale, int64_t positions, std::span<float> out, int64_t first = 0);

struct RopeArgs {
  const float* x = nullptr;  // [rows][x_stride], heads * head_dim values
  float* out = nullptr;      // may be x
  int64_t x_stride = 0, out_stride = 0;
  int64_t rows = 0, heads = 0, head_dim = 0;
  int64_t rotary_dim = 0;    // even, <= head_dim; the rest is copied
  bool interleaved = false;  // pairs (2i, 2i+1) instead of (i, i + rotary_dim/2)
  const float* table = nullptr;        // [positions][rotary_dim/2][2]
  const int32_t* positions = nullptr;  // [rows], each below the table's length
};

std::span<const Kernel<RopeArgs>> RopeKernels();

}  // namespace hasten
