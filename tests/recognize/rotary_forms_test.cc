// Rotary embeddings in many spellings: halves and pairs, tables that are computed,
// stored, repeated element by element, or rounded to 16 bits.
#include "tests/recognize/forms.h"
#include "runtime/base/half.h"

namespace hasten::passes {
namespace {

using forms::RecognizedAndEqual;

// How the angles [S,4] become tables %cos and %sin [S,8].
constexpr const char* kHalves = "%angles = concat(%freqs, %freqs) {axis = -1} : f32[S,8]";
constexpr const char* kExpanded =
    "%f1 = unsqueeze(%freqs, @axis2) : f32[S,4,1]\n %f2 = expand(%f1, @ones_two) : f32[S,4,2]\n"
    " %angles = reshape(%f2, @rows8) : f32[S,8]";
constexpr const char* kTiled =
    "%f1 = unsqueeze(%freqs, @axis2) : f32[S,4,1]\n %f2 = tile(%f1, @ones_two) : f32[S,4,2]\n"
    " %angles = reshape(%f2, @rows8) : f32[S,8]";
constexpr const char* kGathered = "%angles = gather(%freqs, @each_twice) {axis = 1} : f32[S,8]";
constexpr const char* kNonZero =   // TorchScript's repeat_interleave: a mask's indices, folded to a constant
    "%ft = transpose(%freqs) {perm = [1, 0]} : f32[4,S]\n %f1 = unsqueeze(%ft, @axis1) : f32[4,1,S]\n"
    " %n1 = unsqueeze(%n, @axis0) : i64[1]\n %to = concat(@four_two, %n1) {axis = 0} : i64[3]\n"
    " %f2 = expand(%f1, %to) : f32[4,2,S]\n %f3 = gather_nd(%f2, @pairs) : f32[8,S]\n"
    " %angles = transpose(%f3) {perm = [1, 0]} : f32[S,8]";
constexpr const char* kTables = "\n %cos = cos(%angles) : f32[S,8]\n %sin = sin(%angles) : f32[S,8]";

// rotate(x), %X_turned from %X_t [B,2,S,8].
constexpr const char* kTurnHalves =
    "%X_a = slice(%X_t, @zero1, @four1, @axis3) : f32[B,2,S,4]\n %X_b = slice(%X_t, @four1, @eight1, @axis3) : f32[B,2,S,4]\n"
    " %X_n = neg(%X_b) : f32[B,2,S,4]\n %X_turned = concat(%X_n, %X_a) {axis = -1} : f32[B,2,S,8]";
constexpr const char* kTurnPairs =
    "%X_a = slice(%X_t, @zero1, @eight1, @axis3, @two1) : f32[B,2,S,4]\n %X_b = slice(%X_t, @one1, @eight1, @axis3, @two1) : f32[B,2,S,4]\n"
    " %X_n = neg(%X_b) : f32[B,2,S,4]\n %X_nu = unsqueeze(%X_n, @axis4) : f32[B,2,S,4,1]\n %X_au = unsqueeze(%X_a, @axis4) : f32[B,2,S,4,1]\n"
    " %X_p = concat(%X_nu, %X_au) {axis = -1} : f32[B,2,S,4,2]\n %X_turned = reshape(%X_p, @heads8) : f32[B,2,S,8]";

struct Form {
  std::string tables = StrCat(kHalves, kTables);   // makes %cos and %sin [S,8]
  std::string turn = kTurnHalves;
  std::string norm = "%X_t = identity(%X_h) : f32[B,2,S,8]";   // makes %X_t of the heads %X_h
  std::string after = "%X_f = identity(%X_r) : f32[B,2,S,8]";  // makes %X_f of the turned heads %X_r
  std::vector<std::pair<std::string, ir::Tensor>> weights;
};

std::string For(std::string text, const std::string& x) {
  for (size_t at; (at = text.find("%X_")) != std::string::npos;) text.replace(at, 3, StrCat("%", x, "_"));
  return text;
}

std::unique_ptr<ir::Graph> Build(const Form& f) {
  std::string text = StrCat(R"(graph @main(%input_ids: i64[B,S]) -> (logits: f32[B,S,16]) {
 %x = gather(@embed, %input_ids) {axis = 0} : f32[B,S,16]
 %shape = shape(%input_ids) {start = 1} : i64[1]
 %n = squeeze(%shape) : i64[]
 %r = range(@zero_i, %n, @one_i) : i64[S]
 %col = unsqueeze(%r, @axis0) : i64[1,S]
 %row = unsqueeze(%r, @axis1) : i64[S,1]
 %position = cast(%row) {to = 1} : f32[S,1]
 %freqs = mul(%position, @inv_freq) : f32[S,4]
 )", f.tables);
  for (const char* x : {"q", "k"})
    text += For(StrCat(R"(
 %X_l = mat_mul(%x, @w)", x, R"() : f32[B,S,16]
 %X_4 = reshape(%X_l, @heads) : f32[B,S,2,8]
 %X_h = transpose(%X_4) {perm = [0, 2, 1, 3]} : f32[B,2,S,8]
 )", f.norm, "\n ", f.turn, R"(
 %X_c = mul(%X_t, %cos) : f32[B,2,S,8]
 %X_s = mul(%X_turned, %sin) : f32[B,2,S,8]
 %X_r = add(%X_c, %X_s) : f32[B,2,S,8]
 )", f.after), x);
  text += R"(
 %see = less_or_equal(%col, %row) : bool[S,S]
 %kkt = transpose(%k_f) {perm = [0, 1, 3, 2]} : f32[B,2,8,S]
 %scores = mat_mul(%q_f, %kkt) : f32[B,2,S,S]
 %masked = where(%see, %scores, @low) : f32[B,2,S,S]
 %p = softmax(%masked) {axis = -1} : f32[B,2,S,S]
 %o = mat_mul(%p, %k_h) : f32[B,2,S,8]
 %ot = transpose(%o) {perm = [0, 2, 1, 3]} : f32[B,S,2,8]
 %oc = reshape(%ot, @flat) : f32[B,S,16]
 %logits = mat_mul(%oc, @wo) : f32[B,S,16]
 return %logits
}
weight @heads : i64[4] = [0, 0, 2, 8]
weight @heads8 : i64[4] = [0, 0, 0, 8]
weight @rows8 : i64[2] = [0, 8]
weight @flat : i64[3] = [0, 0, 16]
weight @axis0 : i64[1] = [0]
weight @axis1 : i64[1] = [1]
weight @axis2 : i64[1] = [2]
weight @axis3 : i64[1] = [3]
weight @axis4 : i64[1] = [4]
weight @zero1 : i64[1] = [0]
weight @one1 : i64[1] = [1]
weight @two1 : i64[1] = [2]
weight @four1 : i64[1] = [4]
weight @eight1 : i64[1] = [8]
weight @zero_i : i64[] = 0
weight @one_i : i64[] = 1
weight @low : f32[] = -inf
weight @ones_two : i64[3] = [1, 1, 2]
weight @four_two : i64[2] = [4, 2]
weight @each_twice : i64[8] = [0, 0, 1, 1, 2, 2, 3, 3]
weight @pairs : i64[8,2] = [0, 0, 0, 1, 1, 0, 1, 1, 2, 0, 2, 1, 3, 0, 3, 1]
weight @inv_freq : f32[1,4] = [1.0, 0.3, 0.1, 0.03]
)";
  auto weights = f.weights;
  uint32_t seed = 7;
  for (const char* name : {"embed", "wq", "wk", "wo"}) weights.emplace_back(name, forms::Random({16, 16}, ++seed));
  return forms::Parse(text, weights);
}

// Whether `f` is recognized, as one rope op of this kind.
bool Accepts(const Form& f, bool interleaved, std::string* why, double tolerance = 1e-4) {
  const auto graph = Build(f);
  if (!graph || !RecognizedAndEqual(*graph, why, tolerance)) return false;
  const ir::Node* rope = forms::Find(*graph, "rope");
  if (!rope) return false;
  EXPECT_EQ(rope->Int("interleaved", -1), interleaved);
  return true;
}

TEST(RotaryForms, HalvesAndPairs) {
  std::string why;
  EXPECT_TRUE(Accepts({}, false, &why)) << why;
  for (const char* repeat : {kExpanded, kTiled, kGathered, kNonZero}) {
    Form f{.tables = StrCat(repeat, kTables), .turn = kTurnPairs};
    EXPECT_TRUE(Accepts(f, true, &why)) << repeat << "\n" << why;
  }
}

TEST(RotaryForms, TablesOfTheOtherKindAreRefused) {
  std::string why;
  for (const char* repeat : {kExpanded, kTiled, kGathered, kNonZero}) {
    Form f{.tables = StrCat(repeat, kTables)};
    EXPECT_FALSE(Accepts(f, false, &why)) << "halves turned by angles of pairs: " << repeat;
  }
  Form f{.turn = kTurnPairs};
  EXPECT_FALSE(Accepts(f, true, &why)) << "pairs turned by angles of halves";
  f.tables = StrCat("%angles = gather(%freqs, @nearly) {axis = 1} : f32[S,8]", kTables);
  f.weights.emplace_back("nearly", ir::Tensor::From<int64_t>({8}, std::vector<int64_t>{0, 0, 1, 1, 2, 2, 3, 2}));
  EXPECT_FALSE(Accepts(f, true, &why)) << "one angle of another pair";
}

TEST(RotaryForms, AnotherPositionIsRefused) {
  Form f;
  f.tables = StrCat("%late = add(%position, @one_f) : f32[S,1]\n %freqs2 = mul(%late, @inv_freq) : f32[S,4]\n"
                    " %angles = concat(%freqs2, %freqs2) {axis = -1} : f32[S,8]", kTables);
  f.weights.emplace_back("one_f", ir::Tensor::Scalar(1.0f));
  std::string why;
  EXPECT_FALSE(Accepts(f, false, &why));
}

TEST(RotaryForms, NormsBeforePairs) {
  constexpr const char* kNorm = "%X_t = rms_normalization(%X_h, @gain) {axis = -1, epsilon = 1e-05} : f32[B,2,S,8]";
  Form f{.tables = StrCat(kExpanded, kTables), .turn = kTurnPairs, .norm = kNorm};
  f.weights.emplace_back("gain", forms::Random({8}, 3));
  std::string why;
  EXPECT_TRUE(Accepts(f, true, &why)) << why;
  // A gain for each head and column, as Cohere has: [2, 1, 8] over [B, 2, S, 8].
  f.norm = "%X_u = rms_normalization(%X_h, @unit) {axis = -1, epsilon = 1e-05} : f32[B,2,S,8]\n %X_t = mul(%X_u, @gains) : f32[B,2,S,8]";
  f.weights = {{"unit", ir::Tensor::From<float>({8}, std::vector<float>(8, 1.0f))}, {"gains", forms::Random({2, 1, 8}, 4)}};
  EXPECT_TRUE(Accepts(f, true, &why)) << why;
  f.turn = kTurnHalves;
  f.tables = StrCat(kHalves, kTables);
  EXPECT_TRUE(Accepts(f, false, &why)) << why;
}

TEST(RotaryForms, NormsAfterTheTurnAndClippedHeads) {
  Form f;   // queries and keys are scaled by a root of their own, and by gains that neither depends on
  f.after = "%X_u = rms_normalization(%X_r, @gain) {axis = -1, epsilon = 1e-05} : f32[B,2,S,8]\n %X_f = identity(%X_u) : f32[B,2,S,8]";
  f.weights.emplace_back("gain", forms::Random({8}, 3));
  std::string why;
  EXPECT_TRUE(Accepts(f, false, &why)) << why;
  Form clipped{.norm = "%X_t = clip(%X_h, @least, @most) : f32[B,2,S,8]"};
  clipped.weights = {{"least", ir::Tensor::Scalar(-0.5f)}, {"most", ir::Tensor::Scalar(0.75f)}};
  EXPECT_TRUE(Accepts(clipped, false, &why)) << why;
}

// Tables [rows, 4] of cosine and sine of position * frequency, rounded by `round`.
struct Stored {
  std::vector<float> cosine, sine;
};

Stored MakeTables(int64_t rows, float (*round)(float)) {
  constexpr float kFrequency[] = {1.0f, 0.1f, 0.01f, 0.001f};
  Stored t;
  for (int64_t p = 0; p < rows; ++p)
    for (float f : kFrequency) {
      t.cosine.push_back(round(std::cos(static_cast<float>(p) * f)));
      t.sine.push_back(round(std::sin(static_cast<float>(p) * f)));
    }
  return t;
}

float AsStored(float x) { return x; }
float AsHalf(float x) { return HalfToFloat(FloatToHalf(x)); }

Form StoredForm(int64_t rows, const Stored& t) {
  Form f;
  f.tables = "%c1 = gather(@cosines, %r) {axis = 0} : f32[S,4]\n %cos = concat(%c1, %c1) {axis = -1} : f32[S,8]\n"
             " %s1 = gather(@sines, %r) {axis = 0} : f32[S,4]\n %sin = concat(%s1, %s1) {axis = -1} : f32[S,8]";
  f.weights = {{"cosines", ir::Tensor::From<float>({rows, 4}, t.cosine)}, {"sines", ir::Tensor::From<float>({rows, 4}, t.sine)}};
  return f;
}

TEST(RotaryForms, StoredTables) {
  std::string why;
  constexpr int64_t kRows = 300;
  EXPECT_TRUE(Accepts(StoredForm(kRows, MakeTables(kRows, AsStored)), false, &why)) << why;
  // What fp16 rounds off a table, recognition may put right again: so far do they differ.
  EXPECT_TRUE(Accepts(StoredForm(kRows, MakeTables(kRows, AsHalf)), false, &why, 3e-2)) << why;
}

TEST(RotaryForms, FrequenciesOfRoundedTablesAreRecovered) {
  constexpr int64_t kRows = 300;
  const auto graph = Build(StoredForm(kRows, MakeTables(kRows, AsHalf)));
  std::string why;
  ASSERT_TRUE(graph && RecognizedAndEqual(*graph, &why, 3e-2)) << why;
  const ir::Node* rope = forms::Find(*graph, "rope");
  ASSERT_NE(rope, nullptr);
  const double want[] = {1.0, 0.1, 0.01, 0.001};
  for (int64_t k = 0; k < 4; ++k)  // the last row's angle is then right to a quarter of fp16's rounding
    EXPECT_NEAR(rope->input(2)->weight().At(k) * kRows, want[k] * kRows, 0x1p-12 / 4) << k;
}

// A pass that puts rounding right says so, or the numeric check would call it wrong.
TEST(RotaryForms, UndoneRoundingWidensTheBound) {
  for (const auto round : {AsStored, AsHalf}) {
    const auto graph = Build(StoredForm(300, MakeTables(300, round)));
    PassContext context;
    ASSERT_TRUE(graph && Recognize(*graph, context).ok());
    EXPECT_EQ(context.widened(), round == AsHalf ? 16 * 0x1p-12 : 0);
    EXPECT_EQ(context.notes().empty(), round != AsHalf);
  }
}

TEST(RotaryForms, StoredTablesThatAreNoRotationAreRefused) {
  constexpr int64_t kRows = 300;
  std::string why;
  for (const auto round : {AsStored, AsHalf})
    for (const bool late : {false, true}) {
      Stored t = MakeTables(kRows, round);
      t.sine[static_cast<size_t>(late ? (kRows - 1) * 4 + 1 : 9)] += 0x1p-9f;
      EXPECT_FALSE(Accepts(StoredForm(kRows, t), false, &why, 1)) << late;
    }
  Stored t = MakeTables(kRows, AsStored);
  t.cosine[17] += 1e-4f;   // fp16 would explain it, but this table was never rounded to it
  EXPECT_FALSE(Accepts(StoredForm(kRows, t), false, &why, 1));
}

// One table [rows, sines | cosines], as GPT-J stores it.
TEST(RotaryForms, SinesAndCosinesInOneTable) {
  constexpr int64_t kRows = 64;
  const Stored t = MakeTables(kRows, AsStored);
  std::vector<float> both;
  for (int64_t p = 0; p < kRows; ++p) {
    both.insert(both.end(), t.sine.begin() + p * 4, t.sine.begin() + p * 4 + 4);
    both.insert(both.end(), t.cosine.begin() + p * 4, t.cosine.begin() + p * 4 + 4);
  }
  for (const bool swapped : {false, true}) {
    const std::string first = swapped ? "cos" : "sin", second = swapped ? "sin" : "cos";
    Form f{.turn = kTurnPairs};
    f.tables = StrCat("%rows = gather(@both, %r) {axis = 0} : f32[S,8]\n %", first, "4, %", second,
                      "4 = split(%rows, @halves) {axis = 1} : f32[S,4], f32[S,4]\n"
                      " %cos = gather(%cos4, @each_twice) {axis = 1} : f32[S,8]\n %sin = gather(%sin4, @each_twice) {axis = 1} : f32[S,8]");
    f.weights = {{"both", ir::Tensor::From<float>({kRows, 8}, both)}, {"halves", ir::Tensor::From<int64_t>({2}, std::vector<int64_t>{4, 4})}};
    std::string why;
    EXPECT_EQ(Accepts(f, true, &why), !swapped) << why;
  }
}

}  // namespace
}  // namespace hasten::passes
