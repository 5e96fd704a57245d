#include "compiler/interp/interp.h"

#include <new>
#include <unordered_map>
#include <variant>

#include "compiler/interp/context.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/ir/ops.h"
#include "runtime/base/fp_env.h"

namespace hasten::interp {
namespace {

constexpr EvalInfo kEvals[] = {
#define HST_EVAL(name, fn, half) {#name, fn, Half::half},
#include "compiler/interp/interp_ops.def"
#undef HST_EVAL
};

bool IsHalf(DType t) { return t == DType::kF16 || t == DType::kBF16; }

// The bytes at an address that suits their type: mapped weights may lie anywhere.
Result<Tensor> Aligned(const EvalContext& c, const Tensor& t) {
  if (reinterpret_cast<uintptr_t>(t.raw()) % DTypeSize(t.dtype()) == 0) return t;
  HST_ASSIGN_OR_RETURN(Tensor copy, c.Make(t.dtype(), t.dims()));
  std::copy_n(t.raw(), t.bytes(), copy.mutable_raw());
  return copy;
}

// Binds the symbols of the declared type to the tensor's dims.
Status CheckInput(const ir::Value& declared, const Tensor& t, std::map<std::string, int64_t, std::less<>>& symbols) {
  const ir::Type& type = declared.type;
  const auto wrong = [&](const auto&... what) {
    return BadInput("input \"", declared.name, "\": needed ", TypeString(type), ", came ", DTypeName(t.dtype()),
                    DimsText(t.dims()), what...);
  };
  if (!t.valid()) return BadInput("input \"", declared.name, "\" is missing");
  if (type.dtype != DType::kInvalid && type.dtype != t.dtype()) return wrong();
  if (!type.ranked) return {};
  if (type.rank() != t.rank()) return wrong();
  for (int64_t i = 0; i < t.rank(); ++i) {
    const ir::Dim& dim = type.shape[static_cast<size_t>(i)];
    if (!dim) continue;
    const auto names = dim->Symbols();
    if (names.size() == 1 && *dim == ir::Poly::Symbol(names[0])) {
      const auto [it, fresh] = symbols.try_emplace(names[0], t.dim(i));
      if (!fresh && it->second != t.dim(i)) return wrong(" (", names[0], " is ", it->second, " elsewhere)");
    } else if (const auto value = dim->Eval(symbols); value && *value != t.dim(i)) {
      return wrong();
    }
  }
  return {};
}

// Evaluations rely on the operands and outputs that ops.def demands.
Status CheckCounts(const EvalContext& c) {
  const ir::OpInfo* op = ir::FindOp(c.node.op);
  HST_CHECK(op != nullptr);
  const auto beyond = [](size_t n, int most) { return most >= 0 && n > static_cast<size_t>(most); };
  if (beyond(c.in.size(), op->max_inputs)) return c.Error("has ", c.in.size(), " operands");
  if (c.out.size() < static_cast<size_t>(op->min_outputs) || beyond(c.out.size(), op->max_outputs))
    return c.Error("has ", c.out.size(), " outputs");
  for (int i = 0; i < op->min_inputs; ++i) {
    const bool optional = i == 1 && c.node.op == "linear";   // its bias stands before its weights
    if (!optional && !c.Has(static_cast<size_t>(i))) return c.Error("operand ", i, " is missing");
  }
  return {};
}

Status Evaluate(EvalContext& c, const EvalInfo& info) {
  DType half = DType::kInvalid;
  const bool widen = info.half != Half::kKeep || c.options.compute_fp32;
  for (Tensor& t : c.in) {
    if (!t.valid()) continue;
    HST_ASSIGN_OR_RETURN(t, Aligned(c, t));
    if (!widen || !IsHalf(t.dtype())) continue;
    if (half == DType::kInvalid) half = t.dtype();
    HST_ASSIGN_OR_RETURN(t, ConvertTensor(c, t, DType::kF32));
  }
  try {
    HST_RETURN_IF_ERROR(info.eval(c));
  } catch (const std::bad_variant_access&) {
    return c.Error("an attribute has another kind than the op needs");
  } catch (const std::bad_alloc&) {
    return ResourceError("[", c.node.op, "] out of memory (node \"", c.node.loc, "\")");
  } catch (const std::length_error&) {
    return ResourceError("[", c.node.op, "] out of memory (node \"", c.node.loc, "\")");
  }
  for (Tensor& t : c.out) {
    if (!t.valid()) continue;
    if (c.options.compute_fp32) {
      if (IsHalf(t.dtype())) {
        HST_ASSIGN_OR_RETURN(t, ConvertTensor(c, t, DType::kF32));
      }
    } else if (info.half == Half::kWiden && half != DType::kInvalid && t.dtype() == DType::kF32) {
      HST_ASSIGN_OR_RETURN(t, ConvertTensor(c, t, half));
    }
  }
  return {};
}

}  // namespace

const EvalInfo* FindEval(std::string_view op) {
  static const auto index = [] {
    std::unordered_map<std::string_view, const EvalInfo*> map;
    for (const EvalInfo& e : kEvals) map.emplace(e.name, &e);
    return map;
  }();
  const auto it = index.find(op);
  return it == index.end() ? nullptr : it->second;
}

bool CanEvaluate(std::string_view op) { return FindEval(op) != nullptr; }

struct Interpreter::State {
  RunOptions options;
  std::unique_ptr<ThreadPool> pool;
  std::shared_ptr<BufferPool> buffers = std::make_shared<BufferPool>();
  uint64_t steps_left = 0;
};

Interpreter::Interpreter() : state_(std::make_unique<State>()) {}
Interpreter::~Interpreter() = default;

Result<std::unique_ptr<Interpreter>> Interpreter::Create(const RunOptions& options) {
  std::unique_ptr<Interpreter> made(new Interpreter);
  made->state_->options = options;
  made->state_->steps_left = options.max_steps;
  HST_ASSIGN_OR_RETURN(made->state_->pool, ThreadPool::Create(options.threads));
  return made;
}

Result<std::vector<Tensor>> Interpreter::EvalNode(const ir::Node& node, std::span<const Tensor> inputs) {
  const ScopedFpEnv env;
  const EvalInfo* info = FindEval(node.op);
  if (!info) return Unsupported("[", node.op, "] the interpreter has no evaluation for it (node \"", node.loc, "\")");
  EvalContext c(node, state_->options, *state_->pool, *state_->buffers, state_->steps_left);
  c.in.assign(inputs.begin(), inputs.end());
  c.out.resize(node.outputs().size());
  HST_RETURN_IF_ERROR(CheckCounts(c));
  // What only moves bytes reads no more than it makes.
  for (const Tensor& t : c.in)
    if (t.valid() && info->half != Half::kKeep) HST_RETURN_IF_ERROR(c.Spend(EvalContext::kElementSteps, {t.elements()}));
  HST_RETURN_IF_ERROR(Evaluate(c, *info));
  return std::move(c.out);
}

Result<std::vector<Tensor>> Interpreter::Run(const ir::Graph& graph, std::span<const Tensor> inputs) {
  if (inputs.size() != graph.inputs().size())
    return BadInput("the graph has ", graph.inputs().size(), " inputs, came ", inputs.size());
  state_->steps_left = state_->options.max_steps;
  struct Slot {
    Tensor tensor;
    size_t uses = 0;
  };
  std::unordered_map<const ir::Value*, Slot> live;
  std::map<std::string, int64_t, std::less<>> symbols;
  // Twice: a polynomial may stand before the inputs that give its symbols.
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < inputs.size(); ++i) HST_RETURN_IF_ERROR(CheckInput(*graph.inputs()[i], inputs[i], symbols));
  const auto keep = [&](const ir::Value* v, Tensor t) {
    const size_t uses = v->users().size() + (graph.IsOutput(v) ? 1 : 0);
    if (uses) live[v] = {std::move(t), uses};
  };
  for (size_t i = 0; i < inputs.size(); ++i) keep(graph.inputs()[i], inputs[i]);
  for (const auto& node : graph.nodes()) {
    if (state_->options.cancel && state_->options.cancel->load(std::memory_order_relaxed))
      return Status(Code::kCancelled, "cancelled");
    std::vector<Tensor> operands;
    for (const ir::Value* v : node->inputs()) {
      if (!v) {
        operands.emplace_back();
      } else if (v->is_weight()) {
        operands.push_back(v->weight());
      } else {
        const auto it = live.find(v);
        if (it == live.end()) return BadInput("[", node->op, "] operand \"", v->name, "\" has no value yet (node \"", node->loc, "\")");
        operands.push_back(it->second.tensor);
        if (--it->second.uses == 0) live.erase(it);
      }
    }
    HST_ASSIGN_OR_RETURN(std::vector<Tensor> made, EvalNode(*node, operands));
    if (state_->options.observer) HST_RETURN_IF_ERROR(state_->options.observer(*node, made));
    for (size_t i = 0; i < made.size(); ++i) {
      const ir::Value* v = node->output(i);
      const bool used = !v->users().empty() || graph.IsOutput(v);
      if (!made[i].valid() && used)
        return Unsupported("[", node->op, "] output ", i, " is not computed (node \"", node->loc, "\")");
      if (used) keep(v, std::move(made[i]));
    }
  }
  std::vector<Tensor> out;
  for (const ir::Value* v : graph.outputs()) {
    if (v->is_weight()) {
      out.push_back(v->weight());
      continue;
    }
    const auto it = live.find(v);
    if (it == live.end()) return BadInput("output \"", v->name, "\" is computed by nothing");
    out.push_back(it->second.tensor);
  }
  return out;
}

Result<std::vector<Tensor>> Run(const ir::Graph& graph, std::span<const Tensor> inputs, const RunOptions& options) {
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Interpreter> interpreter, Interpreter::Create(options));
  return interpreter->Run(graph, inputs);
}

}  // namespace hasten::interp
