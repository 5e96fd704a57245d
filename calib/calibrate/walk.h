// The samples on their way through a graph: all of them advance together from stop
// to stop, and between two stops each passes the nodes alone, so that only what
// lives across a stop is kept of every sample: in memory up to a bound, else on disk.
// They go two ways side by side: as the
// original computes, and as the quantized model will (calib/calibrate/rounded_ops.h).
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "calib/calibrate/spill.h"
#include "calib/data/chunks.h"
#include "compiler/interp/interp.h"
#include "compiler/ir/graph.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

enum class Way { kOriginal, kQuantized };

// What a node computes the quantized way, from its operands.
using EvalRounded =
    std::function<Result<std::vector<ir::Tensor>>(const ir::Node& node, std::span<const ir::Tensor> operands, interp::Interpreter&)>;

struct WalkOptions {
  std::vector<Way> ways;
  uint64_t resident_bytes = uint64_t{192} << 20;   // of the samples' values; the rest is on disk
  std::string folder = ".";                        // where to
  const std::atomic<bool>* cancel = nullptr;
};

class Walk {
 public:
  // At the graph's first node. `graph`, `pool` and `cancel` outlive the walk.
  static Result<std::unique_ptr<Walk>> Create(ir::Graph& graph, const Chunks& samples, const WalkOptions& options, ThreadPool& pool);

  ~Walk();   // gives the samples' pages back to the system
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // Evaluates all nodes before `stop` that some linear depends on.
  Status AdvanceTo(const ir::Node& stop, const EvalRounded& rounded);
  int64_t samples() const { return static_cast<int64_t>(samples_.size()); }
  // A value that the stop reads. Any threads at once.
  Result<ir::Tensor> At(int64_t sample, Way way, const ir::Value* value) const;
  // What the result of a stop is added to, where it is known by then: a residual
  // stream; else null.
  const ir::Value* StreamOf(const ir::Node& stop) const;
  // Whether what the node computes is needed at all (the logits are not).
  bool Needs(const ir::Node& node) const { return needed_.contains(&node); }

 private:
  struct Sample {
    // By way; on disk where there is a place.
    std::array<std::unordered_map<const ir::Value*, ir::Tensor>, 2> live;
    std::array<std::unordered_map<const ir::Value*, Spill::Place>, 2> spilled;
    Status status;
  };

  Walk(ir::Graph& graph, const WalkOptions& options, ThreadPool& pool);
  Status Begin(const Chunks& samples);
  Status Load(Sample& sample) const;
  Status Store(Sample& sample);
  Status Pass(Sample& sample, size_t end, const EvalRounded& rounded, interp::Interpreter& interpreter) const;
  Status Evaluate(const ir::Node& node, Way way, const EvalRounded& rounded, interp::Interpreter& interpreter, Sample& sample) const;
  Status ForSamples(const std::function<Status(Sample&, interp::Interpreter&)>& f);

  ir::Graph& graph_;
  std::vector<const ir::Node*> order_;   // the graph's nodes
  WalkOptions o_;
  ThreadPool& pool_;
  std::unordered_map<const ir::Node*, size_t> index_;
  std::unordered_map<const ir::Node*, bool> needed_;
  std::unordered_map<const ir::Value*, size_t> last_;   // the last node that reads a value
  std::vector<std::unique_ptr<interp::Interpreter>> interpreters_;   // one of one thread for each share of the samples
  std::vector<Sample> samples_;
  std::atomic<uint64_t> resident_ = 0;            // bytes of this pass's values in memory
  std::unique_ptr<Spill> current_, coming_;       // of the last pass, and of the one under way
  size_t next_ = 0;
};

}  // namespace hasten::calib
