// Reverse mode for the graph that a program is made of: for each op the
// vector-Jacobian product, one row in grad.def, one function in ops/. Values are
// the interpreter's; all gradients are fp32, summed in an order that follows from
// the shapes alone. `linear` is in linear.h: its weights are codes or the model's.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/tensor.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

// Operands as the forward evaluation had them, the dims of output 0 (its values may be gone), g = dL/d(output 0).
struct BackwardArgs {
  const ir::Node& node;
  std::span<const ir::Tensor> in;   // invalid: omitted
  const ir::Tensor& out;
  const float* g;
  std::span<float* const> d;        // of each operand, as many values as it has: dL/d(operand) is added; null: not wanted
  ThreadPool& pool;

  template <class... Ts>
  Status Error(const Ts&... parts) const {
    return Unsupported("no gradient of ", node.op, " ", parts..., " (node \"", node.loc, "\")");
  }
};

using BackwardFn = Status (*)(const BackwardArgs&);

// kDims: a float operand may be a tensor of the right dims without data. Weights always have data.
enum class BackwardReads { kValues, kDims };

struct BackwardInfo {
  std::string_view op;
  BackwardFn fn;
  BackwardReads reads;
};
std::span<const BackwardInfo> AllBackwards();
const BackwardInfo* FindBackward(std::string_view op);   // null: none

// The value of `kind` (compiler/ir/ops/acts.h) differentiated; null when not known.
using Derivative = float (*)(float x);
Derivative FindDerivative(std::string_view kind);

#define HST_BACKWARD(op, fn, reads) Status fn(const BackwardArgs&);
#include "calib/grad/grad.def"
#undef HST_BACKWARD

}  // namespace hasten::calib
