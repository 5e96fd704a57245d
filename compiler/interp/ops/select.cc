// Ops that pick or place elements by value: top_k, unique, compress, non_zero,
// one_hot, reverse_sequence, tensor_scatter.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/move.h"

namespace hasten::interp {
namespace {

// A total order: NaN above everything.
template <class T>
bool Less(T a, T b) {
  if (a != a) return false;
  return b != b || a < b;
}

// The operand as [outer][n][inner] around one axis.
struct Lines {
  int64_t outer = 1, n = 1, inner = 1;
};
Lines Around(const Tensor& x, int64_t axis) {
  const size_t a = static_cast<size_t>(axis);
  return {Product(x.dims(), 0, a), x.dims()[a], Product(x.dims(), a + 1, x.dims().size())};
}

// The given positions along the lines of x, in order, into y.
void CopySlices(const Tensor& x, const Lines& l, const std::vector<int64_t>& positions, Tensor& y) {
  const size_t piece = static_cast<size_t>(l.inner) * DTypeSize(x.dtype());
  std::byte* to = y.mutable_raw();
  for (int64_t o = 0; o < l.outer; ++o)
    for (int64_t p : positions) {
      std::memcpy(to, x.raw() + static_cast<size_t>(o * l.n + p) * piece, piece);
      to += piece;
    }
}

}  // namespace

Status EvalTopK(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", -1), x.rank()));
  HST_ASSIGN_OR_RETURN(const int64_t k, c.ScalarInt(1));
  if (k < 0 || k > x.dim(axis)) return c.Error("k is ", k, " of ", x.dim(axis));
  const bool largest = c.node.Int("largest", 1) != 0;
  std::vector<int64_t> dims = x.dims();
  dims[static_cast<size_t>(axis)] = k;
  HST_ASSIGN_OR_RETURN(Tensor values, c.Make(x.dtype(), dims));
  HST_ASSIGN_OR_RETURN(Tensor indices, c.Make(DType::kI64, dims));
  const Lines l = Around(x, axis);
  const bool known = ForAny(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = x.template data<T>();
    std::vector<int64_t> order(static_cast<size_t>(l.n));
    for (int64_t o = 0; o < l.outer; ++o)
      for (int64_t i = 0; i < l.inner; ++i) {
        const T* line = from + o * l.n * l.inner + i;
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
          const T va = line[a * l.inner], vb = line[b * l.inner];
          if (largest ? Less(vb, va) : Less(va, vb)) return true;
          if (largest ? Less(va, vb) : Less(vb, va)) return false;
          return a < b;   // ties: the lower index
        });
        for (int64_t r = 0; r < k; ++r) {
          const int64_t at = (o * k + r) * l.inner + i, best = order[static_cast<size_t>(r)];
          values.template mutable_data<T>()[at] = line[best * l.inner];
          indices.template mutable_data<int64_t>()[at] = best;
        }
      }
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(values);
  c.out[1] = std::move(indices);
  return {};
}

