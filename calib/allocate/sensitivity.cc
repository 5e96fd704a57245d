#include "calib/allocate/sensitivity.h"

#include <algorithm>
#include <map>
#include <utility>

#include "calib/allocate/gradient_items.h"
#include "calib/allocate/replace.h"
#include "calib/allocate/replay.h"
#include "compiler/interp/gemm.h"

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Tensor;

constexpr Scheme kProbe = Scheme::kI4G64;
constexpr int64_t kErrorRows = 256;   // ratios of errors from them are good to a few per cent

class Sensitivity {
 public:
  Sensitivity(const ir::Graph& graph, const SensitivityOptions& options, ThreadPool& pool, std::vector<Item>& items)
      : o_(options), pool_(pool), items_(items), logits_(GivesDistributions(graph, items)) {}

  Status Run(ir::Graph& graph, const Chunks& samples) {
    HST_ASSIGN_OR_RETURN(replay_, Replay::Create(graph, Shortened(samples, o_.samples, o_.context, 0), o_.stride, pool_, o_.cancel));
    if (o_.method == SensitivityMethod::kGradient) {
      HST_ASSIGN_OR_RETURN(predicted_, PredictItems(graph, Shortened(samples, o_.samples, o_.context, 0), items_, kProbe, o_.cancel, pool_));
    }
    clean_.resize(replay_->samples());
    HST_RETURN_IF_ERROR(replay_->Finish(0, {}, [&](size_t s, const Tensor& result) { clean_[s] = result; }));
    std::map<const Node*, std::vector<Item*>> at;   // by the first of an item's uses
    for (Item& item : items_) at[item.uses[0].node].push_back(&item);
    uint64_t done = 0;
    for (size_t i = 0; i < replay_->nodes().size(); ++i) {
      if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
      if (const auto found = at.find(replay_->nodes()[i]); found != at.end()) {
        for (Item* item : found->second) {
          HST_RETURN_IF_ERROR(Measure(*item, i));
          if (o_.update) o_.update(++done, items_.size());
        }
      }
      HST_RETURN_IF_ERROR(replay_->Advance(i));
    }
    return {};
  }

 private:
  Status Measure(Item& item, size_t at) {
    const std::vector<float> some = SomeRows(item);
    const int64_t rows = static_cast<int64_t>(some.size()) / item.k;
    double probe_error = 0;
    for (Choice& c : item.choices) {
      HST_ASSIGN_OR_RETURN(const std::vector<float> rounded, Rounded(c.scheme, rows, item.k, some, pool_));
      HST_ASSIGN_OR_RETURN(c.error, ErrorOf(item, rows, some, rounded));
      if (c.scheme == kProbe) probe_error = c.error;
    }
    double cost = 0;
    if (predicted_.empty()) {
      std::vector<float> w(static_cast<size_t>(item.n * item.k));
      item.rows.GatherRows(0, item.n, w.data());
      HST_ASSIGN_OR_RETURN(const std::vector<float> probe, Rounded(kProbe, item.n, item.k, w, pool_));
      HST_ASSIGN_OR_RETURN(cost, Divergence(at, item, probe));
    } else {
      cost = predicted_[static_cast<size_t>(&item - items_.data())];
    }
    for (Choice& c : item.choices) c.kld = probe_error > 0 ? cost * c.error / probe_error : 0;
    return {};
  }

  // Evenly spaced rows, enough to compare schemes by.
  static std::vector<float> SomeRows(const Item& item) {
    const int64_t count = std::min(item.n, kErrorRows);
    std::vector<float> rows(static_cast<size_t>(count * item.k));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t r = i * item.n / count;
      item.rows.GatherRows(r, r + 1, rows.data() + i * item.k);
    }
    return rows;
  }

  // Relative squared error of these rows' outputs; of a table, of the rows themselves.
  Result<double> ErrorOf(const Item& item, int64_t count, std::span<const float> w, std::span<const float> rounded) {
    std::vector<float> lost(w.size());
    for (size_t i = 0; i < w.size(); ++i) lost[i] = w[i] - rounded[i];
    const Use& use = item.uses[0];
    if (use.node->op == "embed") return Energy(w) > 0 ? Energy(lost) / Energy(w) : 0.0;
    std::vector<double> error(replay_->samples()), all(replay_->samples());
    HST_RETURN_IF_ERROR(replay_->ForSamples([&](size_t s, interp::Interpreter&) -> Status {
      const Tensor& x = replay_->Operand(s, use.node->input(0));
      const int64_t rows = x.elements() / item.k;
      std::vector<float> y(static_cast<size_t>(rows * count));
      for (const auto& [values, sum] : {std::pair{std::span<const float>(lost), &error[s]}, std::pair{w, &all[s]}}) {
        interp::GemmSerial({x.data<float>(), values.data(), y.data(), rows, count, item.k, item.k, item.k, count, false, true});
        *sum = Energy(y);
      }
      return {};
    }));
    double lost_sum = 0, sum = 0;
    for (size_t s = 0; s < error.size(); ++s) lost_sum += error[s], sum += all[s];
    return sum > 0 ? lost_sum / sum : 0.0;
  }

  // Of the results with the item's weights replaced, from node `at` on.
  Result<double> Divergence(size_t at, const Item& item, const std::vector<float>& replaced) {
    std::vector<std::vector<float>> weights;   // of each use's node
    weights.reserve(item.uses.size());
    Replacements replacements;
    for (const Use& use : item.uses) {
      const plan::TensorPlan t = WeightsOf(*use.node);
      const std::vector<float>* w = &replaced;
      if (use.n != t.n || use.row != 0 || use.begin != 0 || item.n != t.n) {
        std::vector<float>& own = weights.emplace_back(static_cast<size_t>(t.n * t.k));
        t.GatherRows(0, t.n, own.data());
        std::copy_n(replaced.begin() + use.row * t.k, use.n * t.k, own.begin() + use.begin * t.k);
        w = &own;
      }
      replacements[use.node] = [node = use.node, n = t.n, k = t.k, w](std::span<const Tensor> operands) { return Compute(*node, n, k, *w, operands); };
    }
    std::vector<double> sums(replay_->samples());
    std::vector<int64_t> rows(replay_->samples());
    HST_RETURN_IF_ERROR(replay_->Finish(at, replacements, [&](size_t s, const Tensor& result) { sums[s] = SumDivergence(clean_[s], result, logits_, &rows[s]); }));
    double total = 0;
    int64_t count = 0;
    for (size_t s = 0; s < sums.size(); ++s) total += sums[s], count += rows[s];
    return total / static_cast<double>(std::max<int64_t>(count, 1));
  }

  const SensitivityOptions& o_;
  ThreadPool& pool_;
  std::vector<Item>& items_;
  bool logits_;
  std::unique_ptr<Replay> replay_;
  std::vector<Tensor> clean_;
  std::vector<double> predicted_;   // of each item's probe; empty: they are measured
};

}  // namespace

Result<SensitivityMethod> ParseSensitivityMethod(std::string_view name) {
  if (name == "probe") return SensitivityMethod::kProbe;
  if (name == "gradient") return SensitivityMethod::kGradient;
  return UsageError("method \"", name, "\": there are probe, gradient");
}

Status MeasureSensitivity(ir::Graph& graph, const Chunks& samples, const SensitivityOptions& options, ThreadPool& pool,
                          std::vector<Item>* items) {
  return Sensitivity(graph, options, pool, *items).Run(graph, samples);
}

}  // namespace hasten::calib
