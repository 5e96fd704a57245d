// Loops over broadcast operands: the output's dims collapsed to as few axes as
// the operands' strides allow, then rows of the innermost axis, split over the
// threads. What a row does is the caller's.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "compiler/interp/context.h"

namespace hasten::interp {

// Up to three operands. Strides are in elements; 0 repeats.
struct BroadcastPlan {
  std::vector<int64_t> dims;                        // the output's, collapsed; never empty
  std::array<std::vector<int64_t>, 3> strides;
  std::array<int64_t, 3> inner{};                   // strides of the innermost axis
  int64_t rows = 0, columns = 0;                    // columns = dims.back()
};

// operand_dims must broadcast to `out`.
BroadcastPlan PlanBroadcast(const std::vector<int64_t>& out, const std::vector<const std::vector<int64_t>*>& operand_dims);

// fn(out_offset, offsets, count): `count` outputs from out_offset, operands from
// their offsets at plan.inner strides.
template <class F>
void ForRows(const EvalContext& c, const BroadcastPlan& plan, const F& fn) {
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
    fn(row * plan.columns + from, at, count);
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

// out[i] = f(a[i * sa], b[i * sb]), specialised where strides are 0 or 1.
template <class A, class B, class O, class F>
void RowBinary(const A* a, int64_t sa, const B* b, int64_t sb, O* o, int64_t n, F f) {
  if (sa == 1 && sb == 1) {
    for (int64_t i = 0; i < n; ++i) o[i] = f(a[i], b[i]);
  } else if (sa == 1 && sb == 0) {
    const B y = *b;
    for (int64_t i = 0; i < n; ++i) o[i] = f(a[i], y);
  } else if (sa == 0 && sb == 1) {
    const A x = *a;
    for (int64_t i = 0; i < n; ++i) o[i] = f(x, b[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) o[i] = f(a[i * sa], b[i * sb]);
  }
}

// The whole of it: o = f(a, b) broadcast.
template <class A, class B, class O, class F>
void Broadcast2(const EvalContext& c, const Tensor& a, const Tensor& b, Tensor& o, F f) {
  const BroadcastPlan plan = PlanBroadcast(o.dims(), {&a.dims(), &b.dims()});
  const A* pa = a.data<A>();
  const B* pb = b.data<B>();
  O* po = o.mutable_data<O>();
  ForRows(c, plan, [&](int64_t at, const std::array<int64_t, 3>& from, int64_t n) {
    RowBinary(pa + from[0], plan.inner[0], pb + from[1], plan.inner[1], po + at, n, f);
  });
}

}  // namespace hasten::interp
