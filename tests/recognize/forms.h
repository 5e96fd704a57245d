// What the tests of spellings share: random weights for a graph written as text,
// and the rule that is tested. A graph is either refused, or what recognition made
// of it computes the same numbers: compiling one wrong is the worst defect there is.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compiler/interp/interp.h"
#include "compiler/ir/text.h"
#include "passes/recognize/recognize.h"

namespace hasten::passes::forms {

inline ir::Tensor Random(std::vector<int64_t> dims, uint32_t seed) {
  ir::Tensor t = *ir::Tensor::Zeros(DType::kF32, std::move(dims));
  for (int64_t i = 0; i < t.elements(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    t.mutable_data<float>()[i] = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
  }
  return t;
}

// The graph of `text` with `weights` added; null (and a failure) when it does not parse.
inline std::unique_ptr<ir::Graph> Parse(std::string text, const std::vector<std::pair<std::string, ir::Tensor>>& weights) {
  for (const auto& [name, t] : weights) {
    std::string dims;
    for (int64_t d : t.dims()) dims += StrCat(dims.empty() ? "" : ",", d);
    text += StrCat("weight @", name, " : ", DTypeName(t.dtype()), "[", dims, "] = blob(0, sha256:", std::string(64, '0'), ")\n");
  }
  auto parsed = ir::Parse(text, {.allow_missing_blobs = true});
  EXPECT_TRUE(parsed.ok()) << parsed.status().message() << "\n" << text;
  if (!parsed.ok()) return nullptr;
  for (const auto& [name, t] : weights) {
    ir::Value* old = (*parsed)->FindValue(name);
    (*parsed)->ReplaceAllUses(old, (*parsed)->AddWeight(name, t));
    (*parsed)->EraseWeight(old);
  }
  return *std::move(parsed);
}

// Recognizes `graph` and compares it with the original on 2 x 9 tokens below 16;
// false, and why, when it is refused. `graph` is the recognized one afterwards.
inline bool RecognizedAndEqual(ir::Graph& graph, std::string* why, double tolerance = 1e-4) {
  const auto original = graph.Clone();
  PassContext context;
  const Status s = Recognize(graph, context);
  *why = s.message();
  if (!s.ok()) return false;
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 18; ++i) ids.push_back((i * 7 + 3) % 16);
  const ir::Tensor input[] = {ir::Tensor::From<int64_t>({2, 9}, ids)};
  const auto want = interp::Run(*original, input), got = interp::Run(graph, input);
  EXPECT_TRUE(want.ok()) << want.status().message();
  EXPECT_TRUE(got.ok()) << got.status().message();
  if (!want.ok() || !got.ok()) return false;
  for (int64_t i = 0; i < (*want)[0].elements(); ++i) {
    const double a = (*want)[0].At(i), b = (*got)[0].At(i);
    if (std::isnan(a)) continue;  // a row that sees nothing
    EXPECT_NEAR(a, b, tolerance * (1 + std::fabs(a))) << "element " << i;
    if (::testing::Test::HasFailure()) return true;
  }
  return true;
}

// The one node of `op` in the graph; null (and a failure) when there is none.
inline const ir::Node* Find(const ir::Graph& graph, std::string_view op) {
  for (const auto& n : graph.nodes())
    if (n->op == op) return n.get();
  ADD_FAILURE() << "no " << op << " was recognized";
  return nullptr;
}

}  // namespace hasten::passes::forms
