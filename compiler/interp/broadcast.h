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
// their offsets at plan.inner strides. fn is compiled once, whatever calls it:
// Broadcast2 has hundreds of instances.
using RowFn = void (*)(const void* fn, int64_t at, const std::array<int64_t, 3>& offsets, int64_t count);
void ForRows(const EvalContext& c, const BroadcastPlan& plan, RowFn call, const void* fn);
template <class F>
void ForRows(const EvalContext& c, const BroadcastPlan& plan, const F& fn) {
  const RowFn call = [](const void* f, int64_t at, const std::array<int64_t, 3>& offsets, int64_t count) {
    (*static_cast<const F*>(f))(at, offsets, count);
  };
  ForRows(c, plan, call, &fn);
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
