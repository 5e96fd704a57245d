// Products, reductions and norms against plain loops.
#include "tests/interp/eval.h"

namespace hasten::interp {
namespace {

// [m,k] x [k,n] in double.
std::vector<float> Naive(const Tensor& a, const Tensor& b, int64_t m, int64_t k, int64_t n, bool ta = false, bool tb = false) {
  std::vector<float> out;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l) sum += a.At(ta ? l * m + i : i * k + l) * b.At(tb ? j * k + l : l * n + j);
      out.push_back(static_cast<float>(sum));
    }
  return out;
}

// Operands are multiples of 1/8 below 2: sums of up to 2^15 products are exact in fp32.
TEST(MatMul, EqualsPlainLoopsAtOddSizesAndAnyThreads) {
  for (const auto& [m, k, n] : {std::tuple{1, 1, 1}, {1, 65, 130}, {33, 17, 1}, {64, 64, 64}, {129, 300, 257}}) {
    const Tensor a = Noise({m, k}, 1), b = Noise({k, n}, 2);
    for (int threads : {1, 2, 3}) {
      RunOptions o;
      o.threads = threads;
      ExpectFloats(Eval("mat_mul", {a, b}, {}, o), {m, n}, Naive(a, b, m, k, n));
    }
  }
}

TEST(MatMul, BroadcastsBatchesAndPromotesVectors) {
  const Tensor a = Noise({2, 1, 3, 4}, 1), b = Noise({5, 4, 2}, 2);
  const Tensor y = Eval("mat_mul", {a, b});
  EXPECT_EQ(y.dims(), (std::vector<int64_t>{2, 5, 3, 2}));
  double want = 0;
  for (int64_t l = 0; l < 4; ++l) want += a.At(12 + 2 * 4 + l) * b.At(3 * 8 + l * 2 + 1);
  EXPECT_EQ(y.At(((1 * 5 + 3) * 3 + 2) * 2 + 1), want);
  EXPECT_EQ(Eval("mat_mul", {Noise({4}, 1), Noise({4, 3}, 2)}).dims(), (std::vector<int64_t>{3}));
  EXPECT_EQ(Eval("mat_mul", {Noise({2, 4}, 1), Noise({4}, 2)}).dims(), (std::vector<int64_t>{2}));
  EXPECT_EQ(Eval("mat_mul", {Noise({4}, 1), Noise({4}, 2)}).dims(), (std::vector<int64_t>{}));
  ExpectFloats(Eval("mat_mul", {Noise({2, 0}, 1), Noise({0, 2}, 2)}), {2, 2}, {0, 0, 0, 0});
  ExpectInts(Eval("mat_mul", {I64({1, 2}, {2, 3}), I64({2, 1}, {5, 7})}), {1, 1}, {31});
}

TEST(MatMul, RefusesUnequalK) {
  const Status s = EvalError("mat_mul", {Noise({2, 3}, 1), Noise({4, 2}, 2)});
  EXPECT_EQ(s.code(), Code::kBadInput);
  EXPECT_NE(s.message().find("K"), std::string::npos);
  EXPECT_EQ(EvalError("mat_mul", {F32({}, {1}), F32({1}, {1})}).code(), Code::kBadInput);
}

TEST(Gemm, TransposesScalesAndAdds) {
  const Tensor a = Noise({7, 5}, 1), b = Noise({9, 7}, 2), bias = Noise({9}, 3);
  std::vector<float> want = Naive(a, b, 5, 7, 9, true, true);
  for (size_t i = 0; i < want.size(); ++i) want[i] = 2 * want[i] + 0.5f * bias.data<float>()[i % 9];
  ExpectFloats(Eval("gemm", {a, b, bias}, {{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"alpha", 2.0}, {"beta", 0.5}}), {5, 9}, want);
  EXPECT_EQ(EvalError("gemm", {a, b}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("gemm", {a, b, Noise({8}, 1)}, {{"transA", int64_t{1}}, {"transB", int64_t{1}}}).code(), Code::kBadInput);
}

TEST(Einsum, ContractsAndDiagonalizes) {
  const Tensor a = Noise({3, 4}, 1), b = Noise({4, 2}, 2);
  ExpectFloats(Eval("einsum", {a, b}, {{"equation", std::string("ij,jk->ik")}}), {3, 2}, Naive(a, b, 3, 4, 2));
  ExpectFloats(Eval("einsum", {F32({2, 2}, {1, 2, 3, 4})}, {{"equation", std::string("ii")}}), {}, {5});
  EXPECT_EQ(EvalError("einsum", {a, b}, {{"equation", std::string("ij,kj->ik")}}).code(), Code::kBadInput);
}

TEST(Reduce, AxesKeepdimsAndNothing) {
  const Tensor x = F32({2, 3}, {1, 2, 3, 4, 5, 6});
  ExpectFloats(Eval("reduce_sum", {x, I64({1}, {0})}, {{"keepdims", int64_t{0}}}), {3}, {5, 7, 9});
  ExpectFloats(Eval("reduce_mean", {x, I64({1}, {-1})}), {2, 1}, {2, 5});
  ExpectFloats(Eval("reduce_max", {x}), {1, 1}, {6});
  ExpectFloats(Eval("reduce_sum", {x, I64({0}, {})}, {{"noop_with_empty_axes", int64_t{1}}}), {2, 3}, {1, 2, 3, 4, 5, 6});
  ExpectFloats(Eval("reduce_prod", {F32({2, 0}, {}), I64({1}, {1})}), {2, 1}, {1, 1});
  ExpectFloats(Eval("reduce_max", {F32({0}, {})}), {1}, {-INFINITY});
  ExpectFloats(Eval("reduce_sum", {Eval("transpose", {x}), I64({1}, {1})}), {3, 1}, {5, 7, 9});
  EXPECT_EQ(EvalError("reduce_sum", {x, I64({1}, {2})}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("reduce_sum", {x, I64({2}, {0, -2})}).code(), Code::kBadInput);
  ExpectInts(Eval("arg_max", {F32({3}, {2, 5, 5})}, {{"select_last_index", int64_t{1}}}), {1}, {2});
}

TEST(Norm, LayerAndRms) {
  const Tensor x = F32({1, 4}, {1, 2, 3, 4}), w = F32({4}, {1, 1, 2, 2}), b = F32({4}, {0, 1, 0, 1});
  const double d = std::sqrt(1.25 + 1e-5), r = std::sqrt(7.5 + 1e-5);
  ExpectFloats(Eval("layer_normalization", {x, w, b}), {1, 4},
               {static_cast<float>(-1.5 / d), static_cast<float>(-0.5 / d + 1), static_cast<float>(1 / d), static_cast<float>(3 / d + 1)}, 1e-6f);
  ExpectFloats(Eval("rms_normalization", {x, w}), {1, 4},
               {static_cast<float>(1 / r), static_cast<float>(2 / r), static_cast<float>(6 / r), static_cast<float>(8 / r)}, 1e-6f);
  EXPECT_EQ(EvalError("layer_normalization", {x, F32({3}, {1, 1, 1})}).code(), Code::kBadInput);
}

}  // namespace
}  // namespace hasten::interp
