// Canonicalization over random well-typed graphs: whatever it rewrites, the
// interpreter's numbers must not change, the structure must hold, and a second
// run must find nothing left to do to the text.
#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "compiler/ir/ops.h"
#include "compiler/ir/text.h"
#include "passes/numeric_check.h"
#include "passes/pass_runner.h"

namespace hasten::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Tensor;
using ir::Value;

class Generator {
 public:
  explicit Generator(uint64_t seed) : rng_(seed), seed_(seed) {}

  std::unique_ptr<Graph> Make() {
    graph_ = std::make_unique<Graph>();
    const auto dim = [](const char* s) { return ir::Dim(ir::Poly::Symbol(s)); };
    pool_ = {graph_->AddInput("x", ir::Type::Of(DType::kF32, {dim("B"), dim("S"), ir::Poly(4)})),
             graph_->AddInput("ids", ir::Type::Of(DType::kI64, {dim("B"), dim("S")})),
             graph_->AddInput("past", ir::Type::Of(DType::kF32, {dim("B"), ir::Poly(2), dim("P"), ir::Poly(2)})),
             graph_->AddInput("flag_mask", ir::Type::Of(DType::kBool, {dim("S"), ir::Poly(1)}))};
    // Every node is evaluated as it is made, so that only graphs that run come out.
    Result<Named> feeds = MakeFeeds(*graph_, {}, seed_);
    HST_CHECK(feeds.ok());
    for (size_t i = 0; i < pool_.size(); ++i) known_[pool_[i]] = feeds->values[i];
    interpreter_ = *interp::Interpreter::Create();
    for (int i = 0; i < 30; ++i) AddOne();
    for (size_t i = 0; i < 4 && i < pool_.size(); ++i) graph_->AddOutput(pool_[pool_.size() - 1 - i], "out" + std::to_string(i));
    return std::move(graph_);
  }

 private:
  uint64_t Pick(uint64_t n) { return rng_() % n; }
  Value* Any() { return pool_[Pick(pool_.size())]; }
  Value* Of(DType t) {
    for (int i = 0; i < 40; ++i)
      if (Value* v = Any(); v->type.dtype == t) return v;
    return pool_[t == DType::kI64 ? 1 : t == DType::kBool ? 3 : 0];
  }
  Value* Ints(std::vector<int64_t> v) {
    return graph_->AddWeight("", Tensor::From<int64_t>({static_cast<int64_t>(v.size())}, v));
  }
  Value* Scalar(DType t, int64_t v, bool ranked) {
    const std::vector<int64_t> dims(ranked ? Pick(3) : 0, 1);
    if (t == DType::kF32) return graph_->AddWeight("", Tensor::Scalar(static_cast<float>(v)).Reshaped(dims));
    if (t == DType::kBool) return graph_->AddWeight("", Tensor::Scalar(v != 0).Reshaped(dims));
    return graph_->AddWeight("", Tensor::Scalar(v).Reshaped(dims));
  }

  // Adds a node if its types work out; its results join the pool.
  void Add(const std::string& op, std::vector<Value*> in, ir::Attrs attrs = {}, size_t outputs = 1) {
    Node* n = graph_->AddNode(op, std::move(in), outputs, std::move(attrs), "n" + std::to_string(count_++));
    bool known = ir::InferTypes(*graph_).ok();
    for (Value* v : n->outputs()) known &= v->type.ranked && v->type.rank() <= 5;
    std::vector<Tensor> inputs;
    for (const Value* v : n->inputs()) inputs.push_back(!v ? Tensor() : v->is_weight() ? v->weight() : known_.at(v));
    Result<std::vector<Tensor>> made = interpreter_->EvalNode(*n, inputs);
    known &= made.ok();
    for (size_t i = 0; known && i < n->outputs().size(); ++i) known = (*made)[i].elements() <= 4096;
    if (!known) return graph_->EraseNode(n);
    for (size_t i = 0; i < n->outputs().size(); ++i) {
      pool_.push_back(n->output(i));
      known_[n->output(i)] = (*made)[i];
    }
  }

