// Reductions (ONNX Reduce*, opset 18 and 20: axes as an operand) and arg_max,
// arg_min. Floats accumulate in double, integers wrap in their own type.
#include "compiler/interp/ops/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

// Every offset that the given axes reach, row-major.
std::vector<int64_t> Offsets(const std::vector<int64_t>& dims, const std::vector<int64_t>& strides, const std::vector<int64_t>& axes) {
  std::vector<int64_t> out{0};
  for (int64_t axis : axes) {
    const size_t a = static_cast<size_t>(axis);
    std::vector<int64_t> next;
    next.reserve(out.size() * static_cast<size_t>(dims[a]));
    for (int64_t base : out)
      for (int64_t i = 0; i < dims[a]; ++i) next.push_back(base + i * strides[a]);
    out = std::move(next);
  }
  return out;
}

}  // namespace

ReducePlan PlanReduce(const std::vector<int64_t>& dims, const std::vector<int64_t>& axes, bool keepdims) {
  ReducePlan plan;
  std::vector<int64_t> kept, reduced;
  bool tail = true;
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool gone = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    (gone ? reduced : kept).push_back(static_cast<int64_t>(i));
    (gone ? plan.inner : plan.outer) *= dims[i];
    if (!gone) plan.out_dims.push_back(dims[i]);
    else if (keepdims) plan.out_dims.push_back(1);
    if (!gone && !reduced.empty() && dims[i] != 1) tail = false;
  }
  plan.contiguous = tail;
  if (!tail) {
    const std::vector<int64_t> strides = RowMajorStrides(dims);
    plan.kept_offsets = Offsets(dims, strides, kept);
    plan.reduced_offsets = Offsets(dims, strides, reduced);
  }
  return plan;
}

Result<std::vector<int64_t>> ReduceAxes(EvalContext& c, bool* noop) {
  std::vector<int64_t> axes = c.node.Ints("axes");
  if (c.Has(1)) {
    HST_ASSIGN_OR_RETURN(axes, c.Ints(1, 64));
  }
  *noop = axes.empty() && c.node.Int("noop_with_empty_axes", 0) != 0;
  if (axes.empty())
    for (int64_t i = 0; i < c.In(0).rank(); ++i) axes.push_back(i);
  return c.Axes(std::move(axes), c.In(0).rank());
}

namespace {

// Runs fold(at, n) -> value for each output, at(i) being the operand's element i.
template <class T, class F>
Status ReduceWith(EvalContext& c, F fold) {
  bool noop = false;
  HST_ASSIGN_OR_RETURN(std::vector<int64_t> axes, ReduceAxes(c, &noop));
  if (noop) axes.clear();  // each element by itself
  const ReducePlan plan = PlanReduce(c.In(0).dims(), axes, c.node.Int("keepdims", 1) != 0);
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(c.In(0).dtype(), plan.out_dims));
  const T* x = c.In(0).data<T>();
  T* y = o.mutable_data<T>();
  c.Parallel(o.elements(), plan.inner, [&](int64_t b, int64_t e) {
    for (int64_t k = b; k < e; ++k) {
      if (plan.contiguous) {
        const T* row = x + k * plan.inner;
        y[k] = fold([row](int64_t i) { return row[i]; }, plan.inner);
      } else {
        const T* base = x + plan.kept_offsets[static_cast<size_t>(k)];
        const int64_t* offsets = plan.reduced_offsets.data();
        y[k] = fold([=](int64_t i) { return base[offsets[i]]; }, plan.inner);
      }
    }
  });
  c.out[0] = std::move(o);
  return {};
}

// sum of term(x) in the accumulator type, then finish(sum, count).
template <class Term, class Finish>
Status ReduceSumOf(EvalContext& c, Term term, Finish finish) {
  Status status;
  const bool known = ForNumber(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = std::conditional_t<std::is_floating_point_v<T>, double, T>;
    status = ReduceWith<T>(c, [=](auto at, int64_t n) {
      A sum = 0;
      for (int64_t i = 0; i < n; ++i) sum = WrapAdd<A>(sum, static_cast<A>(term(static_cast<A>(at(i)))));
      return Convert<T>(finish(sum, n));
    });
  });
  return known ? status : c.WrongType(0);
}

template <class A>
A Magnitude(A v) {
  if constexpr (std::is_unsigned_v<A>) return v;
  else return v < 0 ? WrapSub<A>(0, v) : v;
}

