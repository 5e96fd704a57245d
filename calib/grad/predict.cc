#include "calib/grad/predict.h"

#include <algorithm>

#include "calib/eval/reference.h"
#include "calib/grad/loss.h"
#include "calib/grad/network.h"
#include "passes/recognize/roles.h"

namespace hasten::calib {
namespace {

// Sums g . D by rows of each candidate while a sample's gradients arrive.
class Changes : public WeightSink {
 public:
  Changes(const plan::ProgramPlan& plan, const std::vector<WeightChange>& candidates) : plan_(plan), of_(plan.tensors.size()) {
    rows_.resize(candidates.size());
    for (size_t c = 0; c < candidates.size(); ++c) {
      const WeightChange& candidate = candidates[c];
      of_[candidate.tensor].push_back(c);
      as_.push_back(plan.tensors[candidate.tensor]);
      as_.back().scheme = candidate.scheme;
      codes_.push_back(&candidate.codes);
      rows_[c].assign(static_cast<size_t>(as_.back().n), 0.0);
    }
  }

  bool Wants(int tensor) const override { return tensor >= 0 && !of_[static_cast<size_t>(tensor)].empty(); }

  void Rows(int tensor, int64_t first, int64_t count, const float* dw) override {
    const plan::TensorPlan& t = plan_.tensors[static_cast<size_t>(tensor)];
    std::vector<float> before(static_cast<size_t>(count * t.k)), after(before.size());
    t.GatherRows(first, first + count, before.data());
    for (const size_t c : of_[static_cast<size_t>(tensor)]) {
      Matrix{&as_[c], codes_[c]}.Decode(first, first + count, after.data());
      for (int64_t r = 0; r < count; ++r) {
        double sum = 0;
        for (int64_t i = r * t.k; i < (r + 1) * t.k; ++i)
          sum += static_cast<double>(dw[i]) * static_cast<double>(after[static_cast<size_t>(i)] - before[static_cast<size_t>(i)]);
        rows_[c][static_cast<size_t>(first + r)] += sum;
      }
    }
  }

  // Adds `share` of each row's (g . D)^2 of the sample to `sums`; the next begins at 0.
  void Take(size_t candidate, double share, std::vector<double>& sums) {
    for (size_t r = 0; r < sums.size(); ++r) sums[r] += share * rows_[candidate][r] * rows_[candidate][r], rows_[candidate][r] = 0;
  }

 private:
  const plan::ProgramPlan& plan_;
  std::vector<std::vector<size_t>> of_;   // candidates by tensor
  std::vector<plan::TensorPlan> as_;
  std::vector<const passes::OwnedCodes*> codes_;
  std::vector<std::vector<double>> rows_;
};

Status CheckCandidates(const plan::ProgramPlan& plan, const std::vector<WeightChange>& candidates) {
  for (const WeightChange& c : candidates) {
    if (c.tensor >= plan.tensors.size()) return UsageError("[predict] tensor ", c.tensor, " of ", plan.tensors.size());
    const plan::TensorPlan& t = plan.tensors[c.tensor];
    if (!GetScheme(c.scheme).integer || c.codes.codes.size() != static_cast<size_t>(t.n * t.k))
      return UsageError("[predict] \"", t.name, "\" needs codes [", t.n, ", ", t.k, "] of an integer scheme");
  }
  return {};
}

}  // namespace

Result<std::vector<std::vector<double>>> PredictDivergence(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples,
                                              const std::vector<WeightChange>& candidates, const PredictOptions& options, ThreadPool& pool) {
  HST_RETURN_IF_ERROR(CheckCandidates(plan, candidates));
  if (std::none_of(plan.outputs.begin(), plan.outputs.end(), [](const plan::OutputPlan& o) { return o.logits; }))
    return UsageError("[predict] needs a model of logits");
  HST_ASSIGN_OR_RETURN(const recognize::Roles roles, recognize::AssignRoles(graph));
  NetworkOptions network;
  network.cancel = options.cancel;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Network> model, Network::Create(graph, plan, network, pool));
  Changes changes(plan, candidates);
  std::vector<std::vector<double>> sums;
  for (const WeightChange& c : candidates) sums.emplace_back(static_cast<size_t>(plan.tensors[c.tensor].n), 0.0);
  for (int64_t s = 0; s < samples.count; ++s) {
    HST_ASSIGN_OR_RETURN(const std::vector<ir::Tensor> inputs, SequenceInputs(graph, roles, samples.At(s)));
    HST_ASSIGN_OR_RETURN(ir::Tensor y, model->Forward(inputs, MainOutput(graph), true));
    const int64_t n = y.dim(-1), rows = y.elements() / n;
    ScoreOfDrawnLabels(rows, n, options.seed * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(s * rows), y.mutable_data<float>(), pool);
    HST_RETURN_IF_ERROR(model->Backward(std::move(y), changes));
    for (size_t c = 0; c < sums.size(); ++c) changes.Take(c, 1 / static_cast<double>(2 * rows * samples.count), sums[c]);
    if (options.update) options.update(static_cast<uint64_t>(s + 1), static_cast<uint64_t>(samples.count));
  }
  return sums;
}

}  // namespace hasten::calib
