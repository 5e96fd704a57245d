// Runs of whole graphs: inputs checked, buffers freed, views, cancel, observer.
#include <cstring>

#include "tests/interp/eval.h"

namespace hasten::interp {
namespace {

using ir::Graph;
using ir::Poly;
using ir::Type;

TEST(Run, ChecksInputsAgainstTheirTypes) {
  Graph g;
  ir::Value* a = g.AddInput("a", Type::Of(DType::kF32, {Poly::Symbol("S"), Poly(2)}));
  ir::Value* b = g.AddInput("b", Type::Of(DType::kF32, {Poly::Symbol("S") + Poly(1)}));
  g.AddOutput(a, "a");
  g.AddOutput(b, "b");
  EXPECT_TRUE(interp::Run(g, std::vector<Tensor>{Noise({3, 2}, 1), Noise({4}, 1)}).ok());
  const std::vector<std::vector<Tensor>> wrong{{Noise({3, 2}, 1)}, {Noise({3, 3}, 1), Noise({4}, 1)}, {Noise({3, 2}, 1), Noise({3}, 1)},
                                               {I64({3, 2}, {0, 0, 0, 0, 0, 0}), Noise({4}, 1)}, {Noise({6}, 1), Noise({4}, 1)}, {Tensor(), Noise({4}, 1)}};
  for (const auto& in : wrong) EXPECT_EQ(interp::Run(g, in).status().code(), Code::kBadInput);
}

TEST(Run, FollowsTheGraphAndTellsTheObserver) {
  Graph g;
  ir::Value* x = g.AddInput("x", Type::Unranked(DType::kF32));
  ir::Value* w = g.AddWeight("w", F32({}, {2}));
  ir::Value* y = g.AddNode("mul", {x, w}, 1)->output();
  ir::Value* z = g.AddNode("add", {y, y}, 1)->output();
  g.AddOutput(z, "z");
  g.AddOutput(w, "w");
  g.AddOutput(y, "y");
  std::vector<std::string> seen;
  RunOptions o;
  o.observer = [&](const ir::Node& n, std::span<const Tensor>) {
    seen.push_back(n.op);
    return Status();
  };
  const auto r = interp::Run(g, std::vector<Tensor>{F32({2}, {1, 3})}, o);
  ASSERT_TRUE(r.ok()) << r.status().message();
  ExpectFloats((*r)[0], {2}, {4, 12});
  ExpectFloats((*r)[1], {}, {2});
  ExpectFloats((*r)[2], {2}, {2, 6});
  EXPECT_EQ(seen, (std::vector<std::string>{"mul", "add"}));
  o.observer = [](const ir::Node&, std::span<const Tensor>) { return UsageError("stop"); };
  EXPECT_EQ(interp::Run(g, std::vector<Tensor>{F32({2}, {1, 3})}, o).status().code(), Code::kUsage);
  std::atomic<bool> cancel = true;
  RunOptions cancelled;
  cancelled.cancel = &cancel;
  EXPECT_EQ(interp::Run(g, std::vector<Tensor>{F32({2}, {1, 3})}, cancelled).status().code(), Code::kCancelled);
}

TEST(Run, ReadsWeightsAtOddAddresses) {
  auto bytes = std::make_shared<std::vector<std::byte>>(13);
  const float values[3] = {1, 2, 3};
  std::memcpy(bytes->data() + 1, values, 12);
  Graph g;
  ir::Value* w = g.AddWeight("w", Tensor::View(DType::kF32, {3}, bytes->data() + 1, bytes));
  g.AddOutput(g.AddNode("neg", {w}, 1)->output(), "y");
  const auto r = interp::Run(g, {});
  ASSERT_TRUE(r.ok());
  ExpectFloats((*r)[0], {3}, {-1, -2, -3});
}

// Recycled buffers never reach a value that is still read.
TEST(Run, LongChainsKeepTheirValues) {
  Graph g;
  ir::Value* x = g.AddInput("x", Type::Unranked(DType::kF32));
  ir::Value* one = g.AddWeight("one", F32({}, {1}));
  std::vector<ir::Value*> kept;
  ir::Value* v = x;
  for (int i = 0; i < 50; ++i) {
    v = g.AddNode("add", {v, one}, 1)->output();
    if (i % 10 == 0) kept.push_back(v);
  }
  ir::Value* sum = v;
  for (ir::Value* k : kept) sum = g.AddNode("add", {sum, k}, 1)->output();
  g.AddOutput(sum, "sum");
  RunOptions o;
  o.threads = 2;
  auto interpreter = *Interpreter::Create(o);
  for (int round = 0; round < 2; ++round) {
    const auto r = interpreter->Run(g, std::vector<Tensor>{*Tensor::Zeros(DType::kF32, {300, 100})});
    ASSERT_TRUE(r.ok());
    for (float f : (*r)[0].ToFloats()) ASSERT_EQ(f, 50 + 1 + 11 + 21 + 31 + 41);
  }
}

TEST(Run, NamesAnOpThatItDoesNotKnow) {
  const Status s = EvalError("no_such_op", {F32({1}, {1})});
  EXPECT_EQ(s.code(), Code::kUnsupported);
  EXPECT_NE(s.message().find("no_such_op"), std::string::npos);
  EXPECT_FALSE(CanEvaluate("no_such_op"));
  EXPECT_TRUE(CanEvaluate("mat_mul"));
  EXPECT_EQ(Interpreter::Create({.threads = 0}).status().code(), Code::kUsage);
}

}  // namespace
}  // namespace hasten::interp
