// A pass: a function that rewrites a graph in place, a row in passes.def and a
// golden under tests/ir/. A pass declares what it may do to the numbers, counts
// what it did, and says what it could not do; the runner (pass_runner.h) times
// it, verifies the graph after it and compares numbers when asked to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ir/graph.h"
#include "runtime/base/status.h"

namespace hasten::passes {

// What a pass may do to the graph's outputs.
//   exact    the same bits (the interpreter's, on every input)
//   bounded  max|after - before| <= eps * max(1, max|before|) for each output
//   metric   judged by a quality metric over data (quantization), not here
struct Numerics {
  enum class Kind { kExact, kBounded, kMetric };
  Kind kind = Kind::kExact;
  double eps = 0;
};
constexpr Numerics Exact() { return {}; }
constexpr Numerics Bounded(double eps) { return {Numerics::Kind::kBounded, eps}; }
constexpr Numerics Metric() { return {Numerics::Kind::kMetric, 0}; }

// Knobs of the passes, with their defaults; one struct, so that a caller sees them all.
struct PassOptions {
  // constant_fold: the largest result it makes (views of a weight are not counted).
  uint64_t fold_max_bytes = uint64_t{1} << 20;
  // Weights up to this size may be copied, transposed or compared by content;
  // larger ones are mapped from the model file and stay where they are.
  uint64_t small_weight_bytes = uint64_t{1} << 16;
};

// What a pass sees beside the graph. One context serves one run of one pass.
class PassContext {
 public:
  PassContext() = default;
  explicit PassContext(PassOptions given) : options(std::move(given)) {}

  PassOptions options;

  // Adds to one of the pass's own counters ("merged", "folded", ...), shown by --stats.
  void Count(std::string_view what, int64_t n = 1) {
    const auto it = counters_.find(what);
    if (it == counters_.end()) counters_.emplace(std::string(what), n);
    else it->second += n;
  }
  // A remark for the user: what the pass left alone and why. Ends in the run's messages.
  void Note(std::string message) { notes_.push_back(std::move(message)); }
  // The pass undid a rounding that the graph has: it may differ from it by `eps`,
  // where its declaration (Bounded) is narrower.
  void Widen(double eps) { widened_ = eps > widened_ ? eps : widened_; }
  // The node being rewritten, named when the pass fails (optional, cheap).
  void At(const ir::Node* node) { at_op_ = node ? node->op : "", at_loc_ = node ? node->loc : ""; }

  const std::map<std::string, int64_t, std::less<>>& counters() const { return counters_; }
  const std::vector<std::string>& notes() const { return notes_; }
  double widened() const { return widened_; }
  const std::string& at_op() const { return at_op_; }
  const std::string& at_loc() const { return at_loc_; }

 private:
  std::map<std::string, int64_t, std::less<>> counters_;
  std::vector<std::string> notes_;
  double widened_ = 0;
  std::string at_op_, at_loc_;
};

struct PassInfo {
  std::string_view name;
  std::string_view description;     // one line
  Numerics numerics;
  // Leaves a valid graph, also when it changed nothing. kBadInput and
  // kUnsupported are the model's fault and name nodes and locs.
  Status (*run)(ir::Graph& graph, PassContext& context);
};

std::span<const PassInfo> AllPasses();               // the rows of passes.def, in order
const PassInfo* FindPass(std::string_view name);     // null when there is none
// kUsage with the nearest name for one that there is not.
Result<const PassInfo*> RequirePass(std::string_view name);

// A pipeline: passes in order, each with the reason why it stands there.
struct PipelineRow {
  std::string_view pass;
  std::string_view reason;
};
struct Pipeline {
  std::string_view name;
  std::string_view description;
  std::span<const PipelineRow> rows;
};
std::span<const Pipeline> AllPipelines();            // pipelines.cc
const Pipeline* FindPipeline(std::string_view name);
// Pass names, or pipeline names that stand for their passes: "canonicalize,dce".
// kUsage with the nearest name for one that there is not.
Result<std::vector<const PassInfo*>> ResolvePasses(std::span<const std::string> names);

}  // namespace hasten::passes
