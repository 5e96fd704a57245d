// Output rows that are kept while a call's later steps run: in the host's memory, or
// in the device's that makes them.
#pragma once

#include <algorithm>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/planned_memory.h"

namespace hasten {

class RowStore {
 public:
  void Use(std::span<std::byte> planned) { there_.Use(planned); }
  // Room for `floats`; what it held is not kept.
  Status Resize(size_t floats, Device* device) {
    if (!device) {
      here_.resize(floats);
      return {};
    }
    return there_.Grow(floats * sizeof(float), *device, "output rows");
  }
  float* data() { return there_.size() ? reinterpret_cast<float*>(there_.data()) : here_.data(); }

  // `rows` rows of `cols` from where they are to the store's memory.
  static void Copy(float* to, int64_t to_stride, const float* from, int64_t from_stride, int64_t cols, int64_t rows, Queue* queue) {
    if (queue) {
      queue->CopyRows(reinterpret_cast<std::byte*>(to), static_cast<uint64_t>(to_stride) * 4, reinterpret_cast<const std::byte*>(from),
                      static_cast<uint64_t>(from_stride) * 4, static_cast<uint64_t>(cols) * 4, static_cast<uint64_t>(rows));
      return;
    }
    for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * from_stride, cols, to + r * to_stride);
  }

 private:
  std::vector<float> here_;
  PlannedMemory there_;
};

}  // namespace hasten
