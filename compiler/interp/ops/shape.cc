// Ops about shapes. Those that only change dims share the bytes of their operand.
#include <algorithm>
#include <cmath>

#include "compiler/interp/broadcast.h"
#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/ir/infer.h"
#include "runtime/base/checked.h"

namespace hasten::interp {
namespace {

// The product, or nullopt when it overflows or a dim is negative.
std::optional<int64_t> CheckedProduct(const std::vector<int64_t>& dims) {
  Checked n = 1;
  for (int64_t d : dims) n = n * Checked::FromSigned(d);
  return n.AtMost(INT64_MAX) ? std::optional(static_cast<int64_t>(n.value())) : std::nullopt;
}

Result<std::vector<int64_t>> AxesOperand(EvalContext& c, size_t i) {
  if (c.Has(i)) return c.Ints(i);
  return c.node.Ints("axes");
}

}  // namespace

Status EvalIdentity(EvalContext& c) {
  c.out[0] = c.In(0);
  return {};
}

Status EvalConstant(EvalContext& c) {
  const auto& attrs = c.node.attrs;
  if (const auto it = attrs.find("value"); it != attrs.end()) {
    c.out[0] = std::get<Tensor>(it->second);
  } else if (c.node.HasAttr("value_int")) {
    c.out[0] = Tensor::Scalar<int64_t>(c.node.Int("value_int", 0));
  } else if (c.node.HasAttr("value_ints")) {
    const auto v = c.node.Ints("value_ints");
    c.out[0] = Tensor::From<int64_t>({static_cast<int64_t>(v.size())}, v);
  } else if (c.node.HasAttr("value_float")) {
    c.out[0] = Tensor::Scalar<float>(static_cast<float>(c.node.Float("value_float", 0)));
  } else if (const auto f = attrs.find("value_floats"); f != attrs.end()) {
    const auto& v = std::get<std::vector<double>>(f->second);
    const std::vector<float> floats(v.begin(), v.end());
    c.out[0] = Tensor::From<float>({static_cast<int64_t>(floats.size())}, floats);
  } else {
    return c.Error("holds neither a tensor nor numbers");
  }
  return {};
}

Status EvalShape(EvalContext& c) {
  const auto& dims = c.In(0).dims();
  const int64_t rank = c.In(0).rank();
  const auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t start = clamp(c.node.Int("start", 0)), end = clamp(c.node.Int("end", rank));
  std::vector<int64_t> part;
  if (start < end) part.assign(dims.begin() + start, dims.begin() + end);
  c.out[0] = Tensor::From<int64_t>({static_cast<int64_t>(part.size())}, part);
  return {};
}

Status EvalSize(EvalContext& c) {
  c.out[0] = Tensor::Scalar<int64_t>(c.In(0).elements());
  return {};
}

Status EvalReshape(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(std::vector<int64_t> target, c.Ints(1, 64));
  const Tensor& x = c.In(0);
  const bool allow_zero = c.node.Int("allowzero", 0) != 0;
  std::optional<size_t> free;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0 && !allow_zero) {
      if (i >= x.dims().size()) return c.Error("dim ", i, " is 0 (copy), but the operand has dims ", DimsText(x.dims()));
      target[i] = x.dims()[i];
    } else if (target[i] == -1) {
      if (free) return c.Error("more than one dim is -1 in ", DimsText(target));
      free = i;
    } else if (target[i] < 0) {
      return c.Error("dim ", i, " is ", target[i]);
    }
  }
  if (free) {
    target[*free] = 1;
    const auto rest = CheckedProduct(target);
    if (!rest || *rest == 0 || x.elements() % *rest) return c.Error("dims ", DimsText(x.dims()), " do not fill ", DimsText(target), " with dim ", *free, " free");
    target[*free] = x.elements() / *rest;
  }
  const auto n = CheckedProduct(target);
  if (!n || *n != x.elements()) return c.Error("needed ", x.elements(), " elements as in ", DimsText(x.dims()), ", came ", DimsText(target));
  c.out[0] = x.Reshaped(std::move(target));
  return {};
}

