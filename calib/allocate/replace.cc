#include "calib/allocate/replace.h"

#include <algorithm>
#include <utility>

#include "calib/eval/reference.h"
#include "calib/metrics/score.h"
#include "compiler/interp/gemm.h"
#include "passes/quant/rtn.h"

namespace hasten::calib {

using ir::Node;
using ir::Tensor;

double Energy(std::span<const float> w) {
  double sum = 0;
  for (const float v : w) sum += static_cast<double>(v) * v;
  return sum;
}

bool GivesDistributions(const ir::Graph& graph, std::span<const Item> items) {
  const ir::Type& type = graph.outputs()[MainOutput(graph)]->type;
  return type.ranked && !type.shape.empty() &&
         std::any_of(items.begin(), items.end(), [&](const Item& item) { return item.embed && type.shape.back() == ir::Dim(ir::Poly(item.n)); });
}

Result<std::vector<float>> Rounded(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, ThreadPool& pool) {
  std::vector<float> out(w.size());
  constexpr int64_t kTile = 64;
  const int64_t tiles = (n + kTile - 1) / kTile;
  std::vector<Status> status(static_cast<size_t>(tiles));
  pool.Run(tiles, 1, [&](int64_t begin, int64_t end, int) {
    passes::OwnedCodes c;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTile, rows = std::min(kTile, n - first);
      status[static_cast<size_t>(t)] = passes::QuantizeRtn(scheme, rows, k, w.subspan(static_cast<size_t>(first * k), static_cast<size_t>(rows * k)), &c);
      if (!status[static_cast<size_t>(t)].ok()) continue;
      for (int64_t r = 0; r < rows; ++r) passes::DecodeRow(scheme, k, c, r, out.data() + (first + r) * k);
    }
  });
  for (Status& s : status) HST_RETURN_IF_ERROR(std::move(s));
  return out;
}

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

Result<Tensor> Compute(const Node& node, int64_t n, int64_t k, const std::vector<float>& w, std::span<const Tensor> operands) {
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

double SumDivergence(const Tensor& clean, const Tensor& result, bool distributions, int64_t* rows) {
  const int64_t cols = clean.dim(-1);
  *rows = clean.elements() / cols;
  double sum = 0;
  for (int64_t r = 0; r < *rows; ++r) {
    const std::span<const float> a(clean.data<float>() + r * cols, static_cast<size_t>(cols)), b(result.data<float>() + r * cols, static_cast<size_t>(cols));
    if (distributions) {
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

}  // namespace hasten::calib
