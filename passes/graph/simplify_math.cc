// Simplification of arithmetic, casts and logic.
#include <algorithm>
#include <cmath>

#include "compiler/ir/infer.h"
#include "passes/graph/match.h"
#include "passes/graph/simplify.h"

namespace hasten::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Value;

// A constant of one element does not widen the other operand's shape.
bool KeepsShape(const Value& constant, const Value& other) {
  return constant.weight().elements() == 1 && other.type.ranked && constant.weight().rank() <= other.type.rank();
}

// Does operand i hold `c` everywhere, so that the other one is the result?
bool IsNeutral(const Node& n, size_t i, double c) {
  const Value *constant = n.input(i), *other = n.input(1 - i);
  if (!other || UniformValue(constant) != c) return false;
  return KeepsShape(*constant, *other) || SameShape(other->type, n.output()->type);
}

// x * 1, x + 0, x - 0, x / 1, x ** 1, x and true, x or false.
Simplified Neutral(Graph&, Node& n) {
  if (n.inputs().size() != 2) return {};
  const bool commutes = n.op == "add" || n.op == "mul" || n.op == "and" || n.op == "or";
  double neutral;
  if (n.op == "mul" || n.op == "div" || n.op == "pow" || n.op == "and") neutral = 1;
  else if (n.op == "add" || n.op == "sub" || n.op == "or") neutral = 0;
  else return {};
  if (IsNeutral(n, 1, neutral)) return {n.input(0)};
  return commutes && IsNeutral(n, 0, neutral) ? Simplified{n.input(1)} : Simplified{};
}

// Constants go to the right, where recognition looks for them.
Simplified ConstantRight(Graph&, Node& n) {
  if ((n.op != "add" && n.op != "mul") || !n.input(0)->is_weight() || n.input(1)->is_weight()) return {};
  n.SetInputs({n.input(1), n.input(0)});
  return {nullptr, true};
}

// x / 2^k is x * 2^-k, exactly: both round the same real number.
Simplified DivideByPowerOfTwo(Graph& graph, Node& n) {
  if (n.op != "div" || n.input(0)->is_weight() || !IsFloat(n.input(0)->type.dtype)) return {};
  const std::optional<double> c = UniformValue(n.input(1));
  int exponent = 0;
  if (!c || !std::isfinite(*c) || std::abs(std::frexp(*c, &exponent)) != 0.5) return {};
  const ir::Tensor& by = n.input(1)->weight();
  if (by.dtype() != DType::kF32 || std::abs(exponent) > 100) return {};   // the inverse is a normal number
  std::vector<float> inverse(static_cast<size_t>(by.elements()), static_cast<float>(1 / *c));
  Value* w = graph.AddWeight(StrCat(n.input(1)->name, "_inverse"), ir::Tensor::From<float>(by.dims(), inverse));
  n.op = "mul";
  n.SetInput(1, w);
  return {nullptr, true};
}

// Every value of `from` is a value of `to`.
bool Embeds(DType from, DType to) {
  if (from == to) return true;
  if (from == DType::kBool) return to != DType::kInvalid;
  const size_t a = DTypeSize(from), b = DTypeSize(to);
  if (IsFloat(from)) return IsFloat(to) && a < b;   // f16 or bf16 to f32, any to f64
  if (IsFloat(to)) {   // integers up to the width of the significand
    const size_t significand = to == DType::kF64 ? 53 : to == DType::kF32 ? 24 : to == DType::kF16 ? 11 : 8;
    return 8 * a <= significand;
  }
  if (IsUnsignedInt(from)) return a < b;
  return IsSignedInt(to) && a < b;
}

Simplified Casts(Graph&, Node& n) {
  if (n.op == "cast_like" && n.input(1)->type.dtype != DType::kInvalid) {
    for (int64_t to = 1; to <= 16; ++to) {
      if (ir::OnnxDType(to) != n.input(1)->type.dtype) continue;
      n.op = "cast";
      n.attrs["to"] = to;
      n.SetInputs({n.input(0)});
      return {nullptr, true};
    }
  }
  if (n.op != "cast") return {};
  const DType to = ir::OnnxDType(n.Int("to", 0));
  if (to != DType::kInvalid && n.input(0)->type.dtype == to) return {n.input(0)};
  const Node* inner = DefinedBy(n.input(0), "cast");
  if (!inner || inner->input(0)->type.dtype == DType::kInvalid || n.input(0)->type.dtype == DType::kInvalid) return {};
  if (!Embeds(inner->input(0)->type.dtype, n.input(0)->type.dtype)) return {};
  n.SetInput(0, inner->input(0));
  return {nullptr, true};
}

Simplified Wheres(Graph&, Node& n) {
  if (n.op != "where") return {};
  const std::optional<double> condition = UniformValue(n.input(0));
  Value* taken = n.input(1) == n.input(2) ? n.input(1) : condition ? n.input(*condition != 0 ? 1 : 2) : nullptr;
  if (!taken) return {};
  return SameShape(taken->type, n.output()->type) ? Simplified{taken} : Simplified{};
}

// not(not(x)), neg(neg(x)).
Simplified Involutions(Graph&, Node& n) {
  if (n.op != "not" && n.op != "neg" && n.op != "bitwise_not") return {};
  const Node* inner = DefinedBy(n.input(0), n.op);
  return inner ? Simplified{inner->input(0)} : Simplified{};
}

constexpr SimplifyRule kRules[] = {
    {"neutral", Neutral}, {"cast", Casts}, {"where", Wheres}, {"involution", Involutions},
    {"division", DivideByPowerOfTwo}, {"order", ConstantRight},
};

}  // namespace

std::span<const SimplifyRule> MathRules() { return kRules; }

}  // namespace hasten::passes
