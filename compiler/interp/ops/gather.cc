// Gather and scatter families. Every index is checked before it is used; negative
// ones count from the end.
#include <algorithm>
#include <cstring>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

// Operand i's indices, each brought into [0, limit).
Result<std::vector<int64_t>> Indices(EvalContext& c, size_t i, int64_t limit) {
  if (!c.Has(i) || (c.In(i).dtype() != DType::kI64 && c.In(i).dtype() != DType::kI32))
    return c.Error("operand ", i, " needs i32 or i64 indices");
  std::vector<int64_t> out = c.In(i).ToInts();
  for (int64_t& v : out) {
    if (v < -limit || v >= limit) return c.Error("index ", v, " is outside of ", limit, " elements");
    if (v < 0) v += limit;
  }
  return out;
}

// What a scatter does where it meets an element.
enum class Reduction { kNone, kAdd, kMul, kMin, kMax };

Result<Reduction> ParseReduction(EvalContext& c) {
  const std::string r = c.node.Str("reduction", "none");
  if (r == "none") return Reduction::kNone;
  if (r == "add") return Reduction::kAdd;
  if (r == "mul") return Reduction::kMul;
  if (r == "min") return Reduction::kMin;
  if (r == "max") return Reduction::kMax;
  return c.Error("reduction is \"", r, "\"");
}

template <class T>
void Combine(T& at, T v, Reduction r) {
  switch (r) {
    case Reduction::kNone: at = v; break;
    case Reduction::kAdd: at = WrapAdd(at, v); break;
    case Reduction::kMul: at = WrapMul(at, v); break;
    case Reduction::kMin: at = std::min(at, v); break;
    case Reduction::kMax: at = std::max(at, v); break;
  }
}

Result<Tensor> Copy(EvalContext& c, const Tensor& x) {
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), x.dims()));
  std::memcpy(o.mutable_raw(), x.raw(), x.bytes());
  return o;
}

// The offset of index tuple `k` of an indices tensor [..., depth] into axes
// [batch, batch + depth) of dims; -1 when an index is outside.
int64_t TupleOffset(const int64_t* tuple, int64_t depth, const std::vector<int64_t>& dims, const std::vector<int64_t>& strides, size_t batch) {
  int64_t at = 0;
  for (int64_t d = 0; d < depth; ++d) {
    const int64_t n = dims[batch + static_cast<size_t>(d)], v = tuple[d];
    if (v < -n || v >= n) return -1;
    at += (v < 0 ? v + n : v) * strides[batch + static_cast<size_t>(d)];
  }
  return at;
}

}  // namespace

Status EvalGather(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), x.rank()));
  const size_t a = static_cast<size_t>(axis);
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, Indices(c, 1, x.dims()[a]));
  std::vector<int64_t> dims(x.dims().begin(), x.dims().begin() + axis);
  dims.insert(dims.end(), c.In(1).dims().begin(), c.In(1).dims().end());
  dims.insert(dims.end(), x.dims().begin() + axis + 1, x.dims().end());
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), std::move(dims)));
  const int64_t inner = Product(x.dims(), a + 1, x.dims().size()), n = static_cast<int64_t>(indices.size());
  const int64_t rows = o.elements() ? Product(x.dims(), 0, a) * n : 0;
  const size_t bytes = static_cast<size_t>(inner) * DTypeSize(x.dtype());
  c.Parallel(rows, inner, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) {
      const int64_t from = i / n * x.dims()[a] + indices[static_cast<size_t>(i % n)];
      std::memcpy(o.mutable_raw() + static_cast<size_t>(i) * bytes, x.raw() + static_cast<size_t>(from) * bytes, bytes);
    }
  });
  c.out[0] = std::move(o);
  return {};
}

Status EvalGatherElements(EvalContext& c) {
  const Tensor &x = c.In(0), &index = c.In(1);
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), x.rank()));
  HST_RETURN_IF_ERROR(c.NeedRank(1, x.rank()));
  const size_t a = static_cast<size_t>(axis);
  for (size_t d = 0; d < x.dims().size(); ++d)
    if (d != a && index.dims()[d] > x.dims()[d])
      return c.Error("indices of dims ", DimsText(index.dims()), " exceed data of ", DimsText(x.dims()));
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, Indices(c, 1, x.dims()[a]));
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), index.dims()));
  const std::vector<int64_t> strides = RowMajorStrides(x.dims());
  ForSize(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < o.elements(); ++i) {
      int64_t rest = i, at = 0;
      for (size_t d = index.dims().size(); d-- > 0;) {
        const int64_t k = rest % index.dims()[d];
        rest /= index.dims()[d];
        at += (d == a ? indices[static_cast<size_t>(i)] : k) * strides[d];
      }
      o.template mutable_data<T>()[i] = x.template data<T>()[at];
    }
  });
  c.out[0] = std::move(o);
  return {};
}

