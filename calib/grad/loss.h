// What distillation makes small: how far the quantized model's rows are from the
// original's.
#pragma once

#include <cstdint>

#include "runtime/base/threads.h"

namespace hasten::calib {

// Mean over rows of KL(softmax(original) || softmax(rows)), in nats; rows [count][n]
// become its gradient, (softmax(rows) - softmax(original)) / count.
double KlDivergence(int64_t count, int64_t n, const float* original, float* rows, ThreadPool& pool);

// Mean over rows of |original - rows|^2 / |original|^2; rows become its gradient. For
// outputs that are no logits: an encoder's hidden states.
double RelativeError(int64_t count, int64_t n, const float* original, float* rows, ThreadPool& pool);

// rows [count][n] of logits become softmax - onehot(y), the gradient of the sum of
// -log softmax[y], for a label y of each row that is drawn from softmax by a number
// that follows from `seed` and the row.
void ScoreOfDrawnLabels(int64_t count, int64_t n, uint64_t seed, float* rows, ThreadPool& pool);

}  // namespace hasten::calib
