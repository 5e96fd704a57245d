// The values that distillation trains, relative to where they began: a scale is
// s0 (1 + d), and Adam moves d. One rate then suits scales of all sizes.
#pragma once

#include <cstddef>
#include <cstdint>
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

// All of a plan, and where their gradients arrive.
class TrainedValues : public WeightSink {
 public:
  TrainedValues(const plan::ProgramPlan& plan, bool vectors, Trained& trained);
  bool Wants(int tensor) const override { return tensor >= 0 && !all_[static_cast<size_t>(tensor)].first.empty(); }
  void Rows(int tensor, int64_t first, int64_t count, const float* dw) override;
  // A step for all, and the new values to `trained`, scales rounded as they are stored.
  void Step(const AdamStep& step, ThreadPool& pool);

  // All that the next step depends on; and back, with the values to `trained` again.
  // False, and nothing is changed, when the bytes are not of this size.
  std::vector<std::byte> Save() const;
  bool Load(std::span<const std::byte> bytes);

 private:
  void Write(size_t tensor);
  const plan::ProgramPlan& plan_;
  Trained& trained_;
  std::vector<Parameters> all_;
};

}  // namespace hasten::calib
