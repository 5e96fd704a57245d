#include "passes/numeric_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hasten::passes {
namespace {

std::string DimsText(const ir::Tensor& t) {
  std::string s = StrCat(DTypeName(t.dtype()), "[");
  for (int64_t i = 0; i < t.rank(); ++i) s += StrCat(i ? "," : "", t.dim(i));
  return s + ']';
}

bool AllNan(const ir::Tensor& t) {
  for (int64_t i = 0; i < t.elements(); ++i)
    if (!std::isnan(t.At(i))) return false;
  return true;
}

Status CompareOne(const std::string& name, const ir::Tensor& a, const ir::Tensor& b, Numerics numerics, double* error) {
  if (a.dims() != b.dims()) return Internal("output \"", name, "\" was ", DimsText(a), " and became ", DimsText(b));
  if (IsFloat(a.dtype()) && a.elements() > 0 && AllNan(a))
    return Unsupported("output \"", name, "\" is NaN throughout on the seeded inputs: they say nothing of the pass");
  if (a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0) return {};
  double scale = 1, worst = 0;
  int64_t at = -1;
  for (int64_t i = 0; i < a.elements(); ++i)
    if (std::isfinite(a.At(i))) scale = std::max(scale, std::abs(a.At(i)));
  for (int64_t i = 0; i < a.elements(); ++i) {
    const double x = a.At(i), y = b.At(i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double e = std::isfinite(x) && std::isfinite(y) ? std::abs(x - y) / scale : HUGE_VAL;
    if (e > worst || at < 0) worst = e, at = i;
  }
  *error = std::max(*error, worst);
  const double allowed = numerics.kind == Numerics::Kind::kBounded ? numerics.eps : 0;
  if (at < 0 || worst <= allowed || numerics.kind == Numerics::Kind::kMetric) return {};
  return Internal("output \"", name, "\", element ", at, ": was ", a.At(at), " and became ", b.At(at), "; the pass declares ",
                  allowed > 0 ? StrCat("an error of at most ", allowed, " of the largest value") : std::string("exact numerics"));
}

}  // namespace

Result<Named> MakeFeeds(const ir::Graph& graph, const SymbolValues& given, uint64_t seed) {
  Named out;
  HST_ASSIGN_OR_RETURN(out.values, SeededFeeds(graph, ChooseSymbols(graph, given), seed));
  for (const ir::Value* input : graph.inputs()) out.names.push_back(input->name);
  return out;
}

Result<Named> Evaluate(interp::Interpreter& interpreter, const ir::Graph& graph, const Named& feeds) {
  std::vector<ir::Tensor> inputs;
  for (const ir::Value* input : graph.inputs()) {
    const auto it = std::find(feeds.names.begin(), feeds.names.end(), input->name);
    if (it == feeds.names.end()) return Internal("input %", input->name, " is new: the graph had none of this name");
    ir::Tensor t = feeds.values[static_cast<size_t>(it - feeds.names.begin())];
    const DType want = input->type.dtype;
    if (want == DType::kF32 && IsFloat(t.dtype()) && t.dtype() != want) t = ir::Tensor::From<float>(t.dims(), t.ToFloats());
    inputs.push_back(std::move(t));
  }
  Named out;
  HST_ASSIGN_OR_RETURN(out.values, interpreter.Run(graph, inputs));
  out.names = graph.output_names();
  return out;
}

Status CompareOutputs(const Named& before, const Named& after, Numerics numerics, double* error) {
  *error = 0;
  bool any = before.names.empty();
  for (size_t i = 0; i < before.names.size(); ++i) {
    const auto it = std::find(after.names.begin(), after.names.end(), before.names[i]);
    if (it == after.names.end()) continue;
    any = true;
    const auto j = static_cast<size_t>(it - after.names.begin());
    HST_RETURN_IF_ERROR(CompareOne(before.names[i], before.values[i], after.values[j], numerics, error));
  }
  return any ? Status() : Internal("the pass left none of the graph's outputs");
}

}  // namespace hasten::passes
