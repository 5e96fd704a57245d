#include "passes/quant/wide.h"

// Clones are chosen as the program is loaded, before a sanitizer is ready for it.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) && defined(__GNUC__) && !defined(__clang__)
#define HST_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HST_CLONES
#endif

namespace hasten::passes::wide {
namespace {

// One AVX-512 vector, two of AVX2 or four of SSE2; elements as aligned as their type.
typedef float Floats __attribute__((vector_size(64), aligned(4)));
typedef double Doubles __attribute__((vector_size(64), aligned(8)));

}  // namespace

HST_CLONES void Dot(int64_t n, const float* a, const float* x, float* acc) {
  Floats sum = *reinterpret_cast<const Floats*>(acc);
  for (int64_t j = 0; j < n; ++j) sum += a[j] * *reinterpret_cast<const Floats*>(x + j * kLanes);
  *reinterpret_cast<Floats*>(acc) = sum;
}

HST_CLONES void Dot(int64_t n, const double* a, const double* x, double* acc) {
  Doubles sum = *reinterpret_cast<const Doubles*>(acc);
  for (int64_t j = 0; j < n; ++j) sum += a[j] * *reinterpret_cast<const Doubles*>(x + j * kDoubles);
  *reinterpret_cast<Doubles*>(acc) = sum;
}

HST_CLONES void Outer(int64_t n, const float* a, const float* x, float* y) {
  const Floats v = *reinterpret_cast<const Floats*>(x);
  for (int64_t j = 0; j < n; ++j) *reinterpret_cast<Floats*>(y + j * kLanes) += a[j] * v;
}

HST_CLONES void Outer(int64_t n, const double* a, const double* x, double* y) {
  const Doubles v = *reinterpret_cast<const Doubles*>(x);
  for (int64_t j = 0; j < n; ++j) *reinterpret_cast<Doubles*>(y + j * kDoubles) += a[j] * v;
}

HST_CLONES double Sum(int64_t n, const double* a, const double* b) {
  Doubles lanes = {};
  int64_t i = 0;
  for (; i + kDoubles <= n; i += kDoubles) lanes += *reinterpret_cast<const Doubles*>(a + i) * *reinterpret_cast<const Doubles*>(b + i);
  double sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (int64_t j = 0; j < kDoubles; ++j) sum += lanes[j];
  return sum;
}

}  // namespace hasten::passes::wide
