// Products with one tensor of a plan, forward and back. The weights are codes
// (scale * (code - zero)) or, without codes, the model's own; they are decoded a
// tile at a time, so that no fp32 copy of a model is made. Tiles are of one size
// whatever the number of threads: the same bits with any.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct Matrix {
  const plan::TensorPlan* tensor = nullptr;
  const passes::OwnedCodes* codes = nullptr;   // null: the model's weights
  // Rows [begin, end) as fp32 [end - begin][k].
  void Decode(int64_t begin, int64_t end, float* out) const;
};

// Takes gradients of weights where they are made, so that none is held whole. Called
// from the pool's threads, for disjoint rows of one tensor at a time; a tensor that
// two ops read comes twice.
class WeightSink {
 public:
  virtual ~WeightSink() = default;
  virtual bool Wants(int tensor) const = 0;
  // dw: [count][k], dL/dW of rows from `first` on. The op needs these weights no more.
  virtual void Rows(int tensor, int64_t first, int64_t count, const float* dw) = 0;
};

// y [rows][n] = x W' (+ bias [n], may be null); x: [rows][k].
void LinearForward(const Matrix& w, int64_t rows, const float* x, const float* bias, float* y, ThreadPool& pool);

// dx [rows][k] += g W, when not null; g: [rows][n]. `scratch` holds W meanwhile.
void LinearBackwardInput(const Matrix& w, int64_t rows, const float* g, float* dx, std::vector<float>& scratch, ThreadPool& pool);

// Hands g' x to the sink.
void LinearBackwardWeights(const Matrix& w, int index, int64_t rows, const float* x, const float* g, WeightSink& sink, ThreadPool& pool);

}  // namespace hasten::calib
