// Element-by-element arithmetic on symbolic values: what add, mul, where, equal
// and so on do to the shapes that flow through them.
#include <algorithm>

#include "compiler/ir/infer.h"

namespace hasten::ir {
namespace {

Dim Known(bool b) { return Poly(b ? 1 : 0); }

// Is a - b zero, positive, negative? Unknown where the symbols decide. Symbols
// count as >= 0: a past length may be 0.
Dim Compare(std::string_view op, const Dim& a, const Dim& b) {
  const Dim d = DimSub(a, b);
  if (!d) return std::nullopt;
  const bool zero = *d == Poly(0);
  const bool not_negative = ProvedNonNegative(*d), not_positive = ProvedNonNegative(-*d);
  const bool positive = ProvedNonNegative(*d - Poly(1)), negative = ProvedNonNegative(-*d - Poly(1));
  if (op == "equal") return zero ? Known(true) : positive || negative ? Known(false) : Dim();
  if (op == "greater") return positive ? Known(true) : not_positive ? Known(false) : Dim();
  if (op == "less") return negative ? Known(true) : not_negative ? Known(false) : Dim();
  if (op == "greater_or_equal") return not_negative ? Known(true) : negative ? Known(false) : Dim();
  return not_positive ? Known(true) : positive ? Known(false) : Dim();  // less_or_equal
}

bool IsCompare(std::string_view op) {
  return op == "equal" || op == "greater" || op == "less" || op == "greater_or_equal" || op == "less_or_equal";
}

Dim MinMax(const Dim& a, const Dim& b, bool max) {
  const Dim d = DimSub(a, b);
  if (!d) return std::nullopt;
  if (ProvedNonNegative(*d)) return max ? a : b;
  if (ProvedNonNegative(-*d)) return max ? b : a;
  return std::nullopt;
}

Dim Modulo(const Dim& a, const Dim& b) {
  if (!a || !b || !a->IsConst() || !b->IsConst() || a->ConstTerm() < 0 || b->ConstTerm() <= 0) return std::nullopt;
  return Poly(a->ConstTerm() % b->ConstTerm());
}

bool IsLogic(std::string_view op) { return op == "and" || op == "or" || op == "xor"; }

Dim Logic(std::string_view op, const Dim& a, const Dim& b) {
  const bool a0 = a && *a == Poly(0), b0 = b && *b == Poly(0), a1 = a && *a == Poly(1), b1 = b && *b == Poly(1);
  if (op == "and") return a0 || b0 ? Known(false) : a1 && b1 ? Known(true) : Dim();
  if (op == "or") return a1 || b1 ? Known(true) : a0 && b0 ? Known(false) : Dim();
  return (a0 || a1) && (b0 || b1) ? Known(a0 != b0) : Dim();
}

Dim Binary(std::string_view op, const Dim& a, const Dim& b) {
  if (op == "add" || op == "sum") return DimAdd(a, b);
  if (op == "sub") return DimSub(a, b);
  if (op == "mul") return DimMul(a, b);
  if (op == "div") return DimDiv(a, b);
  if (op == "mod") return Modulo(a, b);
  if (op == "min" || op == "max") return MinMax(a, b, op == "max");
  if (IsCompare(op)) return Compare(op, a, b);
  if (IsLogic(op)) return Logic(op, a, b);
  return std::nullopt;
}

Dim Unary(const Node& node, DType to, const Dim& a) {
  if (!a) return std::nullopt;
  if (node.op == "neg") return DimSub(Poly(0), a);
  if (node.op == "not") return *a == Poly(0) ? Known(true) : *a == Poly(1) ? Known(false) : Dim();
  if (node.op == "abs") return ProvedNonNegative(*a) ? a : ProvedNonNegative(-*a) ? DimSub(Poly(0), a) : Dim();
  if (node.op == "identity") return a;
  if (node.op == "cast" || node.op == "cast_like") {
    if (to != DType::kBool) return a;
    if (*a == Poly(0)) return Known(false);
    return ProvedNonNegative(*a - Poly(1)) || ProvedNonNegative(-*a - Poly(1)) ? Known(true) : Dim();
  }
  return std::nullopt;
}

// Element i of a tracked operand that broadcasts to `count`.
const Dim& Pick(const std::vector<Dim>& v, size_t i) { return v.size() == 1 ? v[0] : v[i]; }

}  // namespace

void PropagateValues(InferContext& c) {
  const Node& node = c.node;
  const Type& out = node.output(0)->type;
  if (!out.ranked || out.rank() > 1 || IsFloat(out.dtype) || node.inputs().empty()) return;
  size_t count = 1;
  if (out.rank() == 1) {
    if (!out.shape[0] || !out.shape[0]->IsConst()) return;
    const int64_t n = out.shape[0]->ConstTerm();
    if (n < 0 || n > static_cast<int64_t>(kMaxTrackedElements)) return;
    count = static_cast<size_t>(n);
  }
  std::vector<std::vector<Dim>> in;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    if (node.op == "cast_like" && i == 1) break;
    std::vector<Dim> v = c.Values(i).value_or(std::vector<Dim>(count));  // untracked: unknown elements
    if (v.size() != count && v.size() != 1) return;
    in.push_back(std::move(v));
  }
  std::vector<Dim> result(count);
  for (size_t i = 0; i < count; ++i) {
    if (node.op == "where") {
      const Dim& condition = Pick(in[0], i);
      const Dim &yes = Pick(in[1], i), &no = Pick(in[2], i);
      if (condition && condition->IsConst()) result[i] = *condition == Poly(0) ? no : yes;
      else if (yes && no && *yes == *no) result[i] = yes;
      continue;
    }
    if (in.size() == 1) {
      const bool fold = node.op == "sum" || node.op == "min" || node.op == "max";
      result[i] = fold ? Pick(in[0], i) : Unary(node, out.dtype, Pick(in[0], i));
      continue;
    }
    Dim d = Pick(in[0], i);
    for (size_t j = 1; j < in.size(); ++j) d = Binary(node.op, d, Pick(in[j], i));
    result[i] = std::move(d);
  }
  c.SetValues(0, std::move(result));
}

}  // namespace hasten::ir
