// A decoder of one layer with all that decoders have, with weights by a formula, so
// that fixtures/make_torch.py builds the same in PyTorch.
#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/ops.h"

namespace hasten::calib {

inline constexpr int64_t kTokens = 7, kVocab = 23, kWidth = 16;
inline const std::vector<int64_t> kIds = {3, 1, 4, 1, 5, 9, 22};

// Value i of the weight with number `seed`: as numpy has it in double, then rounded.
inline float Formula(int64_t i, int seed, double size, double offset) {
  const double x = static_cast<double>(i);
  return static_cast<float>(offset + size * std::sin(0.7 * x * x + 1.3 * x + static_cast<double>(seed)));
}

struct WeightRow {
  const char* name;
  std::vector<int64_t> dims;
  double size, offset;
};
// In the order of their seeds, from 1.
inline const std::vector<WeightRow> kDecoderWeights = {
    {"table", {kVocab, kWidth}, 1.0, 0}, {"norm1", {kWidth}, 0.3, 1}, {"wqkv", {32, kWidth}, 0.4, 0}, {"bqkv", {32}, 0.2, 0},
    {"wo", {kWidth, 16}, 0.4, 0}, {"norm2", {kWidth}, 0.3, 1}, {"bias2", {kWidth}, 0.2, 0}, {"wgu", {24, kWidth}, 0.4, 0},
    {"wd", {kWidth, 12}, 0.4, 0}, {"norm3", {kWidth}, 0.3, 1}, {"head", {kVocab, kWidth}, 0.5, 0}};
inline constexpr int kLogitsSeed = 50;   // of the logits to come close to: size 2

// `changed`: a weight's name, an element and what is added to it.
inline std::unique_ptr<ir::Graph> Decoder(const std::string& changed = {}, int64_t at = 0, float by = 0) {
  auto g = std::make_unique<ir::Graph>();
  std::map<std::string, ir::Value*> w;
  for (size_t k = 0; k < kDecoderWeights.size(); ++k) {
    const WeightRow& row = kDecoderWeights[k];
    int64_t n = 1;
    for (const int64_t d : row.dims) n *= d;
    std::vector<float> v;
    for (int64_t i = 0; i < n; ++i) v.push_back(Formula(i, static_cast<int>(k) + 1, row.size, row.offset));
    if (row.name == changed) v[static_cast<size_t>(at)] += by;
    w[row.name] = g->AddWeight(row.name, ir::Tensor::From<float>(row.dims, v));
  }
  w["freq"] = g->AddWeight("freq", ir::Tensor::From<float>({2}, std::vector<float>{1.0f, 0.25f}));
  ir::Value* ids = g->AddInput("input_ids", ir::Type::Of(DType::kI64, {ir::Poly(1), ir::Poly(kTokens)}));
  const auto add = [&](const char* op, std::vector<ir::Value*> in, ir::Attrs attrs = {}) { return g->AddNode(op, std::move(in), 1, std::move(attrs), op)->output(); };
  const auto linear = [&](ir::Value* x, ir::Value* bias, const char* name) {
    return add("linear", {x, bias, w[name]}, {{"trans", std::vector<int64_t>{1}}, {"begin", std::vector<int64_t>{0}}, {"end", std::vector<int64_t>{w[name]->weight().dim(0)}}});
  };
  const auto slice = [&](ir::Value* x, int64_t begin, int64_t end) { return add("slice_cols", {x}, {{"begin", begin}, {"end", end}}); };
  const auto rope = [&](ir::Value* x, ir::Value* p, int64_t heads) {
    return add("rope", {x, p, w["freq"]}, {{"heads", heads}, {"head_dim", int64_t{4}}, {"rotary_dim", int64_t{4}}});
  };
  ir::Value* positions = add("positions", {ids});
  ir::Value* h = add("embed", {ids, w["table"]});
  ir::Value* qkv = linear(add("rms_norm", {h, w["norm1"]}, {{"eps", 1e-5}}), w["bqkv"], "wqkv");
  ir::Value* q = rope(slice(qkv, 0, 16), positions, 4);
  ir::Value* k = rope(slice(qkv, 16, 24), positions, 2);
  ir::Value* a = add("attention", {q, k, slice(qkv, 24, 32)},
                     {{"heads", int64_t{4}}, {"kv_heads", int64_t{2}}, {"head_dim", int64_t{4}}, {"v_head_dim", int64_t{4}}, {"scale", 0.5},
                      {"causal", int64_t{1}}, {"window", int64_t{4}}, {"softcap", 2.0}});
  h = add("add", {h, linear(a, nullptr, "wo")});
  ir::Value* gu = linear(add("layer_norm", {h, w["norm2"], w["bias2"]}, {{"eps", 1e-5}}), nullptr, "wgu");
  h = add("add", {h, linear(add("gated_act", {slice(gu, 0, 12), slice(gu, 12, 24)}, {{"act", std::string("silu")}}), nullptr, "wd")});
  g->AddOutput(linear(add("rms_norm", {h, w["norm3"]}, {{"eps", 1e-5}}), nullptr, "head"), "logits");
  const Status typed = ir::InferTypes(*g);
  HST_CHECK(typed.ok());
  return g;
}

}  // namespace hasten::calib
