#include "calib/grad/network.h"

#include <algorithm>
#include <set>
#include <utility>

#include "calib/calibrate/observe.h"
#include "calib/grad/backward.h"

namespace hasten::calib {

using ir::Node;
using ir::Tensor;
using ir::Value;

Result<std::unique_ptr<Network>> Network::Create(const ir::Graph& graph, const plan::ProgramPlan& plan, const NetworkOptions& options, ThreadPool& pool) {
  std::unique_ptr<Network> made(new Network(graph, plan, options, pool));
  interp::RunOptions run;
  run.compute_fp32 = true;
  run.cancel = options.cancel;
  run.threads = pool.threads();
  run.max_steps = UINT64_MAX;
  HST_ASSIGN_OR_RETURN(made->interpreter_, interp::Interpreter::Create(run));
  HST_RETURN_IF_ERROR(made->MakeSteps());
  return made;
}

// Instructions of linears, embeds and norms stand in the order of their nodes.
Status Network::MakeSteps() {
  std::vector<const plan::InstrPlan*> queues[3];
  const auto queue = [&](plan::InstrKind kind) -> std::vector<const plan::InstrPlan*>* {
    return kind == plan::InstrKind::kLinear ? &queues[0] : kind == plan::InstrKind::kEmbed ? &queues[1] : kind == plan::InstrKind::kNorm ? &queues[2] : nullptr;
  };
  for (const plan::InstrPlan& in : plan_.instrs)
    if (auto* q = queue(in.kind)) q->push_back(&in);
  size_t next[3] = {};
  std::set<const Value*> trained;   // values behind a weight
  for (const auto& node : graph_.nodes()) {
    Step step;
    step.node = node.get();
    const int kind = node->op == "linear" ? 0 : node->op == "embed" ? 1 : node->op == "rms_norm" || node->op == "layer_norm" ? 2 : -1;
    if (kind >= 0) {
      HST_CHECK(next[kind] < queues[kind].size());
      const plan::InstrPlan& in = *queues[kind][next[kind]++];
      step.tensor = in.tensor, step.bias = in.bias;
      if (kind == 0 && Quantized() && GetScheme(plan_.tensors[static_cast<size_t>(in.tensor)].scheme).integer)
        step.group = plan_.buffers[static_cast<size_t>(in.a.buffer)].group, step.residual = plan_.buffers[static_cast<size_t>(in.a.buffer)].residual;
    }
    step.differentiable = kind >= 0 || std::any_of(node->inputs().begin(), node->inputs().end(), [&](const Value* v) { return trained.contains(v); });
    if (step.differentiable) trained.insert(node->output());
    if (step.differentiable && kind != 0 && !FindBackward(node->op))
      return Unsupported("no gradient of ", node->op, " (node \"", node->loc, "\")");
    const bool values = step.differentiable && (kind == 0 || FindBackward(node->op)->reads == BackwardReads::kValues);
    for (const Value* v : node->inputs()) {
      if (v) last_[v] = steps_.size();
      if (v && (values || v->type.dtype != DType::kF32)) read_.insert(v);
    }
    for (const Value* v : node->outputs()) made_[v] = steps_.size();
    steps_.push_back(step);
  }
  for (const Value* v : graph_.outputs()) last_[v] = steps_.size();
  return {};
}

Matrix Network::MatrixOf(int tensor) const {
  const size_t i = static_cast<size_t>(tensor);
  return {&plan_.tensors[i], Quantized() && !(*o_.codes)[i].codes.empty() ? &(*o_.codes)[i] : nullptr};
}

const std::vector<float>* Network::VectorOf(int tensor) const {
  if (!o_.vectors || tensor < 0) return nullptr;
  const std::vector<float>& v = (*o_.vectors)[static_cast<size_t>(tensor)];
  return v.empty() ? nullptr : &v;
}

// x as the linear's kernel sees it.
Result<std::vector<float>> Network::Rounded(const Step& step, const Tensor& x) const {
  std::vector<float> rows(x.data<float>(), x.data<float>() + x.elements());
  const int64_t k = x.dim(-1), count = x.elements() / k;
  std::atomic<bool> finite = true;
  if (step.group > 0)
    pool_.Run(count, 16, [&](int64_t begin, int64_t end, int) {
      if (!RoundActivations(end - begin, k, step.group, rows.data() + begin * k, step.residual)) finite = false;
    });
  if (!finite) return BadInput("the inputs of node \"", step.node->loc, "\" are not all finite");
  return rows;
}

Result<std::vector<Tensor>> Network::Operands(const Step& step, const Live& live) const {
  const Node& node = *step.node;
  std::vector<Tensor> operands;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const Value* v = node.input(i);
    if (!v) operands.emplace_back();
    else if (v->is_weight()) operands.push_back(v->weight());
    else operands.push_back(live.at(v));
  }
  const bool norm = node.op == "rms_norm" || node.op == "layer_norm";
  for (size_t i = 1; norm && i < 3; ++i)
    if (const std::vector<float>* values = VectorOf(i == 1 ? step.tensor : step.bias))
      operands[i] = Tensor::From<float>(operands[i].dims(), *values);
  if (node.op == "attention" && Quantized() && plan_.kv == KvType::kI8)
    for (size_t i = 0; i < 3; ++i) {
      const int64_t width = i == 2 ? node.Int("v_head_dim", 0) : node.Int("head_dim", 0);
      const std::span<const float> values = operands[i].span<float>();
      Tensor rounded = Tensor::From<float>(operands[i].dims(), values);
      if (!RoundActivations(rounded.elements() / width, width, width, rounded.mutable_data<float>()))
        return BadInput("the inputs of node \"", node.loc, "\" are not all finite");
      operands[i] = std::move(rounded);
    }
  return operands;
}

