// A planned graph that is run and differentiated: the model itself, or what the
// artifact of given codes computes, with the rounding of its activations and of its
// KV cache (whose gradients pass straight through: Bengio et al. 2013, section 4).
// Values are kept in segments of nodes of bounded size; all but the last segment are
// computed again on the way back (Chen et al. 2016, "Training Deep Nets with
// Sublinear Memory Cost", section 4).
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "calib/grad/linear.h"
#include "compiler/interp/interp.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"

namespace hasten::calib {

struct NetworkOptions {
  // One for each of plan.tensors, empty where the model's own weights are meant; or
  // no vector at all: the model. With codes, inputs of integer linears are rounded.
  const std::vector<passes::OwnedCodes>* codes = nullptr;
  // The values of weights that are vectors (norms, biases), by tensor; empty: the model's.
  const std::vector<std::vector<float>>* vectors = nullptr;
  uint64_t segment_bytes = uint64_t{256} << 20;
  const std::atomic<bool>* cancel = nullptr;
};

class Network {
 public:
  using Live = std::unordered_map<const ir::Value*, ir::Tensor>;

  // `graph`, `plan` (MakePlan's of it), the pool and what the options point to outlive it.
  // kUnsupported names a node through which no gradient passes.
  static Result<std::unique_ptr<Network>> Create(const ir::Graph& graph, const plan::ProgramPlan& plan, const NetworkOptions& options, ThreadPool& pool);

  // Output `output` of the graph, for the graph's inputs. `keep`: for Backward.
  Result<ir::Tensor> Forward(std::span<const ir::Tensor> inputs, size_t output, bool keep);
  // Nodes [begin, end) of the graph, for what is live before them; `out` is made there.
  Result<ir::Tensor> ForwardPart(size_t begin, size_t end, Live live, const ir::Value* out, bool keep);
  // From what is live before node `begin` to what is before `end`.
  Status Advance(size_t begin, size_t end, Live& live);
  // Whether a weight that can be trained has a part in what node `at` makes.
  bool Differentiable(size_t at) const { return steps_[at].differentiable; }
  // The tensor of node `at` when that is a linear, else -1.
  int LinearAt(size_t at) const { return steps_[at].node->op == "linear" ? steps_[at].tensor : -1; }

  // dL/dW to the sink, for g = dL/d(the output of the last Forward that kept). Once.
  Status Backward(ir::Tensor g, WeightSink& sink);

 private:
  struct Step {
    const ir::Node* node = nullptr;
    int tensor = -1;                   // of a linear or embed; of a norm, its weights
    int bias = -1;
    int64_t group = 0;                 // of the input's rounding; 0: none
    bool residual = false;             // of the same
    bool differentiable = false;       // a weight that can be trained lies before its result
  };
  struct Segment {
    size_t begin = 0, end = 0;
    Live before;
  };

  Network(const ir::Graph& graph, const plan::ProgramPlan& plan, const NetworkOptions& options, ThreadPool& pool)
      : graph_(graph), plan_(plan), o_(options), pool_(pool) {}
  Status MakeSteps();
  Status Run(const Step& step, Live& live);
  Status RunLinear(const Step& step, Live& live);
  Status RunEmbed(const Step& step, Live& live);
  // The operands as the op's evaluation has them: weights, replaced vectors, rounded keys.
  Result<std::vector<ir::Tensor>> Operands(const Step& step, const Live& live) const;
  Result<std::vector<float>> Rounded(const Step& step, const ir::Tensor& x) const;
  // `v` of `live` as it is kept on the way back: its dims alone where these suffice.
  ir::Tensor Kept(const ir::Value* v, const Live& live) const;
  void Release(size_t step, Live& live) const;
  bool Given(const ir::Value* v) const;   // from before the part: takes no gradient
  Status BackwardStep(const Step& step, const Live& live, Live& gradients, WeightSink& sink);
  Status BackwardLinear(const Step& step, const ir::Tensor& x, const ir::Tensor& g, Live& gradients, WeightSink& sink);
  Result<float*> GradientOf(const ir::Value* v, const ir::Tensor& like, Live& gradients) const;
  const std::vector<float>* VectorOf(int tensor) const;
  Matrix MatrixOf(int tensor) const;
  bool Quantized() const { return o_.codes != nullptr; }

  const ir::Graph& graph_;
  const plan::ProgramPlan& plan_;
  const NetworkOptions o_;
  ThreadPool& pool_;
  std::unique_ptr<interp::Interpreter> interpreter_;
  std::vector<Step> steps_;
  std::unordered_map<const ir::Value*, size_t> made_;   // the step that makes a value
  std::unordered_map<const ir::Value*, size_t> last_;   // the last step that reads a value
  std::unordered_set<const ir::Value*> read_;           // those whose values a gradient needs
  const ir::Value* output_ = nullptr;
  std::vector<Segment> segments_;
  Live kept_;                                            // of the last segment
  std::vector<float> scratch_;
};

}  // namespace hasten::calib
