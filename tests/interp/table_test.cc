// The tables agree: every op that may stand in a graph can be evaluated.
#include "compiler/ir/ops.h"
#include "tests/interp/eval.h"

namespace hasten::interp {
namespace {

TEST(Table, EveryOpHasAnEvaluation) {
  for (const ir::OpInfo& op : ir::AllOps()) EXPECT_TRUE(CanEvaluate(op.name)) << op.name;
}

TEST(Table, NoOperandsAtAllNeverCrash) {
  for (const ir::OpInfo& op : ir::AllOps()) {
    ir::Graph g;
    ir::Node* node = g.AddNode(std::string(op.name), {}, static_cast<size_t>(op.min_outputs));
    for (ir::Value* v : node->outputs()) g.AddOutput(v, "y");
    if (op.min_inputs > 0) {
      EXPECT_FALSE(interp::Run(g, {}).ok()) << op.name;
    }
  }
}

// Operands of every rank and of nothing: an answer or a Status, never a crash.
TEST(Table, OddOperandsNeverCrash) {
  const std::vector<Tensor> odd{Tensor(), F32({}, {1}), F32({0}, {}), F32({3}, {1, 2, 3}), Noise({2, 3}, 1), I64({}, {-5}), I64({2}, {-1, 7}),
                                Noise({1, 0, 2}, 1), Noise({1, 2, 3, 3}, 2), Bool({2}, {1, 0})};
  uint32_t seed = 7;
  for (const ir::OpInfo& op : ir::AllOps())
    for (int round = 0; round < 200; ++round) {
      std::vector<Tensor> in;
      const int most = op.max_inputs < 0 ? op.min_inputs + 2 : op.max_inputs;
      for (int i = 0; i < most; ++i) {
        seed = seed * 1664525u + 1013904223u;
        in.push_back(odd[(seed >> 16) % odd.size()]);
      }
      RunOptions small;
      small.max_bytes = 1 << 24;
      const auto r = EvalAll(std::string(op.name), in, {}, static_cast<size_t>(std::max(1, op.min_outputs)), small);
      if (!r.ok()) {
        EXPECT_NE(r.status().code(), Code::kInternal) << r.status().message();
      }
    }
}

}  // namespace
}  // namespace hasten::interp
