// Activations in many spellings, with their constants as they are or rounded to 16 bits.
#include "tests/recognize/forms.h"

namespace hasten::passes {
namespace {

// h = x w, then `act` makes %a of %h; the kinds of act ops that recognition finds.
std::vector<std::string> Kinds(const std::string& act, const std::vector<std::pair<std::string, float>>& constants) {
  std::vector<std::pair<std::string, ir::Tensor>> weights = {
      {"embed", forms::Random({16, 16}, 1)}, {"w", forms::Random({16, 16}, 2)}, {"head", forms::Random({16, 16}, 3)}};
  for (const auto& [name, c] : constants) weights.emplace_back(name, ir::Tensor::Scalar(c));
  const auto graph = forms::Parse(StrCat(R"(graph @main(%input_ids: i64[B,S]) -> (logits: f32[B,S,16]) {
 %x = gather(@embed, %input_ids) {axis = 0} : f32[B,S,16]
 %h = mat_mul(%x, @w) : f32[B,S,16]
 )", act, R"(
 %logits = mat_mul(%a, @head) : f32[B,S,16]
 return %logits
}
weight @one : f32[] = 1.0
weight @half : f32[] = 0.5
weight @three : f32[] = 3.0
)"), weights);
  std::string why;
  // What rounding a constant to fp16 changes: less than 2^-11 of the argument.
  EXPECT_TRUE(graph && forms::RecognizedAndEqual(*graph, &why, 5e-3)) << why;
  std::vector<std::string> kinds;
  for (const auto& n : graph->nodes())
    if (n->op == "act") kinds.push_back(n->Str("kind", ""));
  return kinds;
}

constexpr const char* kErfDiv =
    "%t = div(%h, @c) : f32[B,S,16]\n %e = erf(%t) : f32[B,S,16]\n %f = add(%e, @one) : f32[B,S,16]\n"
    " %g = mul(%h, %f) : f32[B,S,16]\n %a = mul(%g, @half) : f32[B,S,16]";
constexpr const char* kErfMul =
    "%t = mul(%h, @c) : f32[B,S,16]\n %e = erf(%t) : f32[B,S,16]\n %f = add(%e, @one) : f32[B,S,16]\n"
    " %g = mul(%h, %f) : f32[B,S,16]\n %a = mul(%g, @half) : f32[B,S,16]";
constexpr const char* kTanh =
    "%p = pow(%h, @three) : f32[B,S,16]\n %q = mul(%p, @c) : f32[B,S,16]\n %s = add(%h, %q) : f32[B,S,16]\n"
    " %t = mul(%s, @d) : f32[B,S,16]\n %e = tanh(%t) : f32[B,S,16]\n %f = add(%e, @one) : f32[B,S,16]\n"
    " %g = mul(%h, @half) : f32[B,S,16]\n %a = mul(%g, %f) : f32[B,S,16]";

TEST(ActivationForms, GeluIsKnownWhateverItsConstantsAreStoredIn) {
  const std::vector<std::string> gelu = {"gelu"}, tanh = {"gelu_tanh"};
  EXPECT_EQ(Kinds(kErfDiv, {{"c", 1.41421356f}}), gelu);
  EXPECT_EQ(Kinds(kErfDiv, {{"c", 1.4140625f}}), gelu);        // fp16
  EXPECT_EQ(Kinds(kErfMul, {{"c", 0.70710678f}}), gelu);
  EXPECT_EQ(Kinds(kErfMul, {{"c", 0.70703125f}}), gelu);       // fp16 and bf16
  EXPECT_EQ(Kinds(kTanh, {{"c", 0.044715f}, {"d", 0.79788456f}}), tanh);
  EXPECT_EQ(Kinds(kTanh, {{"c", 0.044708252f}, {"d", 0.79785156f}}), tanh);   // fp16
}

TEST(ActivationForms, OtherConstantsStayAsTheyAre) {
  EXPECT_EQ(Kinds(kErfDiv, {{"c", 1.4145f}}), std::vector<std::string>{"erf"});
  EXPECT_EQ(Kinds(kErfMul, {{"c", 0.7075f}}), std::vector<std::string>{"erf"});
  EXPECT_EQ(Kinds(kTanh, {{"c", 0.0447f}, {"d", 0.79788456f}}), std::vector<std::string>{"tanh"});
  EXPECT_EQ(Kinds(kTanh, {{"c", 0.044708252f}, {"d", 0.79788456f}}), std::vector<std::string>{"tanh"}) << "one constant of each";
}

}  // namespace
}  // namespace hasten::passes
