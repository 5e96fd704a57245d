#include "calib/synthetic/shape.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include <sys/mman.h>

namespace hasten::calib {
namespace {

using ir::Value;

constexpr SyntheticShape kShapes[] = {
#define HST_SHAPE(...) {__VA_ARGS__},
#include "calib/synthetic/shapes.def"
};

// Addresses that nothing backs: every weight of the graph is a view of them.
Result<std::shared_ptr<const void>> Reserve(uint64_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return ResourceError("cannot reserve ", bytes, " bytes of addresses for the shape's weights: ", std::strerror(errno));
  return std::shared_ptr<const void>(p, [bytes](const void* q) { munmap(const_cast<void*>(q), bytes); });
}

class Builder {
 public:
  Builder(const SyntheticShape& shape, std::shared_ptr<const void> reserved) : s_(shape), reserved_(std::move(reserved)) {}

  std::unique_ptr<ir::Graph> Run() {
    Value* ids = graph_->AddInput("input_ids", ir::Type::Of(DType::kI64, {ir::Poly::Symbol("B"), ir::Poly::Symbol("S")}));
    positions_ = graph_->AddNode("positions", {ids}, 1, {}, "positions")->output();
    positions_->type = ids->type;
    inv_freq_ = graph_->AddWeight("inv_freq", InverseFrequencies());
    Value* table = Weight("embed_tokens.weight", {s_.vocab, s_.hidden});
    Value* x = Emit("embed", {ids, table}, s_.hidden, {{"offset", int64_t{0}}}, "embed_tokens");
    for (int64_t i = 0; i < s_.layers; ++i) x = Layer(x, StrCat("layers.", i, "."));
    x = Norm(x, "norm", 1);
    Value* head = s_.tied ? table : Weight("lm_head.weight", {s_.vocab, s_.hidden});
    graph_->AddOutput(Linear(x, {head}, "lm_head"), "logits");
    return std::move(graph_);
  }

 private:
  Value* Weight(std::string name, std::vector<int64_t> dims) {
    return graph_->AddWeight(std::move(name), ir::Tensor::View(DType::kF32, std::move(dims), static_cast<const std::byte*>(reserved_.get()), reserved_));
  }

  Value* Emit(std::string op, std::vector<Value*> inputs, int64_t cols, ir::Attrs attrs, std::string loc) {
    Value* out = graph_->AddNode(std::move(op), std::move(inputs), 1, std::move(attrs), std::move(loc))->output();
    out->type = ir::Type::Of(DType::kF32, {ir::Poly::Symbol("B"), ir::Poly::Symbol("S"), ir::Poly(cols)});
    return out;
  }

  Value* Norm(Value* x, const std::string& name, int64_t groups) {
    const int64_t cols = x->type.shape.back()->ConstTerm();
    return Emit("rms_norm", {x, Weight(name + ".weight", {cols / groups})}, cols, {{"groups", groups}, {"eps", s_.eps}}, name);
  }

  // All rows of the weights, under each other.
  Value* Linear(Value* x, const std::vector<Value*>& weights, const std::string& name) {
    std::vector<Value*> inputs = {x, nullptr};
    std::vector<int64_t> trans, begin, end;
    int64_t cols = 0;
    for (Value* w : weights) {
      inputs.push_back(w);
      trans.push_back(1), begin.push_back(0), end.push_back(w->weight().dim(0));
      cols += end.back();
    }
    return Emit("linear", std::move(inputs), cols, {{"trans", trans}, {"begin", begin}, {"end", end}}, name);
  }

  Value* Slice(Value* x, int64_t begin, int64_t cols) {
    return Emit("slice_cols", {x}, cols, {{"begin", begin}, {"end", begin + cols}}, x->def()->loc);
  }

  Value* Rope(Value* x, int64_t heads, const std::string& name) {
    return Emit("rope", {x, positions_, inv_freq_}, heads * s_.head_dim,
                {{"heads", heads}, {"head_dim", s_.head_dim}, {"rotary_dim", s_.head_dim}}, name);
  }

