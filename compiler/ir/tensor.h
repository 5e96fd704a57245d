// A host tensor: the constants of a graph and the values of the interpreter.
// Row-major, dense. The bytes are shared and immutable once in a graph: they may
// be a view of a memory-mapped file, so nothing here copies weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace hasten::ir {

class Tensor {
 public:
  Tensor() = default;
  // Owned, zero-filled, 64-byte aligned. Fails with kResource when dims overflow
  // or exceed `max_bytes`, kBadInput for a negative dim.
  static Result<Tensor> Zeros(DType dtype, std::vector<int64_t> dims, uint64_t max_bytes = uint64_t{1} << 36);
  // As Zeros, but the contents are undefined (for outputs that are filled at once).
  static Result<Tensor> Uninitialized(DType dtype, std::vector<int64_t> dims, uint64_t max_bytes = uint64_t{1} << 36);
  // A view: `owner` keeps `data` alive. data must hold the product of dims
  // elements (checked by the caller) and need not be aligned to the element.
  static Tensor View(DType dtype, std::vector<int64_t> dims, const std::byte* data, std::shared_ptr<const void> owner);
  template <class T>
  static Tensor From(std::vector<int64_t> dims, std::span<const T> values);
  template <class T>
  static Tensor Scalar(T value) { return From<T>({}, std::span<const T>(&value, 1)); }

  bool valid() const { return dtype_ != DType::kInvalid; }
  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& dims() const { return dims_; }
  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  int64_t dim(int64_t i) const { return dims_[static_cast<size_t>(i < 0 ? i + rank() : i)]; }
  int64_t elements() const { return elements_; }
  size_t bytes() const { return static_cast<size_t>(elements_) * DTypeSize(dtype_); }

  const std::byte* raw() const { return data_; }
  // For filling a tensor just made by Zeros or Uninitialized and not shared yet.
  std::byte* mutable_raw() { return const_cast<std::byte*>(data_); }
  template <class T>
  const T* data() const { return reinterpret_cast<const T*>(data_); }
  template <class T>
  T* mutable_data() { return reinterpret_cast<T*>(mutable_raw()); }
  template <class T>
  std::span<const T> span() const { return {data<T>(), static_cast<size_t>(elements_)}; }

  // The same bytes under other dims of the same product (checked).
  Tensor Reshaped(std::vector<int64_t> dims) const;
  // Element i as double / int64, whatever the dtype (half types widened).
  double At(int64_t i) const;
  int64_t IntAt(int64_t i) const;
  // All elements widened to fp32 / int64 (any dtype).
  std::vector<float> ToFloats() const;
  std::vector<int64_t> ToInts() const;

 private:
  DType dtype_ = DType::kInvalid;
  std::vector<int64_t> dims_;
  int64_t elements_ = 0;
  const std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

// The C++ type of a dtype; half types travel as uint16_t and need the dtype given.
template <class T> constexpr DType kDTypeOf = DType::kInvalid;
template <> inline constexpr DType kDTypeOf<float> = DType::kF32;
template <> inline constexpr DType kDTypeOf<double> = DType::kF64;
template <> inline constexpr DType kDTypeOf<int8_t> = DType::kI8;
template <> inline constexpr DType kDTypeOf<int16_t> = DType::kI16;
template <> inline constexpr DType kDTypeOf<int32_t> = DType::kI32;
template <> inline constexpr DType kDTypeOf<int64_t> = DType::kI64;
template <> inline constexpr DType kDTypeOf<uint8_t> = DType::kU8;
template <> inline constexpr DType kDTypeOf<uint16_t> = DType::kU16;
template <> inline constexpr DType kDTypeOf<uint32_t> = DType::kU32;
template <> inline constexpr DType kDTypeOf<uint64_t> = DType::kU64;
template <> inline constexpr DType kDTypeOf<bool> = DType::kBool;

template <class T>
Tensor Tensor::From(std::vector<int64_t> dims, std::span<const T> values) {
  Result<Tensor> t = Uninitialized(kDTypeOf<T>, std::move(dims));
  HST_CHECK(t.ok() && t->elements() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), t->mutable_data<T>());
  return *std::move(t);
}

}  // namespace hasten::ir
