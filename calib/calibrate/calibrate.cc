#include "calib/calibrate/calibrate.h"

#include <algorithm>
#include <memory>
#include <new>
#include <set>
#include <unordered_map>
#include <utility>

#include "calib/calibrate/observe.h"
#include "calib/eval/reference.h"
#include "compiler/interp/gemm.h"
#include "compiler/interp/interp.h"
#include "passes/recognize/roles.h"
#include "runtime/quant/layout.h"

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Tensor;
using ir::Value;

// The nodes whose results some linear reads: the rest (the logits) is not computed.
std::set<const Node*> NeededNodes(const ir::Graph& graph) {
  std::set<const Node*> needed;
  for (auto it = graph.nodes().rbegin(); it != graph.nodes().rend(); ++it) {
    const Node& node = **it;
    if (node.op != "linear" && !needed.contains(&node)) continue;
    for (const Value* v : node.inputs())
      if (v && v->def()) needed.insert(v->def());
  }
  return needed;
}

// W^ [n][k] of codes.
std::vector<float> Decode(const plan::TensorPlan& t, const passes::OwnedCodes& c) {
  const PackedLayout l = LayoutOf(t.scheme, t.n, t.k);
  std::vector<float> w(static_cast<size_t>(t.n * t.k));
  for (int64_t r = 0; r < t.n; ++r)
    for (int64_t i = 0; i < t.k; ++i) {
      const size_t g = static_cast<size_t>(r * l.groups + i / l.group), at = static_cast<size_t>(r * t.k + i);
      w[at] = c.scale[g] * static_cast<float>(c.codes[at] - (c.zero.empty() ? 0 : c.zero[g]));
    }
  return w;
}

struct Sample {
  std::unordered_map<const Value*, Tensor> live;
  Status status;
};

class Calibration {
 public:
  Calibration(ir::Graph& graph, const plan::ProgramPlan& plan, const CalibrateOptions& options, ThreadPool& pool)
      : graph_(graph), plan_(plan), o_(options), pool_(pool), codes_(plan.tensors.size()), needed_(NeededNodes(graph)) {}

  Result<std::vector<passes::OwnedCodes>> Run(const Chunks& chunks) {
    HST_RETURN_IF_ERROR(Begin(chunks));
    std::vector<const plan::InstrPlan*> linears;   // in the order of the graph's
    for (const plan::InstrPlan& in : plan_.instrs)
      if (in.kind == plan::InstrKind::kLinear) linears.push_back(&in);
    size_t next = 0;
    for (const auto& node : graph_.nodes()) {
      if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
      if (node->op == "linear") {
        HST_CHECK(next < linears.size());
        HST_RETURN_IF_ERROR(Linear(*node, *linears[next++]));
        if (o_.update) o_.update(next, linears.size());
      } else if (needed_.contains(node.get())) {
        HST_RETURN_IF_ERROR(ForSamples([&](size_t i, interp::Interpreter& interpreter) { return Evaluate(*node, interpreter, samples_[i]); }));
      }
      Release(*node);
    }
    HST_CHECK(next == linears.size());
    return std::move(codes_);
  }

 private:
  Status Begin(const Chunks& chunks) {
    interp::RunOptions options;
    options.compute_fp32 = true;
    options.cancel = o_.cancel;
    options.max_steps = UINT64_MAX;   // the samples are the user's own, and the nodes of all share it
    for (int i = 0; i < pool_.threads(); ++i) {
      HST_ASSIGN_OR_RETURN(interpreters_.emplace_back(), interp::Interpreter::Create(options));
    }
    HST_ASSIGN_OR_RETURN(const recognize::Roles roles, recognize::AssignRoles(graph_));
    samples_.resize(static_cast<size_t>(chunks.count));
    rows_.resize(samples_.size());
    for (int64_t s = 0; s < chunks.count; ++s) {
      HST_ASSIGN_OR_RETURN(std::vector<Tensor> inputs, SequenceInputs(graph_, roles, chunks.At(s)));
      for (size_t i = 0; i < inputs.size(); ++i) samples_[static_cast<size_t>(s)].live[graph_.inputs()[i]] = std::move(inputs[i]);
    }
    for (const auto& node : graph_.nodes())
      for (const Value* v : node->inputs())
        if (v) last_[v] = node.get();
    return {};
  }

