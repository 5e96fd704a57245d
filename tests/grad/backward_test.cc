// Every row of grad.def against central differences of the interpreter's values.
#include "calib/grad/backward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "compiler/interp/interp.h"
#include "compiler/ir/ops/acts.h"

namespace hasten::calib {
namespace {

using ir::Tensor;
using Dims = std::vector<int64_t>;

struct Case {
  std::string op;
  std::vector<Dims> operands;      // floats; empty dims of rank 0 are scalars
  ir::Attrs attrs;
  bool positive = false;           // the domain of log and the like
  std::vector<size_t> ints = {};   // operands that are ids or positions: 0, 1, 2 ... (modulo 5)
  std::vector<size_t> fixed = {};  // operands without a gradient
};

ir::Attrs Attention(int64_t kv_heads, ir::Attrs more) {
  ir::Attrs a{{"heads", int64_t{4}}, {"kv_heads", kv_heads}, {"head_dim", int64_t{6}}, {"v_head_dim", int64_t{3}}, {"scale", 0.4}};
  for (auto& [name, value] : more) a.insert_or_assign(name, value);
  return a;
}

ir::Attrs Rope(int64_t rotary, int64_t interleaved) {
  return {{"heads", int64_t{2}}, {"head_dim", int64_t{6}}, {"rotary_dim", rotary}, {"interleaved", interleaved}, {"scale", 1.2}};
}

std::vector<Case> Cases() {
  const Dims x{2, 5, 6}, qd{2, 70, 24}, rows{2, 5, 12};
  std::vector<Case> cases = {
      {"add", {x, x}, {}}, {"add", {x, {6}}, {}}, {"sub", {x, {}}, {}}, {"sub", {{6}, x}, {}}, {"mul", {x, x}, {}},
      {"mul", {x, {6}}, {}}, {"mul", {{1}, x}, {}}, {"div", {x, x}, {}, true}, {"div", {x, {6}}, {}, true},
      {"max", {x, x}, {}}, {"min", {x, {6}}, {}}, {"pow", {x, x}, {}, true}, {"pow", {x, {}}, {}, true},
      {"embed", {{1, 7}, {8, 6}}, {{"offset", int64_t{2}}}, false, {0}},
      {"rms_norm", {x, {6}}, {{"eps", 1e-3}}}, {"rms_norm", {rows, {4}}, {{"eps", 1e-3}, {"groups", int64_t{3}}}},
      {"layer_norm", {x, {6}, {6}}, {{"eps", 1e-3}}}, {"layer_norm", {x, {6}}, {{"eps", 1e-3}}},
      {"rope", {rows, {2, 5}, {3}}, Rope(6, 0), false, {1}, {2}}, {"rope", {rows, {2, 5}, {2}}, Rope(4, 1), false, {1}, {2}},
      {"slice_cols", {x}, {{"begin", int64_t{1}}, {"end", int64_t{4}}}}, {"concat_cols", {x, {2, 5, 3}, x}, {}},
      {"take_row", {x}, {{"index", int64_t{0}}}}, {"take_row", {x}, {{"index", int64_t{-2}}}},
      {"gated_act", {x, x}, {{"act", std::string("silu")}}},
      // 70 rows: more than a tile.
      {"attention", {qd, qd, {2, 70, 12}}, Attention(4, {})},
      {"attention", {qd, {2, 70, 12}, {2, 70, 6}}, Attention(2, {{"causal", int64_t{1}}})},
      {"attention", {qd, {2, 70, 6}, {2, 70, 3}}, Attention(1, {{"causal", int64_t{1}}, {"window", int64_t{5}}, {"softcap", 1.5}})},
      {"attention", {qd, {2, 70, 12}, {2, 70, 6}}, Attention(2, {{"ahead", int64_t{3}}, {"slopes", std::vector<double>{0.5, 0.25, 0.125, 0.0625}}})},
  };
  for (const std::string_view kind : ir::kActKinds) {
    cases.push_back({"act", {x}, {{"kind", std::string(kind)}}, kind == "log" || kind == "sqrt" || kind == "reciprocal"});
    if (kind != "log" && kind != "sqrt") cases.push_back({"gated_act", {x, x}, {{"act", std::string(kind)}}, kind == "reciprocal"});
  }
  return cases;
}

class Setting {
 public:
  explicit Setting(const Case& c) : case_(c) {
    std::mt19937 rng(7);
    std::normal_distribution<float> normal(0.0f, 1.0f);
    std::vector<ir::Value*> values;
    for (size_t i = 0; i < c.operands.size(); ++i) {
      int64_t n = 1;
      for (const int64_t d : c.operands[i]) n *= d;
      std::vector<float> v(static_cast<size_t>(n));
      // Away from 0, where some are not differentiable.
      for (float& e : v) e = normal(rng), e = c.positive ? 0.5f + std::abs(e) : e + (e < 0 ? -0.1f : 0.1f);
      if (c.op == "max" || c.op == "min")   // and away from each other
        for (float& e : v) e = std::round(e * 4) / 4 + static_cast<float>(i) * 0.125f;
      std::vector<int64_t> ids(v.size());
      for (size_t j = 0; j < ids.size(); ++j) ids[j] = static_cast<int64_t>(j % 5);
      operands_.push_back(IsInt(i) ? Tensor::From<int64_t>(c.operands[i], ids) : Tensor::From<float>(c.operands[i], v));
      values.push_back(graph_.AddInput("x" + std::to_string(i), ir::Type::Unranked(operands_[i].dtype())));
    }
    node_ = graph_.AddNode(c.op, values, 1, c.attrs, "node");
    interpreter_ = *interp::Interpreter::Create({});
    out_ = Evaluate();
    for (int64_t i = 0; i < out_.elements(); ++i) g_.push_back(normal(rng));
    pool_ = *ThreadPool::Create(2);
  }

