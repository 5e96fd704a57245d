// Writes one F32 matrix as a safetensors file, row by row, so that logits of a
// long prompt need no memory. The file gets its name only when it is complete.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/status.h"

namespace hasten::cli {

class MatrixWriter {
 public:
  // A file beside `path` for `name` [rows][cols]. kResource when it cannot be made.
  static Result<std::unique_ptr<MatrixWriter>> Create(const std::string& path, const std::string& name, int64_t rows, int64_t cols);
  // Without Commit nothing is left behind.
  ~MatrixWriter();
  MatrixWriter(const MatrixWriter&) = delete;
  MatrixWriter& operator=(const MatrixWriter&) = delete;

  // Whole rows, in order: a multiple of cols values.
  Status Append(std::span<const float> values);
  // All rows must have been written. Flushes to disk and renames over `path`.
  Status Commit();

 private:
  MatrixWriter() = default;
  Status Put(const void* data, size_t bytes);
  Status Error(const char* what) const;
  std::string path_, temporary_;
  int fd_ = -1;
  uint64_t remaining_ = 0;  // values
};

}  // namespace hasten::cli