Status EvalUnique(EvalContext& c) {
  const Tensor& x = c.In(0);
  const bool flat = !c.node.HasAttr("axis"), sorted = c.node.Int("sorted", 1) != 0;
  int64_t axis = 0;
  if (!flat) {
    HST_ASSIGN_OR_RETURN(axis, c.Axis(c.node.Int("axis", 0), x.rank()));
  }
  const Lines l = flat ? Lines{1, x.elements(), 1} : Around(x, axis);
  std::vector<int64_t> order(static_cast<size_t>(l.n)), firsts, inverse(order.size()), counts;
  const bool known = ForAny(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* v = x.template data<T>();
    const auto compare = [&](int64_t a, int64_t b) {   // slices a and b: -1, 0, 1
      for (int64_t o = 0; o < l.outer; ++o)
        for (int64_t i = 0; i < l.inner; ++i) {
          const T va = v[(o * l.n + a) * l.inner + i], vb = v[(o * l.n + b) * l.inner + i];
          if (Less(va, vb)) return -1;
          if (Less(vb, va)) return 1;
        }
      return 0;
    };
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      const int r = compare(a, b);
      return r != 0 ? r < 0 : a < b;
    });
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == 0 || compare(order[i - 1], order[i]) != 0) {
        firsts.push_back(order[i]);
        counts.push_back(0);
      }
      inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(firsts.size()) - 1;
      ++counts.back();
    }
  });
  if (!known) return c.WrongType(0);
  if (!sorted) {  // in order of first occurrence
    std::vector<int64_t> by_first(firsts.size()), place(firsts.size());
    std::iota(by_first.begin(), by_first.end(), 0);
    std::sort(by_first.begin(), by_first.end(), [&](int64_t a, int64_t b) { return firsts[static_cast<size_t>(a)] < firsts[static_cast<size_t>(b)]; });
    std::vector<int64_t> f, n;
    for (size_t i = 0; i < by_first.size(); ++i) {
      place[static_cast<size_t>(by_first[i])] = static_cast<int64_t>(i);
      f.push_back(firsts[static_cast<size_t>(by_first[i])]);
      n.push_back(counts[static_cast<size_t>(by_first[i])]);
    }
    firsts = std::move(f);
    counts = std::move(n);
    for (int64_t& v : inverse) v = place[static_cast<size_t>(v)];
  }
  std::vector<int64_t> dims = flat ? std::vector<int64_t>{static_cast<int64_t>(firsts.size())} : x.dims();
  if (!flat) dims[static_cast<size_t>(axis)] = static_cast<int64_t>(firsts.size());
  HST_ASSIGN_OR_RETURN(Tensor y, c.Make(x.dtype(), dims));
  CopySlices(x, l, firsts, y);
  c.out[0] = std::move(y);
  const std::vector<int64_t>* lists[] = {&firsts, &inverse, &counts};
  for (size_t i = 1; i < std::min<size_t>(4, c.OutputCount()); ++i)
    c.out[i] = Tensor::From<int64_t>({static_cast<int64_t>(lists[i - 1]->size())}, *lists[i - 1]);
  return {};
}

Status EvalCompress(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_RETURN_IF_ERROR(c.NeedRank(1, 1));
  HST_RETURN_IF_ERROR(c.NeedType(1, DType::kBool));
  const bool flat = !c.node.HasAttr("axis");
  int64_t axis = 0;
  if (!flat) {
    HST_ASSIGN_OR_RETURN(axis, c.Axis(c.node.Int("axis", 0), x.rank()));
  }
  const Lines l = flat ? Lines{1, x.elements(), 1} : Around(x, axis);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < std::min(l.n, c.In(1).elements()); ++i)
    if (c.In(1).data<uint8_t>()[i]) kept.push_back(i);
  std::vector<int64_t> dims = flat ? std::vector<int64_t>{0} : x.dims();
  dims[static_cast<size_t>(axis)] = static_cast<int64_t>(kept.size());
  HST_ASSIGN_OR_RETURN(Tensor y, c.Make(x.dtype(), dims));
  CopySlices(x, l, kept, y);
  c.out[0] = std::move(y);
  return {};
}

Status EvalNonZero(EvalContext& c) {
  const Tensor& x = c.In(0);
  std::vector<int64_t> found;
  const bool known = ForAny(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < x.elements(); ++i)
      if (x.template data<T>()[i] != T(0)) found.push_back(i);
  });
  if (!known) return c.WrongType(0);
  const int64_t n = static_cast<int64_t>(found.size());
  HST_ASSIGN_OR_RETURN(Tensor y, c.Make(DType::kI64, {x.rank(), n}));
  const std::vector<int64_t> strides = RowMajorStrides(x.dims());
  for (int64_t d = 0; d < x.rank() && n > 0; ++d)
    for (int64_t i = 0; i < n; ++i)
      y.mutable_data<int64_t>()[d * n + i] = found[static_cast<size_t>(i)] / strides[static_cast<size_t>(d)] % x.dim(d);
  c.out[0] = std::move(y);
  return {};
}

Status EvalOneHot(EvalContext& c) {
  const Tensor &index = c.In(0), &values = c.In(2);
  HST_ASSIGN_OR_RETURN(const double wanted, c.ScalarFloat(1));
  if (!(wanted >= 1) || wanted > 9e15) return c.Error("depth is ", wanted);
  const int64_t depth = static_cast<int64_t>(wanted);
  HST_RETURN_IF_ERROR(c.NeedDims(2, {2}));
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", -1), index.rank() + 1));
  std::vector<int64_t> dims = index.dims();
  dims.insert(dims.begin() + axis, depth);
  HST_ASSIGN_OR_RETURN(Tensor y, c.Make(values.dtype(), dims));
  const int64_t inner = Product(dims, static_cast<size_t>(axis) + 1, dims.size());
  ForSize(values.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = y.template mutable_data<T>();
    const T* v = values.template data<T>();
    std::fill_n(to, y.elements(), v[0]);
    for (int64_t i = 0; i < index.elements() && inner > 0; ++i) {
      int64_t k = Convert<int64_t>(index.At(i));
      if (k < -depth || k >= depth) continue;   // outside: all off
      if (k < 0) k += depth;
      to[(i / inner * depth + k) * inner + i % inner] = v[1];
    }
  });
  c.out[0] = std::move(y);
  return {};
}