Status EvalGatherNd(EvalContext& c) {
  const Tensor &x = c.In(0), &index = c.In(1);
  const int64_t batch = c.node.Int("batch_dims", 0);
  HST_RETURN_IF_ERROR(c.NeedType(1, DType::kI64));
  if (index.rank() < 1 || batch < 0 || batch >= std::min(x.rank(), index.rank()))
    return c.Error("batch_dims ", batch, " of ranks ", x.rank(), " and ", index.rank());
  const int64_t depth = index.dim(-1);
  if (depth < 1 || batch + depth > x.rank()) return c.Error("index depth ", depth, " of data of dims ", DimsText(x.dims()));
  const size_t b0 = static_cast<size_t>(batch), tail = b0 + static_cast<size_t>(depth);
  for (size_t d = 0; d < b0; ++d)
    if (x.dims()[d] != index.dims()[d]) return c.Error("batch dims differ: ", DimsText(x.dims()), " and ", DimsText(index.dims()));
  std::vector<int64_t> dims(index.dims().begin(), index.dims().end() - 1);
  dims.insert(dims.end(), x.dims().begin() + static_cast<std::ptrdiff_t>(tail), x.dims().end());
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), std::move(dims)));
  if (o.elements() > 0) {
    const std::vector<int64_t> strides = RowMajorStrides(x.dims());
    const int64_t tuples = index.elements() / depth, batches = Product(x.dims(), 0, b0), per = tuples / batches;
    const int64_t piece = Product(x.dims(), tail, x.dims().size()), step = Product(x.dims(), b0, x.dims().size());
    const size_t bytes = static_cast<size_t>(piece) * DTypeSize(x.dtype()), size = DTypeSize(x.dtype());
    std::atomic<bool> outside = false;
    c.Parallel(tuples, piece, [&](int64_t from, int64_t to) {
      for (int64_t t = from; t < to; ++t) {
        const int64_t at = TupleOffset(index.data<int64_t>() + t * depth, depth, x.dims(), strides, b0);
        if (at < 0) {
          outside = true;
          return;
        }
        std::memcpy(o.mutable_raw() + static_cast<size_t>(t) * bytes, x.raw() + static_cast<size_t>(t / per * step + at) * size, bytes);
      }
    });
    if (outside) return c.Error("an index is outside of data of dims ", DimsText(x.dims()));
  }
  c.out[0] = std::move(o);
  return {};
}

Status EvalScatterNd(EvalContext& c) {
  const Tensor &x = c.In(0), &index = c.In(1), &updates = c.In(2);
  HST_RETURN_IF_ERROR(c.NeedType(1, DType::kI64));
  HST_RETURN_IF_ERROR(c.NeedType(2, x.dtype()));
  HST_ASSIGN_OR_RETURN(const Reduction reduction, ParseReduction(c));
  if (index.rank() < 1 || index.dim(-1) < 0 || index.dim(-1) > x.rank()) return c.Error("indices of dims ", DimsText(index.dims()), " for data of ", DimsText(x.dims()));
  const int64_t depth = index.dim(-1);
  std::vector<int64_t> need(index.dims().begin(), index.dims().end() - 1);
  need.insert(need.end(), x.dims().begin() + depth, x.dims().end());
  HST_RETURN_IF_ERROR(c.NeedDims(2, need));
  HST_ASSIGN_OR_RETURN(Tensor o, Copy(c, x));
  const std::vector<int64_t> strides = RowMajorStrides(x.dims());
  const int64_t piece = Product(x.dims(), static_cast<size_t>(depth), x.dims().size());
  const int64_t tuples = Product(index.dims(), 0, index.dims().size() - 1);
  bool outside = false;
  const auto scatter = [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t t = 0; t < tuples && !outside; ++t) {
      const int64_t at = TupleOffset(index.data<int64_t>() + t * depth, depth, x.dims(), strides, 0);
      outside = at < 0;
      T* to = o.template mutable_data<T>() + std::max<int64_t>(at, 0);
      const T* from = updates.template data<T>() + t * piece;
      for (int64_t i = 0; i < piece && !outside; ++i) Combine(to[i], from[i], reduction);
    }
  };
  const bool known = reduction == Reduction::kNone ? ForSize(x.dtype(), scatter) : ForAny(x.dtype(), scatter);
  if (!known) return c.WrongType(0);
  if (outside) return c.Error("an index is outside of data of dims ", DimsText(x.dims()));
  c.out[0] = std::move(o);
  return {};
}

Status EvalScatterElements(EvalContext& c) {
  const Tensor &x = c.In(0), &index = c.In(1), &updates = c.In(2);
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), x.rank()));
  HST_RETURN_IF_ERROR(c.NeedRank(1, x.rank()));
  HST_RETURN_IF_ERROR(c.NeedDims(2, index.dims()));
  HST_RETURN_IF_ERROR(c.NeedType(2, x.dtype()));
  HST_ASSIGN_OR_RETURN(const Reduction reduction, ParseReduction(c));
  const size_t a = static_cast<size_t>(axis);
  for (size_t d = 0; d < x.dims().size(); ++d)
    if (d != a && index.dims()[d] > x.dims()[d])
      return c.Error("indices of dims ", DimsText(index.dims()), " exceed data of ", DimsText(x.dims()));
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, Indices(c, 1, x.dims()[a]));
  HST_ASSIGN_OR_RETURN(Tensor o, Copy(c, x));
  const std::vector<int64_t> strides = RowMajorStrides(x.dims());
  const auto scatter = [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < index.elements(); ++i) {
      int64_t rest = i, at = 0;
      for (size_t d = index.dims().size(); d-- > 0;) {
        at += (d == a ? indices[static_cast<size_t>(i)] : rest % index.dims()[d]) * strides[d];
        rest /= index.dims()[d];
      }
      Combine(o.template mutable_data<T>()[at], updates.template data<T>()[i], reduction);
    }
  };
  const bool known = reduction == Reduction::kNone ? ForSize(x.dtype(), scatter) : ForAny(x.dtype(), scatter);
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
