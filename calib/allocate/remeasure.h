// A whole allocation measured: every item rounded to nearest in its chosen scheme
// at once, on samples that lie between those of the probes. What the sum of probes
// leaves out (errors that meet) is in it; calibration and INT8 activations are not.
#pragma once

#include <span>
#include <vector>

#include "calib/allocate/sensitivity.h"

namespace hasten::calib {

class Remeasure {
 public:
  // `graph`, `items` and `pool` outlive it. Evaluates the original once.
  static Result<std::unique_ptr<Remeasure>> Create(ir::Graph& graph, const Chunks& samples, const SensitivityOptions& options, ThreadPool& pool,
                                                   std::span<const Item> items);
  // As Choice::kld. The same with any number of threads. Memory: one linear in fp32.
  Result<double> Of(std::span<const size_t> chosen);

 private:
  Remeasure(ir::Graph& graph, const SensitivityOptions& options, ThreadPool& pool, std::span<const Item> items)
      : graph_(graph), o_(options), pool_(pool), items_(items) {}
  Result<std::vector<float>> WeightsAt(const ir::Node& node, std::span<const size_t> chosen) const;

  ir::Graph& graph_;
  const SensitivityOptions& o_;
  ThreadPool& pool_;
  std::span<const Item> items_;
  Chunks samples_;
  std::vector<ir::Tensor> clean_;
};

}  // namespace hasten::calib
