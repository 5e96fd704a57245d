#include "calib/grad/linear.h"

#include <algorithm>

#include "compiler/interp/gemm.h"

namespace hasten::calib {
namespace {

constexpr int64_t kTile = 96;   // rows of W, columns of dx: fixed, since a product's bits depend on its sizes

template <class F>
void ForTiles(int64_t n, ThreadPool& pool, const F& f) {
  pool.Run((n + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t t = begin; t < end; ++t) f(t * kTile, std::min(kTile, n - t * kTile), static_cast<size_t>(thread));
  });
}

std::vector<std::vector<float>> Buffers(ThreadPool& pool, int64_t elements) {
  return std::vector<std::vector<float>>(static_cast<size_t>(pool.threads()), std::vector<float>(static_cast<size_t>(elements)));
}

}  // namespace

void Matrix::Decode(int64_t begin, int64_t end, float* out) const {
  if (!codes) return tensor->GatherRows(begin, end, out);
  for (int64_t r = begin; r < end; ++r) passes::DecodeRow(tensor->scheme, tensor->k, *codes, r, out + (r - begin) * tensor->k);
}

void LinearForward(const Matrix& w, int64_t rows, const float* x, const float* bias, float* y, ThreadPool& pool) {
  const int64_t n = w.tensor->n, k = w.tensor->k;
  std::vector<std::vector<float>> tiles = Buffers(pool, kTile * k);
  ForTiles(n, pool, [&](int64_t first, int64_t count, size_t thread) {
    float* tile = tiles[thread].data();
    w.Decode(first, first + count, tile);
    interp::GemmSerial({x, tile, y + first, rows, count, k, k, k, n, false, true});
    for (int64_t r = 0; bias && r < rows; ++r)
      for (int64_t c = first; c < first + count; ++c) y[r * n + c] += bias[c];
  });
}

void LinearBackwardInput(const Matrix& w, int64_t rows, const float* g, float* dx, std::vector<float>& scratch, ThreadPool& pool) {
  const int64_t n = w.tensor->n, k = w.tensor->k;
  if (scratch.size() < static_cast<size_t>(n * k)) scratch.resize(static_cast<size_t>(n * k));
  ForTiles(n, pool, [&](int64_t first, int64_t count, size_t) { w.Decode(first, first + count, scratch.data() + first * k); });
  std::vector<std::vector<float>> parts = Buffers(pool, rows * kTile);
  ForTiles(k, pool, [&](int64_t first, int64_t count, size_t thread) {
    float* part = parts[thread].data();
    interp::GemmSerial({g, scratch.data() + first, part, rows, count, n, n, k, count, false, false});
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < count; ++c) dx[r * k + first + c] += part[r * count + c];
  });
}

void LinearBackwardWeights(const Matrix& w, int index, int64_t rows, const float* x, const float* g, WeightSink& sink, ThreadPool& pool) {
  const int64_t n = w.tensor->n, k = w.tensor->k;
  std::vector<std::vector<float>> tiles = Buffers(pool, kTile * k);
  ForTiles(n, pool, [&](int64_t first, int64_t count, size_t thread) {
    float* tile = tiles[thread].data();
    interp::GemmSerial({g + first, x, tile, count, k, rows, n, k, k, true, false});
    sink.Rows(index, first, count, tile);
  });
}

}  // namespace hasten::calib
