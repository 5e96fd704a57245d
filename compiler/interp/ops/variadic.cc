// Elementwise ops of any number of operands, and where.
#include <cmath>

#include "compiler/interp/broadcast.h"
#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

// Folds operand by operand into the broadcast shape of all so far.
template <class F>
Status Fold(EvalContext& c, F f) {
  if (!c.Has(0)) return c.Error("operand 0 is missing");
  Tensor acc = c.In(0);
  for (size_t i = 1; i < c.in.size(); ++i) {
    HST_RETURN_IF_ERROR(c.NeedType(i, c.In(0).dtype()));
    HST_ASSIGN_OR_RETURN(auto dims, BroadcastShape(c, acc.dims(), c.In(i).dims()));
    HST_ASSIGN_OR_RETURN(Tensor o, c.Make(acc.dtype(), std::move(dims)));
    const bool known = ForNumber(o.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      Broadcast2<T, T, T>(c, acc, c.In(i), o, [f](T a, T b) { return static_cast<T>(f(a, b)); });
    });
    if (!known) return c.WrongType(0);
    acc = std::move(o);
  }
  c.out[0] = std::move(acc);
  return {};
}

}  // namespace

// A NaN wins, as in NumPy's maximum and minimum.
Status EvalMax(EvalContext& c) {
  return Fold(c, [](auto a, auto b) { return a != a || a > b ? a : b; });
}
Status EvalMin(EvalContext& c) {
  return Fold(c, [](auto a, auto b) { return a != a || a < b ? a : b; });
}
Status EvalSum(EvalContext& c) {
  return Fold(c, [](auto a, auto b) { return WrapAdd(a, b); });
}

Status EvalMean(EvalContext& c) {
  HST_RETURN_IF_ERROR(EvalSum(c));
  const double n = static_cast<double>(c.in.size());
  Tensor sum = std::move(c.out[0]);
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(sum.dtype(), sum.dims()));
  const bool known = ForFloat(o.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < o.elements(); ++i) o.template mutable_data<T>()[i] = sum.template data<T>()[i] / static_cast<T>(n);
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

Status EvalWhere(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedType(0, DType::kBool));
  if (!c.Has(1)) return c.Error("operand 1 is missing");
  HST_RETURN_IF_ERROR(c.NeedType(2, c.In(1).dtype()));
  HST_ASSIGN_OR_RETURN(auto dims, BroadcastShape(c, c.In(0).dims(), c.In(1).dims()));
  HST_ASSIGN_OR_RETURN(dims, BroadcastShape(c, dims, c.In(2).dims()));
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(c.In(1).dtype(), std::move(dims)));
  const BroadcastPlan plan = PlanBroadcast(o.dims(), {&c.In(0).dims(), &c.In(1).dims(), &c.In(2).dims()});
  const uint8_t* condition = c.In(0).data<uint8_t>();
  ForSize(o.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T *yes = c.In(1).template data<T>(), *no = c.In(2).template data<T>();
    T* y = o.template mutable_data<T>();
    ForRows(c, plan, [&](int64_t at, const std::array<int64_t, 3>& from, int64_t n) {
      const auto [sc, sy, sn] = plan.inner;
      const uint8_t* pc = condition + from[0];
      const T *py = yes + from[1], *pn = no + from[2];
      T* po = y + at;
      if (sc == 1 && sy == 0 && sn == 1) {  // masks: a scalar or the value
        for (int64_t i = 0; i < n; ++i) po[i] = pc[i] ? *py : pn[i];
      } else if (sc == 1 && sy == 1 && sn == 0) {
        for (int64_t i = 0; i < n; ++i) po[i] = pc[i] ? py[i] : *pn;
      } else {
        for (int64_t i = 0; i < n; ++i) po[i] = pc[i * sc] ? py[i * sy] : pn[i * sn];
      }
    });
  });
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