  bool IsInt(size_t i) const { return Has(case_.ints, i); }
  bool HasGradient(size_t i) const { return !IsInt(i) && !Has(case_.fixed, i); }

  std::vector<std::vector<float>> Gradients() {
    std::vector<std::vector<float>> d(operands_.size());
    std::vector<float*> to(operands_.size(), nullptr);
    for (size_t i = 0; i < d.size(); ++i)
      if (HasGradient(i)) d[i].assign(static_cast<size_t>(operands_[i].elements()), 0.0f), to[i] = d[i].data();
    // What is not said to be read is not there.
    const auto bare = [](const Tensor& t) { return Tensor::View(t.dtype(), t.dims(), nullptr, nullptr); };
    const BackwardInfo& row = *FindBackward(case_.op);
    std::vector<Tensor> operands = operands_;
    for (size_t i = 0; i < operands.size(); ++i)
      if (row.reads == BackwardReads::kDims && HasGradient(i)) operands[i] = bare(operands[i]);
    const Tensor out = bare(out_);
    const Status status = row.fn({*node_, operands, out, g_.data(), to, *pool_});
    EXPECT_TRUE(status.ok()) << status.message();
    return d;
  }

  // Of the sum of g times the result by element `at` of operand i: differences of two
  // widths, extrapolated (Richardson), so that an error of the fourth order remains.
  double Difference(size_t i, int64_t at) {
    const auto slope = [&](float h) { return (Loss(i, at, h) - Loss(i, at, -h)) / (2 * static_cast<double>(h)); };
    constexpr float kWidth = 0x1p-5f;
    return (4 * slope(kWidth / 2) - slope(kWidth)) / 3;
  }

 private:
  static bool Has(const std::vector<size_t>& list, size_t i) { return std::find(list.begin(), list.end(), i) != list.end(); }

  Tensor Evaluate() {
    Result<std::vector<Tensor>> made = interpreter_->EvalNode(*node_, operands_);
    EXPECT_TRUE(made.ok()) << case_.op << ": " << made.status().message();
    return made.ok() ? (*made)[0] : Tensor();
  }

  double Loss(size_t i, int64_t at, float h) {
    const Tensor before = operands_[i];
    std::vector<float> v = before.ToFloats();
    v[static_cast<size_t>(at)] += h;
    operands_[i] = Tensor::From<float>(before.dims(), v);
    const Tensor y = Evaluate();
    operands_[i] = before;
    double sum = 0;
    for (size_t j = 0; j < g_.size(); ++j) sum += static_cast<double>(g_[j]) * (static_cast<double>(y.data<float>()[j]) - static_cast<double>(out_.data<float>()[j]));
    return sum;
  }

  const Case& case_;
  ir::Graph graph_;
  ir::Node* node_ = nullptr;
  std::vector<Tensor> operands_;
  Tensor out_;
  std::vector<float> g_;
  std::unique_ptr<interp::Interpreter> interpreter_;
  std::unique_ptr<ThreadPool> pool_;
};

TEST(Backward, EveryRowAgreesWithDifferences) {
  std::set<std::string> seen;
  for (const Case& c : Cases()) {
    seen.insert(c.op);
    Setting setting(c);
    const std::vector<std::vector<float>> d = setting.Gradients();
    for (size_t i = 0; i < d.size(); ++i) {
      const int64_t n = static_cast<int64_t>(d[i].size()), every = std::max<int64_t>(1, n / 60);
      for (int64_t at = 0; at < n; at += every) {
        const double wanted = setting.Difference(i, at);
        // The values' own rounding, 6e-8 of sums of order 10, over a width of 1/64.
        EXPECT_NEAR(d[i][static_cast<size_t>(at)], wanted, 1e-3 * (1 + std::abs(wanted)))
            << c.op << " " << testing::PrintToString(c.operands[i]) << " operand " << i << " element " << at;
      }
    }
  }
  for (const BackwardInfo& row : AllBackwards()) EXPECT_TRUE(seen.contains(std::string(row.op))) << row.op << " has no case";
}

TEST(Backward, GradientsAreAddedAndThreadsChangeNothing) {
  const Case c{"attention", {{2, 70, 24}, {2, 70, 12}, {2, 70, 6}}, Attention(2, {{"causal", int64_t{1}}})};
  EXPECT_EQ(Setting(c).Gradients(), Setting(c).Gradients());
}

}  // namespace
}  // namespace hasten::calib
