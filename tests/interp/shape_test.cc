// Evaluations that only move or count: views, bombs, slices, gathers.
#include "tests/interp/eval.h"

namespace hasten::interp {
namespace {

ir::Attrs Ints(const char* name, std::vector<int64_t> v) { return {{name, std::move(v)}}; }

TEST(ShapeOps, ReshapesAreViews) {
  const Tensor x = Noise({2, 3, 4}, 1);
  const Tensor y = Eval("reshape", {x, I64({2}, {0, -1})});
  EXPECT_EQ(y.dims(), (std::vector<int64_t>{2, 12}));
  EXPECT_EQ(y.raw(), x.raw());
  EXPECT_EQ(Eval("unsqueeze", {x, I64({2}, {0, -1})}).raw(), x.raw());
  EXPECT_EQ(Eval("flatten", {x}, {{"axis", int64_t{-1}}}).dims(), (std::vector<int64_t>{6, 4}));
  EXPECT_EQ(Eval("identity", {x}).raw(), x.raw());
  // Moving an axis of 1 changes no bytes either.
  EXPECT_EQ(Eval("transpose", {Eval("unsqueeze", {x, I64({1}, {0})})}, Ints("perm", {1, 0, 2, 3})).raw(), x.raw());
}

TEST(ShapeOps, ReshapeRefusesWhatDoesNotFit) {
  const Tensor x = Noise({2, 3}, 1);
  for (const auto& target : std::vector<std::vector<int64_t>>{{4}, {-1, -1}, {-1, 4}, {0, 0, 0}, {-2, 3}, {INT64_MAX, INT64_MAX}})
    EXPECT_EQ(EvalError("reshape", {x, I64({static_cast<int64_t>(target.size())}, target)}).code(), Code::kBadInput);
  const Tensor empty = Noise({0, 3}, 1);
  ExpectFloats(Eval("reshape", {empty, I64({2}, {3, 0})}, {{"allowzero", int64_t{1}}}), {3, 0}, {});
}

TEST(ShapeOps, BombsHitTheLimit) {
  RunOptions small;
  small.max_bytes = 1 << 20;
  const int64_t big = 1 << 20;
  EXPECT_EQ(EvalError("constant_of_shape", {I64({2}, {big, big})}, {}, small).code(), Code::kResource);
  EXPECT_EQ(EvalError("expand", {F32({1}, {1}), I64({2}, {big, big})}, {}, small).code(), Code::kResource);
  EXPECT_EQ(EvalError("tile", {F32({1}, {1}), I64({1}, {int64_t{1} << 40})}, {}, small).code(), Code::kResource);
  EXPECT_EQ(EvalError("range", {I64({}, {0}), I64({}, {INT64_MAX}), I64({}, {1})}, {}, small).code(), Code::kResource);
  EXPECT_EQ(EvalError("pad", {F32({1}, {1}), I64({2}, {0, int64_t{1} << 40})}, {}, small).code(), Code::kResource);
  EXPECT_EQ(EvalError("one_hot", {I64({1}, {0}), I64({}, {int64_t{1} << 50}), F32({2}, {0, 1})}, {}, small).code(), Code::kResource);
  EXPECT_EQ(EvalError("constant_of_shape", {I64({3}, {INT64_MAX, INT64_MAX, 0})}).code(), Code::kResource);
  EXPECT_EQ(EvalError("constant_of_shape", {I64({1}, {-1})}).code(), Code::kBadInput);
}

TEST(ShapeOps, SlicesLikeNumpy) {
  const Tensor x = I64({5}, {0, 1, 2, 3, 4});
  const auto slice = [&](int64_t s, int64_t e, int64_t step) {
    return Eval("slice", {x, I64({1}, {s}), I64({1}, {e}), I64({1}, {0}), I64({1}, {step})});
  };
  ExpectInts(slice(1, -1, 1), {3}, {1, 2, 3});
  ExpectInts(slice(-1, INT64_MIN, -1), {5}, {4, 3, 2, 1, 0});
  ExpectInts(slice(INT64_MAX, INT64_MIN, -2), {3}, {4, 2, 0});
  ExpectInts(slice(3, 1, 1), {0}, {});
  ExpectInts(slice(0, INT64_MAX, INT64_MAX), {1}, {0});
  ExpectInts(slice(-1, INT64_MIN, INT64_MIN), {1}, {4});
  EXPECT_EQ(EvalError("slice", {x, I64({1}, {0}), I64({1}, {1}), I64({1}, {0}), I64({1}, {0})}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("slice", {x, I64({1}, {0}), I64({1}, {1}), I64({1}, {1})}).code(), Code::kBadInput);
  ExpectFloats(Eval("slice", {F32({2, 3}, {1, 2, 3, 4, 5, 6}), I64({2}, {1, 2}), I64({2}, {-3, INT64_MIN}), I64({2}, {0, 1}), I64({2}, {-1, -2})}),
               {2, 2}, {6, 4, 3, 1});
}

TEST(ShapeOps, TransposesAnyOrderAndSize) {
  for (const auto& dims : std::vector<std::vector<int64_t>>{{3, 4, 5}, {1, 33, 17}, {40, 50, 2}, {2, 64, 48}}) {
    const Tensor x = Noise(dims, 3);
    const Tensor y = Eval("transpose", {x}, Ints("perm", {0, 2, 1}));
    const Tensor z = Eval("transpose", {x}, Ints("perm", {2, 0, 1}));
    for (int64_t i = 0; i < dims[0]; ++i)
      for (int64_t j = 0; j < dims[1]; ++j)
        for (int64_t k = 0; k < dims[2]; ++k) {
          const double want = x.At((i * dims[1] + j) * dims[2] + k);
          ASSERT_EQ(y.At((i * dims[2] + k) * dims[1] + j), want);
          ASSERT_EQ(z.At((k * dims[0] + i) * dims[1] + j), want);
        }
  }
  EXPECT_EQ(EvalError("transpose", {Noise({2, 2}, 1)}, Ints("perm", {0, 0})).code(), Code::kBadInput);
}

TEST(ShapeOps, ConcatAndSplitUndoEachOther) {
  const Tensor a = Noise({2, 3}, 1), b = Noise({2, 1}, 2);
  const Tensor both = Eval("concat", {a, b}, {{"axis", int64_t{-1}}});
  EXPECT_EQ(both.dims(), (std::vector<int64_t>{2, 4}));
  const auto parts = EvalAll("split", {both, I64({2}, {3, 1})}, {{"axis", int64_t{1}}}, 2);
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ((*parts)[0].ToFloats(), a.ToFloats());
  EXPECT_EQ((*parts)[1].ToFloats(), b.ToFloats());
  EXPECT_EQ(EvalError("concat", {a, Noise({3, 1}, 1)}, {{"axis", int64_t{1}}}).code(), Code::kBadInput);
  EXPECT_EQ(EvalAll("split", {both, I64({2}, {3, 2})}, {{"axis", int64_t{1}}}, 2).status().code(), Code::kBadInput);
}

TEST(ShapeOps, GathersCheckEveryIndex) {
  const Tensor x = F32({3, 2}, {1, 2, 3, 4, 5, 6});
  ExpectFloats(Eval("gather", {x, I64({2}, {-1, 0})}), {2, 2}, {5, 6, 1, 2});
  ExpectFloats(Eval("gather", {x, I64({}, {1})}, {{"axis", int64_t{1}}}), {3}, {2, 4, 6});
  EXPECT_EQ(EvalError("gather", {x, I64({1}, {3})}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("gather", {x, I64({1}, {-4})}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("gather_nd", {x, I64({1, 2}, {0, 2})}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("scatter_nd", {x, I64({1, 1}, {3}), F32({1, 2}, {0, 0})}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("gather_elements", {x, I64({3, 1}, {0, 0, 2})}, {{"axis", int64_t{1}}}).code(), Code::kBadInput);
  ExpectFloats(Eval("scatter_nd", {x, I64({2, 1}, {2, 2}), F32({2, 2}, {1, 1, 1, 1})}, {{"reduction", std::string("add")}}), {3, 2}, {1, 2, 3, 4, 7, 8});
  EXPECT_EQ(EvalError("gather", {F32({0, 2}, {}), I64({1}, {0})}).code(), Code::kBadInput);
}

TEST(ShapeOps, ScansAndTriangles) {
  ExpectInts(Eval("cum_sum", {I64({4}, {1, 2, 3, 4}), I64({}, {0})}), {4}, {1, 3, 6, 10});
  ExpectInts(Eval("cum_sum", {I64({3}, {1, 2, 3}), I64({}, {-1})}, {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}}), {3}, {5, 3, 0});
  ExpectInts(Eval("trilu", {I64({2, 3}, {1, 2, 3, 4, 5, 6}), I64({}, {1})}), {2, 3}, {0, 2, 3, 0, 0, 6});
  ExpectInts(Eval("trilu", {I64({2, 2}, {1, 2, 3, 4}), I64({}, {INT64_MIN})}, {{"upper", int64_t{0}}}), {2, 2}, {0, 0, 0, 0});
}

TEST(ShapeOps, TopKOrdersTiesByIndexAndNanFirst) {
  const auto r = EvalAll("top_k", {F32({5}, {1, 3, 3, NAN, 0}), I64({1}, {3})}, {}, 2);
  ASSERT_TRUE(r.ok()) << r.status().message();
  ExpectInts((*r)[1], {3}, {3, 1, 2});
  EXPECT_EQ(EvalAll("top_k", {F32({2}, {1, 3}), I64({1}, {3})}, {}, 2).status().code(), Code::kBadInput);
}

}  // namespace
}  // namespace hasten::interp