// The least or greatest; of nothing, the type's far end.
template <bool kMax>
Status Extreme(EvalContext& c) {
  Status status;
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    using L = std::numeric_limits<T>;
    status = ReduceWith<T>(c, [](auto at, int64_t n) {
      T best = kMax ? (L::has_infinity ? -L::infinity() : L::lowest()) : (L::has_infinity ? L::infinity() : L::max());
      for (int64_t i = 0; i < n; ++i) {
        const T v = at(i);
        if (v != v) return v;
        best = (kMax ? v > best : v < best) ? v : best;
      }
      return best;
    });
  };
  if (c.In(0).dtype() == DType::kBool) {  // of nothing: the identity, not 255
    return ReduceWith<uint8_t>(c, [](auto at, int64_t n) {
      uint8_t best = kMax ? 0 : 1;
      for (int64_t i = 0; i < n; ++i) best = static_cast<uint8_t>(kMax ? best | (at(i) != 0) : best & (at(i) != 0));
      return best;
    });
  }
  return ForNumber(c.In(0).dtype(), run) ? status : c.WrongType(0);
}

}  // namespace

Status EvalReduceSum(EvalContext& c) {
  return ReduceSumOf(c, [](auto v) { return v; }, [](auto s, int64_t) { return s; });
}
Status EvalReduceMean(EvalContext& c) {
  return ReduceSumOf(c, [](auto v) { return v; }, [](auto s, int64_t n) {
    using A = decltype(s);
    if constexpr (std::is_integral_v<A>) return n ? static_cast<A>(static_cast<double>(s) / static_cast<double>(n)) : A(0);
    else return s / static_cast<A>(n);
  });
}
Status EvalReduceL1(EvalContext& c) {
  return ReduceSumOf(c, [](auto v) { return Magnitude(v); }, [](auto s, int64_t) { return s; });
}
Status EvalReduceL2(EvalContext& c) {
  return ReduceSumOf(c, [](auto v) { return WrapMul(v, v); }, [](auto s, int64_t) { return std::sqrt(static_cast<double>(s)); });
}
Status EvalReduceSumSquare(EvalContext& c) {
  return ReduceSumOf(c, [](auto v) { return WrapMul(v, v); }, [](auto s, int64_t) { return s; });
}
Status EvalReduceLogSum(EvalContext& c) {
  return ReduceSumOf(c, [](auto v) { return v; }, [](auto s, int64_t) { return std::log(static_cast<double>(s)); });
}

Status EvalReduceLogSumExp(EvalContext& c) {
  Status status;
  const bool known = ForNumber(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    status = ReduceWith<T>(c, [](auto at, int64_t n) {
      double top = -INFINITY, sum = 0;
      for (int64_t i = 0; i < n; ++i) top = std::max(top, static_cast<double>(at(i)));
      if (std::isinf(top)) return Convert<T>(top);
      for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(at(i)) - top);
      return Convert<T>(top + std::log(sum));
    });
  });
  return known ? status : c.WrongType(0);
}

Status EvalReduceProd(EvalContext& c) {
  Status status;
  const bool known = ForNumber(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = std::conditional_t<std::is_floating_point_v<T>, double, T>;
    status = ReduceWith<T>(c, [](auto at, int64_t n) {
      A product = 1;
      for (int64_t i = 0; i < n; ++i) product = WrapMul<A>(product, static_cast<A>(at(i)));
      return static_cast<T>(product);
    });
  });
  return known ? status : c.WrongType(0);
}

Status EvalReduceMax(EvalContext& c) { return Extreme<true>(c); }
Status EvalReduceMin(EvalContext& c) { return Extreme<false>(c); }

namespace {

Status Arg(EvalContext& c, bool max) {
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), c.In(0).rank()));
  const bool last = c.node.Int("select_last_index", 0) != 0;
  const ReducePlan plan = PlanReduce(c.In(0).dims(), {axis}, c.node.Int("keepdims", 1) != 0);
  if (plan.inner == 0 && plan.outer > 0) return c.Error("the axis is empty");
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kI64, plan.out_dims));
  const bool known = ForAny(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = c.In(0).template data<T>();
    for (int64_t k = 0; k < o.elements(); ++k) {
      int64_t best = 0;
      for (int64_t i = 1; i < plan.inner; ++i) {
        const T v = x[ReduceAt(plan, k, i)], b = x[ReduceAt(plan, k, best)];
        if ((max ? v > b : v < b) || (last && v == b)) best = i;
      }
      o.template mutable_data<int64_t>()[k] = best;
    }
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

}  // namespace

Status EvalArgMax(EvalContext& c) { return Arg(c, true); }
Status EvalArgMin(EvalContext& c) { return Arg(c, false); }

}  // namespace hasten::interp
