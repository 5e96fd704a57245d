// Symbolic shape values: what exporters compute with shapes must come out exact.
#include "tests/ir_ops/infer.h"

namespace hasten::ir {
namespace {

using Values = InferTest;

// torch's view(bsz, q_len, -1, head_dim) as the TorchScript exporter writes it.
TEST_F(Values, ReshapeToHeadsByShapeGatherConcat) {
  Value* x = In("x", DType::kF32, {"B", "S", "576"});
  Value* shape = Op("shape", {x});
  Value* b = Op("unsqueeze", {Op("gather", {shape, Scalar(0)}), Const({0})});
  Value* s = Op("unsqueeze", {Op("gather", {shape, Scalar(1)}), Const({0})});
  Value* target = Op("concat", {b, s, Const({-1}), Const({64})}, {{"axis", int64_t{0}}});
  Value* y = Op("reshape", {x, target});
  Value* z = Op("transpose", {y}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  Infer();
  EXPECT_EQ(ValuesOf(target), "B, S, -1, 64");
  EXPECT_EQ(TypeOf(y), "f32[B,S,9,64]");
  EXPECT_EQ(TypeOf(z), "f32[B,9,S,64]");
}

TEST_F(Values, PastPlusPresentFlowsToMaskAndRange) {
  Value* past = In("past", DType::kF32, {"B", "2", "P", "16"});
  Value* k = In("k", DType::kF32, {"B", "2", "S", "16"});
  Value* all = Op("concat", {past, k}, {{"axis", int64_t{-2}}});
  Value* p = Op("gather", {Op("shape", {past}), Scalar(2)});
  Value* s = Op("gather", {Op("shape", {k}), Scalar(-2)});
  Value* total = Op("add", {p, s});
  Value* range = Op("range", {p, total, Scalar(1)});
  Value* mask = Op("constant_of_shape", {Op("concat", {Op("unsqueeze", {s, Const({0})}), Op("unsqueeze", {total, Const({0})})}, {{"axis", int64_t{0}}})});
  Infer();
  EXPECT_EQ(TypeOf(all), "f32[B,2,P + S,16]");
  EXPECT_EQ(ValuesOf(total), "P + S");
  EXPECT_EQ(TypeOf(range), "i64[S]");
  EXPECT_EQ(TypeOf(mask), "f32[S,P + S]");
}

// torch's expand(-1 keeps): where(shape == -1, ones, shape).
TEST_F(Values, ExpandThroughEqualWhere) {
  Value* x = In("x", DType::kF32, {"1", "1", "S", "T"});
  Value* b = Op("shape", {In("ids", DType::kI64, {"B", "S"})}, {{"end", int64_t{1}}});
  Value* target = Op("concat", {b, Const({1}), Const({-1}), Const({-1})}, {{"axis", int64_t{0}}});
  Value* ones = Op("constant_of_shape", {Const({4})}, {{"value", Tensor::From<int64_t>({1}, std::vector<int64_t>{1})}});
  Value* minus = Op("mul", {ones, Const({-1})});
  Value* y = Op("expand", {x, Op("where", {Op("equal", {target, minus}), ones, target})});
  Infer();
  EXPECT_EQ(ValuesOf(minus), "-1, -1, -1, -1");
  EXPECT_EQ(TypeOf(y), "f32[B,1,S,T]");
}

TEST_F(Values, ComparisonsAreProvedOrUnknown) {
  Value* s = Op("shape", {In("x", DType::kF32, {"S", "P"})});
  Value* first = Op("gather", {s, Scalar(0)});
  Value* never = Op("equal", {first, Scalar(-1)});
  Value* maybe = Op("equal", {first, Scalar(0)});   // a symbol may be 0
  Value* more = Op("greater", {Op("add", {first, Scalar(1)}), first});
  Value* top = Op("max", {Op("add", {first, Scalar(2)}), first, Scalar(1)});
  Infer();
  EXPECT_EQ(ValuesOf(never), "0");
  EXPECT_EQ(ValuesOf(maybe), "untracked");
  EXPECT_EQ(ValuesOf(more), "1");
  EXPECT_EQ(ValuesOf(top), "S + 2");
}

TEST_F(Values, ProductsDivideExactly) {
  Value* x = In("x", DType::kF32, {"B", "P + S", "8", "16"});
  Value* s = Op("shape", {x});
  Value* elements = Op("reduce_prod", {s}, {{"keepdims", int64_t{0}}});
  Value* half = Op("div", {Op("gather", {s, Scalar(2)}), Scalar(2)});
  Value* y = Op("reshape", {x, Const({0, 0, -1})});
  Value* z = Op("reshape", {x, Const({-1, 128})});
  Infer();
  EXPECT_EQ(ValuesOf(elements), "128*B*P + 128*B*S");
  EXPECT_EQ(ValuesOf(half), "4");
  EXPECT_EQ(TypeOf(y), "f32[B,P + S,128]");
  EXPECT_EQ(TypeOf(z), "f32[B*P + B*S,128]");
}

TEST_F(Values, SlicesOfShapesAndOfDims) {
  Value* x = In("x", DType::kF32, {"B", "S", "64"});
  Value* s = Op("shape", {x});
  Value* last = Op("slice", {s, Const({-1}), Const({INT64_MAX}), Const({0})});
  Value* back = Op("slice", {s, Const({-1}), Const({INT64_MIN}), Const({0}), Const({-1})});
  Value* half = Op("slice", {x, Const({32}), Const({INT64_MAX}), Const({2})});
  Value* end = Op("gather", {s, Const({1})});
  Value* upto = Op("slice", {In("m", DType::kF32, {"P + S"}), Const({0}), end, Const({0})});
  Value* table = In("table", DType::kF32, {"512"});
  Value* last_rows = Op("slice", {table, Op("sub", {Const({512}), end}), Const({INT64_MAX}), Const({0})});
  Value* mixed = Op("slice", {table, Op("sub", {Const({5}), end}), Const({INT64_MAX}), Const({0})});   // 5 - S: from either end
  Value* row = Op("slice", {x, Const({-1}), Const({INT64_MAX}), Const({1})});
  Value* some = Op("slice", {x, Const({0}), Const({5}), Const({1})});
  Infer();
  EXPECT_EQ(ValuesOf(last), "64");
  EXPECT_EQ(ValuesOf(back), "64, S, B");
  EXPECT_EQ(TypeOf(half), "f32[B,S,32]");
  EXPECT_EQ(TypeOf(upto), "f32[S]");
  EXPECT_EQ(TypeOf(last_rows), "f32[S]");
  EXPECT_EQ(TypeOf(mixed), "f32[?]");
  EXPECT_EQ(TypeOf(row), "f32[B,1,64]");
  EXPECT_EQ(TypeOf(some), "f32[B,?,64]");
}

TEST_F(Values, CastsKeepIntegersAndDropFloats) {
  Value* s = Op("shape", {In("x", DType::kF32, {"S"})});
  Value* i = Op("cast", {s}, {{"to", int64_t{6}}});
  Value* f = Op("cast", {s}, {{"to", int64_t{1}}});
  Infer();
  EXPECT_EQ(ValuesOf(i), "S");
  EXPECT_EQ(ValuesOf(f), "untracked");
}

// A chain that would square a sum 40 times stays small and unknown.
TEST_F(Values, HostileChainsStayBounded) {
  Value* v = Op("reduce_sum", {Op("shape", {In("x", DType::kF32, {"A", "B", "C"})})}, {{"keepdims", int64_t{0}}});
  for (int i = 0; i < 40; ++i) v = Op("mul", {v, v});
  Value* c = Scalar(INT64_MAX);
  Value* sum = Op("add", {c, Scalar(1)});
  Value* min = Op("neg", {Scalar(INT64_MIN)});
  Infer();
  EXPECT_EQ(ValuesOf(v), "untracked");
  EXPECT_EQ(ValuesOf(sum), "untracked");
  EXPECT_EQ(ValuesOf(min), "untracked");
}

}  // namespace
}  // namespace hasten::ir
