// The tensor table while a plan is made: each distinct matrix once, so that a
// tied embedding and head share their bytes.
#pragma once

#include "compiler/plan/plan.h"

namespace hasten::plan {

class TensorTable {
 public:
  explicit TensorTable(std::vector<TensorPlan>& tensors) : tensors_(tensors) {}

  // The row of a matrix made of `parts`; an equal one (same values, even when one
  // is stored transposed) with the same scheme is reused.
  int Matrix(std::vector<WeightPart> parts, Scheme scheme, std::string name);
  // A vector of fp32 values (norm weights, biases), stored as W[1, n].
  int Vector(const ir::Value* v);
  // Gives every tensor its place; returns the section's size.
  Result<uint64_t> Place();

 private:
  std::vector<TensorPlan>& tensors_;
};

}  // namespace hasten::plan
