// Attention in many spellings. The rule that is tested: a graph is either
// refused, or what recognition made of it computes the same numbers. Compiling
// one wrong is the worst defect there is.
#include "passes/fusion/fusion.h"
#include "tests/recognize/forms.h"

namespace hasten::passes {
namespace {

// A one-layer decoder, 4 query heads of 4, `kv` KV heads; %see: bool[S,S] from `mask`.
struct Form {
  std::string mask = "%see = less_or_equal(%col, %row) : bool[S,S]";
  std::string apply = "%bias = where(%see, @zero, @low) : f32[S,S]\n %masked = add(%scaled, %bias) : f32[B,4,S,S]";
  std::string repeat;                    // makes %kr and %vr [B,4,S,4] from %kt and %vt [B,kv,S,4]
  int kv = 4;
  float low = -INFINITY;
  std::string weights;                   // more of them, as text
};

std::string Text(const Form& f) {
  const int kvc = f.kv * 4;
  const std::string repeat = f.repeat.empty() ? "%kr = identity(%kt) : f32[B,4,S,4]\n %vr = identity(%vt) : f32[B,4,S,4]" : f.repeat;
  return StrCat(R"(graph @main(%input_ids: i64[B,S]) -> (logits: f32[B,S,16]) {
 %x = gather(@embed, %input_ids) {axis = 0} : f32[B,S,16]
 %q = mat_mul(%x, @wq) : f32[B,S,16]
 %k = mat_mul(%x, @wk) : f32[B,S,)", kvc, R"(]
 %v = mat_mul(%x, @wv) : f32[B,S,)", kvc, R"(]
 %q4 = reshape(%q, @heads) : f32[B,S,4,4]
 %k4 = reshape(%k, @heads) : f32[B,S,)", f.kv, R"(,4]
 %v4 = reshape(%v, @heads) : f32[B,S,)", f.kv, R"(,4]
 %qt = transpose(%q4) {perm = [0, 2, 1, 3]} : f32[B,4,S,4]
 %kt = transpose(%k4) {perm = [0, 2, 1, 3]} : f32[B,)", f.kv, R"(,S,4]
 %vt = transpose(%v4) {perm = [0, 2, 1, 3]} : f32[B,)", f.kv, R"(,S,4]
 %shape = shape(%input_ids) {start = 1} : i64[1]
 %n = squeeze(%shape) : i64[]
 %r = range(@zero_i, %n, @one_i) : i64[S]
 %col = unsqueeze(%r, @axis0) : i64[1,S]
 %row = unsqueeze(%r, @axis1) : i64[S,1]
 )", repeat, "\n ", f.mask, R"(
 %kkt = transpose(%kr) {perm = [0, 1, 3, 2]} : f32[B,4,4,S]
 %scores = mat_mul(%qt, %kkt) : f32[B,4,S,S]
 %scaled = mul(%scores, @half) : f32[B,4,S,S]
 )", f.apply, R"(
 %p = softmax(%masked) {axis = -1} : f32[B,4,S,S]
 %o = mat_mul(%p, %vr) : f32[B,4,S,4]
 %ot = transpose(%o) {perm = [0, 2, 1, 3]} : f32[B,S,4,4]
 %oc = reshape(%ot, @flat) : f32[B,S,16]
 %y = mat_mul(%oc, @wo) : f32[B,S,16]
 %h = add(%x, %y) : f32[B,S,16]
 %logits = mat_mul(%h, @head) : f32[B,S,16]
 return %logits
}
weight @heads : i64[4] = [0, 0, -1, 4]
weight @flat : i64[3] = [0, 0, 16]
weight @axis0 : i64[1] = [0]
weight @axis1 : i64[1] = [1]
weight @axis2 : i64[1] = [2]
weight @zero_i : i64[] = 0
weight @one_i : i64[] = 1
weight @two_i : i64[] = 2
weight @three_i : i64[] = 3
weight @four_i : i64[] = 4
weight @zero : f32[] = 0.0
weight @half : f32[] = 0.5
weight @one : f32[] = 1.0
weight @low : f32[] = )", std::isinf(f.low) ? std::string("-inf") : StrCat(static_cast<double>(f.low) == std::floor(f.low) && f.low > -1e6f ? StrCat(f.low, ".0") : StrCat(f.low)), "\n", f.weights);
}

std::unique_ptr<ir::Graph> Build(const Form& f) {
  uint32_t seed = 7;
  std::vector<std::pair<std::string, ir::Tensor>> weights;
  for (const char* name : {"embed", "wq", "wk", "wv", "wo", "head"}) {
    const bool kv = std::string_view(name) == "wk" || std::string_view(name) == "wv";
    weights.emplace_back(name, forms::Random({16, kv ? f.kv * 4 : 16}, ++seed));
  }
  return forms::Parse(Text(f), weights);
}

// Recognizes and compares with the original on 2 x 9 tokens; false when refused.
bool RecognizedAndEqual(const Form& f, std::string* message, ir::Node** attention = nullptr, std::unique_ptr<ir::Graph>* keep = nullptr) {
  auto graph = Build(f);
  if (!graph || !forms::RecognizedAndEqual(*graph, message)) return false;
  for (const auto& n : graph->nodes())
    if (n->op == "attention" && attention) *attention = n.get();
  if (keep) *keep = std::move(graph);
  return true;
}

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
      "%d = add(%row, @one_i) : i64[S,1]\n %see = less_or_equal(%col, %d) : bool[S,S]",         // one into the future
      "%d = sub(%row, @one_i) : i64[S,1]\n %see = less_or_equal(%col, %d) : bool[S,S]",
      "%d = mul(%row, @two_i) : i64[S,1]\n %see = less_or_equal(%col, %d) : bool[S,S]",
      "%see = equal(%col, %row) : bool[S,S]",
      "%see = greater_or_equal(%col, %row) : bool[S,S]",                                        // anti-causal
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
