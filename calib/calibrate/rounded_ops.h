// Nodes as the quantized model computes them: linears with the codes found so far on
// inputs rounded to INT8, attention on what the KV cache keeps, token tables in
// their own codes. Everything else is as the original's.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "compiler/interp/interp.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"

namespace hasten::calib {

// W^ [n][k], what the codes of a tensor stand for.
std::vector<float> Decode(const plan::TensorPlan& tensor, const passes::OwnedCodes& codes);

class RoundedOps {
 public:
  // `plan` is MakePlan's of `graph`; `codes` of its tensors, filled as calibration
  // goes. All outlive the object.
  RoundedOps(const ir::Graph& graph, const plan::ProgramPlan& plan, const std::vector<passes::OwnedCodes>& codes);

  // The instruction of a linear or a table.
  const plan::InstrPlan& InstrOf(const ir::Node& node) const { return *instr_.at(&node); }
  // A linear's input as its kernel sees it.
  const plan::BufferPlan& InputOf(const plan::InstrPlan& in) const { return plan_.buffers[static_cast<size_t>(in.a.buffer)]; }
  // The weights that the codes of a linear's tensor stand for, kept until Forget.
  void Remember(const ir::Node& node);
  void Forget() { decoded_.clear(); }

  // Any threads at once.
  Result<std::vector<ir::Tensor>> Evaluate(const ir::Node& node, std::span<const ir::Tensor> operands, interp::Interpreter& interpreter) const;

 private:
  Result<ir::Tensor> Linear(const ir::Node& node, const ir::Tensor& x) const;
  Result<ir::Tensor> Embed(const ir::Node& node, const ir::Tensor& ids) const;
  Result<ir::Tensor> Cached(const ir::Node& node, const ir::Tensor& x, int64_t head_dim) const;

  const plan::ProgramPlan& plan_;
  const std::vector<passes::OwnedCodes>& codes_;
  std::unordered_map<const ir::Node*, const plan::InstrPlan*> instr_;
  std::unordered_map<int, std::vector<float>> decoded_;   // by tensor
};

}  // namespace hasten::calib
