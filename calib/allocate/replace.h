// Nodes with other weights, and how far the results are apart: what measuring a
// probe and measuring a whole allocation share.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "calib/allocate/items.h"
#include "compiler/ir/tensor.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

// W^ [n][k] of a scheme, rounded to nearest.
Result<std::vector<float>> Rounded(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, ThreadPool& pool);
// A linear's or a table's weights as W[n, k], parts under each other.
plan::TensorPlan WeightsOf(const ir::Node& node);
// A linear or an embed with W[n, k] for its weights, on the calling thread.
Result<ir::Tensor> Compute(const ir::Node& node, int64_t n, int64_t k, const std::vector<float>& w, std::span<const ir::Tensor> operands);

// The sum of squares.
double Energy(std::span<const float> w);
// Whether the main output is logits over the vocabulary.
bool GivesDistributions(const ir::Graph& graph, std::span<const Item> items);
// Over the rows of a result: their KL divergences, or relative squared errors.
double SumDivergence(const ir::Tensor& clean, const ir::Tensor& result, bool distributions, int64_t* rows);

}  // namespace hasten::calib
