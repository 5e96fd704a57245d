// What SignRound trains of one tensor: an offset for each weight and a factor for each
// group's scale.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

class Offsets {
 public:
  // From the codes as they are, whose fractions are known. Both outlive the object.
  Offsets(const plan::TensorPlan& tensor, passes::OwnedCodes& codes);
  // Adds dL/dW of rows from `first` on; any threads, disjoint rows.
  void Add(int64_t first, int64_t count, const float* dw);
  // Moves every offset by `by` codes and every scale by its part `scale_by` against the sign
  // of its gradient, which is 0 afterwards, and writes the codes.
  void Step(float by, float scale_by, ThreadPool& pool);

 private:
  void StepRow(int64_t row, float by, float scale_by);
  const plan::TensorPlan& tensor_;
  passes::OwnedCodes& codes_;
  int64_t groups_, group_;
  std::vector<float> latent_, offset_, gradient_;                   // [n][k]; latent_: where it began
  std::vector<float> scale_, scale_offset_, scale_gradient_;        // [n][groups]
};

}  // namespace hasten::calib
