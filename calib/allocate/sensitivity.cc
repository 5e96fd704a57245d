#include "calib/allocate/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "calib/allocate/replay.h"
#include "calib/eval/reference.h"
#include "calib/metrics/score.h"
#include "compiler/interp/gemm.h"
#include "passes/quant/rtn.h"
#include "runtime/quant/layout.h"

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Tensor;

constexpr Scheme kProbe = Scheme::kI4G64;

// Evenly spaced of the samples, each cut to `context`.
Chunks Shortened(const Chunks& all, int64_t count, int64_t context) {
  Chunks out;
  out.count = std::min(count, all.count);
  out.context = std::min(context, all.context);
  for (int64_t i = 0; i < out.count; ++i) {
    const std::span<const int32_t> tokens = all.At(i * all.count / out.count).first(static_cast<size_t>(out.context));
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
  }
  return out;
}

// W^ [n][k], rounded to nearest.
Result<std::vector<float>> Rounded(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, ThreadPool& pool) {
  std::vector<float> out(w.size());
  const PackedLayout l = LayoutOf(scheme, n, k);
  constexpr int64_t kTile = 64;
  const int64_t tiles = (n + kTile - 1) / kTile;
  std::vector<Status> status(static_cast<size_t>(tiles));
  pool.Run(tiles, 1, [&](int64_t begin, int64_t end, int) {
    passes::OwnedCodes c;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTile, rows = std::min(kTile, n - first);
      status[static_cast<size_t>(t)] = passes::QuantizeRtn(scheme, rows, k, w.subspan(static_cast<size_t>(first * k), static_cast<size_t>(rows * k)), &c);
      if (!status[static_cast<size_t>(t)].ok()) continue;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < k; ++i) {
          const size_t g = static_cast<size_t>(r * l.groups + i / l.group);
          out[static_cast<size_t>((first + r) * k + i)] = c.scale[g] * static_cast<float>(c.codes[static_cast<size_t>(r * k + i)] - (c.zero.empty() ? 0 : c.zero[g]));
        }
    }
  });
  for (Status& s : status) HST_RETURN_IF_ERROR(std::move(s));
  return out;
}

// A linear's or a table's weights as W[n, k], parts under each other.
plan::TensorPlan WeightsOf(const Node& node) {
  plan::TensorPlan t;
  if (node.op == "embed") {
    t.n = node.input(1)->weight().dim(0), t.k = node.input(1)->weight().dim(1);
    t.parts = {{node.input(1), true, 0, t.n}};
    return t;
  }
  const auto trans = node.Ints("trans"), begin = node.Ints("begin"), end = node.Ints("end");
  for (size_t i = 0; i < trans.size(); ++i) {
    t.parts.push_back({node.input(2 + i), trans[i] != 0, begin[i], end[i]});
    t.n += end[i] - begin[i];
  }
  t.k = node.input(2)->weight().dim(trans[0] ? 1 : 0);
  return t;
}

class Sensitivity {
 public:
  Sensitivity(const ir::Graph& graph, const SensitivityOptions& options, ThreadPool& pool, std::vector<Item>& items)
      : o_(options), pool_(pool), items_(items) {
    const ir::Type& type = graph.outputs()[MainOutput(graph)]->type;
    for (const Item& item : items) logits_ = logits_ || (item.embed && type.ranked && !type.shape.empty() && type.shape.back() == ir::Dim(ir::Poly(item.n)));
  }

  Status Run(ir::Graph& graph, const Chunks& samples) {
    HST_ASSIGN_OR_RETURN(replay_, Replay::Create(graph, Shortened(samples, o_.samples, o_.context), o_.stride, pool_, o_.cancel));
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
    std::vector<float> w(static_cast<size_t>(item.n * item.k));
    item.rows.GatherRows(0, item.n, w.data());
    std::vector<float> probe;
    double probe_error = 0;
    const double energy = item.uses[0].node->op == "embed" ? Energy(w) : 0;
    for (Choice& c : item.choices) {
      HST_ASSIGN_OR_RETURN(std::vector<float> rounded, Rounded(c.scheme, item.n, item.k, w, pool_));
      HST_ASSIGN_OR_RETURN(c.error, ErrorOf(item, w, rounded, energy));
      if (c.scheme == kProbe) probe = std::move(rounded), probe_error = c.error;
    }
    HST_ASSIGN_OR_RETURN(const double cost, Divergence(at, item, probe));
    for (Choice& c : item.choices) c.kld = probe_error > 0 ? cost * c.error / probe_error : 0;
    return {};
  }