  void AddOne() {
    constexpr const char* kBinary[] = {"add", "sub", "mul", "min", "max", "div"};
    constexpr const char* kUnary[] = {"neg", "relu", "abs", "identity", "tanh"};
    Value* v = Any();
    const DType t = v->type.dtype;
    const int64_t rank = v->type.rank();
    switch (Pick(20)) {
      case 0: case 1: return Add(kBinary[Pick(5)], {Of(DType::kF32), Of(DType::kF32)});
      case 2: return Add(kBinary[Pick(t == DType::kF32 ? 6 : 5)], {v, Scalar(t, static_cast<int64_t>(1 << Pick(3)), true)});
      case 3: return Add(kBinary[Pick(3)], {Scalar(t, static_cast<int64_t>(Pick(2)), true), v});
      case 4: return Add(kUnary[Pick(5)], {Of(DType::kF32)});
      case 5: {
        std::vector<int64_t> perm(static_cast<size_t>(rank));
        for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
        std::shuffle(perm.begin(), perm.end(), rng_);
        return Add("transpose", {v}, {{"perm", perm}});
      }
      case 6: return Add("transpose", {v});
      case 7: return Add("unsqueeze", {v, Ints({static_cast<int64_t>(Pick(static_cast<uint64_t>(rank) + 1))})});
      case 8: return Add("squeeze", {v, Ints({static_cast<int64_t>(Pick(static_cast<uint64_t>(rank) + 1))})});
      case 9: {   // a reshape that copies some dims and leaves one open
        std::vector<int64_t> target(static_cast<size_t>(rank), 0);
        if (rank > 1 && Pick(2)) target.pop_back(), target.back() = -1;
        else if (Pick(2)) target.push_back(-1);
        return Add("reshape", {v, Ints(target)});
      }
      case 10: {   // a reshape whose target is computed
        Add("shape", {v});
        return Add("reshape", {Any(), pool_.back()});
      }
      case 11: {
        constexpr int64_t kEnds[] = {INT64_MAX, (int64_t{1} << 31) - 1, 2, -1, 1};
        return Add("slice", {v, Ints({static_cast<int64_t>(Pick(2))}), Ints({kEnds[Pick(5)]}), Ints({static_cast<int64_t>(Pick(3))}),
                             Pick(2) ? Ints({1}) : nullptr});
      }
      case 12: return Add("concat", Pick(3) ? std::vector<Value*>{v, v} : std::vector<Value*>{v}, {{"axis", int64_t{-1}}});
      case 13: {
        constexpr int64_t kTo[] = {1, 7, 6, 9, 11, 1, 7};
        return Add("cast", {v}, {{"to", kTo[Pick(7)]}});
      }
      case 14: return Add("cast_like", {v, Any()});
      case 15: return Add("where", {Pick(2) ? Scalar(DType::kBool, static_cast<int64_t>(Pick(2)), true) : Of(DType::kBool), Of(t), v});
      case 16: return Add("not", {Of(DType::kBool)});
      case 17: {
        Add("shape", {v});
        return Add("expand", {v, pool_.back()});
      }
      case 18: return Add("split", {v}, {{"axis", int64_t{-1}}, {"num_outputs", int64_t{2}}}, 2);
      default: return Add("flatten", {v}, {{"axis", static_cast<int64_t>(Pick(static_cast<uint64_t>(rank) + 1))}});
    }
  }

  std::mt19937_64 rng_;
  uint64_t seed_;
  std::unique_ptr<interp::Interpreter> interpreter_;
  std::map<const Value*, Tensor> known_;
  std::unique_ptr<Graph> graph_;
  std::vector<Value*> pool_;
  int count_ = 0;
};

TEST(RandomGraphs, CanonicalizeChangesNoNumber) {
  const std::string names[] = {"canonicalize"};
  const auto list = ResolvePasses(names);
  ASSERT_TRUE(list.ok());
  int ran = 0;
  int64_t before = 0, after = 0;
  for (uint64_t seed = 0; seed < 800; ++seed) {
    const std::unique_ptr<Graph> graph = Generator(seed).Make();
    const std::string text = ir::Print(*graph);
    RunOptions options;
    options.verify_numeric = true;
    options.seed = seed;
    RunReport report;
    const Status status = RunPasses(*graph, *list, options, &report);
    if (!status.ok() && status.code() == Code::kUnsupported) continue;   // NaN throughout
    ASSERT_TRUE(status.ok()) << "seed " << seed << ": " << status.message() << "\n" << text;
    ++ran;
    before += report.passes.front().nodes_before;
    after += report.passes.back().nodes_after;
    const std::string once = ir::Print(*graph);
    ASSERT_TRUE(RunPasses(*graph, *list, {}, nullptr).ok());
    ASSERT_LE(graph->nodes().size(), static_cast<size_t>(report.passes.back().nodes_after)) << once;
  }
  EXPECT_GT(ran, 500);
  EXPECT_LT(2 * after, before) << "random graphs have much that does nothing";
}

}  // namespace
}  // namespace hasten::passes
