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

void ForRows(const EvalContext& c, const BroadcastPlan& plan, RowFn call, const void* fn) {
  const auto visit = [&](int64_t row, int64_t from, int64_t count) {
    std::array<int64_t, 3> at{};
    int64_t rest = row;
    for (size_t d = plan.dims.size() - 1; d-- > 0;) {
      const int64_t i = rest % plan.dims[d];
      rest /= plan.dims[d];
      for (size_t k = 0; k < 3; ++k)
        if (!plan.strides[k].empty()) at[k] += i * plan.strides[k][d];
    }
    for (size_t k = 0; k < 3; ++k) at[k] += from * plan.inner[k];
    call(fn, row * plan.columns + from, at, count);
  };
  if (plan.rows >= 2 * c.pool.threads()) {
    c.Parallel(plan.rows, plan.columns, [&](int64_t b, int64_t e) {
      for (int64_t row = b; row < e; ++row) visit(row, 0, plan.columns);
    });
  } else {
    for (int64_t row = 0; row < plan.rows; ++row)
      c.Parallel(plan.columns, 1, [&](int64_t b, int64_t e) { visit(row, b, e - b); });
  }
}

}  // namespace hasten::interp
