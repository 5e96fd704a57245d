// The shape of an elementwise op of one operand: out[i] = f(in[i]), same type.
#pragma once

#include <algorithm>

#include "compiler/interp/context.h"
#include "compiler/interp/dispatch.h"

namespace hasten::interp {

template <class T, class F>
Status MapAs(EvalContext& c, F f) {
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(c.In(0).dtype(), c.In(0).dims()));
  const T* x = c.In(0).data<T>();
  T* y = o.mutable_data<T>();
  c.Parallel(o.elements(), 1, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) y[i] = f(x[i]);
  });
  c.out[0] = std::move(o);
  return {};
}

// f is called with float or double.
template <class F>
Status MapFloat(EvalContext& c, F f) {
  Status status;
  const bool known = ForFloat(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    status = MapAs<T>(c, [f](T x) { return static_cast<T>(f(x)); });
  });
  return known ? status : c.WrongType(0);
}

// f is called with any number type.
template <class F>
Status MapNumber(EvalContext& c, F f) {
  Status status;
  const bool known = ForNumber(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    status = MapAs<T>(c, [f](T x) { return static_cast<T>(f(x)); });
  });
  return known ? status : c.WrongType(0);
}

}  // namespace hasten::interp
