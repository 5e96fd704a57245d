#include "compiler/ir/tensor.h"

#include <cstdlib>
#include <cstring>

#include "runtime/base/checked.h"
#include "runtime/base/half.h"

namespace hasten::ir {
namespace {

template <class T>
T Load(const std::byte* p, int64_t i) {  // mapped data may be unaligned
  T v;
  std::memcpy(&v, p + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return v;
}

template <class Out>
Out ElementAs(DType t, const std::byte* p, int64_t i) {
  switch (t) {
    case DType::kF32: return static_cast<Out>(Load<float>(p, i));
    case DType::kF64: return static_cast<Out>(Load<double>(p, i));
    case DType::kF16: return static_cast<Out>(HalfToFloat(Load<uint16_t>(p, i)));
    case DType::kBF16: return static_cast<Out>(BFloatToFloat(Load<uint16_t>(p, i)));
    case DType::kI8: return static_cast<Out>(Load<int8_t>(p, i));
    case DType::kI16: return static_cast<Out>(Load<int16_t>(p, i));
    case DType::kI32: return static_cast<Out>(Load<int32_t>(p, i));
    case DType::kI64: return static_cast<Out>(Load<int64_t>(p, i));
    case DType::kU8: return static_cast<Out>(Load<uint8_t>(p, i));
    case DType::kU16: return static_cast<Out>(Load<uint16_t>(p, i));
    case DType::kU32: return static_cast<Out>(Load<uint32_t>(p, i));
    case DType::kU64: return static_cast<Out>(Load<uint64_t>(p, i));
    case DType::kBool: return static_cast<Out>(Load<uint8_t>(p, i) != 0);
    case DType::kInvalid: break;
  }
  HST_CHECK(false);
}

}  // namespace

Result<Tensor> Tensor::Uninitialized(DType dtype, std::vector<int64_t> dims, uint64_t max_bytes) {
  Checked count = 1;
  for (int64_t d : dims) {
    if (d < 0) return BadInput("a tensor dimension is negative (", d, ")");
    count = count * Checked::FromSigned(d);
  }
  const Checked bytes = count * DTypeSize(dtype);
  if (!bytes.AtMost(max_bytes)) return ResourceError("a tensor needs more than ", max_bytes, " bytes");
  Tensor t;
  t.dtype_ = dtype;
  t.dims_ = std::move(dims);
  t.elements_ = static_cast<int64_t>(count.value());
  void* p = std::aligned_alloc(64, (bytes.value() + 127) / 64 * 64);
  if (!p) return ResourceError("out of memory: a tensor of ", bytes.value(), " bytes");
  t.owner_ = std::shared_ptr<void>(p, std::free);
  t.data_ = static_cast<const std::byte*>(p);
  return t;
}

Result<Tensor> Tensor::Zeros(DType dtype, std::vector<int64_t> dims, uint64_t max_bytes) {
  HST_ASSIGN_OR_RETURN(Tensor t, Uninitialized(dtype, std::move(dims), max_bytes));
  std::memset(t.mutable_raw(), 0, t.bytes());
  return t;
}

Tensor Tensor::View(DType dtype, std::vector<int64_t> dims, const std::byte* data, std::shared_ptr<const void> owner) {
  Tensor t;
  t.dtype_ = dtype;
  t.elements_ = 1;
  for (int64_t d : dims) t.elements_ *= d;
  t.dims_ = std::move(dims);
  t.data_ = data;
  t.owner_ = std::move(owner);
  return t;
}

Tensor Tensor::Reshaped(std::vector<int64_t> dims) const {
  Tensor t = View(dtype_, std::move(dims), data_, owner_);
  HST_CHECK(t.elements_ == elements_);
  return t;
}

double Tensor::At(int64_t i) const { return ElementAs<double>(dtype_, data_, i); }
int64_t Tensor::IntAt(int64_t i) const { return ElementAs<int64_t>(dtype_, data_, i); }

std::vector<float> Tensor::ToFloats() const {
  std::vector<float> out(static_cast<size_t>(elements_));
  if (dtype_ == DType::kF32) {
    if (!out.empty()) std::memcpy(out.data(), data_, bytes());  // memcpy takes no null pointer, whatever the size
    return out;
  }
  for (int64_t i = 0; i < elements_; ++i) out[static_cast<size_t>(i)] = ElementAs<float>(dtype_, data_, i);
  return out;
}

std::vector<int64_t> Tensor::ToInts() const {
  std::vector<int64_t> out(static_cast<size_t>(elements_));
  for (int64_t i = 0; i < elements_; ++i) out[static_cast<size_t>(i)] = IntAt(i);
  return out;
}

}  // namespace hasten::ir
