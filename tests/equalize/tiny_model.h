// One layer of a transformer in the ways that models differ: grouped heads, norms,
// biases, gates, fused or separate linears, how matrices are stored, tied tables.
#pragma once

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/ops.h"

namespace hasten::calib {

struct Tiny {
  std::string name;
  int64_t kv_heads = 2;           // of 4
  bool layer_norm = false;        // else RMS
  bool bias = false, gated = true, fused = true;
  bool stored_kn = false;         // matrices as [K, N]
  bool one_matrix = false;        // gate and up are rows of one
  bool tied = false;              // the head is the token table, stored the other way
  bool causal = true, post_norm = false;
};

inline constexpr int64_t kWidth = 16, kMlp = 24, kVocab = 40, kTokens = 9, kHeadDim = 4, kHeads = 4;

class TinyBuilder {
 public:
  explicit TinyBuilder(const Tiny& t) : t_(t) {}

  std::unique_ptr<ir::Graph> Build() {
    ir::Value* ids = g_->AddInput("input_ids", ir::Type::Of(DType::kI64, {ir::Poly(1), ir::Poly(kTokens)}));
    ir::Value* table = Random("table", {kVocab, kWidth}, 1);
    ir::Value* h = Add("embed", {ids, table});
    ir::Value* positions = Add("positions", {ids});
    ir::Value* x = t_.post_norm ? h : Norm(h);
    h = Add("add", {h, Attention(x, positions)});
    if (t_.post_norm) h = Norm(h);
    h = Add("add", {h, Mlp(t_.post_norm ? h : Norm(h))});
    h = Norm(h);
    if (!t_.tied) {
      g_->AddOutput(Linear({h}, {Matrix("head", kVocab, kWidth)}), "logits");
    } else {
      std::vector<float> turned(static_cast<size_t>(kVocab * kWidth));
      for (int64_t i = 0; i < kVocab * kWidth; ++i) turned[static_cast<size_t>(i % kWidth * kVocab + i / kWidth)] = table->weight().data<float>()[i];
      ir::Value* head = g_->AddWeight("head", ir::Tensor::From<float>({kWidth, kVocab}, turned));
      g_->AddOutput(Add("linear", {h, nullptr, head}, {{"trans", std::vector<int64_t>{0}}, {"begin", std::vector<int64_t>{0}}, {"end", std::vector<int64_t>{kVocab}}}), "logits");
    }
    HST_CHECK(ir::InferTypes(*g_).ok());
    return std::move(g_);
  }

 private:
  ir::Value* Add(const char* op, std::vector<ir::Value*> in, ir::Attrs attrs = {}) { return g_->AddNode(op, std::move(in), 1, std::move(attrs), op)->output(); }

  // Some channels are 30 times the others, as in real models.
  ir::Value* Random(const std::string& name, std::vector<int64_t> dims, double size, double offset = 0) {
    int64_t n = 1;
    for (const int64_t d : dims) n *= d;
    std::vector<float> v;
    for (int64_t i = 0; i < n; ++i) {
      const double outlier = i % dims.back() % 7 == 3 ? 30 : 1;
      v.push_back(static_cast<float>(offset + size * outlier * normal_(rng_)));
    }
    return g_->AddWeight(name, ir::Tensor::From<float>(std::move(dims), v));
  }
  ir::Value* Matrix(const std::string& name, int64_t n, int64_t k) {
    return Random(name, t_.stored_kn ? std::vector<int64_t>{k, n} : std::vector<int64_t>{n, k}, 0.3 / std::sqrt(static_cast<double>(k)));
  }

  ir::Value* Norm(ir::Value* x) {
    ir::Value* w = Random("norm", {kWidth}, 0.1, 1);
    return t_.layer_norm ? Add("layer_norm", {x, w, Random("norm_bias", {kWidth}, 0.1)}, {{"eps", 1e-5}}) : Add("rms_norm", {x, w}, {{"eps", 1e-5}});
  }

