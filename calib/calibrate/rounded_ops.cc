#include "calib/calibrate/rounded_ops.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "calib/calibrate/observe.h"
#include "compiler/interp/gemm.h"
#include "runtime/base/half.h"

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Tensor;

Result<Tensor> Copy(const Tensor& x) {
  HST_ASSIGN_OR_RETURN(Tensor y, Tensor::Uninitialized(DType::kF32, x.dims()));
  std::copy_n(x.data<float>(), x.elements(), y.mutable_data<float>());
  return y;
}

}  // namespace

std::vector<float> Decode(const plan::TensorPlan& tensor, const passes::OwnedCodes& codes) {
  std::vector<float> w(static_cast<size_t>(tensor.n * tensor.k));
  for (int64_t r = 0; r < tensor.n; ++r) passes::DecodeRow(tensor.scheme, tensor.k, codes, r, w.data() + r * tensor.k);
  return w;
}

RoundedOps::RoundedOps(const ir::Graph& graph, const plan::ProgramPlan& plan, const std::vector<passes::OwnedCodes>& codes)
    : plan_(plan), codes_(codes) {
  // Lowering keeps the order of the graph's nodes, and makes one instruction of each of these.
  for (const auto& [op, kind] : {std::pair<std::string_view, plan::InstrKind>{"linear", plan::InstrKind::kLinear},
                                 {"embed", plan::InstrKind::kEmbed}}) {
    auto in = plan.instrs.begin();
    for (const auto& node : graph.nodes()) {
      if (node->op != op) continue;
      in = std::find_if(in, plan.instrs.end(), [&, wanted = kind](const plan::InstrPlan& p) { return p.kind == wanted; });
      HST_CHECK(in != plan.instrs.end());
      instr_[node.get()] = &*in++;
    }
  }
}

void RoundedOps::Remember(const Node& node) {
  const int tensor = InstrOf(node).tensor;
  const plan::TensorPlan& t = plan_.tensors[static_cast<size_t>(tensor)];
  const passes::OwnedCodes& codes = codes_[static_cast<size_t>(tensor)];
  if (codes.codes.empty() || decoded_.contains(tensor)) return;
  decoded_[tensor] = Decode(t, codes);
}

Result<std::vector<Tensor>> RoundedOps::Evaluate(const Node& node, std::span<const Tensor> operands, interp::Interpreter& interpreter) const {
  std::vector<Tensor> made(1);
  if (node.op == "linear" && decoded_.contains(InstrOf(node).tensor)) {
    HST_ASSIGN_OR_RETURN(made[0], Linear(node, operands[0]));
    return made;
  }
  if (node.op == "embed" && GetScheme(plan_.tensors[static_cast<size_t>(InstrOf(node).tensor)].scheme).integer) {
    HST_ASSIGN_OR_RETURN(made[0], Embed(node, operands[0]));
    return made;
  }
  if (node.op != "attention" || plan_.kv == KvType::kF32) return interpreter.EvalNode(node, operands);
  const int64_t dk = node.Int("head_dim", 0), dv = node.Int("v_head_dim", dk);
  std::vector<Tensor> rounded(operands.begin(), operands.end());
  for (size_t i = 0; i < 3; ++i) {
    if (i == 0 && plan_.kv == KvType::kF16) continue;   // the query is rounded like an INT8 key, else not
    HST_ASSIGN_OR_RETURN(rounded[i], Cached(node, operands[i], i == 2 ? dv : dk));
  }
  return interpreter.EvalNode(node, rounded);
}

// The inputs are rounded again for each linear that reads them: that is cheaper than keeping both.
Result<Tensor> RoundedOps::Linear(const Node& node, const Tensor& x) const {
  const plan::InstrPlan& in = InstrOf(node);
  const plan::TensorPlan& t = plan_.tensors[static_cast<size_t>(in.tensor)];
  const std::vector<float>& w = decoded_.at(in.tensor);
  HST_ASSIGN_OR_RETURN(Tensor rounded, Copy(x));
  const int64_t rows = x.elements() / t.k;
  const plan::BufferPlan& input = InputOf(in);
  if (!RoundActivations(rows, t.k, input.group, rounded.mutable_data<float>(), input.residual))
    return BadInput("calibration: the inputs of node \"", node.loc, "\" are not all finite");
  std::vector<int64_t> dims = x.dims();
  dims.back() = t.n;
  HST_ASSIGN_OR_RETURN(Tensor y, Tensor::Uninitialized(DType::kF32, std::move(dims)));
  float* out = y.mutable_data<float>();
  interp::GemmSerial({rounded.data<float>(), w.data(), out, rows, t.n, t.k, t.k, t.k, t.n, false, true});
  if (!node.input(1)) return y;
  const std::vector<float> bias = node.input(1)->weight().ToFloats();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < t.n; ++c) out[r * t.n + c] += bias[static_cast<size_t>(c)];
  return y;
}

Result<Tensor> RoundedOps::Embed(const Node& node, const Tensor& ids) const {
  const plan::InstrPlan& in = InstrOf(node);
  const plan::TensorPlan& t = plan_.tensors[static_cast<size_t>(in.tensor)];
  const passes::OwnedCodes& codes = codes_[static_cast<size_t>(in.tensor)];
  std::vector<int64_t> dims = ids.dims();
  dims.push_back(t.k);
  HST_ASSIGN_OR_RETURN(Tensor y, Tensor::Uninitialized(DType::kF32, std::move(dims)));
  // A table of 4 bits has its codes by now, if it ever gets some; one of 8 bits is read as
  // rounded to nearest, which is nearly what the head's codes will be, also after a
  // checkpoint has them: the result must not depend on that.
  const bool first = GetScheme(t.scheme).bits == 4 && !codes.codes.empty();
  plan::TensorPlan row = t;
  row.n = 1;
  std::vector<float> w(static_cast<size_t>(t.k));
  for (int64_t i = 0; i < ids.elements(); ++i) {
    const int64_t id = ids.IntAt(i) + in.index_offset;
    if (id < 0 || id >= t.n) return BadInput("calibration: id ", id, " is outside of \"", t.name, "\" with ", t.n, " rows");
    float* out = y.mutable_data<float>() + i * t.k;
    if (first) {
      passes::DecodeRow(t.scheme, t.k, codes, id, out);
      continue;
    }
    passes::OwnedCodes nearest;
    t.GatherRows(id, id + 1, w.data());
    HST_RETURN_IF_ERROR(passes::QuantizeRtn(t.scheme, 1, t.k, w, &nearest));
    passes::DecodeRow(row.scheme, row.k, nearest, 0, out);
  }
  return y;
}

// Queries, keys or values as attention sees them (docs/numerics.md, `kv_append`).
Result<Tensor> RoundedOps::Cached(const Node& node, const Tensor& x, int64_t head_dim) const {
  HST_ASSIGN_OR_RETURN(Tensor y, Copy(x));
  float* v = y.mutable_data<float>();
  if (plan_.kv == KvType::kF16) {
    for (int64_t i = 0; i < y.elements(); ++i) v[i] = HalfToFloat(FloatToHalf(v[i]));
  } else if (!RoundActivations(y.elements() / head_dim, head_dim, head_dim, v)) {
    return BadInput("calibration: the inputs of node \"", node.loc, "\" are not all finite");
  }
  return y;
}

}  // namespace hasten::calib
