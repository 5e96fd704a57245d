// The products by instruction set; gemm.cc picks one. Includes next to
// nothing: what these files inline is compiled for their instruction set.
#pragma once

#include <cstdint>

namespace hasten::interp {

// C[m,n] = A[m,k] * B[k,n], row-major, leading dimensions in elements. `ta`: A is
// stored as [k,m]; `tb`: B is stored as [n,k].
struct GemmArgs {
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  int64_t m = 0, n = 0, k = 0, lda = 0, ldb = 0, ldc = 0;
  bool ta = false, tb = false;
};

void GemmBase(const GemmArgs& g);
void GemmAvx2(const GemmArgs& g);
void GemmAvx512(const GemmArgs& g);

}  // namespace hasten::interp