Status Network::RunLinear(const Step& step, Live& live) {
  const Node& node = *step.node;
  const Tensor& x = live.at(node.input(0));
  const Matrix w = MatrixOf(step.tensor);
  HST_ASSIGN_OR_RETURN(const std::vector<float> rows, Rounded(step, x));
  std::vector<float> bias;
  if (node.input(1)) bias = VectorOf(step.bias) ? *VectorOf(step.bias) : node.input(1)->weight().ToFloats();
  std::vector<int64_t> dims = x.dims();
  dims.back() = w.tensor->n;
  HST_ASSIGN_OR_RETURN(Tensor y, Tensor::Uninitialized(DType::kF32, std::move(dims)));
  LinearForward(w, x.elements() / w.tensor->k, rows.data(), bias.empty() ? nullptr : bias.data(), y.mutable_data<float>(), pool_);
  live[node.output()] = std::move(y);
  return {};
}

Status Network::RunEmbed(const Step& step, Live& live) {
  const Node& node = *step.node;
  const Matrix w = MatrixOf(step.tensor);
  const Tensor& ids = live.at(node.input(0));
  HST_ASSIGN_OR_RETURN(Tensor y, Tensor::Uninitialized(DType::kF32, {ids.dim(0), ids.dim(1), w.tensor->k}));
  for (int64_t i = 0; i < ids.elements(); ++i) {
    const int64_t row = ids.IntAt(i) + node.Int("offset", 0);
    if (row < 0 || row >= w.tensor->n) return BadInput("id ", ids.IntAt(i), " is outside of the table's ", w.tensor->n, " rows (node \"", node.loc, "\")");
    w.Decode(row, row + 1, y.mutable_data<float>() + i * w.tensor->k);
  }
  live[node.output()] = std::move(y);
  return {};
}

Status Network::Run(const Step& step, Live& live) {
  if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
  if (step.node->op == "linear") return RunLinear(step, live);
  if (step.node->op == "embed") return RunEmbed(step, live);
  HST_ASSIGN_OR_RETURN(const std::vector<Tensor> operands, Operands(step, live));
  HST_ASSIGN_OR_RETURN(std::vector<Tensor> made, interpreter_->EvalNode(*step.node, operands));
  for (size_t i = 0; i < made.size(); ++i)
    if (last_.contains(step.node->output(i))) live[step.node->output(i)] = std::move(made[i]);
  return {};
}

Tensor Network::Kept(const Value* v, const Live& live) const {
  const Tensor& t = live.at(v);
  return read_.contains(v) ? t : Tensor::View(t.dtype(), t.dims(), nullptr, nullptr);
}

void Network::Release(size_t step, Live& live) const {
  for (const Value* v : steps_[step].node->inputs())
    if (v && last_.at(v) == step && v != output_) live.erase(v);
}

Result<Tensor> Network::Forward(std::span<const Tensor> inputs, size_t output, bool keep) {
  HST_CHECK(inputs.size() == graph_.inputs().size() && output < graph_.outputs().size());
  Live live;
  for (size_t i = 0; i < inputs.size(); ++i) live[graph_.inputs()[i]] = inputs[i];
  return ForwardPart(0, steps_.size(), std::move(live), graph_.outputs()[output], keep);
}

Result<Tensor> Network::ForwardPart(size_t begin, size_t end, Live live, const Value* out, bool keep) {
  output_ = out;
  segments_.clear();
  kept_.clear();
  Live all;
  uint64_t bytes = 0;
  segments_.push_back({begin, begin, live});
  for (size_t i = begin; i < end && !live.contains(output_); ++i) {
    if (keep && bytes > o_.segment_bytes) segments_.push_back({i, i, live}), all.clear(), bytes = 0;
    HST_RETURN_IF_ERROR(Run(steps_[i], live));
    segments_.back().end = i + 1;
    for (const Value* v : steps_[i].node->outputs())
      if (keep && live.contains(v)) all[v] = Kept(v, live), bytes += all[v].raw() ? all[v].bytes() : 0;
    Release(i, live);
  }
  Tensor result = live.at(output_);
  if (!keep) segments_.clear();
  kept_ = std::move(all);
  kept_.erase(output_);   // no gradient needs it, and it is the largest
  return result;
}

