// The interpreter: runs a graph op by op on the host, every op with ONNX's
// semantics and dtypes. It is the oracle that compiled artifacts are compared
// with, what constant folding evaluates with and what calibration observes.
// Accurate and reasonably quick; not canonical (its products go through Eigen,
// whose sums depend on blocking) and not what serves tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/tensor.h"
#include "runtime/base/status.h"

namespace hasten::interp {

struct RunOptions {
  int threads = 1;                                // taken when the interpreter is made
  uint64_t max_bytes = uint64_t{1} << 34;         // the largest tensor an op may make; beyond: kResource
  // The work of a run, in steps; beyond: kResource, naming the node. A step is a
  // multiply-add of an fp32 matrix product; EvalContext::kPlainSteps and
  // kElementSteps say what other work counts. The default is what a model of
  // 8 billion weights takes for 8192 tokens, by these rates up to an hour on two cores:
  // a small hostile file cannot ask for more.
  uint64_t max_steps = uint64_t{1} << 46;
  // f16 and bf16 values are widened to f32 where they enter and stay so: the
  // model's mathematics without its rounding. Otherwise each op rounds, as ONNX does.
  bool compute_fp32 = false;
  const std::atomic<bool>* cancel = nullptr;      // kCancelled soon after it turns true
  // Called after each node with its outputs; an error stops the run.
  std::function<Status(const ir::Node& node, std::span<const ir::Tensor> outputs)> observer;
};

// Holds threads and recycled buffers between runs. One run at a time.
class Interpreter {
 public:
  static Result<std::unique_ptr<Interpreter>> Create(const RunOptions& options = {});
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // The graph's outputs for `inputs`, in the order of graph.inputs(). Their
  // dtypes, ranks and dims are checked against the graph's (a symbol must mean
  // one number everywhere). Intermediates are freed after their last use.
  // kBadInput names op and node where the graph does not fit itself or the data.
  Result<std::vector<ir::Tensor>> Run(const ir::Graph& graph, std::span<const ir::Tensor> inputs);
  // One node alone; an invalid tensor stands for an omitted operand. All nodes
  // since the interpreter was made, or its last Run, share max_steps.
  Result<std::vector<ir::Tensor>> EvalNode(const ir::Node& node, std::span<const ir::Tensor> inputs);

 private:
  Interpreter();
  struct State;
  std::unique_ptr<State> state_;
};

// A run on an interpreter of its own.
Result<std::vector<ir::Tensor>> Run(const ir::Graph& graph, std::span<const ir::Tensor> inputs, const RunOptions& options = {});
// Whether the interpreter has an evaluation for the op.
bool CanEvaluate(std::string_view op);

}  // namespace hasten::interp
