// Inferred types: dims, ranks and contradictions.
#include <cmath>

#include "tests/ir_ops/infer.h"

namespace hasten::ir {
namespace {

using Types = InferTest;

TEST_F(Types, BroadcastingOfSymbols) {
  Value* a = In("a", DType::kF32, {"B", "1", "S", "?"});
  Value* b = In("b", DType::kF32, {"4", "1", "64"});
  Value* c = In("c", DType::kF32, {"T", "1"});
  Value* ab = Op("add", {a, b});
  Value* ac = Op("mul", {a, c});
  Value* cmp = Op("less_or_equal", {In("i", DType::kI64, {"S"}), In("j", DType::kI64, {"S", "1"})});
  Infer();
  EXPECT_EQ(TypeOf(ab), "f32[B,4,S,64]");
  EXPECT_EQ(TypeOf(ac), "f32[B,1,?,?]");   // S and T may differ: equal only at run time
  EXPECT_EQ(TypeOf(cmp), "bool[S,S]");
}

TEST_F(Types, ContradictionsAreBadInput) {
  const auto fails = [](const std::string& op, std::vector<std::vector<std::string>> shapes, Attrs attrs = {}) {
    Graph g;
    std::vector<Value*> in;
    for (const auto& dims : shapes) {
      Type t = Type::Of(DType::kF32, {});
      for (const auto& d : dims) t.shape.emplace_back(*ParsePoly(d));
      in.push_back(g.AddInput("x", t));
    }
    g.AddNode(op, in, 1, std::move(attrs), "the node");
    const Status s = InferTypes(g);
    EXPECT_NE(s.message().find("the node"), std::string::npos) << op << ": " << s.message();
    return s.code() == Code::kBadInput;
  };
  EXPECT_TRUE(fails("add", {{"2"}, {"3"}}));
  EXPECT_TRUE(fails("mat_mul", {{"B", "4"}, {"5", "2"}}));
  EXPECT_TRUE(fails("gemm", {{"2", "3", "4"}, {"4", "2"}}));
  EXPECT_TRUE(fails("concat", {{"2", "3"}, {"2", "3", "4"}}, {{"axis", int64_t{0}}}));
  EXPECT_TRUE(fails("concat", {{"2", "3"}, {"3", "3"}}, {{"axis", int64_t{1}}}));
  EXPECT_TRUE(fails("transpose", {{"2", "3"}}, {{"perm", std::vector<int64_t>{0, 0}}}));
  EXPECT_TRUE(fails("transpose", {{"2", "3"}}, {{"perm", int64_t{0}}}));
  EXPECT_TRUE(fails("transpose", {{"2"}, {"2"}}));   // too many operands
  EXPECT_TRUE(fails("softmax_cross_entropy_loss", {{"2"}}));
}

TEST_F(Types, ProductsAndGathers) {
  Value* x = In("x", DType::kF32, {"B", "H", "S", "64"});
  Value* k = In("k", DType::kF32, {"B", "H", "64", "P + S"});
  Value* table = In("t", DType::kF32, {"V", "C"});
  Value* ids = In("ids", DType::kI64, {"B", "S"});
  Value* scores = Op("mat_mul", {x, k});
  Value* e = Op("einsum", {x, k}, {{"equation", std::string("bhsd,bhdt->bhst")}});
  Value* rows = Op("gather", {table, ids});
  Value* nd = Op("gather_nd", {x, In("n", DType::kI64, {"S", "2"})});
  Value* flat = Op("flatten", {x}, {{"axis", int64_t{2}}});
  Infer();
  EXPECT_EQ(TypeOf(scores), "f32[B,H,S,P + S]");
  EXPECT_EQ(TypeOf(e), "f32[B,H,S,P + S]");
  EXPECT_EQ(TypeOf(rows), "f32[B,S,C]");
  EXPECT_EQ(TypeOf(nd), "f32[S,S,64]");
  EXPECT_EQ(TypeOf(flat), "f32[B*H,64*S]");
}

TEST_F(Types, SplitSqueezeReduceTile) {
  Value* x = In("x", DType::kF32, {"B", "1", "7"});
  Node* split = graph.AddNode("split", {x}, 3, {{"axis", int64_t{-1}}});
  Value* named = Op("squeeze", {x, Const({1})});
  Value* all = Op("squeeze", {x});   // B may be 1
  Value* mean = Op("reduce_mean", {x, Const({-1})});
  Value* dropped = Op("reduce_sum", {x, Const({0, 2})}, {{"keepdims", int64_t{0}}});
  Value* tiled = Op("tile", {x, Const({2, 3, 1})});
  Infer();
  EXPECT_EQ(TypeOf(split->output(0)), "f32[B,1,3]");
  EXPECT_EQ(TypeOf(split->output(2)), "f32[B,1,1]");
  EXPECT_EQ(TypeOf(named), "f32[B,7]");
  EXPECT_EQ(TypeOf(all), "f32[*]");
  EXPECT_EQ(TypeOf(mean), "f32[B,1,1]");
  EXPECT_EQ(TypeOf(dropped), "f32[1]");
  EXPECT_EQ(TypeOf(tiled), "f32[2*B,3,7]");
}

TEST_F(Types, UnknownStaysUnknown) {
  Value* u = graph.AddInput("u", Type::Unranked(DType::kF32));
  Value* target = In("target", DType::kI64, {"3"});
  Value* r = Op("reshape", {u, target});
  Value* nz = Op("non_zero", {u});
  Value* sum = Op("add", {u, In("x", DType::kF32, {"B"})});
  Infer();
  EXPECT_EQ(TypeOf(r), "f32[?,?,?]");
  EXPECT_EQ(TypeOf(nz), "i64[?,?]");
  EXPECT_EQ(TypeOf(sum), "f32[*]");
}

TEST_F(Types, SemanticOps) {
  Value* ids = In("ids", DType::kI64, {"B", "S"});
  Value* past = In("past_k", DType::kF32, {"B", "2", "P", "16"});
  Value* past_v = In("past_v", DType::kF32, {"B", "2", "P", "16"});
  Value* x = Op("embed", {ids, graph.AddWeight("t", *Tensor::Zeros(DType::kF32, {256, 64}))});
  Value* w = graph.AddWeight("w", *Tensor::Zeros(DType::kF32, {128, 64}));
  Value* qkv = Op("linear", {x, nullptr, w},
                  {{"trans", std::vector<int64_t>{1}}, {"begin", std::vector<int64_t>{0}}, {"end", std::vector<int64_t>{128}}});
  Value* q = Op("slice_cols", {qkv}, {{"begin", int64_t{0}}, {"end", int64_t{64}}});
  Value* k = Op("slice_cols", {qkv}, {{"begin", int64_t{64}}, {"end", int64_t{96}}});
  Value* at = Op("positions", {ids, past});
  Node* a = graph.AddNode("attention", {q, k, k, past, past_v}, 3,
                          {{"heads", int64_t{4}}, {"kv_heads", int64_t{2}}, {"head_dim", int64_t{16}}, {"scale", 0.25}});
  Infer();
  EXPECT_EQ(TypeOf(qkv), "f32[B,S,128]");
  EXPECT_EQ(TypeOf(at), "i64[B,S]");
  EXPECT_EQ(TypeOf(a->output(0)), "f32[B,S,64]");
  EXPECT_EQ(TypeOf(a->output(1)), "f32[B,2,P + S,16]");
  EXPECT_TRUE(FindOp("attention")->verify(*a).ok());
  const auto wrong = [&](const char* name, Attr value) {
    const Attrs good = a->attrs;
    a->attrs[name] = std::move(value);
    EXPECT_EQ(FindOp("attention")->verify(*a).code(), Code::kInternal) << name;
    a->attrs = good;
  };
  wrong("slopes", std::vector<double>{1, 2, 3});
  wrong("slopes", std::vector<double>{1, 2, 3, NAN});
  wrong("ahead", int64_t{-1});
  a->attrs["causal"] = int64_t{1};
  wrong("ahead", int64_t{4});
  a->attrs["kv_heads"] = int64_t{3};
  EXPECT_EQ(FindOp("attention")->verify(*a).code(), Code::kInternal);
}

TEST_F(Types, NamesAndTables) {
  EXPECT_EQ(FindOp("no_such_op"), nullptr);
  EXPECT_EQ(FindOp("mat_mul")->name, "mat_mul");
  EXPECT_GE(AllOps().size(), 160u);
  Graph g;
  g.AddNode("no_such_op", {}, 1, {}, "the node");
  EXPECT_EQ(InferTypes(g).code(), Code::kUnsupported);
}

}  // namespace
}  // namespace hasten::ir
