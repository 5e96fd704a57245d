// Elementwise evaluations: broadcasting, integer edges, NaN, half types.
#include <limits>

#include "runtime/base/half.h"
#include "tests/interp/eval.h"

namespace hasten::interp {
namespace {

TEST(Elementwise, BroadcastsBothWays) {
  ExpectFloats(Eval("add", {F32({2, 1}, {1, 2}), F32({3}, {10, 20, 30})}), {2, 3}, {11, 21, 31, 12, 22, 32});
  ExpectFloats(Eval("sub", {F32({}, {1}), F32({2}, {1, 2})}), {2}, {0, -1});
  ExpectFloats(Eval("mul", {F32({2, 1, 2}, {1, 2, 3, 4}), F32({2, 1}, {10, 100})}), {2, 2, 2}, {10, 20, 100, 200, 30, 40, 300, 400});
  ExpectFloats(Eval("add", {F32({0, 3}, {}), F32({3}, {1, 2, 3})}), {0, 3}, {});
}

TEST(Elementwise, LargeTensorsMatchOneThread) {
  const Tensor a = Noise({64, 1, 300}, 1), b = Noise({1, 50, 300}, 2);
  RunOptions two;
  two.threads = 2;
  const Tensor x = Eval("mul", {a, b}), y = Eval("mul", {a, b}, {}, two);
  EXPECT_EQ(x.ToFloats(), y.ToFloats());
  EXPECT_EQ(x.At(64 * 50 * 300 - 1), a.At(64 * 300 - 1) * b.At(50 * 300 - 1));
}

TEST(Elementwise, ShapesThatDoNotBroadcastAreBadInput) {
  const Status s = EvalError("add", {F32({2}, {1, 2}), F32({3}, {1, 2, 3})});
  EXPECT_EQ(s.code(), Code::kBadInput);
  EXPECT_NE(s.message().find("[2] and [3]"), std::string::npos) << s.message();
  EXPECT_NE(s.message().find("the node"), std::string::npos);
  EXPECT_EQ(EvalError("add", {F32({1}, {1}), I64({1}, {1})}).code(), Code::kBadInput);
}

TEST(Elementwise, IntegersWrapAndDivideTruncated) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();
  ExpectInts(Eval("add", {I64({2}, {kMax, 1}), I64({}, {1})}), {2}, {kMin, 2});
  ExpectInts(Eval("mul", {I64({1}, {kMin}), I64({1}, {-1})}), {1}, {kMin});
  ExpectInts(Eval("div", {I64({3}, {-7, 7, kMin}), I64({3}, {2, -2, -1})}), {3}, {-3, -3, kMin});
  ExpectInts(Eval("neg", {I64({1}, {kMin})}), {1}, {kMin});
  ExpectInts(Eval("abs", {I64({2}, {kMin, -3})}), {2}, {kMin, 3});
  ExpectInts(Eval("pow", {I64({3}, {2, -3, 2}), I64({3}, {10, 3, -1})}), {3}, {1024, -27, 0});
  EXPECT_EQ(EvalError("div", {I64({1}, {1}), I64({1}, {0})}).code(), Code::kBadInput);
  EXPECT_EQ(EvalError("mod", {I64({1}, {1}), I64({1}, {0})}).code(), Code::kBadInput);
}

TEST(Elementwise, ModTakesTheDivisorsSignUnlessFmod) {
  ExpectInts(Eval("mod", {I64({4}, {-4, 7, 5, -8}), I64({4}, {3, -3, 8, 4})}), {4}, {2, -2, 5, 0});
  ExpectInts(Eval("mod", {I64({2}, {-4, 7}), I64({2}, {3, -3})}, {{"fmod", int64_t{1}}}), {2}, {-1, 1});
  ExpectInts(Eval("mod", {I64({1}, {std::numeric_limits<int64_t>::min()}), I64({1}, {-1})}), {1}, {0});
}

TEST(Elementwise, NanPassesThroughMaxMinAndRelu) {
  ExpectFloats(Eval("max", {F32({3}, {NAN, 1, 2}), F32({3}, {1, NAN, 1})}), {3}, {NAN, NAN, 2});
  ExpectFloats(Eval("min", {F32({2}, {NAN, 1}), F32({2}, {1, NAN})}), {2}, {NAN, NAN});
  ExpectFloats(Eval("relu", {F32({3}, {NAN, -1, 2})}), {3}, {NAN, 0, 2});
  ExpectInts(Eval("is_na_n", {F32({3}, {NAN, INFINITY, 0})}), {3}, {1, 0, 0});
  ExpectInts(Eval("is_inf", {F32({3}, {NAN, INFINITY, -INFINITY})}, {{"detect_negative", int64_t{0}}}), {3}, {0, 1, 0});
  ExpectInts(Eval("equal", {F32({2}, {NAN, 1}), F32({2}, {NAN, 1})}), {2}, {0, 1});
}

TEST(Elementwise, HalfTypesRoundAfterEachOpUnlessComputedInFp32) {
  Tensor a = *Tensor::Zeros(DType::kF16, {1}), b = *Tensor::Zeros(DType::kF16, {1});
  a.mutable_data<uint16_t>()[0] = FloatToHalf(2048);
  b.mutable_data<uint16_t>()[0] = FloatToHalf(1);
  const Tensor rounded = Eval("add", {a, b});
  EXPECT_EQ(rounded.dtype(), DType::kF16);
  EXPECT_EQ(rounded.At(0), 2048);   // 2049 has no half: ties to even
  RunOptions wide;
  wide.compute_fp32 = true;
  const Tensor exact = Eval("add", {a, b}, {}, wide);
  EXPECT_EQ(exact.dtype(), DType::kF32);
  EXPECT_EQ(exact.At(0), 2049);
}

TEST(Elementwise, CastsSaturateWrapAndNormalizeBool) {
  ExpectInts(Eval("cast", {F32({4}, {-1.7f, 2.9f, 1e20f, NAN})}, {{"to", int64_t{6}}}), {4}, {-1, 2, INT32_MAX, 0});
  ExpectInts(Eval("cast", {I64({2}, {300, -1})}, {{"to", int64_t{2}}}), {2}, {44, 255});
  ExpectInts(Eval("cast", {F32({3}, {0, 0.25f, NAN})}, {{"to", int64_t{9}}}), {3}, {0, 1, 1});
  EXPECT_EQ(EvalError("cast", {F32({1}, {1})}, {{"to", int64_t{8}}}).code(), Code::kUnsupported);
}

TEST(Elementwise, WhereAndLogic) {
  ExpectFloats(Eval("where", {Bool({2, 1}, {1, 0}), F32({}, {7}), F32({2}, {1, 2})}), {2, 2}, {7, 7, 1, 2});
  ExpectInts(Eval("xor", {Bool({2}, {1, 1}), Bool({2}, {0, 1})}), {2}, {1, 0});
  EXPECT_EQ(EvalError("where", {F32({1}, {1}), F32({1}, {1}), F32({1}, {1})}).code(), Code::kBadInput);
}

TEST(Elementwise, AttributeOfAnotherKindIsBadInput) {
  EXPECT_EQ(EvalError("leaky_relu", {F32({1}, {-1})}, {{"alpha", std::string("x")}}).code(), Code::kBadInput);
}

TEST(Elementwise, SigmoidAndSoftmaxKeepTheirEnds) {
  ExpectFloats(Eval("sigmoid", {F32({4}, {0, 100, -100, NAN})}), {4}, {0.5f, 1, 0, NAN}, 1e-7f);
  const Tensor s = Eval("softmax", {F32({2, 3}, {0, 0, -INFINITY, 1000, 1000, -1000})});
  ExpectFloats(s, {2, 3}, {0.5f, 0.5f, 0, 0.5f, 0.5f, 0}, 1e-7f);
  ExpectFloats(Eval("softmax", {F32({2, 2}, {0, 1, 0, 1})}, {{"axis", int64_t{0}}}), {2, 2}, {0.5f, 0.5f, 0.5f, 0.5f}, 1e-7f);
  EXPECT_EQ(EvalError("softmax", {F32({2}, {1, 2})}, {{"axis", int64_t{1}}}).code(), Code::kBadInput);
}

// FastExp's promise, over the range that softmax uses.
TEST(Elementwise, SoftmaxIsWithinTwoUnitsOfTheExactOne) {
  std::vector<float> x;
  for (int i = 0; i < 400; ++i) x.push_back(static_cast<float>(i) * -0.2f);
  const Tensor y = Eval("softmax", {F32({400}, x)});
  double sum = 0;
  for (float v : x) sum += std::exp(static_cast<double>(v));
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp(static_cast<double>(x[i])) / sum;
    EXPECT_NEAR(y.At(static_cast<int64_t>(i)), want, want * 4e-7) << x[i];
  }
}

}  // namespace
}  // namespace hasten::interp