Status Network::Advance(size_t begin, size_t end, Live& live) {
  output_ = nullptr;
  for (size_t i = begin; i < end; ++i) {
    HST_RETURN_IF_ERROR(Run(steps_[i], live));
    Release(i, live);
  }
  return {};
}

Result<float*> Network::GradientOf(const Value* v, const Tensor& like, Live& gradients) const {
  Tensor& t = gradients[v];
  if (!t.valid()) {
    HST_ASSIGN_OR_RETURN(t, Tensor::Zeros(DType::kF32, like.dims()));
  }
  return t.mutable_data<float>();
}

bool Network::Given(const Value* v) const { return !v->def() || made_.at(v) < segments_.front().begin; }

Status Network::BackwardLinear(const Step& step, const Tensor& x, const Tensor& g, Live& gradients, WeightSink& sink) {
  const Matrix w = MatrixOf(step.tensor);
  const int64_t rows = x.elements() / w.tensor->k, n = w.tensor->n;
  if (!Given(step.node->input(0))) {   // first: the sink may change the weights
    HST_ASSIGN_OR_RETURN(float* dx, GradientOf(step.node->input(0), x, gradients));
    LinearBackwardInput(w, rows, g.data<float>(), dx, scratch_, pool_);
  }
  if (sink.Wants(step.tensor)) {
    HST_ASSIGN_OR_RETURN(const std::vector<float> rounded, Rounded(step, x));
    LinearBackwardWeights(w, step.tensor, rows, rounded.data(), g.data<float>(), sink, pool_);
  }
  if (step.node->input(1) && sink.Wants(step.bias)) {
    std::vector<float> sum(static_cast<size_t>(n), 0.0f);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < n; ++c) sum[static_cast<size_t>(c)] += g.data<float>()[r * n + c];
    sink.Rows(step.bias, 0, 1, sum.data());
  }
  return {};
}

Status Network::BackwardStep(const Step& step, const Live& live, Live& gradients, WeightSink& sink) {
  const Node& node = *step.node;
  const auto it = gradients.find(node.output());
  if (!step.differentiable || it == gradients.end()) return {};
  const Tensor g = std::move(it->second);
  gradients.erase(it);
  const auto value = [&](const Value* v) { return live.at(v); };
  if (node.op == "linear") return BackwardLinear(step, value(node.input(0)), g, gradients, sink);
  if (node.op == "embed") {
    const Matrix w = MatrixOf(step.tensor);
    const Tensor ids = value(node.input(0));
    for (int64_t i = 0; sink.Wants(step.tensor) && i < ids.elements(); ++i)   // in order: an id may come twice
      sink.Rows(step.tensor, ids.IntAt(i) + node.Int("offset", 0), 1, g.data<float>() + i * w.tensor->k);
    return {};
  }
  HST_ASSIGN_OR_RETURN(const std::vector<Tensor> operands, Operands(step, live));
  std::vector<float*> d(operands.size(), nullptr);
  std::vector<std::vector<float>> vectors(operands.size());
  const bool norm = step.tensor >= 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Value* v = node.input(i);
    if (!v) continue;
    if (v->is_weight()) {
      const int tensor = norm && i == 1 ? step.tensor : norm && i == 2 ? step.bias : -1;
      if (tensor >= 0 && sink.Wants(tensor)) vectors[i].assign(static_cast<size_t>(operands[i].elements()), 0.0f), d[i] = vectors[i].data();
    } else if (!Given(v) && operands[i].dtype() == DType::kF32) {
      HST_ASSIGN_OR_RETURN(d[i], GradientOf(v, operands[i], gradients));
    }
  }
  // The op's own result is not kept where it is the output: only its dims are read then.
  const Tensor& out = live.contains(node.output()) ? live.at(node.output()) : g;
  HST_RETURN_IF_ERROR(FindBackward(node.op)->fn({node, operands, out, g.data<float>(), d, pool_}));
  for (size_t i = 0; i < vectors.size(); ++i)
    if (!vectors[i].empty()) sink.Rows(i == 1 ? step.tensor : step.bias, 0, 1, vectors[i].data());
  return {};
}

Status Network::Backward(Tensor g, WeightSink& sink) {
  HST_CHECK(!segments_.empty());
  Live gradients;
  gradients[output_] = std::move(g);
  for (size_t s = segments_.size(); s-- > 0;) {
    Live values = segments_[s].before;
    if (s + 1 == segments_.size()) values.insert(kept_.begin(), kept_.end()), kept_.clear();
    else
      for (size_t i = segments_[s].begin; i < segments_[s].end; ++i) HST_RETURN_IF_ERROR(Run(steps_[i], values));
    segments_[s].before.clear();
    for (size_t i = segments_[s].end; i-- > segments_[s].begin;) {
      if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
      HST_RETURN_IF_ERROR(BackwardStep(steps_[i], values, gradients, sink));
      for (const Value* v : steps_[i].node->outputs()) values.erase(v);
    }
  }
  segments_.clear();
  return {};
}

}  // namespace hasten::calib
