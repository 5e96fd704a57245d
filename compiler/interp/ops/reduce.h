// How reductions walk their operand: kept axes outside, reduced axes inside.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/interp/context.h"

namespace hasten::interp {

// The operand as [kept][reduced] by strides; when the reduced axes are the last
// ones, both are dense (`contiguous`).
struct ReducePlan {
  std::vector<int64_t> out_dims;            // with keepdims applied
  int64_t outer = 1, inner = 1;             // numbers of kept and reduced positions
  bool contiguous = false;
  std::vector<int64_t> kept_offsets;        // one an output (empty when contiguous)
  std::vector<int64_t> reduced_offsets;     // one a reduced position (empty when contiguous)
};
// axes sorted or not, distinct, in [0, rank).
ReducePlan PlanReduce(const std::vector<int64_t>& dims, const std::vector<int64_t>& axes, bool keepdims);

// The axes of a Reduce* node (operand 1 or attribute); sets *noop when it asks for none.
Result<std::vector<int64_t>> ReduceAxes(EvalContext& c, bool* noop);

// at(plan, o, i): the operand's index of reduced position i of output o.
inline int64_t ReduceAt(const ReducePlan& p, int64_t o, int64_t i) {
  return p.contiguous ? o * p.inner + i : p.kept_offsets[static_cast<size_t>(o)] + p.reduced_offsets[static_cast<size_t>(i)];
}

}  // namespace hasten::interp
