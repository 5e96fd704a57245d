// The device's int8 product at its best, by cuBLASLt.
#pragma once

#include <cstdint>

namespace hasten::check {

// Tera-operations a second of an 8192 x 8192 x 8192 product of int8 with int32 sums; 0 where cuBLASLt
// is not installed or refuses. `a` and `b` are device memory of `bytes` each.
double Int8PeakTops(void* a, void* b, uint64_t bytes, void* stream);

}  // namespace hasten::check
