// ALiBi in many spellings. Slopes must come out exactly; what is nearly ALiBi but not
// a slope of the head times the key's position must be refused.
#include "tests/recognize/attention_form.h"

namespace hasten::passes {
namespace {

const std::vector<double> kSlopes = {0.5, 0.25, 0.125, 0.0625};
constexpr const char* kWeights =
    "weight @slopes : f32[4,1,1] = [0.5, 0.25, 0.125, 0.0625]\n"
    "weight @line : f32[1,4,1,12] = [-5.5, -5.0, -4.5, -4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, "
    "-2.75, -2.5, -2.25, -2.0, -1.75, -1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0, "
    "-1.375, -1.25, -1.125, -1.0, -0.875, -0.75, -0.625, -0.5, -0.375, -0.25, -0.125, 0.0, "
    "-0.6875, -0.625, -0.5625, -0.5, -0.4375, -0.375, -0.3125, -0.25, -0.1875, -0.125, -0.0625, 0.0]\n"
    "weight @bent : f32[1,4,1,12] = [-5.5, -5.0, -4.5, -4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, "
    "-2.75, -2.5, -2.25, -2.0, -1.75, -1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0, "
    "-1.375, -1.25, -1.125, -1.0, -0.875, -0.75, -0.625, -0.51, -0.375, -0.25, -0.125, 0.0, "
    "-0.6875, -0.625, -0.5625, -0.5, -0.4375, -0.375, -0.3125, -0.25, -0.1875, -0.125, -0.0625, 0.0]\n"
    "weight @axis3 : i64[1] = [3]\n"
    "weight @end : i64[1] = [12]\n"
    "weight @twelve : i64[1] = [12]\n"
    "weight @quarter : f32[] = 0.25\n";

const char* const kCausal = "%see = less_or_equal(%col, %row) : bool[S,S]";
const char* const kAll = "%see = greater_or_equal(%col, @zero_i) : bool[1,S]";
const std::string kApply = " %biased = add(%scaled, %alibi) : f32[B,4,S,S]\n %bias = where(%see, @zero, @low) : f32[S,S]\n %masked = add(%biased, %bias) : f32[B,4,S,S]";

bool Recognizes(std::string apply, std::string* why, std::vector<double>* slopes, const char* mask = kCausal, float low = -INFINITY) {
  Form f;
  f.mask = mask;
  f.apply = std::move(apply);
  f.low = low;
  f.weights = kWeights;
  ir::Node* attention = nullptr;
  std::unique_ptr<ir::Graph> graph;
  if (!RecognizedAndEqual(f, why, &attention, &graph)) return false;
  *slopes = attention->Floats("slopes");
  return true;
}

TEST(AlibiForms, AcceptedOnesGiveTheSlopes) {
  const std::string accepted[] = {
      // BLOOM: slope * k.
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %alibi = mul(@slopes, %kf) : f32[4,1,S]\n" + kApply,
      // slope * (k - q), whole numbers subtracted as integers and as floats.
      "%d = sub(%col, %row) : i64[S,S]\n %kf = cast(%d) {to = 1} : f32[S,S]\n %alibi = mul(@slopes, %kf) : f32[4,S,S]\n" + kApply,
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %qf = cast(%row) {to = 1} : f32[S,1]\n %d = sub(%kf, %qf) : f32[S,S]\n %alibi = mul(@slopes, %d) : f32[4,S,S]\n" + kApply,
      // slope * k + what depends on q and h alone.
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %qf = cast(%row) {to = 1} : f32[S,1]\n %a = mul(@slopes, %kf) : f32[4,1,S]\n %b = mul(@slopes, %qf) : f32[4,S,1]\n"
      " %c = add(%b, @half) : f32[4,S,1]\n %alibi = sub(%a, %c) : f32[4,S,S]\n" + kApply,
      // -slope * |q - k| where only keys behind are seen.
      "%d = sub(%row, %col) : i64[S,S]\n %m = abs(%d) : i64[S,S]\n %kf = cast(%m) {to = 1} : f32[S,S]\n %far = mul(@slopes, %kf) : f32[4,S,S]\n %alibi = neg(%far) : f32[4,S,S]\n" + kApply,
      "%d = sub(%row, %col) : i64[S,S]\n %kf = cast(%d) {to = 1} : f32[S,S]\n %m = abs(%kf) : f32[S,S]\n %far = mul(@slopes, %m) : f32[4,S,S]\n %alibi = neg(%far) : f32[4,S,S]\n" + kApply,
      // MPT: the last S columns of a stored table.
      "%from = sub(@twelve, %shape) : i64[1]\n %alibi = slice(@line, %from, @end, @axis3) : f32[1,4,1,S]\n" + kApply,
      // Falcon: scaled together with the scores (here 2 * (dot + alibi) / 4).
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %a = mul(@slopes, %kf) : f32[4,1,S]\n %t = div(%a, @quarter) : f32[4,1,S]\n %b = add(%scaled, %t) : f32[B,4,S,S]\n"
      " %biased = mul(%b, @quarter) : f32[B,4,S,S]\n %bias = where(%see, @zero, @low) : f32[S,S]\n %masked = add(%biased, %bias) : f32[B,4,S,S]",
      // Mask and bias in one.
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %a = mul(@slopes, %kf) : f32[4,1,S]\n %bias = where(%see, %a, @low) : f32[4,S,S]\n %masked = add(%scaled, %bias) : f32[B,4,S,S]",
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %a = mul(@slopes, %kf) : f32[4,1,S]\n %b = add(%scaled, %a) : f32[B,4,S,S]\n %masked = where(%see, %b, @low) : f32[B,4,S,S]",
  };
  for (const std::string& apply : accepted) {
    std::string why;
    std::vector<double> slopes;
    ASSERT_TRUE(Recognizes(apply, &why, &slopes)) << apply << "\n" << why;
    EXPECT_EQ(slopes, kSlopes) << apply;
  }
}

TEST(AlibiForms, WhatDoesNotDependOnTheKeyIsNoBias) {
  std::string why;
  std::vector<double> slopes;
  ASSERT_TRUE(Recognizes("%qf = cast(%row) {to = 1} : f32[S,1]\n %alibi = mul(@slopes, %qf) : f32[4,S,1]\n" + kApply, &why, &slopes)) << why;
  EXPECT_TRUE(slopes.empty());
}

TEST(AlibiForms, SymmetricInEncoders) {
  const std::string bias = "%d = sub(%row, %col) : i64[S,S]\n %m = abs(%d) : i64[S,S]\n %kf = cast(%m) {to = 1} : f32[S,S]\n %far = mul(@slopes, %kf) : f32[4,S,S]\n"
                           " %alibi = neg(%far) : f32[4,S,S]\n %masked = add(%scaled, %alibi) : f32[B,4,S,S]";
  std::string why;
  std::vector<double> slopes;
  ASSERT_TRUE(Recognizes(bias, &why, &slopes, kAll)) << why;
  EXPECT_EQ(slopes, kSlopes);
  // slope * k there prefers later keys: no distance.
  EXPECT_FALSE(Recognizes("%kf = cast(%col) {to = 1} : f32[1,S]\n %alibi = mul(@slopes, %kf) : f32[4,1,S]\n %masked = add(%scaled, %alibi) : f32[B,4,S,S]", &why, &slopes, kAll));
  EXPECT_NE(why.find("bidirectional"), std::string::npos) << why;
}

TEST(AlibiForms, NearMissesAreRefused) {
  const std::string refused[] = {
      // A table with one bent row.
      "%from = sub(@twelve, %shape) : i64[1]\n %alibi = slice(@bent, %from, @end, @axis3) : f32[1,4,1,S]\n" + kApply,
      // Quadratic, logarithmic, and |k - 2 q|.
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %sq = mul(%kf, %kf) : f32[1,S]\n %alibi = mul(@slopes, %sq) : f32[4,1,S]\n" + kApply,
      "%k1 = add(%col, @one_i) : i64[1,S]\n %kf = cast(%k1) {to = 1} : f32[1,S]\n %l = log(%kf) : f32[1,S]\n %alibi = mul(@slopes, %l) : f32[4,1,S]\n" + kApply,
      "%q2 = mul(%row, @two_i) : i64[S,1]\n %d = sub(%q2, %col) : i64[S,S]\n %m = abs(%d) : i64[S,S]\n %kf = cast(%m) {to = 1} : f32[S,S]\n %alibi = mul(@slopes, %kf) : f32[4,S,S]\n" + kApply,
      // Slope that grows with the query's position.
      "%d = mul(%row, %col) : i64[S,S]\n %kf = cast(%d) {to = 1} : f32[S,S]\n %alibi = mul(@slopes, %kf) : f32[4,S,S]\n" + kApply,
      // Clamped: far keys are all alike (T5's buckets end so).
      "%d = sub(%row, %col) : i64[S,S]\n %kf = cast(%d) {to = 1} : f32[S,S]\n %m = min(%kf, @one) : f32[S,S]\n %alibi = mul(@slopes, %m) : f32[4,S,S]\n" + kApply,
      // A bias by token.
      "%t = cast(%input_ids) {to = 1} : f32[B,S]\n %u = unsqueeze(%t, @axis1) : f32[B,1,S]\n %w = unsqueeze(%u, @axis1) : f32[B,1,1,S]\n %alibi = mul(@slopes, %w) : f32[B,4,1,S]\n" + kApply,
      // Scaled by a value of the model: the slope is no constant.
      "%e = reduce_sum(%x, @axis2) {keepdims = 1} : f32[B,S,1]\n %et = transpose(%e) {perm = [0, 2, 1]} : f32[B,1,S]\n %eu = unsqueeze(%et, @axis1) : f32[B,1,1,S]\n"
      " %alibi = mul(@slopes, %eu) : f32[B,4,1,S]\n" + kApply,
      // By batch.
      "%bs = shape(%input_ids) {start = 0, end = 1} : i64[1]\n %bn = squeeze(%bs) : i64[]\n %br = range(@zero_i, %bn, @one_i) : i64[B]\n %bf = cast(%br) {to = 1} : f32[B]\n"
      " %b1 = unsqueeze(%bf, @axis1) : f32[B,1]\n %b2 = unsqueeze(%b1, @axis1) : f32[B,1,1]\n %b3 = unsqueeze(%b2, @axis1) : f32[B,1,1,1]\n"
      " %kf = cast(%col) {to = 1} : f32[1,S]\n %a = mul(%b3, %kf) : f32[B,1,1,S]\n %alibi = mul(@slopes, %a) : f32[B,4,1,S]\n" + kApply,
      // Inside a soft cap's tanh it is another function.
      "%kf = cast(%col) {to = 1} : f32[1,S]\n %a = mul(@slopes, %kf) : f32[4,1,S]\n %b = add(%scaled, %a) : f32[B,4,S,S]\n %biased = tanh(%b) : f32[B,4,S,S]\n"
      " %bias = where(%see, @zero, @low) : f32[S,S]\n %masked = add(%biased, %bias) : f32[B,4,S,S]",
  };
  for (const std::string& apply : refused) {
    std::string why;
    std::vector<double> slopes;
    EXPECT_FALSE(Recognizes(apply, &why, &slopes)) << apply;
    EXPECT_NE(why.find("attention"), std::string::npos) << why;
  }
}

// -10000 hides a key only from biases that stay far below it.
TEST(AlibiForms, WeakMasksAreRefused) {
  const std::string bloom = "%kf = cast(%col) {to = 1} : f32[1,S]\n %alibi = mul(@slopes, %kf) : f32[4,1,S]\n" + kApply;
  std::string why;
  std::vector<double> slopes;
  EXPECT_FALSE(Recognizes(bloom, &why, &slopes, kCausal, -10000.0f));
  EXPECT_NE(why.find("overtaken"), std::string::npos) << why;
  EXPECT_TRUE(Recognizes(bloom, &why, &slopes, kCausal, -3.40282347e38f)) << why;
}

}  // namespace
}  // namespace hasten::passes
