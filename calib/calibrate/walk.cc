#include "calib/calibrate/walk.h"

#include <malloc.h>

#include <new>
#include <utility>

#include "calib/eval/reference.h"
#include "passes/recognize/roles.h"

namespace hasten::calib {

using ir::Node;
using ir::Tensor;
using ir::Value;

Result<std::unique_ptr<Walk>> Walk::Create(ir::Graph& graph, const Chunks& samples, const WalkOptions& options, ThreadPool& pool) {
  std::unique_ptr<Walk> walk(new Walk(graph, options, pool));
  HST_RETURN_IF_ERROR(walk->Begin(samples));
  return walk;
}

namespace {

// Freed pieces to the system: else hundreds of megabytes of them stay in the threads' arenas.
void GiveBack() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

Walk::Walk(ir::Graph& graph, const WalkOptions& options, ThreadPool& pool) : graph_(graph), o_(options), pool_(pool) {
  for (const auto& node : graph.nodes()) {
    const size_t at = order_.size();
    order_.push_back(node.get());
    index_[node.get()] = at;
    for (const Value* v : node->inputs())
      if (v) last_[v] = at;
  }
  // The nodes whose results some linear reads.
  for (auto it = graph.nodes().rbegin(); it != graph.nodes().rend(); ++it) {
    const Node& node = **it;
    if (node.op != "linear" && !needed_.contains(&node)) continue;
    for (const Value* v : node.inputs())
      if (v && v->def()) needed_[v->def()] = true;
  }
}

Walk::~Walk() {
  samples_.clear();
  interpreters_.clear();
  GiveBack();
}

Status Walk::Begin(const Chunks& samples) {
  interp::RunOptions options;
  options.compute_fp32 = true;
  options.cancel = o_.cancel;
  options.max_steps = UINT64_MAX;   // the samples are the user's own, and the nodes of all share it
  for (int i = 0; i < pool_.threads(); ++i) {
    HST_ASSIGN_OR_RETURN(interpreters_.emplace_back(), interp::Interpreter::Create(options));
  }
  HST_ASSIGN_OR_RETURN(current_, Spill::Create(o_.folder));
  HST_ASSIGN_OR_RETURN(coming_, Spill::Create(o_.folder));
  HST_ASSIGN_OR_RETURN(const recognize::Roles roles, recognize::AssignRoles(graph_));
  samples_.resize(static_cast<size_t>(samples.count));
  for (int64_t s = 0; s < samples.count; ++s) {
    HST_ASSIGN_OR_RETURN(const std::vector<Tensor> inputs, SequenceInputs(graph_, roles, samples.At(s)));
    for (const Way way : o_.ways)
      for (size_t i = 0; i < inputs.size(); ++i)
        samples_[static_cast<size_t>(s)].live[static_cast<size_t>(way)][graph_.inputs()[i]] = inputs[i];
  }
  return {};
}

Status Walk::AdvanceTo(const Node& stop, const EvalRounded& rounded) {
  const size_t end = index_.at(&stop);
  HST_CHECK(end >= next_);
  resident_ = 0;
  HST_RETURN_IF_ERROR(ForSamples([&](Sample& s, interp::Interpreter& interpreter) -> Status {
    HST_RETURN_IF_ERROR(Load(s));
    HST_RETURN_IF_ERROR(Pass(s, end, rounded, interpreter));
    return Store(s);
  }));
  next_ = end;
  std::swap(current_, coming_);
  GiveBack();
  return coming_->Clear();
}

Result<Tensor> Walk::At(int64_t sample, Way way, const Value* value) const {
  const Sample& s = samples_[static_cast<size_t>(sample)];
  const auto place = s.spilled[static_cast<size_t>(way)].find(value);
  if (place != s.spilled[static_cast<size_t>(way)].end()) return current_->Get(place->second);
  return s.live[static_cast<size_t>(way)].at(value);
}

const Value* Walk::StreamOf(const Node& stop) const {
  const auto& users = stop.output()->users();
  if (users.size() != 1 || (*users.begin())->op != "add") return nullptr;
  const Node& add = **users.begin();
  const Value* other = add.input(0) == stop.output() ? add.input(1) : add.input(0);
  const bool known = other->def() && index_.at(other->def()) < index_.at(&stop) && Needs(*other->def());
  return known && other->type == stop.output()->type ? other : nullptr;
}

Status Walk::Load(Sample& sample) const {
  for (const Way way : o_.ways) {
    auto& spilled = sample.spilled[static_cast<size_t>(way)];
    for (const auto& [value, place] : spilled) {
      HST_ASSIGN_OR_RETURN(sample.live[static_cast<size_t>(way)][value], current_->Get(place));
    }
    spilled.clear();
  }
  return {};
}

// Which samples stay in memory may depend on the threads; what they hold does not.
Status Walk::Store(Sample& sample) {
  uint64_t bytes = 0;
  for (const Way way : o_.ways)
    for (const auto& [value, tensor] : sample.live[static_cast<size_t>(way)]) bytes += tensor.bytes();
  if (resident_.fetch_add(bytes) + bytes <= o_.resident_bytes) return {};
  resident_ -= bytes;
  for (const Way way : o_.ways) {
    auto& live = sample.live[static_cast<size_t>(way)];
    for (const auto& [value, tensor] : live) {
      HST_ASSIGN_OR_RETURN(sample.spilled[static_cast<size_t>(way)][value], coming_->Put(tensor));
    }
    live.clear();
  }
  return {};
}

// What a share computes does not depend on the other threads, and its interpreter's
// buffers stay its own.
Status Walk::ForSamples(const std::function<Status(Sample&, interp::Interpreter&)>& f) {
  const int64_t shares = pool_.threads();
  pool_.Run(shares, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t share = begin; share < end; ++share)
      for (size_t i = static_cast<size_t>(share); i < samples_.size(); i += static_cast<size_t>(shares)) {
        try {
          samples_[i].status = f(samples_[i], *interpreters_[static_cast<size_t>(share)]);
        } catch (const std::bad_alloc&) {   // must not leave the pool's thread
          samples_[i].status = ResourceError("calibration: out of memory; give fewer --samples");
        }
      }
  });
  for (Sample& s : samples_) HST_RETURN_IF_ERROR(std::move(s.status));
  return {};
}

