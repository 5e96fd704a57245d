// What a quantized linear sees: its inputs as the runtime rounds them, and the
// Hessian of its squared output error, the sum of x x'.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/threads.h"

namespace hasten::calib {

// x: [rows][k] to the values that INT8 activations stand for (docs/numerics.md,
// `quantize`), in place; with `residual`, what the INT8 leaves is added as rounded to
// INT8 itself. False when a value is not finite.
bool RoundActivations(int64_t rows, int64_t k, int64_t group, float* x, bool residual = false);

// h: [k][k] += the sum of x x' over all rows of all samples, each [rows][k]. Products
// of one sample are summed in fp32, samples in fp64 and in order: the same bits
// with any number of threads.
void AddHessian(std::span<const std::vector<float>> samples, int64_t k, ThreadPool& pool, std::vector<double>* h);
// sum: [n][k] += the sum of a b', a [rows][n] and b [rows][k], in the same way.
void AddCross(std::span<const std::vector<float>> a, int64_t n, std::span<const std::vector<float>> b, int64_t k, ThreadPool& pool,
              std::vector<double>* sum);

// trace(W H W'), w: [n][k]: what the loss of a quantizer is relative to. Products in
// fp32, summed in fp64 and in order.
double OutputEnergy(int64_t n, int64_t k, std::span<const float> w, std::span<const double> h, ThreadPool& pool);

}  // namespace hasten::calib
