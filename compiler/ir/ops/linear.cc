// Inference of products (mat_mul, gemm, einsum) and of quantization.
#include <map>

#include "compiler/ir/ops/rules.h"

namespace hasten::ir {
namespace {

// NumPy matmul of operands i and j: batch dims broadcast, 1-D operands promoted.
Result<Type> Product(InferContext& c, size_t i, size_t j, DType dtype) {
  if (!c.Ranked(i) || !c.Ranked(j)) return Type::Unranked(dtype);
  std::vector<Dim> a = c.Shape(i), b = c.Shape(j);
  if (a.empty() || b.empty()) return c.Error("needed rank >= 1, came ", TypeString(c.In(i)), " and ", TypeString(c.In(j)));
  const bool row = a.size() == 1, col = b.size() == 1;
  if (row) a.insert(a.begin(), Dim(Poly(1)));
  if (col) b.push_back(Dim(Poly(1)));
  HST_RETURN_IF_ERROR(c.SameDim("K", a.back(), b[b.size() - 2]));
  HST_ASSIGN_OR_RETURN(std::vector<Dim> out, BroadcastDims(c, {a.begin(), a.end() - 2}, {b.begin(), b.end() - 2}));
  if (!row) out.push_back(a[a.size() - 2]);
  if (!col) out.push_back(b.back());
  return Type::Of(dtype, std::move(out));
}

}  // namespace

Status InferMatMul(InferContext& c) {
  HST_RETURN_IF_ERROR(c.NeedSameType(0, 1));
  HST_ASSIGN_OR_RETURN(Type t, Product(c, 0, 1, c.InType(0)));
  c.Set(0, std::move(t));
  return {};
}

Status InferMatMulInteger(InferContext& c) {
  HST_ASSIGN_OR_RETURN(Type t, Product(c, 0, 1, DType::kI32));
  c.Set(0, std::move(t));
  return {};
}

Status InferQLinearMatMul(InferContext& c) {
  HST_ASSIGN_OR_RETURN(Type t, Product(c, 0, 3, c.InType(7)));
  c.Set(0, std::move(t));
  return {};
}

Status InferGemm(InferContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 2));
  HST_RETURN_IF_ERROR(c.NeedRank(1, 2));
  HST_RETURN_IF_ERROR(c.NeedSameType(0, 1));
  const bool ta = c.node.Int("transA", 0) != 0, tb = c.node.Int("transB", 0) != 0;
  Dim m, n;
  if (c.Ranked(0)) m = c.Shape(0)[ta ? 1 : 0];
  if (c.Ranked(1)) n = c.Shape(1)[tb ? 0 : 1];
  if (c.Ranked(0) && c.Ranked(1)) HST_RETURN_IF_ERROR(c.SameDim("K", c.Shape(0)[ta ? 0 : 1], c.Shape(1)[tb ? 1 : 0]));
  c.Set(0, Type::Of(c.InType(0), {m, n}));
  return {};
}

Status InferEinsum(InferContext& c) {
  c.SetUnranked(0, c.InType(0));
  std::string text;
  for (char ch : c.node.Str("equation", ""))
    if (ch != ' ') text += ch;
  if (text.find("...") != std::string::npos) return {};
  const size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  std::map<char, Dim> dims;
  std::map<char, int> count;
  size_t operand = 0, at = 0;
  for (char ch : left + ",") {
    if (ch == ',') {
      if (operand >= c.node.inputs().size() || (c.Ranked(operand) && at != c.Shape(operand).size()))
        return c.Error("the equation \"", text, "\" does not fit the operands");
      ++operand;
      at = 0;
      continue;
    }
    if (operand < c.node.inputs().size() && c.Ranked(operand)) {
      if (at >= c.Shape(operand).size()) return c.Error("the equation \"", text, "\" does not fit operand ", operand);
      const std::optional<Dim> d = dims.count(ch) ? BroadcastDim(dims[ch], c.Shape(operand)[at]) : c.Shape(operand)[at];
      if (!d) return c.Error("the dims of \"", ch, "\" differ");
      dims[ch] = *d;
    }
    ++at;
    ++count[ch];
  }
  std::string right;
  if (arrow != std::string::npos) right = text.substr(arrow + 2);
  else
    for (const auto& [ch, n] : count)
      if (n == 1) right += ch;
  std::vector<Dim> out;
  for (char ch : right) out.push_back(dims.count(ch) ? dims[ch] : Dim());
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

Status InferQuantize(InferContext& c) {
  Type t = c.In(0);
  t.dtype = c.Has(2) ? c.InType(2) : OnnxDType(c.node.Int("output_dtype", 2));
  if (c.node.Int("output_dtype", 0) != 0 && !c.Has(2)) t.dtype = OnnxDType(c.node.Int("output_dtype", 0));
  c.Set(0, std::move(t));
  return {};
}

Status InferDequantize(InferContext& c) {
  Type t = c.In(0);
  t.dtype = c.InType(1);
  if (c.node.Int("output_dtype", 0) != 0) t.dtype = OnnxDType(c.node.Int("output_dtype", 0));
  c.Set(0, std::move(t));
  return {};
}

Status InferDynamicQuantize(InferContext& c) {
  Type t = c.In(0);
  t.dtype = DType::kU8;
  c.Set(0, std::move(t));
  c.Set(1, Type::Of(DType::kF32, {}));
  c.Set(2, Type::Of(DType::kU8, {}));
  return {};
}

}  // namespace hasten::ir