  // One interpreter of one thread for each share of the samples: what it computes
  // does not depend on the other threads, and its buffers stay its own.
  template <class F>
  Status ForSamples(const F& f) {
    const int64_t shares = pool_.threads();
    pool_.Run(shares, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t share = begin; share < end; ++share)
        for (size_t i = static_cast<size_t>(share); i < samples_.size(); i += static_cast<size_t>(shares)) {
          try {
            samples_[i].status = f(i, *interpreters_[static_cast<size_t>(share)]);
          } catch (const std::bad_alloc&) {   // must not leave the pool's thread
            samples_[i].status = ResourceError("calibration: out of memory; give fewer --samples");
          }
        }
    });
    for (Sample& s : samples_) HST_RETURN_IF_ERROR(std::move(s.status));
    return {};
  }

  static Status Evaluate(const Node& node, interp::Interpreter& interpreter, Sample& sample) {
    std::vector<Tensor> operands;
    for (const Value* v : node.inputs()) {
      if (!v) operands.emplace_back();
      else if (v->is_weight()) operands.push_back(v->weight());
      else operands.push_back(sample.live.at(v));
    }
    HST_ASSIGN_OR_RETURN(std::vector<Tensor> made, interpreter.EvalNode(node, operands));
    for (size_t i = 0; i < made.size(); ++i)
      if (!node.output(i)->users().empty()) sample.live[node.output(i)] = std::move(made[i]);
    return {};
  }

  void Release(const Node& node) {
    const Status done = ForSamples([&](size_t i, interp::Interpreter&) {
      for (const Value* v : node.inputs())
        if (v && last_.at(v) == &node) samples_[i].live.erase(v);
      return Status();
    });
    HST_CHECK(done.ok());
  }

  Status Linear(const Node& node, const plan::InstrPlan& in) {
    const plan::TensorPlan& tensor = plan_.tensors[static_cast<size_t>(in.tensor)];
    passes::OwnedCodes& codes = codes_[static_cast<size_t>(in.tensor)];
    if (!GetScheme(tensor.scheme).integer) {
      if (!needed_.contains(&node)) return {};
      return ForSamples([&](size_t i, interp::Interpreter& interpreter) { return Evaluate(node, interpreter, samples_[i]); });
    }
    const int64_t group = plan_.buffers[static_cast<size_t>(in.a.buffer)].group;
    HST_RETURN_IF_ERROR(ForSamples([&](size_t i, interp::Interpreter&) -> Status {
      const Tensor& x = samples_[i].live.at(node.input(0));
      rows_[i].assign(x.data<float>(), x.data<float>() + x.elements());
      if (RoundActivations(x.elements() / tensor.k, tensor.k, group, rows_[i].data())) return {};
      return BadInput("calibration: the inputs of node \"", node.loc, "\" are not all finite");
    }));
    const int64_t rows = static_cast<int64_t>(rows_[0].size()) / tensor.k;
    if (codes.codes.empty()) {   // else shared with a linear before
      std::vector<float> w(static_cast<size_t>(tensor.n * tensor.k));
      tensor.GatherRows(0, tensor.n, w.data());
      SumHessian(rows_, rows, tensor.k, pool_, &hessian_);
      double error = 0;
      const double energy = OutputEnergy(tensor.n, tensor.k, w, hessian_, pool_);
      HST_RETURN_IF_ERROR(passes::QuantizeGptq(tensor.scheme, tensor.n, tensor.k, w, hessian_, o_.gptq, pool_, &codes, &error)
                              .Annotate(StrCat("weight \"", tensor.name, "\"")));
      codes.error = energy > 0 ? error / energy : 0;
    }
    return needed_.contains(&node) ? Product(node, tensor, rows, Decode(tensor, codes)) : Status();
  }

  Status Product(const Node& node, const plan::TensorPlan& tensor, int64_t rows, const std::vector<float>& w) {
    const std::vector<float> bias = node.input(1) ? node.input(1)->weight().ToFloats() : std::vector<float>();
    return ForSamples([&](size_t i, interp::Interpreter&) -> Status {
      std::vector<int64_t> dims = samples_[i].live.at(node.input(0)).dims();
      dims.back() = tensor.n;
      HST_ASSIGN_OR_RETURN(Tensor y, Tensor::Uninitialized(DType::kF32, std::move(dims)));
      float* out = y.mutable_data<float>();
      interp::GemmSerial({rows_[i].data(), w.data(), out, rows, tensor.n, tensor.k, tensor.k, tensor.k, tensor.n, false, true});
      for (int64_t r = 0; !bias.empty() && r < rows; ++r)
        for (int64_t c = 0; c < tensor.n; ++c) out[r * tensor.n + c] += bias[static_cast<size_t>(c)];
      samples_[i].live[node.output()] = std::move(y);
      return {};
    });
  }

  ir::Graph& graph_;
  const plan::ProgramPlan& plan_;
  const CalibrateOptions& o_;
  ThreadPool& pool_;
  std::vector<passes::OwnedCodes> codes_;
  std::set<const Node*> needed_;
  std::unordered_map<const Value*, const Node*> last_;   // the last node that reads a value
  std::vector<std::unique_ptr<interp::Interpreter>> interpreters_;
  std::vector<Sample> samples_;
  std::vector<std::vector<float>> rows_;   // of the linear at hand, by sample
  std::vector<double> hessian_;
};

}  // namespace

Result<std::vector<passes::OwnedCodes>> Calibrate(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples,
                                                  const CalibrateOptions& options, ThreadPool& pool) {
  return Calibration(graph, plan, options, pool).Run(samples);
}

}  // namespace hasten::calib
