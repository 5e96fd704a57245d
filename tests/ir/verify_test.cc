// The structural verifier: accepts what the API builds, and names what is wrong
// with graphs that a careless pass could leave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/ir/ops.h"
#include "compiler/ir/text.h"

namespace hasten::ir {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Graph> Good() {
  auto g = Parse(R"(graph @main(%x: f32[B,4]) -> (y: f32[B,4]) {
    %a = add(%x, @w) : f32[B,4] loc("first")
    %y = relu(%a) : f32[B,4] loc("second")
    return %y
  }
  weight @w : f32[4] = [1, 2, 3, 4])");
  EXPECT_TRUE(g.ok()) << g.status().message();
  return *std::move(g);
}

std::string Problem(const Graph& g) {
  const Status s = Verify(g);
  EXPECT_EQ(s.code(), Code::kInternal) << s.message();
  return s.message();
}

TEST(Verify, AcceptsAGoodGraph) {
  const auto g = Good();
  EXPECT_TRUE(Verify(*g).ok()) << Verify(*g).message();
  EXPECT_TRUE(Verify(*g->Clone()).ok());
}

TEST(Verify, UseBeforeDefinition) {
  const auto g = Good();
  Node* first = g->nodes().front().get();
  g->AddNode("relu", {first->output()}, 1, {}, "early", first);
  EXPECT_THAT(Problem(*g), HasSubstr("not defined before"));
}

TEST(Verify, CycleIsUseBeforeDefinition) {
  const auto g = Good();
  g->nodes().front()->SetInput(0, g->nodes().back()->output());
  EXPECT_THAT(Problem(*g), HasSubstr("operand 0 (%y) is not defined before this node"));
}

TEST(Verify, ForeignValue) {
  const auto g = Good(), other = Good();
  g->nodes().back()->SetInput(0, other->inputs()[0]);
  EXPECT_THAT(Problem(*g), HasSubstr("belongs to no value of this graph"));
  g->nodes().back()->SetInput(0, g->inputs()[0]);   // `other` must not keep a dangling user
}

TEST(Verify, UnknownOpNamesNodeAndLoc) {
  const auto g = Good();
  g->nodes().back()->op = "relux";
  const std::string problem = Problem(*g);
  EXPECT_THAT(problem, HasSubstr("[relux] there is no such op"));
  EXPECT_THAT(problem, HasSubstr("node \"second\""));
}

TEST(Verify, OperandAndResultCounts) {
  auto g = Good();
  g->nodes().back()->SetInputs({});
  EXPECT_THAT(Problem(*g), HasSubstr("needed 1 operands, came 0"));
  g = Good();
  g->nodes().front()->SetInput(1, nullptr);
  EXPECT_THAT(Problem(*g), HasSubstr("operand 1 is needed, but omitted"));
  g = Good();
  g->AddNode("relu", {g->inputs()[0]}, 2);
  EXPECT_THAT(Problem(*g), HasSubstr("needed 1 results, came 2"));
}

TEST(Verify, OptionalOperandsMayBeOmitted) {
  const auto g = Good();
  g->AddNode("clip", {g->inputs()[0], nullptr, nullptr}, 1);
  EXPECT_TRUE(Verify(*g).ok()) << Verify(*g).message();
}

TEST(Verify, NamesChangedBehindTheGraph) {
  const auto g = Good();
  g->inputs()[0]->name = "a";
  EXPECT_THAT(Problem(*g), HasSubstr("Graph::Rename"));
}

TEST(Verify, WeightTypesAreTheirTensors) {
  const auto g = Good();
  g->weights()[0]->type.dtype = DType::kF16;
  EXPECT_THAT(Problem(*g), HasSubstr("@w: the type says f16[4]"));
}

TEST(Verify, SymbolsArePlainWords) {
  const auto g = Good();
  g->inputs()[0]->type.shape[0] = Poly::Symbol("batch size");
  EXPECT_THAT(Problem(*g), HasSubstr("no plain word"));
}

TEST(Verify, OutputsHaveNamesOfTheirOwn) {
  const auto g = Good();
  g->AddOutput(g->inputs()[0], "y");
  EXPECT_THAT(Problem(*g), HasSubstr("two outputs are named \"y\""));
}

TEST(Verify, NestedGraphsAreChecked) {
  const auto g = Good();
  std::shared_ptr<Graph> nested = Good();
  nested->nodes().back()->op = "relux";
  g->nodes().back()->attrs["body"] = nested;
  EXPECT_THAT(Problem(*g), HasSubstr("in the graph of [relu] \"second\""));
  g->nodes().back()->attrs["body"] = std::shared_ptr<Graph>();
  EXPECT_THAT(Problem(*g), HasSubstr("attribute body has no graph"));
}

TEST(Graph, EraseAndRenameKeepTheGraphValid) {
  const auto g = Good();
  Node* relu = g->nodes().back().get();
  g->ReplaceAllUses(relu->output(), g->inputs()[0]);
  g->EraseNode(relu);
  g->EraseNode(g->nodes().back().get());
  g->EraseWeight(g->weights()[0]);
  g->Rename(g->inputs()[0], "y");
  EXPECT_TRUE(Verify(*g).ok()) << Verify(*g).message();
  EXPECT_EQ(Print(*g), "graph @main(%y: f32[B,4]) -> (y: f32[B,4]) {\n  return %y\n}\n");
}

TEST(Graph, CloneOwnsItsNestedGraphs) {
  const auto g = Good();
  std::shared_ptr<Graph> nested = Good();
  g->nodes().back()->attrs["body"] = nested;
  const auto copy = g->Clone();
  const std::string before = Print(*copy);
  nested->nodes().back()->op = "tanh";
  EXPECT_EQ(Print(*copy), before);
}

}  // namespace
}  // namespace hasten::ir
