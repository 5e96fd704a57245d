#include "compiler/interp/broadcast.h"

namespace hasten::interp {

BroadcastPlan PlanBroadcast(const std::vector<int64_t>& out, const std::vector<const std::vector<int64_t>*>& operand_dims) {
  BroadcastPlan plan;
  const size_t rank = out.size(), operands = operand_dims.size();
  // Strides over the output's axes, before collapsing.
  std::array<std::vector<int64_t>, 3> strides;
  for (size_t k = 0; k < operands; ++k) {
    const std::vector<int64_t>& dims = *operand_dims[k];
    const std::vector<int64_t> own = RowMajorStrides(dims);
    strides[k].assign(rank, 0);
    for (size_t i = 0; i < dims.size(); ++i)
      if (dims[i] != 1) strides[k][rank - dims.size() + i] = own[i];
  }
  for (size_t d = 0; d < rank; ++d) {
    if (out[d] == 1) continue;
    bool merges = !plan.dims.empty();  // into the axis before it, when every operand runs on without a gap
    for (size_t k = 0; k < operands && merges; ++k) merges = plan.strides[k].back() == strides[k][d] * out[d];
    if (merges) {
      plan.dims.back() *= out[d];
      for (size_t k = 0; k < operands; ++k) plan.strides[k].back() = strides[k][d];
    } else {
      plan.dims.push_back(out[d]);
      for (size_t k = 0; k < operands; ++k) plan.strides[k].push_back(strides[k][d]);
    }
  }
  if (plan.dims.empty()) {
    plan.dims.push_back(1);
    for (size_t k = 0; k < operands; ++k) plan.strides[k].push_back(0);
  }
  plan.columns = plan.dims.back();
  plan.rows = Product(plan.dims, 0, plan.dims.size() - 1);
  for (size_t k = 0; k < operands; ++k) plan.inner[k] = plan.strides[k].back();
  return plan;
}

}  // namespace hasten::interp
