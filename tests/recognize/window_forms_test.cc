// Windows in many spellings: causal and two-sided ones are told exactly, and what is
// off by one, lopsided in another way or no window is another window or refused.
#include "tests/recognize/attention_form.h"

namespace hasten::passes {
namespace {

struct Reach {
  int64_t causal, window, ahead;
};

void ExpectReach(const char* mask, const Reach& want) {
  Form f;
  f.mask = mask;
  std::string why;
  ir::Node* attention = nullptr;
  std::unique_ptr<ir::Graph> graph;
  ASSERT_TRUE(RecognizedAndEqual(f, &why, &attention, &graph)) << mask << "\n" << why;
  EXPECT_EQ(attention->Int("causal", -1), want.causal) << mask;
  EXPECT_EQ(attention->Int("window", -1), want.window) << mask;
  EXPECT_EQ(attention->Int("ahead", 0), want.ahead) << mask;
}

TEST(WindowForms, BothSides) {
  // ModernBERT: |q - k| <= w.
  ExpectReach("%d = sub(%row, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %see = less_or_equal(%a, @three_i) : bool[S,S]", {0, 4, 4});
  ExpectReach("%d = sub(%col, %row) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %see = less(%a, @three_i) : bool[S,S]", {0, 3, 3});
  ExpectReach("%d = sub(%row, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %far = greater(%a, @two_i) : bool[S,S]\n %see = not(%far) : bool[S,S]", {0, 3, 3});
  ExpectReach("%d = sub(%row, %col) : i64[S,S]\n %minus = neg(%d) : i64[S,S]\n %first = less_or_equal(%d, @two_i) : bool[S,S]\n"
              " %second = less_or_equal(%minus, @two_i) : bool[S,S]\n %see = and(%first, %second) : bool[S,S]", {0, 3, 3});
  ExpectReach("%d = sub(%row, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %see = less_or_equal(%a, @zero_i) : bool[S,S]", {1, 1, 0});   // itself alone
}

TEST(WindowForms, OneSideOrUneven) {
  ExpectReach("%see = greater_or_equal(%col, %row) : bool[S,S]", {0, 1, 0});   // itself and what follows
  ExpectReach("%d = add(%row, @one_i) : i64[S,1]\n %see = less_or_equal(%col, %d) : bool[S,S]", {0, 0, 2});
  ExpectReach("%d = sub(%row, @three_i) : i64[S,1]\n %see = greater_or_equal(%col, %d) : bool[S,S]", {0, 4, 0});
  ExpectReach("%d = sub(%row, @three_i) : i64[S,1]\n %first = greater_or_equal(%col, %d) : bool[S,S]\n %e = add(%row, @two_i) : i64[S,1]\n"
              " %second = less_or_equal(%col, %e) : bool[S,S]\n %see = and(%first, %second) : bool[S,S]", {0, 4, 3});
}

TEST(WindowForms, CausalSpellings) {
  // A two-sided window under a causal mask is a sliding one.
  ExpectReach("%d = sub(%row, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %first = less(%a, @three_i) : bool[S,S]\n"
              " %second = greater_or_equal(%d, @zero_i) : bool[S,S]\n %see = and(%first, %second) : bool[S,S]", {1, 3, 0});
  // 0 <= q - k < w.
  ExpectReach("%d = sub(%row, %col) : i64[S,S]\n %first = less(%d, @three_i) : bool[S,S]\n %second = greater_or_equal(%d, @zero_i) : bool[S,S]\n"
              " %see = and(%first, %second) : bool[S,S]", {1, 3, 0});
  // not (k > q or k <= q - w).
  ExpectReach("%first = greater(%col, %row) : bool[S,S]\n %d = sub(%row, @three_i) : i64[S,1]\n %second = less_or_equal(%col, %d) : bool[S,S]\n"
              " %either = or(%first, %second) : bool[S,S]\n %see = not(%either) : bool[S,S]", {1, 3, 0});
  // Lower triangle, and upper triangle from a diagonal below the main one on.
  ExpectReach("%dims = concat(%shape, %shape) {axis = 0} : i64[2]\n"
              " %ones = constant_of_shape(%dims) {value = tensor(bool[1], [true])} : bool[S,S]\n"
              " %lower = trilu(%ones) {upper = 0} : bool[S,S]\n %upper = trilu(%ones, @minus_two_i) {upper = 1} : bool[S,S]\n"
              " %see = and(%lower, %upper) : bool[S,S]", {1, 3, 0});
  // The narrower of two windows holds.
  ExpectReach("%d = sub(%row, %col) : i64[S,S]\n %first = less(%d, @three_i) : bool[S,S]\n %z = less(%d, @two_i) : bool[S,S]\n"
              " %second = greater_or_equal(%d, @zero_i) : bool[S,S]\n %w = and(%first, %z) : bool[S,S]\n %see = and(%w, %second) : bool[S,S]", {1, 2, 0});
}

TEST(WindowForms, Refused) {
  const char* const refused[] = {
      "%d = sub(%row, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %see = greater_or_equal(%a, @two_i) : bool[S,S]",      // all but the near ones
      "%d = sub(%row, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %see = equal(%a, @two_i) : bool[S,S]",
      "%t = mul(%row, @two_i) : i64[S,1]\n %d = sub(%t, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %see = less_or_equal(%a, @three_i) : bool[S,S]",
      "%d = sub(%row, %col) : i64[S,S]\n %e = sub(%d, @four_i) : i64[S,S]\n %a = abs(%e) : i64[S,S]\n %see = less_or_equal(%a, @two_i) : bool[S,S]",  // keys 2 to 6 back
      "%d = sub(%row, %col) : i64[S,S]\n %a = abs(%d) : i64[S,S]\n %see = less(%a, %n) : bool[S,S]",                      // as wide as the sequence
  };
  for (const char* mask : refused) {
    Form f;
    f.mask = mask;
    std::string why;
    if (RecognizedAndEqual(f, &why)) {
      // "less than S away" is everything: recognized as such, and equal.
      EXPECT_NE(std::string(mask).find("%n)"), std::string::npos) << mask;
      continue;
    }
    EXPECT_NE(why.find("mask"), std::string::npos) << mask << "\n" << why;
  }
}

}  // namespace
}  // namespace hasten::passes