Status EvalSqueeze(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(std::vector<int64_t> axes, AxesOperand(c, 1));
  HST_ASSIGN_OR_RETURN(axes, c.Axes(std::move(axes), x.rank()));
  const bool all = !c.Has(1) && !c.node.HasAttr("axes");
  std::vector<int64_t> dims;
  for (int64_t i = 0; i < x.rank(); ++i) {
    const bool named = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (named && x.dim(i) != 1) return c.Error("axis ", i, " has ", x.dim(i), " elements, needed 1");
    if (!(named || (all && x.dim(i) == 1))) dims.push_back(x.dim(i));
  }
  c.out[0] = x.Reshaped(std::move(dims));
  return {};
}

Status EvalUnsqueeze(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(std::vector<int64_t> axes, AxesOperand(c, 1));
  if (axes.size() > 64) return c.Error("adds ", axes.size(), " axes");
  const int64_t rank = x.rank() + static_cast<int64_t>(axes.size());
  HST_ASSIGN_OR_RETURN(axes, c.Axes(std::move(axes), rank));
  std::vector<int64_t> dims;
  int64_t next = 0;
  for (int64_t i = 0; i < rank; ++i)
    dims.push_back(std::find(axes.begin(), axes.end(), i) != axes.end() ? 1 : x.dim(next++));
  c.out[0] = x.Reshaped(std::move(dims));
  return {};
}

Status EvalFlatten(EvalContext& c) {
  const Tensor& x = c.In(0);
  int64_t axis = c.node.Int("axis", 1);
  if (axis < -x.rank() || axis > x.rank()) return c.Error("axis ", axis, " is outside of a tensor of rank ", x.rank());
  if (axis < 0) axis += x.rank();
  const size_t at = static_cast<size_t>(axis);
  c.out[0] = x.Reshaped({Product(x.dims(), 0, at), Product(x.dims(), at, x.dims().size())});
  return {};
}

Status EvalExpand(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> target, c.Ints(1, 64));
  const Tensor& x = c.In(0);
  for (int64_t d : target)
    if (d < 0) return c.Error("a target dim is ", d);
  HST_ASSIGN_OR_RETURN(std::vector<int64_t> dims, BroadcastShape(c, x.dims(), target));
  if (dims == x.dims()) {
    c.out[0] = x;
    return {};
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), std::move(dims)));
  if (o.elements() > 0) {
    const BroadcastPlan plan = PlanBroadcast(o.dims(), {&x.dims()});
    ForSize(x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = x.template data<T>();
      T* to = o.template mutable_data<T>();
      ForRows(c, plan, [&](int64_t at, const std::array<int64_t, 3>& offset, int64_t n) {
        if (plan.inner[0] == 1) std::copy_n(from + offset[0], n, to + at);
        else if (plan.inner[0] == 0) std::fill_n(to + at, n, from[offset[0]]);
        else
          for (int64_t i = 0; i < n; ++i) to[at + i] = from[offset[0] + i * plan.inner[0]];
      });
    });
  }
  c.out[0] = std::move(o);
  return {};
}

Status EvalConstantOfShape(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, c.Ints(0, 64));
  Tensor value = Tensor::Scalar<float>(0);
  if (const auto it = c.node.attrs.find("value"); it != c.node.attrs.end()) {
    value = std::get<Tensor>(it->second);
    if (value.elements() != 1) return c.Error("value has ", value.elements(), " elements, needed 1");
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(value.dtype(), dims));
  const size_t size = DTypeSize(value.dtype());
  ForSize(value.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T v;
    std::copy_n(value.raw(), size, reinterpret_cast<std::byte*>(&v));
    std::fill_n(o.template mutable_data<T>(), o.elements(), v);
  });
  c.out[0] = std::move(o);
  return {};
}