  Value* Layer(Value* x, const std::string& name) {
    x = Emit("add", {x, Attention(Norm(x, name + "input_layernorm", 1), name + "self_attn.")}, s_.hidden, {}, name + "add");
    x = Emit("add", {x, Mlp(Norm(x, name + "post_attention_layernorm", 1), name + "mlp.")}, s_.hidden, {}, name + "add_1");
    return x;
  }

  Value* Attention(Value* x, const std::string& name) {
    const int64_t q_cols = s_.heads * s_.head_dim, kv_cols = s_.kv_heads * s_.head_dim;
    Value* qkv = Linear(x, {Weight(name + "q_proj.weight", {q_cols, s_.hidden}), Weight(name + "k_proj.weight", {kv_cols, s_.hidden}),
                            Weight(name + "v_proj.weight", {kv_cols, s_.hidden})}, name + "qkv_proj");
    Value *q = Slice(qkv, 0, q_cols), *k = Slice(qkv, q_cols, kv_cols), *v = Slice(qkv, q_cols + kv_cols, kv_cols);
    if (s_.qk_norm) q = Norm(q, name + "q_norm", s_.heads), k = Norm(k, name + "k_norm", s_.kv_heads);
    q = Rope(q, s_.heads, name + "rope_q"), k = Rope(k, s_.kv_heads, name + "rope_k");
    Value* mixed = Emit("attention", {q, k, v}, q_cols,
                        {{"heads", s_.heads}, {"kv_heads", s_.kv_heads}, {"head_dim", s_.head_dim}, {"v_head_dim", s_.head_dim},
                         {"scale", 1 / std::sqrt(static_cast<double>(s_.head_dim))}, {"causal", int64_t{1}}}, name + "attention");
    return Linear(mixed, {Weight(name + "o_proj.weight", {s_.hidden, q_cols})}, name + "o_proj");
  }

  Value* Mlp(Value* x, const std::string& name) {
    Value* both = Linear(x, {Weight(name + "gate_proj.weight", {s_.mlp, s_.hidden}), Weight(name + "up_proj.weight", {s_.mlp, s_.hidden})},
                         name + "gate_up_proj");
    Value* gated = Emit("gated_act", {Slice(both, 0, s_.mlp), Slice(both, s_.mlp, s_.mlp)}, s_.mlp, {{"act", std::string("silu")}}, name + "act");
    return Linear(gated, {Weight(name + "down_proj.weight", {s_.hidden, s_.mlp})}, name + "down_proj");
  }

  ir::Tensor InverseFrequencies() const {
    std::vector<float> f;
    for (int64_t i = 0; i < s_.head_dim / 2; ++i)
      f.push_back(static_cast<float>(std::pow(s_.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(s_.head_dim))));
    return ir::Tensor::From<float>({s_.head_dim / 2}, f);
  }

  const SyntheticShape& s_;
  std::shared_ptr<const void> reserved_;
  std::unique_ptr<ir::Graph> graph_ = std::make_unique<ir::Graph>();
  Value *positions_ = nullptr, *inv_freq_ = nullptr;
};

}  // namespace

std::span<const SyntheticShape> AllShapes() { return kShapes; }

std::string ShapeNames() {
  std::string names;
  for (const SyntheticShape& s : kShapes) names += (names.empty() ? "" : ", ") + std::string(s.name);
  return names;
}

Result<const SyntheticShape*> FindShape(std::string_view name) {
  for (const SyntheticShape& s : kShapes)
    if (s.name == name) return &s;
  return UsageError("no shape \"", name, "\"; there are ", ShapeNames());
}

Result<std::unique_ptr<ir::Graph>> SyntheticGraph(const SyntheticShape& s) {
  const int64_t rows = std::max({s.vocab, s.mlp, s.heads * s.head_dim}), cols = std::max({s.hidden, s.mlp, s.heads * s.head_dim});
  HST_ASSIGN_OR_RETURN(std::shared_ptr<const void> reserved, Reserve(static_cast<uint64_t>(rows) * static_cast<uint64_t>(cols) * sizeof(float)));
  return Builder(s, std::move(reserved)).Run();
}

}  // namespace hasten::calib
