// What the samples carry from stop to stop and memory does not hold: tensors in an
// unnamed file, written as a pass goes over the samples and read by the next one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "compiler/ir/tensor.h"
#include "runtime/base/status.h"

namespace hasten::calib {

// Descriptor of a new file in `folder` that has no name; -1 and errno when there is none.
int OpenUnnamedFile(const std::string& folder);
// Where the user says that there is room (TMPDIR), else beside the output.
std::string TemporaryFolder(const std::string& output);

class Spill {
 public:
  struct Place {
    DType dtype = DType::kInvalid;
    std::vector<int64_t> dims;
    uint64_t offset = 0;
  };

  // In `folder`; the file has no name, so that nothing is left behind whatever
  // happens. kResource when it cannot be made.
  static Result<std::unique_ptr<Spill>> Create(const std::string& folder);
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  // Any threads at once.
  Result<Place> Put(const ir::Tensor& tensor);
  Result<ir::Tensor> Get(const Place& place) const;
  // Frees the disk; all places are void.
  Status Clear();

 private:
  explicit Spill(int file) : file_(file) {}
  int file_;
  std::atomic<uint64_t> end_ = 0;
};

}  // namespace hasten::calib
