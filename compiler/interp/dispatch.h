// From a dtype to a C++ type, and the conversions between element types. f16 and
// bf16 have no C++ type here: evaluations see them widened (see Half) or move
// their bytes as uint16_t. bool is uint8_t of 0 and 1 (any other byte of a file
// counts as 1).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace hasten::interp {

template <class T>
struct Tag {
  using type = T;
};

// Calls fn(Tag<T>{}) for the type of dtype; false when the group lacks it.
template <class F>
bool ForFloat(DType t, F&& fn) {
  if (t == DType::kF32) return fn(Tag<float>{}), true;
  if (t == DType::kF64) return fn(Tag<double>{}), true;
  return false;
}
template <class F>
bool ForInt(DType t, F&& fn) {
  switch (t) {
    case DType::kI8: return fn(Tag<int8_t>{}), true;
    case DType::kI16: return fn(Tag<int16_t>{}), true;
    case DType::kI32: return fn(Tag<int32_t>{}), true;
    case DType::kI64: return fn(Tag<int64_t>{}), true;
    case DType::kU8: return fn(Tag<uint8_t>{}), true;
    case DType::kU16: return fn(Tag<uint16_t>{}), true;
    case DType::kU32: return fn(Tag<uint32_t>{}), true;
    case DType::kU64: return fn(Tag<uint64_t>{}), true;
    case DType::kInvalid: case DType::kF32: case DType::kF16: case DType::kBF16: case DType::kF64: case DType::kBool:
      return false;
  }
  return false;
}
template <class F>
bool ForNumber(DType t, F&& fn) {
  return ForFloat(t, fn) || ForInt(t, fn);
}
template <class F>
bool ForAny(DType t, F&& fn) {  // bool as uint8_t
  if (t == DType::kBool) return fn(Tag<uint8_t>{}), true;
  return ForNumber(t, fn);
}
// By element size alone: for moving.
template <class F>
bool ForSize(DType t, F&& fn) {
  switch (DTypeSize(t)) {
    case 1: return fn(Tag<uint8_t>{}), true;
    case 2: return fn(Tag<uint16_t>{}), true;
    case 4: return fn(Tag<uint32_t>{}), true;
    case 8: return fn(Tag<uint64_t>{}), true;
    default: return false;
  }
}

// Number to number without undefined behaviour: integers wrap, floats saturate
// at an integer's ends, NaN becomes 0.
template <class To, class From>
To Convert(From v) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (!(v == v)) return 0;
    constexpr double kLow = static_cast<double>(std::numeric_limits<To>::min());
    constexpr double kHigh = static_cast<double>(std::numeric_limits<To>::max());  // may round up to 2^63, 2^64
    const double d = static_cast<double>(v);
    if (d <= kLow) return std::numeric_limits<To>::min();
    if (d >= kHigh) return std::numeric_limits<To>::max();
    return static_cast<To>(d);
  } else {
    return static_cast<To>(v);
  }
}

// Wrapping integer arithmetic, plain float arithmetic.
template <class T>
T WrapAdd(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else return a + b;
}
template <class T>
T WrapSub(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  else return a - b;
}
template <class T>
T WrapMul(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else return a * b;
}

}  // namespace hasten::interp
