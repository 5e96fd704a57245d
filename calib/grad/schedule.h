// Which sample a step of training takes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace hasten::calib {

// In an order that is spread over the text: multiples of a number near the golden
// section of their count and without a common divisor with it.
inline int64_t SampleAt(int64_t step, int64_t count) {
  int64_t stride = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(count) * 0.618));
  while (std::gcd(stride, count) != 1) ++stride;
  return step % count * stride % count;
}

}  // namespace hasten::calib
