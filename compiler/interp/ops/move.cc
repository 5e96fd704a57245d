// Ops that move elements without looking at them: transpose, concat, split, slice.
#include <algorithm>
#include <cstring>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/move.h"

namespace hasten::interp {

namespace {

constexpr int64_t kTile = 16;   // floats in a cache line

// The last two output axes are a transposed matrix of 4-byte elements: by tiles,
// so that each line of the operand is read once.
void TransposeTiles(const EvalContext& c, const std::byte* from, std::byte* to, const std::vector<int64_t>& dims,
                    const std::vector<int64_t>& strides) {
  const size_t last = dims.size() - 1;
  const int64_t rows = dims[last - 1], columns = dims[last], step = strides[last], bands = (columns + kTile - 1) / kTile;
  const int64_t matrices = Product(dims, 0, last - 1);
  c.Parallel(matrices * bands, kTile * rows, [&](int64_t b, int64_t e) {
    for (int64_t t = b; t < e; ++t) {
      int64_t rest = t / bands, at = 0;
      for (size_t d = last - 1; d-- > 0;) {
        at += rest % dims[d] * strides[d];
        rest /= dims[d];
      }
      const int64_t c0 = t % bands * kTile, c1 = std::min(columns, c0 + kTile);
      const std::byte* s = from + at * 4;
      std::byte* o = to + (t / bands) * rows * columns * 4;
      for (int64_t r0 = 0; r0 < rows; r0 += kTile)
        for (int64_t r = r0; r < std::min(rows, r0 + kTile); ++r)
          for (int64_t k = c0; k < c1; ++k) std::memcpy(o + (r * columns + k) * 4, s + (k * step + r) * 4, 4);
    }
  });
}

}  // namespace

// Copies the strided view of `from` into the dense `to`; dims and strides of the
// output's axes. The innermost axes that run on without a gap move as one piece.
void CopyStrided(const EvalContext& c, const std::byte* from, std::byte* to, std::vector<int64_t> dims,
                 std::vector<int64_t> strides, size_t element) {
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return;
  int64_t piece = 1;
  while (!dims.empty() && (dims.back() == 1 || strides.back() == piece)) {
    piece *= dims.back();
    dims.pop_back();
    strides.pop_back();
  }
  if (piece == 1 && element == 4 && dims.size() >= 2 && strides[dims.size() - 2] == 1 && dims.back() >= kTile &&
      dims[dims.size() - 2] >= kTile)
    return TransposeTiles(c, from, to, dims, strides);
  const int64_t pieces = Product(dims, 0, dims.size());
  // The last axis left has a stride of its own: an inner loop over it.
  const int64_t inner = dims.empty() ? 1 : dims.back(), step = dims.empty() ? 0 : strides.back();
  const int64_t bytes = piece * static_cast<int64_t>(element), size = static_cast<int64_t>(element);
  c.Parallel(pieces / inner, inner * piece, [&](int64_t b, int64_t e) {
    for (int64_t row = b; row < e; ++row) {
      int64_t rest = row, at = 0;
      for (size_t d = dims.empty() ? 0 : dims.size() - 1; d-- > 0;) {
        at += rest % dims[d] * strides[d];
        rest /= dims[d];
      }
      const std::byte* s = from + at * size;
      std::byte* t = to + row * inner * bytes;
      if (piece == 1 && element == 4) {
        for (int64_t i = 0; i < inner; ++i) std::memcpy(t + i * 4, s + i * step * 4, 4);
      } else if (piece == 1 && element == 8) {
        for (int64_t i = 0; i < inner; ++i) std::memcpy(t + i * 8, s + i * step * 8, 8);
      } else {
        for (int64_t i = 0; i < inner; ++i) std::memcpy(t + i * bytes, s + i * step * size, static_cast<size_t>(bytes));
      }
    }
  });
}

Result<Tensor> Transposed(const EvalContext& c, const Tensor& x, const std::vector<int64_t>& perm) {
  const std::vector<int64_t> own = RowMajorStrides(x.dims());
  std::vector<int64_t> dims, strides;
  for (int64_t p : perm) {
    dims.push_back(x.dims()[static_cast<size_t>(p)]);
    strides.push_back(own[static_cast<size_t>(p)]);
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), dims));
  CopyStrided(c, x.raw(), o.mutable_raw(), std::move(dims), std::move(strides), DTypeSize(x.dtype()));
  return o;
}

Status EvalTranspose(EvalContext& c) {
  const Tensor& x = c.In(0);
  std::vector<int64_t> perm;
  for (int64_t i = x.rank(); i-- > 0;) perm.push_back(i);
  perm = c.node.Ints("perm", perm);
  if (static_cast<int64_t>(perm.size()) != x.rank()) return c.Error("perm has ", perm.size(), " elements, the operand rank ", x.rank());
  HST_ASSIGN_OR_RETURN(perm, c.Axes(std::move(perm), x.rank()));
  // When the axes longer than 1 keep their order, only the dims change.
  std::vector<int64_t> real, dims;
  for (int64_t p : perm) {
    dims.push_back(x.dim(p));
    if (x.dim(p) != 1) real.push_back(p);
  }
  if (std::is_sorted(real.begin(), real.end())) {
    c.out[0] = x.Reshaped(std::move(dims));
    return {};
  }
  HST_ASSIGN_OR_RETURN(c.out[0], Transposed(c, x, perm));
  return {};
}

