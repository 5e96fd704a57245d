// Element expressions: what they prove must be true, and what is equal must meet.
#include "passes/recognize/expr.h"

#include <gtest/gtest.h>

namespace hasten::recognize {
namespace {

using ir::Poly;

TEST(Expr, DivModSplitsHeadsFromColumns) {
  ExprPool pool;
  const Poly h = pool.Var("h", Poly(9)), d = pool.Var("d", Poly(64)), c = h * Poly(64) + d;
  EXPECT_EQ(pool.DivMod(c, Poly(64)), std::pair(h, d));
  EXPECT_EQ(pool.DivMod(c, Poly(32)).first, h * Poly(2) + pool.DivMod(d, Poly(32)).first);
  // The column of a plain row only becomes heads once it is written as heads.
  const Poly plain = pool.Var("c", Poly(576));
  const E div = pool.Int(pool.DivMod(plain, Poly(64)).first);
  EXPECT_EQ(pool.Replace(div, {{plain.Symbols()[0], c}}), pool.Int(h));
}

TEST(Expr, DivModOfSymbolicDims) {
  ExprPool pool;
  const Poly S = Poly::Symbol("S"), b = pool.Var("b", Poly::Symbol("B")), s = pool.Var("s", S);
  EXPECT_EQ(pool.DivMod(b * S + s, S), std::pair(b, s));
  EXPECT_NE(pool.DivMod(b * S + s + Poly(1), S).second, s + Poly(1)) << "s + 1 may be S";
}

TEST(Expr, ProofsAreSound) {
  ExprPool pool;
  const Poly B = Poly::Symbol("B"), S = Poly::Symbol("S"), P = Poly::Symbol("P");
  const Poly s = pool.Var("s", S), k = pool.Var("k", P + S);
  EXPECT_TRUE(pool.ProveNonNegative(S - Poly(1)));
  EXPECT_FALSE(pool.ProveNonNegative(P - Poly(1))) << "the cache may be empty";
  EXPECT_TRUE(pool.ProveNonNegative(S - Poly(1) - s));
  EXPECT_FALSE(pool.ProveNonNegative(S - Poly(2) - s));
  EXPECT_TRUE(pool.ProveNonNegative(P + S - Poly(1) - k));
  EXPECT_FALSE(pool.ProveNonNegative(P + s - k)) << "this is what a causal mask decides";
  EXPECT_FALSE(pool.ProveNonNegative(k - P - s));
  EXPECT_TRUE(pool.ProveNonNegative(B * S - s - Poly(1)));
}

TEST(Expr, ReplaceLeavesABoundVariableAlone) {
  ExprPool pool;
  const ir::Value v{};
  const Poly r = pool.Var("r", Poly(4)), d = pool.Var("d", Poly(4));
  const E inner = pool.Reduce(Op::kMean, r.Symbols()[0], Poly(4), pool.Load(&v, {r}));
  const E outer = pool.Binary(Op::kAdd, pool.Load(&v, {r}), inner);
  const E replaced = pool.Replace(outer, {{r.Symbols()[0], d}});
  EXPECT_EQ(replaced, pool.Binary(Op::kAdd, pool.Load(&v, {d}), inner));
}

TEST(Expr, SelectOfOnePointThatAgreesIsTheGeneralSide) {
  ExprPool pool;
  const Poly i = pool.Var("i", Poly::Symbol("S"));
  const E at_zero = pool.Ge0(Poly(0) - i);  // i == 0
  EXPECT_EQ(pool.Select(at_zero, pool.Int(Poly(-1)), pool.Int(i - Poly(1))), pool.Int(i - Poly(1)));
  EXPECT_NE(pool.Select(at_zero, pool.Int(Poly(0)), pool.Int(i - Poly(1))), pool.Int(i - Poly(1)));
}

TEST(Expr, MaskArithmeticStaysASelectOfConstants) {
  ExprPool pool;
  const Poly q = pool.Var("q", Poly::Symbol("S")), k = pool.Var("k", Poly::Symbol("S"));
  const E seen = pool.Ge0(q - k);
  // (1 - float(seen)) * -10000
  const E mask = pool.Binary(Op::kMul, pool.Sub(pool.Const(1), pool.ToFloat(seen)), pool.Const(-10000));
  ASSERT_EQ(mask->kind, Kind::kSelect);
  EXPECT_EQ(mask->args[1]->c, 0);
  EXPECT_EQ(mask->args[2]->c, -10000);
}

}  // namespace
}  // namespace hasten::recognize
