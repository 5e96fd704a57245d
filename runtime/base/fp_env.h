// The canonical floating-point environment: round to nearest, no flush to zero,
// no denormals-are-zero, exceptions masked. Every entry of the C ABI and every
// worker thread holds one, and the host's setting comes back after it.
#pragma once

#include <xmmintrin.h>

namespace hasten {

class ScopedFpEnv {
 public:
  ScopedFpEnv() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }  // MXCSR's reset value (Intel SDM vol. 1, 10.2.3)
  ~ScopedFpEnv() { _mm_setcsr(saved_); }
  ScopedFpEnv(const ScopedFpEnv&) = delete;
  ScopedFpEnv& operator=(const ScopedFpEnv&) = delete;

 private:
  unsigned saved_;
};

}  // namespace hasten
