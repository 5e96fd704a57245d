// Semantic ops against their definitions in plain loops.
#include "runtime/base/half.h"
#include "tests/interp/eval.h"

namespace hasten::interp {
namespace {

TEST(Semantic, PositionsAndEmbed) {
  ExpectInts(Eval("positions", {I64({2, 3}, {5, 5, 5, 5, 5, 5})}), {2, 3}, {0, 1, 2, 0, 1, 2});
  ExpectInts(Eval("positions", {I64({1, 2}, {0, 0}), Noise({1, 2, 7, 4}, 1)}), {1, 2}, {7, 8});
  const Tensor table = F32({3, 2}, {1, 2, 3, 4, 5, 6});
  ExpectFloats(Eval("embed", {I32({1, 2}, {0, 1}), table}, {{"offset", int64_t{1}}}), {1, 2, 2}, {3, 4, 5, 6});
  EXPECT_EQ(EvalError("embed", {I64({1, 1}, {3}), table}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("embed", {I64({1, 1}, {-1}), table}).code(), Code::kBadInput);
  Tensor half = *Tensor::Zeros(DType::kF16, {1, 2});
  half.mutable_data<uint16_t>()[1] = FloatToHalf(1.5f);
  const Tensor row = Eval("embed", {I64({1, 1}, {0}), half});
  EXPECT_EQ(row.dtype(), DType::kF32);
  ExpectFloats(row, {1, 1, 2}, {0, 1.5f});
}

TEST(Semantic, LinearJoinsRangesOfWeights) {
  const Tensor x = Noise({2, 3, 5}, 1), w0 = Noise({7, 5}, 2), w1 = Noise({5, 4}, 3), bias = Noise({5}, 4);
  const Tensor y = Eval("linear", {x, bias, w0, w1},
                        {{"trans", std::vector<int64_t>{1, 0}}, {"begin", std::vector<int64_t>{2, 1}}, {"end", std::vector<int64_t>{5, 3}}});
  ASSERT_EQ(y.dims(), (std::vector<int64_t>{2, 3, 5}));
  for (int64_t r = 0; r < 6; ++r)
    for (int64_t j = 0; j < 5; ++j) {
      double want = bias.At(j);
      for (int64_t k = 0; k < 5; ++k) want += x.At(r * 5 + k) * (j < 3 ? w0.At((2 + j) * 5 + k) : w1.At(k * 4 + 1 + j - 3));
      EXPECT_EQ(y.At(r * 5 + j), want);
    }
  const ir::Attrs wide{{"trans", std::vector<int64_t>{1}}, {"begin", std::vector<int64_t>{0}}, {"end", std::vector<int64_t>{8}}};
  EXPECT_EQ(EvalError("linear", {x, Tensor(), w0}, wide).code(), Code::kBadInput);
}

TEST(Semantic, NormsByGroups) {
  const Tensor x = F32({1, 1, 4}, {3, 4, 6, 8}), w = F32({2}, {1, 2});
  const Tensor y = Eval("rms_norm", {x, w}, {{"eps", 0.0}, {"groups", int64_t{2}}});
  const float a = std::sqrt(12.5f), b = std::sqrt(50.0f);
  ExpectFloats(y, {1, 1, 4}, {3 / a, 8 / a, 6 / b, 16 / b}, 1e-6f);
  const Tensor l = Eval("layer_norm", {F32({1, 1, 2}, {1, 3}), F32({2}, {1, 1}), F32({2}, {0, 10})}, {{"eps", 0.0}});
  ExpectFloats(l, {1, 1, 2}, {-1, 11}, 1e-6f);
  EXPECT_EQ(EvalError("rms_norm", {x, w}, {{"eps", 0.0}, {"groups", int64_t{3}}}).code(), Code::kBadInput);
}

TEST(Semantic, RopeRotatesPairs) {
  const Tensor x = F32({1, 2, 5}, {1, 2, 3, 4, 5, 1, 2, 3, 4, 5}), at = I64({1, 2}, {0, 3}), f = F32({2}, {1, 0.5f});
  const auto rope = [&](int64_t interleaved, double scale) {
    return Eval("rope", {x, at, f}, {{"heads", int64_t{1}}, {"head_dim", int64_t{5}}, {"rotary_dim", int64_t{4}}, {"interleaved", interleaved}, {"scale", scale}});
  };
  const float c0 = std::cos(3.0f), s0 = std::sin(3.0f), c1 = std::cos(1.5f), s1 = std::sin(1.5f);
  ExpectFloats(rope(0, 1), {1, 2, 5}, {1, 2, 3, 4, 5, 1 * c0 - 3 * s0, 2 * c1 - 4 * s1, 3 * c0 + 1 * s0, 4 * c1 + 2 * s1, 5}, 1e-6f);
  ExpectFloats(rope(1, 2), {1, 2, 5}, {2, 4, 6, 8, 5, 2 * (1 * c0 - 2 * s0), 2 * (2 * c0 + 1 * s0), 2 * (3 * c1 - 4 * s1), 2 * (4 * c1 + 3 * s1), 5}, 2e-6f);
}

struct Case {
  int64_t batch, rows, past, heads, kv, dk, dv, causal, window;
  double softcap;
  int64_t ahead = 0;
  double slope = 0;   // of head h: slope * (h + 1)
};

class Attention : public testing::TestWithParam<Case> {};

TEST_P(Attention, EqualsItsDefinition) {
  const Case p = GetParam();
  const int64_t t = p.past + p.rows;
  const Tensor q = Noise({p.batch, p.rows, p.heads * p.dk}, 1), k = Noise({p.batch, p.rows, p.kv * p.dk}, 2), v = Noise({p.batch, p.rows, p.kv * p.dv}, 3);
  std::vector<Tensor> in{q, k, v};
  if (p.past) in.insert(in.end(), {Noise({p.batch, p.kv, p.past, p.dk}, 4), Noise({p.batch, p.kv, p.past, p.dv}, 5)});
  RunOptions options;
  options.threads = 2;
  std::vector<double> slopes;
  for (int64_t h = 0; h < p.heads && p.slope != 0; ++h) slopes.push_back(p.slope * static_cast<double>(h + 1));
  const auto r = EvalAll("attention", in,
                         {{"ahead", p.ahead}, {"slopes", slopes}, {"heads", p.heads}, {"kv_heads", p.kv}, {"head_dim", p.dk}, {"v_head_dim", p.dv}, {"scale", 0.3}, {"causal", p.causal},
                          {"window", p.window}, {"softcap", p.softcap}}, 3, options);
  ASSERT_TRUE(r.ok()) << r.status().message();
  const Tensor &y = (*r)[0], &keys = (*r)[1], &vals = (*r)[2];
  ASSERT_EQ(keys.dims(), (std::vector<int64_t>{p.batch, p.kv, t, p.dk}));
  for (int64_t b = 0; b < p.batch; ++b)
    for (int64_t h = 0; h < p.heads; ++h)
      for (int64_t s = 0; s < p.rows; ++s) {
        const int64_t kvh = b * p.kv + h / (p.heads / p.kv);
        std::vector<double> w(static_cast<size_t>(t), 0);
        double sum = 0;
        for (int64_t j = 0; j < t; ++j) {
          if ((p.causal && j > p.past + s) || (p.window && j <= p.past + s - p.window) || (p.ahead && j >= p.past + s + p.ahead)) continue;
          double score = 0;
          for (int64_t d = 0; d < p.dk; ++d) score += q.At(((b * p.rows + s) * p.heads + h) * p.dk + d) * keys.At((kvh * t + j) * p.dk + d);
          score *= 0.3;
          if (p.softcap != 0) score = p.softcap * std::tanh(score / p.softcap);
          score -= p.slope * static_cast<double>((h + 1) * std::abs(p.past + s - j));
          sum += w[static_cast<size_t>(j)] = std::exp(score);
        }
        for (int64_t d = 0; d < p.dv; ++d) {
          double want = 0;
          for (int64_t j = 0; j < t; ++j) want += w[static_cast<size_t>(j)] / sum * vals.At((kvh * t + j) * p.dv + d);
          ASSERT_NEAR(y.At(((b * p.rows + s) * p.heads + h) * p.dv + d), want, 2e-6);
        }
      }
  // The cache is the past, then this call's rows.
  EXPECT_EQ(keys.At((t - 1) * p.dk), k.At((p.rows - 1) * p.kv * p.dk));
  if (p.past) {
    EXPECT_EQ(keys.At(1), in[3].At(1));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(Case{1, 1, 0, 1, 1, 4, 4, 1, 0, 0}, Case{2, 5, 0, 4, 2, 8, 8, 1, 0, 0}, Case{1, 3, 6, 4, 1, 8, 8, 1, 0, 0},
                                         Case{1, 70, 3, 2, 2, 4, 6, 1, 4, 0}, Case{1, 9, 0, 2, 2, 4, 4, 0, 0, 5}, Case{1, 65, 64, 3, 1, 4, 4, 1, 1, 2}, Case{2, 70, 0, 2, 1, 4, 4, 0, 5, 0, 3},
                                         Case{1, 70, 9, 4, 2, 4, 4, 1, 0, 0, 0, 0.25}, Case{1, 20, 0, 3, 3, 4, 4, 0, 0, 2, 7, 0.125}));

TEST(Semantic, AttentionRefusesWrongShapes) {
  const ir::Attrs attrs{{"heads", int64_t{2}}, {"kv_heads", int64_t{1}}, {"head_dim", int64_t{4}}, {"scale", 1.0}};
  const Tensor q = Noise({1, 2, 8}, 1), k = Noise({1, 2, 4}, 2);
  EXPECT_TRUE(EvalAll("attention", {q, k, k}, attrs).ok());
  EXPECT_EQ(EvalError("attention", {q, Noise({1, 3, 4}, 1), k}, attrs).code(), Code::kBadInput);
  ir::Attrs three = attrs;
  three["slopes"] = std::vector<double>{1, 2, 3};
  EXPECT_EQ(EvalError("attention", {q, k, k}, three).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("attention", {q, k, k, Noise({1, 1, 2, 4}, 1)}, attrs).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("attention", {q, k, k, Noise({1, 1, 2, 4}, 1), Noise({1, 1, 3, 4}, 1)}, attrs).code(), Code::kBadInput);
}

TEST(Semantic, ColumnsRowsAndActivations) {
  const Tensor x = F32({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  ExpectFloats(Eval("slice_cols", {x}, {{"begin", int64_t{1}}, {"end", int64_t{3}}}), {1, 2, 2}, {2, 3, 5, 6});
  ExpectFloats(Eval("concat_cols", {x, F32({1, 2, 1}, {7, 8})}), {1, 2, 4}, {1, 2, 3, 7, 4, 5, 6, 8});
  ExpectFloats(Eval("take_row", {x}, {{"index", int64_t{-1}}}), {1, 3}, {4, 5, 6});
  EXPECT_EQ(EvalError("take_row", {x}, {{"index", int64_t{2}}}).code(), Code::kBadInput);
  const Tensor g = F32({1, 1, 2}, {-1, 2}), u = F32({1, 1, 2}, {3, 3});
  ExpectFloats(Eval("gated_act", {g, u}, {{"act", std::string("relu")}}), {1, 1, 2}, {0, 6});
  ExpectFloats(Eval("act", {g}, {{"kind", std::string("silu")}}), {1, 1, 2}, {-1 / (1 + std::exp(1.0f)), 2 / (1 + std::exp(-2.0f))}, 1e-6f);
  EXPECT_EQ(EvalError("act", {g}, {{"kind", std::string("nothing")}}).code(), Code::kBadInput);
}

}  // namespace
}  // namespace hasten::interp
