// Positions that a graph counts itself, and rows that it cuts out by negative starts.
#include "tests/recognize/forms.h"

namespace hasten::passes {
namespace {

// Tokens and learned positions, as RoBERTa adds them; `count` makes %position i64[B,S] or [S].
std::unique_ptr<ir::Graph> Build(const std::string& count, const std::string& ids = "%ids = identity(%input_ids) : i64[B,S]") {
  return forms::Parse(StrCat(R"(graph @main(%input_ids: i64[B,S]) -> (logits: f32[B,S,16]) {
 )", ids, R"(
 %x = gather(@embed, %ids) {axis = 0} : f32[B,S,16]
 %is_pad = equal(%input_ids, @pad) : bool[B,S]
 %no_pad = not(%is_pad) : bool[B,S]
 )", count, R"(
 %e = gather(@positions, %position) {axis = 0} : f32[B,S,16]
 %h = add(%x, %e) : f32[B,S,16]
 %logits = mat_mul(%h, @head) : f32[B,S,16]
 return %logits
}
weight @pad : i64[] = 17
weight @other : i64[] = 16
weight @zero_i : i64[] = 0
weight @one_i : i64[] = 1
weight @axis1 : i64[1] = [1]
weight @far : i64[1] = [9223372036854775807]
)"), {{"embed", forms::Random({18, 16}, 1)}, {"positions", forms::Random({40, 16}, 2)}, {"head", forms::Random({16, 16}, 3)}});
}

// cumsum(mask) * mask + pad
std::string Counted(const std::string& mask) {
  return StrCat("%one = cast(", mask, ") {to = 7} : i64[B,S]\n %sum = cum_sum(%one, @one_i) {exclusive = 0, reverse = 0} : i64[B,S]\n"
                " %masked = mul(%sum, %one) : i64[B,S]\n %position = add(%masked, @pad) : i64[B,S]");
}

TEST(PositionsForms, TokensThatAreNotPaddingAreCounted) {
  const auto graph = Build(Counted("%no_pad"));
  std::string why;
  ASSERT_TRUE(graph && forms::RecognizedAndEqual(*graph, &why)) << why;
  int embeds = 0;
  for (const auto& n : graph->nodes())
    if (n->op == "embed" && n->input(0)->def() && n->input(0)->def()->op == "positions") {
      EXPECT_EQ(n->Int("offset", 0), 18);   // the first position is pad + 1
      ++embeds;
    }
  EXPECT_EQ(embeds, 1);
}

TEST(PositionsForms, OtherCountsAreRefused) {
  std::string why;
  for (const std::string& count : {
           Counted("%is_pad"),   // the tokens that are c
           StrCat("%is_other = equal(%input_ids, @other) : bool[B,S]\n %no_other = not(%is_other) : bool[B,S]\n"
                  " %both = and(%no_pad, %no_other) : bool[B,S]\n ", Counted("%both")),
           // another id than the one that is counted out: it may stand in a text
           StrCat("%is_other = equal(%input_ids, @other) : bool[B,S]\n %late = cast(%is_other) {to = 7} : i64[B,S]\n"
                  " %one = cast(%no_pad) {to = 7} : i64[B,S]\n %sum = cum_sum(%one, @one_i) {exclusive = 0, reverse = 0} : i64[B,S]\n"
                  " %position = add(%sum, %late) : i64[B,S]")}) {
    const auto graph = Build(count);
    EXPECT_FALSE(graph && forms::RecognizedAndEqual(*graph, &why)) << count;
  }
}

TEST(PositionsForms, ASliceFromTheEnd) {
  constexpr const char* kRange = "%shape = shape(%input_ids) {start = 1} : i64[1]\n %n = squeeze(%shape) : i64[]\n"
                                 " %position = range(@zero_i, %n, @one_i) : i64[S]";
  constexpr const char* kLast = "%len = shape(%input_ids) {start = 1} : i64[1]\n %back = neg(%len) : i64[1]\n"
                                " %ids = slice(%input_ids, %back, @far, @axis1) : i64[B,S]";
  std::string why;
  const auto graph = Build(kRange, kLast);   // input_ids[:, -S:]
  EXPECT_TRUE(graph && forms::RecognizedAndEqual(*graph, &why)) << why;
}

}  // namespace
}  // namespace hasten::passes