Status EvalConcat(EvalContext& c) {
  if (!c.Has(0)) return c.Error("operand 0 is missing");
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), c.In(0).rank()));
  const size_t at = static_cast<size_t>(axis);
  std::vector<int64_t> dims = c.In(0).dims();
  dims[at] = 0;
  for (size_t i = 0; i < c.in.size(); ++i) {
    HST_RETURN_IF_ERROR(c.NeedType(i, c.In(0).dtype()));
    HST_RETURN_IF_ERROR(c.NeedRank(i, c.In(0).rank()));
    for (size_t d = 0; d < dims.size(); ++d)
      if (d != at && c.In(i).dims()[d] != dims[d])
        return c.Error("operand ", i, " of dims ", DimsText(c.In(i).dims()), " does not fit ", DimsText(c.In(0).dims()), " along axis ", axis);
    if (__builtin_add_overflow(dims[at], c.In(i).dims()[at], &dims[at])) return c.Error("the axis overflows");
  }
  const size_t element = DTypeSize(c.In(0).dtype());
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(c.In(0).dtype(), dims));
  const int64_t outer = o.elements() ? Product(dims, 0, at) : 0, inner = Product(dims, at + 1, dims.size());
  int64_t offset = 0;
  for (const Tensor& x : c.in) {
    const int64_t part = x.dims()[at] * inner, whole = dims[at] * inner;
    c.Parallel(outer, part, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i)
        std::memcpy(o.mutable_raw() + static_cast<size_t>(i * whole + offset) * element,
                    x.raw() + static_cast<size_t>(i * part) * element, static_cast<size_t>(part) * element);
    });
    offset += part;
  }
  c.out[0] = std::move(o);
  return {};
}

Status EvalSplit(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), x.rank()));
  const size_t at = static_cast<size_t>(axis);
  const int64_t n = static_cast<int64_t>(c.OutputCount()), total = x.dim(axis);
  std::vector<int64_t> sizes;
  if (c.Has(1)) {
    HST_ASSIGN_OR_RETURN(sizes, c.Ints(1));
  } else {
    const int64_t part = (total + n - 1) / n;
    for (int64_t i = 0; i < n; ++i) sizes.push_back(std::clamp<int64_t>(total - i * part, 0, part));
  }
  if (static_cast<int64_t>(sizes.size()) != n) return c.Error("split has ", sizes.size(), " sizes for ", n, " outputs");
  int64_t sum = 0;
  for (int64_t s : sizes)
    if (s < 0 || __builtin_add_overflow(sum, s, &sum)) return c.Error("split is ", DimsText(sizes));
  if (sum != total) return c.Error("split ", DimsText(sizes), " adds up to ", sum, ", the axis has ", total);
  const size_t element = DTypeSize(x.dtype());
  const std::vector<int64_t> strides = RowMajorStrides(x.dims());
  int64_t offset = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<int64_t> dims = x.dims();
    dims[at] = sizes[static_cast<size_t>(i)];
    HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), dims));
    CopyStrided(c, x.raw() + static_cast<size_t>(offset * strides[at]) * element, o.mutable_raw(), dims, strides, element);
    offset += dims[at];
    c.out[static_cast<size_t>(i)] = std::move(o);
  }
  return {};
}

Status EvalSlice(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> starts, c.Ints(1, 64));
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> ends, c.Ints(2, 64));
  std::vector<int64_t> axes, steps(starts.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (c.Has(3)) {
    HST_ASSIGN_OR_RETURN(axes, c.Ints(3, 64));
  }
  if (c.Has(4)) {
    HST_ASSIGN_OR_RETURN(steps, c.Ints(4, 64));
  }
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return c.Error("starts, ends, axes and steps differ in length");
  HST_ASSIGN_OR_RETURN(axes, c.Axes(std::move(axes), x.rank()));
  std::vector<int64_t> dims = x.dims(), strides = RowMajorStrides(x.dims());
  int64_t first = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t a = static_cast<size_t>(axes[i]);
    const int64_t n = x.dims()[a], step = steps[i];
    if (step == 0) return c.Error("a step is 0");
    int64_t s = starts[i] < 0 ? starts[i] + n : starts[i], e = ends[i] < 0 ? ends[i] + n : ends[i];
    s = std::max<int64_t>(0, std::min(s, step > 0 ? n : n - 1));
    e = step > 0 ? std::max<int64_t>(0, std::min(e, n)) : std::max<int64_t>(-1, std::min(e, n - 1));
    const uint64_t span = n == 0 ? 0 : step > 0 ? (e > s ? static_cast<uint64_t>(e - s) : 0) : (s > e ? static_cast<uint64_t>(s - e) : 0);
    const uint64_t magnitude = step > 0 ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
    dims[a] = span ? static_cast<int64_t>((span - 1) / magnitude + 1) : 0;
    first += dims[a] ? s * strides[a] : 0;
    strides[a] = dims[a] > 1 ? strides[a] * step : strides[a];
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), dims));
  const size_t element = DTypeSize(x.dtype());
  if (o.elements() > 0) CopyStrided(c, x.raw() + static_cast<size_t>(first) * element, o.mutable_raw(), dims, strides, element);
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
