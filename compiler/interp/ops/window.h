// The geometry that convolutions and pools share: kernel, strides, dilations and
// pads over the spatial axes, auto_pad resolved (ONNX Conv-22, MaxPool-22).
#pragma once

#include <vector>

#include "compiler/interp/context.h"

namespace hasten::interp {

struct Window {
  std::vector<int64_t> in, kernel, strides, dilations, begin, end, out;   // one a spatial axis
};

// Reads strides, dilations, pads, auto_pad and ceil_mode of the node; every value
// checked. `kernel` from the weight or the attribute.
Result<Window> PlanWindow(EvalContext& c, std::vector<int64_t> in, std::vector<int64_t> kernel);
// Attribute `name` as one value in [least, 2^31] a spatial axis.
Result<std::vector<int64_t>> SpatialAttr(EvalContext& c, const char* name, size_t count, int64_t fallback, int64_t least);

// fn(kernel_offset, input_offset) for each kernel cell of output position `at`
// that lies inside the input (row-major offsets over the spatial axes).
template <class F>
void ForCells(const Window& w, const std::vector<int64_t>& at, const F& fn) {
  std::vector<int64_t> k(w.kernel.size(), 0);
  for (int64_t cell = 0;; ++cell) {
    int64_t offset = 0;
    bool inside = true;
    for (size_t d = 0; d < k.size() && inside; ++d) {
      const int64_t x = at[d] * w.strides[d] - w.begin[d] + k[d] * w.dilations[d];
      inside = x >= 0 && x < w.in[d];
      offset = offset * w.in[d] + x;
    }
    if (inside) fn(cell, offset);
    size_t d = k.size();
    while (d > 0 && ++k[d - 1] == w.kernel[d - 1]) k[--d] = 0;
    if (d == 0) return;
  }
}

}  // namespace hasten::interp
