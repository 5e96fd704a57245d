// Weights that were rewritten, in an unnamed file that is mapped: they take memory
// only while they are read, as the model's own do. Each has its own stretch, which
// goes with the last tensor that shows it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "compiler/ir/tensor.h"
#include "runtime/base/status.h"

namespace hasten::calib {

class WeightFile {
 public:
  // In `folder`. kResource when it cannot be made.
  static Result<std::unique_ptr<WeightFile>> Create(const std::string& folder);

  // A matrix [n][k] that `fill` writes; it may outlive this object. kResource when
  // there is no room for it.
  Result<ir::Tensor> Make(int64_t n, int64_t k, const std::function<Status(float* out)>& fill);

 private:
  explicit WeightFile(std::shared_ptr<const int> file) : file_(std::move(file)) {}
  std::shared_ptr<const int> file_;   // closed with the last stretch
  uint64_t end_ = 0;
};

}  // namespace hasten::calib