Status Walk::Pass(Sample& sample, size_t end, const EvalRounded& rounded, interp::Interpreter& interpreter) const {
  for (const Way way : o_.ways) {
    auto& live = sample.live[static_cast<size_t>(way)];
    for (size_t at = next_; at < end; ++at) {
      const Node& node = *order_[at];
      if (Needs(node)) HST_RETURN_IF_ERROR(Evaluate(node, way, rounded, interpreter, sample));
      for (const Value* v : node.inputs())
        if (v && last_.at(v) == at) live.erase(v);
    }
  }
  return {};
}

Status Walk::Evaluate(const Node& node, Way way, const EvalRounded& rounded, interp::Interpreter& interpreter, Sample& sample) const {
  auto& live = sample.live[static_cast<size_t>(way)];
  std::vector<Tensor> operands;
  for (const Value* v : node.inputs()) {
    if (!v) operands.emplace_back();
    else if (v->is_weight()) operands.push_back(v->weight());
    else operands.push_back(live.at(v));
  }
  HST_ASSIGN_OR_RETURN(std::vector<Tensor> made, way == Way::kQuantized ? rounded(node, operands, interpreter)
                                                                        : interpreter.EvalNode(node, operands));
  for (size_t i = 0; i < made.size(); ++i)
    if (!node.output(i)->users().empty()) live[node.output(i)] = std::move(made[i]);
  return {};
}

}  // namespace hasten::calib
