// The semantic ops on rows f32[B,S,C], and what each of them means:
//   positions(ids[, past_k]) -> i64[B,S]: P + s, P = dim 2 of past_k or 0
//   embed(ids [B,S], table [V,C]) {offset}: row table[ids + offset]
//   rms_norm(x, w [C/groups]), layer_norm(x, w, b) {eps, groups}: each of the
//     groups of C/groups columns normalized by itself, with the same weights
//   linear(x, bias, w...) {trans, begin, end}: columns begin..end of each weight,
//     side by side; trans 1: stored [N,K], 0: [K,N]
//   slice_cols {begin, end}, concat_cols, take_row {index: -1 is the last}
// rope and attention are in semantic_attention.cc, activations in semantic_act.cc.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/interp/gemm.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/semantic.h"
#include "runtime/base/half.h"

namespace hasten::interp {

Status NeedRows(EvalContext& c, size_t i) {
  HST_RETURN_IF_ERROR(c.NeedRank(i, 3));
  return c.NeedType(i, DType::kF32);
}

Status EvalPositions(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 2));
  int64_t past = 0;
  if (c.Has(1)) {
    HST_RETURN_IF_ERROR(c.NeedRank(1, 4));
    past = c.In(1).dim(2);
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kI64, c.In(0).dims()));
  const int64_t s = o.dim(1);
  for (int64_t i = 0; i < o.elements(); ++i) o.mutable_data<int64_t>()[i] = past + i % s;
  c.out[0] = std::move(o);
  return {};
}

Status EvalEmbed(EvalContext& c) {
  const Tensor &ids = c.In(0), &table = c.In(1);
  HST_RETURN_IF_ERROR(c.NeedRank(0, 2));
  HST_RETURN_IF_ERROR(c.NeedRank(1, 2));
  if (ids.dtype() != DType::kI64 && ids.dtype() != DType::kI32) return c.WrongType(0);
  const int64_t offset = c.node.Int("offset", 0), columns = table.dim(1);
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, {ids.dim(0), ids.dim(1), columns}));
  for (int64_t i = 0; i < ids.elements(); ++i) {
    int64_t row = 0;
    if (__builtin_add_overflow(ids.IntAt(i), offset, &row) || row < 0 || row >= table.dim(0))
      return c.Error("id ", ids.IntAt(i), " is outside of the table's ", table.dim(0), " rows");
    float* to = o.mutable_data<float>() + i * columns;
    if (table.dtype() == DType::kF32) {
      std::copy_n(table.data<float>() + row * columns, columns, to);
    } else if (table.dtype() == DType::kF16) {
      std::transform(table.data<uint16_t>() + row * columns, table.data<uint16_t>() + (row + 1) * columns, to, HalfToFloat);
    } else if (table.dtype() == DType::kBF16) {
      std::transform(table.data<uint16_t>() + row * columns, table.data<uint16_t>() + (row + 1) * columns, to, BFloatToFloat);
    } else {
      return c.WrongType(1);
    }
  }
  c.out[0] = std::move(o);
  return {};
}

namespace {

Status Normalize(EvalContext& c, bool layer) {
  HST_RETURN_IF_ERROR(NeedRows(c, 0));
  const Tensor& x = c.In(0);
  const int64_t groups = c.node.Int("groups", 1), columns = x.dim(2);
  if (groups < 1 || columns % groups) return c.Error(columns, " columns in ", groups, " groups");
  const int64_t n = columns / groups;
  for (size_t i = 1; i < 3; ++i) {
    if (i == 2 && !c.Has(2)) break;
    HST_RETURN_IF_ERROR(c.NeedType(i, DType::kF32));
    HST_RETURN_IF_ERROR(c.NeedDims(i, {n}));
  }
  const float *w = c.In(1).data<float>(), *bias = c.Has(2) ? c.In(2).data<float>() : nullptr;
  const double eps = c.node.Float("eps", 0);
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, x.dims()));
  c.Parallel(n ? x.elements() / n : 0, 3 * n, [&](int64_t b, int64_t e) {
    for (int64_t r = b; r < e; ++r) {
      const float* from = x.data<float>() + r * n;
      float* to = o.mutable_data<float>() + r * n;
      double mean = 0, square = 0;
      for (int64_t i = 0; layer && i < n; ++i) mean += static_cast<double>(from[i]);
      mean /= static_cast<double>(n);
      for (int64_t i = 0; i < n; ++i) square += (static_cast<double>(from[i]) - mean) * (static_cast<double>(from[i]) - mean);
      const double inverse = 1 / std::sqrt(square / static_cast<double>(n) + eps);
      for (int64_t i = 0; i < n; ++i)
        to[i] = static_cast<float>((static_cast<double>(from[i]) - mean) * inverse * static_cast<double>(w[i]) +
                                   (bias ? static_cast<double>(bias[i]) : 0.0));
    }
  });
  c.out[0] = std::move(o);
  return {};
}

}  // namespace