  // All of the matrices, one under the other.
  ir::Value* Linear(std::vector<ir::Value*> x, std::vector<ir::Value*> matrices) {
    std::vector<ir::Value*> in = {x[0], nullptr};
    std::vector<int64_t> trans, begin, end;
    int64_t n = 0;
    for (ir::Value* m : matrices) {
      in.push_back(m), trans.push_back(!t_.stored_kn), begin.push_back(0), end.push_back(m->weight().dim(t_.stored_kn ? 1 : 0));
      n += end.back();
    }
    if (t_.bias) in[1] = Random("bias", {n}, 0.2);
    return Add("linear", std::move(in), {{"trans", trans}, {"begin", begin}, {"end", end}});
  }
  // Results of linears of these sizes: slices of one, or linears of their own.
  std::vector<ir::Value*> Linears(ir::Value* x, std::vector<std::pair<std::string, int64_t>> parts, bool one_matrix) {
    std::vector<ir::Value*> made, matrices;
    int64_t n = 0;
    for (const auto& [name, rows] : parts) n += rows;
    if (one_matrix) matrices = {Matrix(parts[0].first, n, kWidth)};
    for (const auto& [name, rows] : parts) {
      if (!one_matrix) matrices.push_back(Matrix(name, rows, kWidth));
      if (!t_.fused) made.push_back(Linear({x}, {matrices.back()}));
    }
    if (!t_.fused) return made;
    ir::Value* all = Linear({x}, matrices);
    int64_t at = 0;
    for (const auto& [name, rows] : parts) {
      made.push_back(Add("slice_cols", {all}, {{"begin", at}, {"end", at + rows}}));
      at += rows;
    }
    return made;
  }

  ir::Value* Attention(ir::Value* x, ir::Value* positions) {
    const std::vector<ir::Value*> qkv = Linears(x, {{"q", kHeads * kHeadDim}, {"k", t_.kv_heads * kHeadDim}, {"v", t_.kv_heads * kHeadDim}}, false);
    ir::Value* frequencies = g_->AddWeight("freq", ir::Tensor::From<float>({2}, std::vector<float>{1.0f, 0.25f}));
    const auto rope = [&](ir::Value* v, int64_t heads) {
      return Add("rope", {v, positions, frequencies}, {{"heads", heads}, {"head_dim", kHeadDim}, {"rotary_dim", kHeadDim}});
    };
    ir::Value* a = Add("attention", {rope(qkv[0], kHeads), rope(qkv[1], t_.kv_heads), qkv[2]},
                       {{"heads", kHeads}, {"kv_heads", t_.kv_heads}, {"head_dim", kHeadDim}, {"v_head_dim", kHeadDim}, {"scale", 0.5}, {"causal", int64_t{t_.causal}}});
    return Linear({a}, {Matrix("o", kWidth, kHeads * kHeadDim)});
  }

  ir::Value* Mlp(ir::Value* x) {
    if (!t_.gated) return Linear({Add("act", {Linears(x, {{"fc1", kMlp}}, false)[0]}, {{"kind", std::string("gelu")}})}, {Matrix("fc2", kWidth, kMlp)});
    const std::vector<ir::Value*> gu = Linears(x, {{"gate", kMlp}, {"up", kMlp}}, t_.one_matrix);
    return Linear({Add("gated_act", {gu[0], gu[1]}, {{"act", std::string("silu")}})}, {Matrix("down", kWidth, kMlp)});
  }

  const Tiny t_;
  std::unique_ptr<ir::Graph> g_ = std::make_unique<ir::Graph>();
  std::mt19937 rng_{7};
  std::normal_distribution<double> normal_;
};

inline std::vector<Tiny> AllTiny() {
  return {{.name = "gqa"},
          {.name = "mha_bias", .kv_heads = 4, .bias = true},
          {.name = "apart_kn", .fused = false, .stored_kn = true},
          {.name = "one_matrix", .bias = true, .one_matrix = true},
          {.name = "gelu", .kv_heads = 4, .layer_norm = true, .bias = true, .gated = false},
          {.name = "tied", .tied = true},
          {.name = "encoder", .kv_heads = 4, .layer_norm = true, .bias = true, .gated = false, .causal = false, .post_norm = true}};
}

}  // namespace hasten::calib
