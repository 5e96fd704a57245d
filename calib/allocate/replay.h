// Samples that go through a graph node by node, each on one thread, from any node
// on as often as asked: how the effect of one changed weight is measured without
// computing again what lies before it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "calib/data/chunks.h"
#include "compiler/interp/interp.h"
#include "compiler/ir/graph.h"
#include "runtime/base/status.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

using Live = std::unordered_map<const ir::Value*, ir::Tensor>;
// What a node computes instead of what it says: its operands as they are there.
using Replaced = std::function<Result<ir::Tensor>(std::span<const ir::Tensor> operands)>;
using Replacements = std::map<const ir::Node*, Replaced>;

// Evenly spaced ones of the samples, `count` of them at most, each cut to `context`.
// Those of `half` 1 lie between those of 0, where there are enough.
Chunks Shortened(const Chunks& all, int64_t count, int64_t context, int64_t half);

class Replay {
 public:
  // `graph` outlives it. Rows of the result are those from the second half of each
  // sample on, every `stride`-th.
  static Result<std::unique_ptr<Replay>> Create(ir::Graph& graph, const Chunks& samples, int64_t stride, ThreadPool& pool,
                                              const std::atomic<bool>* cancel);

  // Nodes that the result needs, in order.
  const std::vector<const ir::Node*>& nodes() const { return nodes_; }
  size_t samples() const { return live_.size(); }
  // The operand of a node that Advance is about to evaluate.
  const ir::Tensor& Operand(size_t sample, const ir::Value* v) const { return live_[sample].at(v); }

  // Evaluates node i for every sample, and drops what no later node reads.
  Status Advance(size_t i, const Replacements& replaced = {});
  // What Finish gives, once Advance has been through all nodes.
  ir::Tensor Last(size_t sample) const;
  // The result [rows][cols] of each sample when nodes from i on are evaluated with
  // some replaced; what Advance has kept stays as it is. `f` runs on a pool's thread.
  Status Finish(size_t i, const Replacements& replaced, const std::function<void(size_t sample, const ir::Tensor& result)>& f);
  // f for each sample, on the pool's threads; the first failure in order.
  Status ForSamples(const std::function<Status(size_t sample, interp::Interpreter&)>& f);

 private:
  explicit Replay(ThreadPool& pool) : pool_(pool) {}
  Result<ir::Tensor> Evaluate(const ir::Node& node, interp::Interpreter& interpreter, const Live& live, Live& made, const Replacements& replaced) const;
  ir::Tensor SomeRows(const ir::Tensor& x) const;

  ThreadPool& pool_;
  std::vector<const ir::Node*> nodes_;
  std::unordered_map<const ir::Value*, size_t> last_;   // the last of nodes_ that reads a value
  const ir::Value* result_ = nullptr;
  const ir::Node* narrow_ = nullptr;   // the head: only scored rows of its input are kept; null: those of the result
  int64_t stride_ = 1;
  std::vector<std::unique_ptr<interp::Interpreter>> interpreters_;
  std::vector<Live> live_;
};

}  // namespace hasten::calib
