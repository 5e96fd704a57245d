#include "calib/allocate/replay.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "calib/eval/reference.h"
#include "compiler/plan/rules.h"
#include "passes/recognize/roles.h"

namespace hasten::calib {

using ir::Node;
using ir::Tensor;
using ir::Value;

Chunks Shortened(const Chunks& all, int64_t count, int64_t context, int64_t half) {
  Chunks out;
  out.count = std::min(count, all.count);
  out.context = std::min(context, all.context);
  for (int64_t i = 0; i < out.count; ++i) {
    const std::span<const int32_t> tokens = all.At((2 * i + half) * all.count / (2 * out.count)).first(static_cast<size_t>(out.context));
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
  }
  return out;
}

Result<std::unique_ptr<Replay>> Replay::Create(ir::Graph& graph, const Chunks& samples, int64_t stride, ThreadPool& pool,
                                           const std::atomic<bool>* cancel) {
  std::unique_ptr<Replay> replay(new Replay(pool));
  replay->stride_ = stride;
  replay->result_ = graph.outputs()[MainOutput(graph)];
  interp::RunOptions options;
  options.compute_fp32 = true;
  options.cancel = cancel;
  options.max_steps = UINT64_MAX;   // all nodes of all samples share it, and the samples are the user's own
  for (int i = 0; i < pool.threads(); ++i) {
    HST_ASSIGN_OR_RETURN(replay->interpreters_.emplace_back(), interp::Interpreter::Create(options));
  }
  std::set<const Value*> needed = {replay->result_};
  for (auto it = graph.nodes().rbegin(); it != graph.nodes().rend(); ++it) {
    const Node& node = **it;
    if (std::none_of(node.outputs().begin(), node.outputs().end(), [&](const Value* v) { return needed.contains(v); })) continue;
    replay->nodes_.push_back(&node);
    needed.insert(node.inputs().begin(), node.inputs().end());
    if (node.op == "linear" && plan::IsHead(graph, node.output())) replay->narrow_ = &node;
  }
  std::reverse(replay->nodes_.begin(), replay->nodes_.end());
  for (size_t i = 0; i < replay->nodes_.size(); ++i)
    for (const Value* v : replay->nodes_[i]->inputs())
      if (v) replay->last_[v] = i;
  HST_ASSIGN_OR_RETURN(const recognize::Roles roles, recognize::AssignRoles(graph));
  replay->live_.resize(static_cast<size_t>(samples.count));
  for (int64_t s = 0; s < samples.count; ++s) {
    HST_ASSIGN_OR_RETURN(std::vector<Tensor> inputs, SequenceInputs(graph, roles, samples.At(s)));
    for (size_t i = 0; i < inputs.size(); ++i) replay->live_[static_cast<size_t>(s)][graph.inputs()[i]] = std::move(inputs[i]);
  }
  return replay;
}

Status Replay::ForSamples(const std::function<Status(size_t, interp::Interpreter&)>& f) {
  std::vector<Status> status(live_.size());
  const int64_t shares = pool_.threads();
  pool_.Run(shares, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t share = begin; share < end; ++share)
      for (size_t s = static_cast<size_t>(share); s < live_.size(); s += static_cast<size_t>(shares)) {
        try {
          status[s] = f(s, *interpreters_[static_cast<size_t>(share)]);
        } catch (const std::bad_alloc&) {   // must not leave the pool's thread
          status[s] = ResourceError("sensitivity: out of memory");
        }
      }
  });
  for (Status& s : status) HST_RETURN_IF_ERROR(std::move(s));
  return {};
}

// Scored rows of [.., rows, cols]; a result of one row (pooled) as it is.
Tensor Replay::SomeRows(const Tensor& x) const {
  const int64_t cols = x.dim(-1), rows = x.elements() / cols;
  if (rows <= 1) return x;
  const int64_t first = rows / 2, count = (rows - first + stride_ - 1) / stride_;
  Result<Tensor> made = Tensor::Uninitialized(DType::kF32, {1, count, cols});
  HST_CHECK(made.ok());
  for (int64_t r = 0; r < count; ++r)
    std::memcpy(made->mutable_data<float>() + r * cols, x.data<float>() + (first + r * stride_) * cols, static_cast<size_t>(cols) * sizeof(float));
  return *std::move(made);
}

// The first output; the others, where they are read, go to `made`.
Result<Tensor> Replay::Evaluate(const Node& node, interp::Interpreter& interpreter, const Live& live, Live& made, const Replacements& replaced) const {
  std::vector<Tensor> operands;
  for (const Value* v : node.inputs()) {
    if (!v) {
      operands.emplace_back();
    } else if (v->is_weight()) {
      operands.push_back(v->weight());
    } else {
      const auto at = made.find(v);
      operands.push_back(at != made.end() ? at->second : live.at(v));
    }
  }
  if (&node == narrow_) operands[0] = SomeRows(operands[0]);
  if (const auto at = replaced.find(&node); at != replaced.end()) {
    HST_ASSIGN_OR_RETURN(Tensor out, at->second(operands));
    return out;
  }
  HST_ASSIGN_OR_RETURN(std::vector<Tensor> out, interpreter.EvalNode(node, operands));
  for (size_t i = 1; i < out.size(); ++i)
    if (!node.output(i)->users().empty()) made[node.output(i)] = std::move(out[i]);
  return std::move(out[0]);
}

Status Replay::Advance(size_t i, const Replacements& replaced) {
  const Node& node = *nodes_[i];
  return ForSamples([&](size_t s, interp::Interpreter& interpreter) -> Status {
    Live made;
    HST_ASSIGN_OR_RETURN(made[node.output()], Evaluate(node, interpreter, live_[s], made, replaced));
    for (auto& [value, tensor] : made) live_[s][value] = std::move(tensor);
    for (const Value* v : node.inputs())
      if (v && last_.at(v) == i) live_[s].erase(v);
    return {};
  });
}

Tensor Replay::Last(size_t sample) const {
  const Tensor& all = live_[sample].at(result_);
  return narrow_ ? all : SomeRows(all);
}

Status Replay::Finish(size_t begin, const Replacements& replaced, const std::function<void(size_t, const Tensor&)>& f) {
  return ForSamples([&](size_t s, interp::Interpreter& interpreter) -> Status {
    Live made;
    for (size_t i = begin; i < nodes_.size(); ++i) {
      const Node& node = *nodes_[i];
      HST_ASSIGN_OR_RETURN(Tensor out, Evaluate(node, interpreter, live_[s], made, replaced));
      made[node.output()] = std::move(out);
      for (const Value* v : node.inputs())
        if (v && last_.at(v) == i) made.erase(v);
    }
    const Tensor& all = made.at(result_);
    f(s, narrow_ ? all : SomeRows(all));
    return {};
  });
}

}  // namespace hasten::calib
