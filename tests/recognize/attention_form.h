// A one-layer decoder whose mask, bias and heads a test spells in IR text.
#pragma once

#include "tests/recognize/forms.h"

namespace hasten::passes {

// 4 query heads of 4, `kv` KV heads; %see: bool[S,S] from `mask`.
struct Form {
  std::string mask = "%see = less_or_equal(%col, %row) : bool[S,S]";
  std::string apply = "%bias = where(%see, @zero, @low) : f32[S,S]\n %masked = add(%scaled, %bias) : f32[B,4,S,S]";
  std::string repeat;                    // makes %kr and %vr [B,4,S,4] from %kt and %vt [B,kv,S,4]
  int kv = 4;
  float low = -INFINITY;
  std::string weights;                   // more of them, as text
};

inline std::string Text(const Form& f) {
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
weight @minus_two_i : i64[] = -2
weight @zero : f32[] = 0.0
weight @half : f32[] = 0.5
weight @one : f32[] = 1.0
weight @low : f32[] = )", std::isinf(f.low) ? std::string("-inf") : StrCat(static_cast<double>(f.low) == std::floor(f.low) && f.low > -1e6f ? StrCat(f.low, ".0") : StrCat(f.low)), "\n", f.weights);
}

inline std::unique_ptr<ir::Graph> Build(const Form& f) {
  uint32_t seed = 7;
  std::vector<std::pair<std::string, ir::Tensor>> weights;
  for (const char* name : {"embed", "wq", "wk", "wv", "wo", "head"}) {
    const bool kv = std::string_view(name) == "wk" || std::string_view(name) == "wv";
    weights.emplace_back(name, forms::Random({16, kv ? f.kv * 4 : 16}, ++seed));
  }
  return forms::Parse(Text(f), weights);
}

// Recognizes and compares with the original on 2 x 9 tokens; false when refused.
inline bool RecognizedAndEqual(const Form& f, std::string* message, ir::Node** attention = nullptr, std::unique_ptr<ir::Graph>* keep = nullptr) {
  auto graph = Build(f);
  if (!graph || !forms::RecognizedAndEqual(*graph, message)) return false;
  for (const auto& n : graph->nodes())
    if (n->op == "attention" && attention) *attention = n.get();
  if (keep) *keep = std::move(graph);
  return true;
}

}  // namespace hasten::passes