Status EvalReverseSequence(EvalContext& c) {
  const Tensor& x = c.In(0);
  const int64_t batch_axis = c.node.Int("batch_axis", 1), time_axis = c.node.Int("time_axis", 0);
  if (x.rank() < 2 || batch_axis + time_axis != 1 || (batch_axis != 0 && batch_axis != 1))
    return c.Error("batch_axis ", batch_axis, " and time_axis ", time_axis, " of dims ", DimsText(x.dims()));
  const int64_t batch = x.dim(batch_axis), time = x.dim(time_axis);
  HST_RETURN_IF_ERROR(c.NeedDims(1, {batch}));
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> lengths, c.Ints(1, INT64_MAX));
  HST_ASSIGN_OR_RETURN(Tensor y, c.Make(x.dtype(), x.dims()));
  const size_t piece = static_cast<size_t>(Product(x.dims(), 2, x.dims().size())) * DTypeSize(x.dtype());
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t n = lengths[static_cast<size_t>(b)];
    if (n < 0 || n > time) return c.Error("length ", n, " of ", time);
    for (int64_t t = 0; t < time; ++t) {
      const int64_t s = t < n ? n - 1 - t : t;
      const auto at = [&](int64_t k) { return static_cast<size_t>(time_axis == 0 ? k * batch + b : b * time + k) * piece; };
      std::memcpy(y.mutable_raw() + at(t), x.raw() + at(s), piece);
    }
  }
  c.out[0] = std::move(y);
  return {};
}

Status EvalTensorScatter(EvalContext& c) {
  const Tensor &past = c.In(0), &update = c.In(1);
  HST_RETURN_IF_ERROR(c.NeedType(1, past.dtype()));
  HST_RETURN_IF_ERROR(c.NeedRank(1, past.rank()));
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", -2), past.rank()));
  if (axis == 0) return c.Error("axis 0 is the batch");
  for (int64_t d = 0; d < past.rank(); ++d)
    if (d != axis ? update.dim(d) != past.dim(d) : update.dim(d) > past.dim(d))
      return c.Error("update of dims ", DimsText(update.dims()), " for a cache of ", DimsText(past.dims()));
  const std::string mode = c.node.Str("mode", "linear");
  if (mode != "linear" && mode != "circular") return c.Error("mode is \"", mode, "\"");
  std::vector<int64_t> starts(static_cast<size_t>(past.dim(0)), 0);
  if (c.Has(2)) {
    HST_RETURN_IF_ERROR(c.NeedDims(2, {past.dim(0)}));
    HST_ASSIGN_OR_RETURN(starts, c.Ints(2, INT64_MAX));
  }
  HST_ASSIGN_OR_RETURN(Tensor y, c.Make(past.dtype(), past.dims()));
  std::memcpy(y.mutable_raw(), past.raw(), past.bytes());
  const Lines l = Around(past, axis);
  const int64_t rows = update.dim(axis), per_batch = past.dim(0) ? l.outer / past.dim(0) : 1;
  const size_t piece = static_cast<size_t>(l.inner) * DTypeSize(past.dtype());
  for (int64_t o = 0; o < l.outer; ++o)
    for (int64_t r = 0; r < rows; ++r) {
      int64_t at = starts[static_cast<size_t>(o / per_batch)];
      if (at < 0 || at > l.n || (mode == "linear" && at + rows > l.n)) return c.Error("write index ", at, " with ", rows, " rows of ", l.n);
      at = (at + r) % l.n;
      std::memcpy(y.mutable_raw() + static_cast<size_t>(o * l.n + at) * piece, update.raw() + static_cast<size_t>(o * rows + r) * piece, piece);
    }
  c.out[0] = std::move(y);
  return {};
}

}  // namespace hasten::interp