Status EvalRmsNorm(EvalContext& c) { return Normalize(c, false); }
Status EvalLayerNorm(EvalContext& c) { return Normalize(c, true); }

Status EvalLinear(EvalContext& c) {
  HST_RETURN_IF_ERROR(NeedRows(c, 0));
  const Tensor& x = c.In(0);
  const auto trans = c.node.Ints("trans"), begin = c.node.Ints("begin"), end = c.node.Ints("end");
  const size_t weights = c.in.size() < 2 ? 0 : c.in.size() - 2;
  if (weights == 0 || trans.size() != weights || begin.size() != weights || end.size() != weights)
    return c.Error("needs one trans, begin and end for each of ", weights, " weights");
  const int64_t k = x.dim(2), rows = x.dim(0) * x.dim(1);
  int64_t columns = 0;
  for (size_t i = 0; i < weights; ++i) {
    HST_RETURN_IF_ERROR(c.NeedRank(2 + i, 2));
    HST_RETURN_IF_ERROR(c.NeedType(2 + i, DType::kF32));
    const Tensor& w = c.In(2 + i);
    if (w.dim(trans[i] ? 1 : 0) != k) return c.Error("K: input has ", k, ", weight ", i, " has dims ", DimsText(w.dims()));
    if (begin[i] < 0 || end[i] <= begin[i] || end[i] > w.dim(trans[i] ? 0 : 1))
      return c.Error("columns ", begin[i], "..", end[i], " of weight ", i, " with dims ", DimsText(w.dims()));
    columns += end[i] - begin[i];
  }
  if (c.Has(1)) {
    HST_RETURN_IF_ERROR(c.NeedType(1, DType::kF32));
    HST_RETURN_IF_ERROR(c.NeedDims(1, {columns}));
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, {x.dim(0), x.dim(1), columns}));
  HST_RETURN_IF_ERROR(c.SpendProduct({rows, columns, k}));
  float* y = o.mutable_data<float>();
  int64_t at = 0;
  for (size_t i = 0; i < weights; ++i) {
    const Tensor& w = c.In(2 + i);
    const bool t = trans[i] != 0;
    const float* from = w.data<float>() + (t ? begin[i] * w.dim(1) : begin[i]);
    Gemm(c, {x.data<float>(), from, y + at, rows, end[i] - begin[i], k, k, w.dim(1), columns, false, t});
    at += end[i] - begin[i];
  }
  if (c.Has(1)) {
    const float* bias = c.In(1).data<float>();
    c.Parallel(rows, columns, [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r)
        for (int64_t j = 0; j < columns; ++j) y[r * columns + j] += bias[j];
    });
  }
  c.out[0] = std::move(o);
  return {};
}

Status EvalSliceCols(EvalContext& c) {
  HST_RETURN_IF_ERROR(NeedRows(c, 0));
  const Tensor& x = c.In(0);
  const int64_t begin = c.node.Int("begin", 0), end = c.node.Int("end", 0), columns = x.dim(2);
  if (begin < 0 || end <= begin || end > columns) return c.Error("columns ", begin, "..", end, " of ", columns);
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, {x.dim(0), x.dim(1), end - begin}));
  for (int64_t r = 0; r < x.dim(0) * x.dim(1); ++r)
    std::copy_n(x.data<float>() + r * columns + begin, end - begin, o.mutable_data<float>() + r * (end - begin));
  c.out[0] = std::move(o);
  return {};
}

Status EvalConcatCols(EvalContext& c) {
  int64_t columns = 0;
  for (size_t i = 0; i < c.in.size(); ++i) {
    HST_RETURN_IF_ERROR(NeedRows(c, i));
    if (c.In(i).dim(0) != c.In(0).dim(0) || c.In(i).dim(1) != c.In(0).dim(1))
      return c.Error("operand ", i, " of dims ", DimsText(c.In(i).dims()), " beside ", DimsText(c.In(0).dims()));
    columns += c.In(i).dim(2);
  }
  if (c.in.empty()) return c.Error("has no operands");
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, {c.In(0).dim(0), c.In(0).dim(1), columns}));
  for (int64_t r = 0; r < o.dim(0) * o.dim(1); ++r) {
    float* to = o.mutable_data<float>() + r * columns;
    for (const Tensor& x : c.in) to = std::copy_n(x.data<float>() + r * x.dim(2), x.dim(2), to);
  }
  c.out[0] = std::move(o);
  return {};
}

Status EvalTakeRow(EvalContext& c) {
  HST_RETURN_IF_ERROR(NeedRows(c, 0));
  const Tensor& x = c.In(0);
  int64_t index = c.node.Int("index", 0);
  if (index < -x.dim(1) || index >= x.dim(1)) return c.Error("row ", index, " of ", x.dim(1));
  if (index < 0) index += x.dim(1);
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, {x.dim(0), x.dim(2)}));
  for (int64_t b = 0; b < x.dim(0); ++b)
    std::copy_n(x.data<float>() + (b * x.dim(1) + index) * x.dim(2), x.dim(2), o.mutable_data<float>() + b * x.dim(2));
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
