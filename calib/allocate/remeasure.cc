#include "calib/allocate/remeasure.h"

#include <algorithm>
#include <utility>

#include "calib/allocate/replay.h"
#include "calib/allocate/replace.h"

namespace hasten::calib {

using ir::Node;
using ir::Tensor;

Result<std::unique_ptr<Remeasure>> Remeasure::Create(ir::Graph& graph, const Chunks& samples, const SensitivityOptions& options, ThreadPool& pool,
                                                     std::span<const Item> items) {
  std::unique_ptr<Remeasure> made(new Remeasure(graph, options, pool, items));
  made->samples_ = Shortened(samples, options.samples, options.context, 1);
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Replay> replay, Replay::Create(graph, made->samples_, options.stride, pool, options.cancel));
  made->clean_.resize(replay->samples());
  HST_RETURN_IF_ERROR(replay->Finish(0, {}, [&](size_t s, const Tensor& result) { made->clean_[s] = result; }));
  return made;
}

// Empty for a node that no item has a use of.
Result<std::vector<float>> Remeasure::WeightsAt(const Node& node, std::span<const size_t> chosen) const {
  std::vector<float> all;
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    for (const Use& use : item.uses) {
      if (use.node != &node) continue;
      if (all.empty()) {
        const plan::TensorPlan t = WeightsOf(node);
        all.resize(static_cast<size_t>(t.n * t.k));
        t.GatherRows(0, t.n, all.data());
      }
      std::vector<float> rows(static_cast<size_t>(use.n * item.k));
      item.rows.GatherRows(use.row, use.row + use.n, rows.data());
      HST_ASSIGN_OR_RETURN(const std::vector<float> rounded, Rounded(item.choices[chosen[i]].scheme, use.n, item.k, rows, pool_));
      std::copy(rounded.begin(), rounded.end(), all.begin() + use.begin * item.k);
    }
  }
  return all;
}

Result<double> Remeasure::Of(std::span<const size_t> chosen) {
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Replay> replay, Replay::Create(graph_, samples_, o_.stride, pool_, o_.cancel));
  for (size_t i = 0; i < replay->nodes().size(); ++i) {
    if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
    const Node& node = *replay->nodes()[i];
    HST_ASSIGN_OR_RETURN(const std::vector<float> w, WeightsAt(node, chosen));
    Replacements replaced;
    if (!w.empty()) {
      const plan::TensorPlan t = WeightsOf(node);
      replaced[&node] = [&node, &w, n = t.n, k = t.k](std::span<const Tensor> operands) { return Compute(node, n, k, w, operands); };
    }
    HST_RETURN_IF_ERROR(replay->Advance(i, replaced));
  }
  const bool distributions = GivesDistributions(graph_, items_);
  double sum = 0;
  int64_t rows = 0;
  for (size_t s = 0; s < clean_.size(); ++s) {
    int64_t here = 0;
    sum += SumDivergence(clean_[s], replay->Last(s), distributions, &here);
    rows += here;
  }
  return rows ? sum / static_cast<double>(rows) : 0.0;
}

}  // namespace hasten::calib
