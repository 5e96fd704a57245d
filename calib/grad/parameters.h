// The values that distillation trains. Scales and norms relative to where they began: a
// scale is s0 (1 + d), and Adam moves d. One rate then suits scales of all sizes. Weights
// in units of their codes: the code is the latent weight rounded, whose gradient passes
// straight through; what is between them is OwnedCodes::fraction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "calib/grad/distill.h"
#include "calib/grad/linear.h"

namespace hasten::calib {

struct AdamStep {
  double rate, beta1, beta2;
  int64_t step;   // from 1
};

// One tensor's: a value a group of its codes, or each value of a vector.
struct Parameters {
  std::vector<float> first, moved, gradient, mean, square;
  void Begin(std::vector<float> values);
  float Value(size_t i) const { return first[i] * (1 + moved[i]); }
  // Takes a step by `gradient` = dL/d(moved), which is zeros afterwards.
  void Adam(const AdamStep& step);
};

// Moves the latent weights of one row of codes against its gradient dw [k], by `rate` codes
// where that is as large as the row's mean square; no more than four times as far. No
// state but the weights themselves.
void MoveLatents(Scheme scheme, int64_t k, int64_t row, const float* dw, float rate, passes::OwnedCodes* codes);

// All of a plan, and where their gradients arrive.
class TrainedValues : public WeightSink {
 public:
  TrainedValues(const plan::ProgramPlan& plan, bool vectors, Trained& trained);
  bool Wants(int tensor) const override { return tensor >= 0 && !all_[static_cast<size_t>(tensor)].first.empty(); }
  // Latent weights move here, by the rate that was set.
  void Rows(int tensor, int64_t first, int64_t count, const float* dw) override;
  void SetLatentRate(double rate) { latent_rate_ = static_cast<float>(rate); }
  // A step for all, and the new values to `trained`, scales rounded as they are stored.
  void Step(const AdamStep& step, ThreadPool& pool);

  // All that the next step depends on, piece by piece in one order: to be written, or to be
  // filled and followed by Restored, which puts the values to `trained` again.
  void ForState(const std::function<void(std::span<std::byte>)>& f);
  void Restored();

 private:
  void Write(size_t tensor);
  const plan::ProgramPlan& plan_;
  Trained& trained_;
  std::vector<Parameters> all_;
  std::vector<bool> latent_;   // of each tensor: whether its codes move too
  float latent_rate_ = 0;
};

}  // namespace hasten::calib