  static double Energy(std::span<const float> w) {
    double sum = 0;
    for (const float v : w) sum += static_cast<double>(v) * v;
    return sum;
  }

  // Relative squared error of the first use's outputs; of a table, of the rows themselves.
  Result<double> ErrorOf(const Item& item, std::span<const float> w, std::span<const float> rounded, double energy) {
    std::vector<float> lost(w.size());
    for (size_t i = 0; i < w.size(); ++i) lost[i] = w[i] - rounded[i];
    if (energy > 0) return Energy(lost) / energy;
    const Use& use = item.uses[0];
    std::vector<double> error(replay_->samples()), all(replay_->samples());
    HST_RETURN_IF_ERROR(replay_->ForSamples([&](size_t s, interp::Interpreter&) -> Status {
      const Tensor& x = replay_->Operand(s, use.node->input(0));
      const int64_t rows = x.elements() / item.k;
      std::vector<float> y(static_cast<size_t>(rows * use.n));
      for (const auto& [values, sum] : {std::pair{lost.data(), &error[s]}, std::pair{const_cast<float*>(w.data()), &all[s]}}) {
        interp::GemmSerial({x.data<float>(), values + use.row * item.k, y.data(), rows, use.n, item.k, item.k, item.k, use.n, false, true});
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
    HST_RETURN_IF_ERROR(replay_->Finish(at, replacements, [&](size_t s, const Tensor& result) { sums[s] = Compare(clean_[s], result, &rows[s]); }));
    double total = 0;
    int64_t count = 0;
    for (size_t s = 0; s < sums.size(); ++s) total += sums[s], count += rows[s];
    return total / static_cast<double>(std::max<int64_t>(count, 1));
  }

  // The sum over rows.
  double Compare(const Tensor& clean, const Tensor& result, int64_t* rows) const {
    const int64_t cols = clean.dim(-1);
    *rows = clean.elements() / cols;
    double sum = 0;
    for (int64_t r = 0; r < *rows; ++r) {
      const std::span<const float> a(clean.data<float>() + r * cols, static_cast<size_t>(cols)), b(result.data<float>() + r * cols, static_cast<size_t>(cols));
      if (logits_) {
        sum += ScoreToken(a, b, 0).kld;
        continue;
      }
      double lost = 0;
      for (size_t i = 0; i < a.size(); ++i) lost += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
      const double energy = Energy(a);
      sum += energy > 0 ? lost / energy : 0;
    }
    return sum;
  }

  // The node with other weights, W[n, k].
  static Result<Tensor> Compute(const Node& node, int64_t n, int64_t k, const std::vector<float>& w, std::span<const Tensor> operands) {
    std::vector<int64_t> dims = operands[0].dims();
    if (node.op == "embed") {
      dims.push_back(k);
      HST_ASSIGN_OR_RETURN(Tensor out, Tensor::Uninitialized(DType::kF32, std::move(dims)));
      for (int64_t i = 0; i < operands[0].elements(); ++i) {
        const int64_t id = operands[0].IntAt(i) + node.Int("offset", 0);
        HST_CHECK(id >= 0 && id < n);
        std::copy_n(w.begin() + id * k, k, out.mutable_data<float>() + i * k);
      }
      return out;
    }
    dims.back() = n;
    const int64_t rows = operands[0].elements() / k;
    HST_ASSIGN_OR_RETURN(Tensor out, Tensor::Uninitialized(DType::kF32, std::move(dims)));
    float* y = out.mutable_data<float>();
    interp::GemmSerial({operands[0].data<float>(), w.data(), y, rows, n, k, k, k, n, false, true});
    if (operands[1].valid()) {
      const std::vector<float> bias = operands[1].ToFloats();
      for (int64_t i = 0; i < rows * n; ++i) y[i] += bias[static_cast<size_t>(i % n)];
    }
    return out;
  }

  const SensitivityOptions& o_;
  ThreadPool& pool_;
  std::vector<Item>& items_;
  bool logits_ = false;   // the result is a distribution
  std::unique_ptr<Replay> replay_;
  std::vector<Tensor> clean_;
};

}  // namespace

Status MeasureSensitivity(ir::Graph& graph, const Chunks& samples, const SensitivityOptions& options, ThreadPool& pool,
                          std::vector<Item>* items) {
  return Sensitivity(graph, options, pool, *items).Run(graph, samples);
}

}  // namespace hasten::calib
