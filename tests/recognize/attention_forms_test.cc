// Attention in many spellings: masks, ways to apply them, shared heads.
#include "tests/recognize/attention_form.h"

namespace hasten::passes {
namespace {

TEST(AttentionForms, CausalIsProved) {
  std::string why;
  ir::Node* attention = nullptr;
  std::unique_ptr<ir::Graph> graph;
  ASSERT_TRUE(RecognizedAndEqual({}, &why, &attention, &graph)) << why;
  ASSERT_NE(attention, nullptr);
  EXPECT_EQ(attention->Int("causal", 0), 1);
  EXPECT_EQ(attention->Int("window", -1), 0);
  EXPECT_EQ(attention->Float("scale", 0), 0.5);
}

TEST(AttentionForms, AcceptedMasksComputeTheSame) {
  const std::pair<const char*, int64_t> accepted[] = {
      {"%see = greater_or_equal(%row, %col) : bool[S,S]", 0},
      {"%g = greater(%col, %row) : bool[S,S]\n %see = not(%g) : bool[S,S]", 0},
      {"%d = sub(%row, %col) : i64[S,S]\n %see = greater_or_equal(%d, @zero_i) : bool[S,S]", 0},
      {"%c = less_or_equal(%col, %row) : bool[S,S]\n %d = sub(%row, %three_i) : i64[S,1]\n %w = greater(%col, %d) : bool[S,S]\n"
       " %see = and(%c, %w) : bool[S,S]", 3},
      {"%c = less_or_equal(%col, %row) : bool[S,S]\n %d = sub(%row, %three_i) : i64[S,1]\n %w = greater_or_equal(%col, %d) : bool[S,S]\n"
       " %see = and(%c, %w) : bool[S,S]", 4},
      {"%ones = constant_of_shape(%dims) {value = tensor(bool[1], [true])} : bool[S,S]\n %see = trilu(%ones) {upper = 0} : bool[S,S]", 0},
  };
  for (const auto& [mask, window] : accepted) {
    Form f;
    f.mask = mask;
    for (size_t at; (at = f.mask.find("%three_i")) != std::string::npos;) f.mask.replace(at, 8, "@three_i");
    if (f.mask.find("%dims") != std::string::npos) f.mask = "%dims = concat(%shape, %shape) {axis = 0} : i64[2]\n " + f.mask;
    std::string why;
    ir::Node* attention = nullptr;
    std::unique_ptr<ir::Graph> graph;
    ASSERT_TRUE(RecognizedAndEqual(f, &why, &attention, &graph)) << mask << "\n" << why;
    EXPECT_EQ(attention->Int("causal", 0), 1) << mask;
    EXPECT_EQ(attention->Int("window", -1), window) << mask;
  }
}

TEST(AttentionForms, MasksThatAreNotWhatTheRuntimeDoesAreRefused) {
  const char* const refused[] = {
      "%see = less(%col, %row) : bool[S,S]",                                                    // not its own key
      "%d = sub(%row, @one_i) : i64[S,1]\n %see = less_or_equal(%col, %d) : bool[S,S]",
      "%d = mul(%row, @two_i) : i64[S,1]\n %see = less_or_equal(%col, %d) : bool[S,S]",
      "%see = equal(%col, %row) : bool[S,S]",
      "%c = less_or_equal(%col, %row) : bool[S,S]\n %w = less(%col, @three_i) : bool[1,S]\n %see = or(%c, %w) : bool[S,S]",   // prefix
      "%c = less_or_equal(%col, %row) : bool[S,S]\n %w = greater(%col, @zero_i) : bool[1,S]\n %see = and(%c, %w) : bool[S,S]",  // skips the first
  };
  for (const char* mask : refused) {
    Form f;
    f.mask = mask;
    std::string why;
    EXPECT_FALSE(RecognizedAndEqual(f, &why)) << mask;
    EXPECT_NE(why.find("mask"), std::string::npos) << why;
  }
}

TEST(AttentionForms, WaysToApplyTheMask) {
  const std::pair<const char*, float> ways[] = {
      {"%masked = where(%see, %scaled, @low) : f32[B,4,S,S]", -3.40282347e38f},
      {"%f = cast(%see) {to = 1} : f32[S,S]\n %i = sub(@one, %f) : f32[S,S]\n %bias = mul(%i, @low) : f32[S,S]\n"
       " %masked = add(%scaled, %bias) : f32[B,4,S,S]", -10000.0f},
      {"%no = not(%see) : bool[S,S]\n %masked = where(%no, @low, %scaled) : f32[B,4,S,S]", -INFINITY},
  };
  for (const auto& [apply, low] : ways) {
    Form f;
    f.apply = apply;
    f.low = low;
    std::string why;
    EXPECT_TRUE(RecognizedAndEqual(f, &why)) << apply << "\n" << why;
  }
  Form late{.apply = "%bias = where(%see, @zero, @low) : f32[S,S]\n %raw = add(%scores, %bias) : f32[B,4,S,S]\n"
                     " %masked = mul(%raw, @half) : f32[B,4,S,S]"};   // masked before it is scaled, as CodeGen does
  std::string reason;
  EXPECT_TRUE(RecognizedAndEqual(late, &reason)) << reason;
  late.low = -10000;   // of which the scale leaves -5000
  EXPECT_FALSE(RecognizedAndEqual(late, &reason));
  Form weak;  // a bias of -1 hides nothing
  weak.low = -1;
  std::string why;
  EXPECT_FALSE(RecognizedAndEqual(weak, &why));
}

// A table [16, 16] of what row i sees of column j, cut to [S, S].
Form Stored(bool (*sees)(int i, int j)) {
  Form f;
  f.mask = "%end = concat(%shape, %shape) {axis = 0} : i64[2]\n %cut = slice(@table, @from, %end, @axes) : i64[S,S]\n"
           " %see = cast(%cut) {to = 9} : bool[S,S]";
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) f.weights += StrCat(f.weights.empty() ? "weight @table : i64[16,16] = [" : ", ", sees(i, j) ? 1 : 0);
  f.weights += "]\nweight @from : i64[2] = [0, 0]\nweight @axes : i64[2] = [0, 1]\n";
  return f;
}

TEST(AttentionForms, StoredMasks) {
  std::string why;
  ir::Node* attention = nullptr;
  std::unique_ptr<ir::Graph> graph;
  ASSERT_TRUE(RecognizedAndEqual(Stored([](int i, int j) { return j <= i; }), &why, &attention, &graph)) << why;
  EXPECT_EQ(attention->Int("window", -1), 0);
  ASSERT_TRUE(RecognizedAndEqual(Stored([](int i, int j) { return j <= i && i - j < 4; }), &why, &attention, &graph)) << why;
  EXPECT_EQ(attention->Int("window", -1), 4);
  EXPECT_EQ(attention->Int("causal", 0), 1);
  bool (*const refused[])(int, int) = {
      [](int i, int j) { return j < i; }, [](int i, int j) { return j <= i + 1; }, [](int i, int j) { return i - j < 4; },
      [](int i, int j) { return j <= i && i - j < 4 && !(i == 7 && j == 5); }, [](int i, int j) { return j <= i && (i - j < 4 || j == 0); }};
  for (const auto sees : refused) EXPECT_FALSE(RecognizedAndEqual(Stored(sees), &why));
}

TEST(AttentionForms, HeadsThatShareKeys) {
  Form grouped;  // h / 2: as Llama repeats
  grouped.kv = 2;
  grouped.repeat =
      "%ku = unsqueeze(%kt, @axis2) : f32[B,2,1,S,4]\n %vu = unsqueeze(%vt, @axis2) : f32[B,2,1,S,4]\n"
      " %ke = concat(%ku, %ku) {axis = 2} : f32[B,2,2,S,4]\n %ve = concat(%vu, %vu) {axis = 2} : f32[B,2,2,S,4]\n"
      " %b = shape(%input_ids) {start = 0, end = 1} : i64[1]\n %four = unsqueeze(@four_i, @axis0) : i64[1]\n"
      " %to = concat(%b, %four, %shape, %four) {axis = 0} : i64[4]\n"
      " %kr = reshape(%ke, %to) : f32[B,4,S,4]\n %vr = reshape(%ve, %to) : f32[B,4,S,4]";
  std::string why;
  ir::Node* attention = nullptr;
  std::unique_ptr<ir::Graph> graph;
  ASSERT_TRUE(RecognizedAndEqual(grouped, &why, &attention, &graph)) << why;
  EXPECT_EQ(attention->Int("kv_heads", 0), 2);
  Form interleaved;  // h % 2: the runtime has no such order, so it must be refused
  interleaved.kv = 2;
  interleaved.repeat = "%kr = concat(%kt, %kt) {axis = 1} : f32[B,4,S,4]\n %vr = concat(%vt, %vt) {axis = 1} : f32[B,4,S,4]";
  EXPECT_FALSE(RecognizedAndEqual(interleaved, &why)) << "keys of head h % 2 are not keys of head h / 2";
}

}  // namespace
}  // namespace hasten::passes