Status EvalRange(EvalContext& c) {
  for (size_t i = 0; i < 3; ++i) {
    if (!c.Has(i) || c.In(i).elements() != 1) return c.Error("operand ", i, " needs one number");
    HST_RETURN_IF_ERROR(c.NeedType(i, c.In(0).dtype()));
  }
  Status status;
  const bool known = ForNumber(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T start = *c.In(0).template data<T>(), limit = *c.In(1).template data<T>(), delta = *c.In(2).template data<T>();
    const long double count = delta == T(0) ? -1 : std::ceil((static_cast<long double>(limit) - static_cast<long double>(start)) / static_cast<long double>(delta));
    if (delta == T(0) || count != count) {
      status = c.Error("from ", start, " to ", limit, " in steps of ", delta);
      return;
    }
    if (count > 9e18L) {
      status = ResourceError("[range] from ", start, " to ", limit, " in steps of ", delta, " (node \"", c.node.loc, "\")");
      return;
    }
    Result<Tensor> o = c.Make(c.In(0).dtype(), {count > 0 ? static_cast<int64_t>(count) : 0});
    if (!o.ok()) {
      status = std::move(o).status();
      return;
    }
    T* y = o->template mutable_data<T>();
    T v = start;
    for (int64_t i = 0; i < o->elements(); ++i) {
      if constexpr (std::is_floating_point_v<T>) v = start + static_cast<T>(i) * delta;
      y[i] = v;
      if constexpr (std::is_integral_v<T>) v = WrapAdd(v, delta);
    }
    c.out[0] = *std::move(o);
  });
  return known ? status : c.WrongType(0);
}

Status EvalTile(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> repeats, c.Ints(1, 64));
  if (repeats.size() != x.dims().size()) return c.Error("repeats has ", repeats.size(), " elements, the operand rank ", x.rank());
  // As a broadcast of [1, d0, 1, d1, ...] to [r0, d0, r1, d1, ...].
  std::vector<int64_t> dims, from, to;
  for (size_t i = 0; i < repeats.size(); ++i) {
    int64_t d = 0;
    if (repeats[i] < 0 || __builtin_mul_overflow(repeats[i], x.dims()[i], &d)) return c.Error("repeats are ", DimsText(repeats));
    dims.push_back(d);
    from.insert(from.end(), {1, x.dims()[i]});
    to.insert(to.end(), {repeats[i], x.dims()[i]});
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), std::move(dims)));
  if (o.elements() > 0) {
    const BroadcastPlan plan = PlanBroadcast(to, {&from});
    ForSize(x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* s = x.template data<T>();
      T* y = o.template mutable_data<T>();
      ForRows(c, plan, [&](int64_t at, const std::array<int64_t, 3>& offset, int64_t n) {
        for (int64_t i = 0; i < n; ++i) y[at + i] = s[offset[0] + i * plan.inner[0]];
      });
    });
  }
  c.out[0] = std::move(o);
  return {};
}

Status EvalEyeLike(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 2));
  const DType dtype = c.node.HasAttr("dtype") ? ir::OnnxDType(c.node.Int("dtype", 0)) : c.In(0).dtype();
  if (dtype == DType::kInvalid) return Unsupported("[eye_like] a type out of scope (node \"", c.node.loc, "\")");
  const int64_t rows = c.In(0).dim(0), columns = c.In(0).dim(1), k = c.node.Int("k", 0);
  HST_ASSIGN_OR_RETURN(Tensor ones, c.MakeZeros(DType::kF32, {rows, columns}));
  for (int64_t r = 0; r < rows; ++r) {
    int64_t col = 0;
    if (!__builtin_add_overflow(r, k, &col) && col >= 0 && col < columns) ones.mutable_data<float>()[r * columns + col] = 1;
  }
  HST_ASSIGN_OR_RETURN(c.out[0], ConvertTensor(c, ones, dtype));
  return {};
}

}  // namespace hasten::interp
