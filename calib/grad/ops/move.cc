// The ops that move rows or columns: embed, slice_cols, concat_cols, take_row.
#include "calib/grad/backward.h"

namespace hasten::calib {
namespace {

// to[r][0..n) += from[r][0..n).
void AddColumns(const BackwardArgs& a, int64_t rows, int64_t n, const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  a.pool.Run(rows, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t i = 0; i < n; ++i) to[r * to_stride + i] += from[r * from_stride + i];
  });
}

}  // namespace

Status BackwardEmbed(const BackwardArgs& a) {
  if (!a.d[1]) return {};
  const int64_t columns = a.in[1].dim(1), offset = a.node.Int("offset", 0);
  for (int64_t i = 0; i < a.in[0].elements(); ++i) {   // in order: an id may come twice
    float* to = a.d[1] + (a.in[0].IntAt(i) + offset) * columns;
    for (int64_t c = 0; c < columns; ++c) to[c] += a.g[i * columns + c];
  }
  return {};
}

Status BackwardSliceCols(const BackwardArgs& a) {
  const int64_t columns = a.in[0].dim(-1), n = a.out.dim(-1);
  if (a.d[0]) AddColumns(a, a.out.elements() / n, n, a.g, n, a.d[0] + a.node.Int("begin", 0), columns);
  return {};
}

Status BackwardConcatCols(const BackwardArgs& a) {
  const int64_t columns = a.out.dim(-1);
  int64_t at = 0;
  for (size_t i = 0; i < a.in.size(); ++i) {
    const int64_t n = a.in[i].dim(-1);
    if (a.d[i]) AddColumns(a, a.out.elements() / columns, n, a.g + at, columns, a.d[i], n);
    at += n;
  }
  return {};
}

Status BackwardTakeRow(const BackwardArgs& a) {
  const int64_t rows = a.in[0].dim(1), n = a.in[0].dim(2), index = a.node.Int("index", 0);
  if (a.d[0]) AddColumns(a, a.in[0].dim(0), n, a.g, n, a.d[0] + (index < 0 ? index + rows : index) * n, rows * n);
  return {};
}

}  // namespace hasten::calib
