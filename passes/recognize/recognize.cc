#include "passes/recognize/recognize.h"

#include <algorithm>
#include <set>

#include "compiler/ir/ops.h"
#include "passes/recognize/lower.h"

namespace hasten::recognize {
namespace {

using ir::Dim;
using ir::Node;
using ir::Poly;
using ir::Value;
using Index = std::vector<Poly>;

class Recognizer {
 public:
  Recognizer(ir::Graph& graph, passes::PassContext& context, Roles roles, const ir::ShapeValues& values)
      : graph_(graph), context_(context), roles_(std::move(roles)), elements_(pool_, roles_, values),
        lower_(elements_, graph, target_) {
    target_.name = graph.name;
    batch_ = *roles_.ids->type.shape[0];
    seq_ = *roles_.ids->type.shape[1];
  }

  Status Run() {
    for (const Value* in : graph_.inputs())  // the ids first, then what else is used, in the model's order
      if (roles_.of.at(in) == Role::kTokenIds) lower_.Import(in);
    for (const auto& node : graph_.nodes()) Anchor(*node);
    std::vector<size_t> states;  // present_* outputs, after every attention is known
    for (size_t i = 0; i < graph_.outputs().size(); ++i) {
      outputs_.push_back(nullptr);
      const Value* v = graph_.outputs()[i];
      if (v->type.ranked && v->type.rank() == 4) states.push_back(i);
      else Output(i);
    }
    for (size_t i : states) State(i);
    if (!errors_.empty()) {
      std::string all = StrCat("this graph cannot be compiled; ", errors_.size(), " place(s) block it:");
      for (const std::string& e : errors_) all += "\n  - " + e;
      return Unsupported(all);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) target_.AddOutput(outputs_[i], graph_.output_names()[i]);
    // A rounding of a table or constant reaches the outputs some times over.
    if (lower_.undone_rounding() > 0) {
      constexpr double kTimes = 16;
      context_.Widen(kTimes * lower_.undone_rounding());
      context_.Note("constants that the model rounds to 16 bits (rotary tables, GELU) are used as they were before");
    }
    context_.Count("attentions", static_cast<int64_t>(lower_.attentions().size()));
    graph_.Swap(target_);
    return {};
  }

 private:
  // The index of the rows of `v` for its columns `c`; sets *row to nothing when
  // the value has one row a sequence (its row number is found in the expression).
  std::optional<Index> RowIndex(const Value* v, const Poly& c, bool* pooled) {
    if (!v->type.ranked || v->type.rank() < 2) return std::nullopt;
    const auto& shape = v->type.shape;
    const Poly b = batch_ == Poly(1) ? Poly(0) : pool_.Var("b", batch_), s = pool_.Var("s", seq_);
    *pooled = false;
    if (v->type.rank() == 3 && shape[0] == Dim(batch_) && shape[1] == Dim(seq_)) return Index{b, s, c};
    if (v->type.rank() == 3 && shape[0] == Dim(seq_) && shape[1] == Dim(batch_)) return Index{s, b, c};
    if (v->type.rank() == 2 && shape[0] == Dim(batch_ * seq_)) return Index{b * seq_ + s, c};
    *pooled = true;
    if (v->type.rank() == 2 && shape[0] == Dim(batch_)) return Index{b, c};
    if (v->type.rank() == 3 && shape[0] == Dim(batch_) && shape[1] == Dim(Poly(1))) return Index{b, Poly(0), c};
    return std::nullopt;
  }

  // What row of the sequence a pooled expression reads.
  Poly PooledRow(E e) {
    Poly row = pool_.Var("s", seq_);
    pool_.Visit(e, [&](E x) { if (x->kind == Kind::kLoad && lower_.IsRow(x->value) && x->index.size() == 3) row = x->index[1]; });
    return row;
  }

  void Fail(const Node* node, std::string why, E e = nullptr) {
    bool follows = false;  // from a failure that is already reported
    if (e) pool_.Visit(e, [&](E x) { follows = follows || (x->kind == Kind::kLoad && poisoned_.count(x->value)); });
    if (follows) return;
    if (node && why.find(node->loc) == std::string::npos) why += StrCat(" (needed by node \"", node->loc, "\", ", node->op, ")");
    constexpr size_t kMostErrors = 20;
    if (errors_.size() < kMostErrors && std::find(errors_.begin(), errors_.end(), why) == errors_.end()) errors_.push_back(std::move(why));
  }

  void Anchor(const Node& node) {
    context_.At(&node);
    pool_.SetOrigin(&node);
    if (node.op == "softmax") {
      const Value* v = node.output();
      const int64_t axis = node.Int("axis", -1);
      if (v->type.ranked && (axis == -1 || axis == v->type.rank() - 1)) {
        lower_.AddSoftmax(v);
        elements_.SetAlias(v, [this, v](const Index& at) { return pool_.Load(v, at); });
      }
    } else if ((node.op == "mat_mul" || node.op == "gemm") && FromWeights(node.input(1), 0)) {
      Linear(node);
    }
  }

  static bool FromWeights(const Value* v, int depth) {
    if (v->is_weight()) return true;
    if (!v->def() || depth > 16) return false;
    static const std::set<std::string, std::less<>> kViews = {"transpose", "reshape", "cast", "identity", "slice",
                                                              "unsqueeze", "squeeze", "gather", "split"};
    return kViews.count(v->def()->op) && FromWeights(v->def()->input(0), depth + 1);
  }

  struct WeightView {
    const Value* tensor = nullptr;
    int64_t trans = 0, begin = 0;
  };

  // W[r, n] as an element of a stored matrix.
  std::optional<WeightView> AsWeight(const Value* v, bool transposed, const Poly& r, const Poly& n) {
    if (!v->type.ranked || v->type.rank() < 2) return std::nullopt;
    Index at(v->type.shape.size() - 2, Poly(0));
    for (size_t i = 0; i + 2 < v->type.shape.size(); ++i)
      if (v->type.shape[i] != Dim(Poly(1))) return std::nullopt;
    at.push_back(transposed ? n : r), at.push_back(transposed ? r : n);
    const E e = elements_.At(v, at);
    if (e->kind != Kind::kLoad || !e->value->is_weight() || e->index.size() < 2 || e->value->weight().rank() != 2) return std::nullopt;
    const Poly &i0 = e->index[0], &i1 = e->index[1];
    if (const auto off = (i0 - n).AsConst(); off && i1 == r) return WeightView{e->value, 1, *off};
    if (const auto off = (i1 - n).AsConst(); off && i0 == r) return WeightView{e->value, 0, *off};
    return std::nullopt;
  }

  void Linear(const Node& node) {
    const Value *x = node.input(0), *w = node.input(1), *out = node.output();
    const bool gemm = node.op == "gemm", trans_b = gemm && node.Int("transB", 0);
    if (!x->type.ranked || !out->type.ranked || x->type.rank() < 2) return;
    const Dim k = x->type.shape.back(), n = out->type.shape.back();
    if (!k || !n || !k->AsConst() || !n->AsConst() || *k == Poly(1)) return;  // K = 1 is an outer product (RoPE angles)
    const auto poison = [&](std::string why, E e = nullptr) {
      Fail(&node, std::move(why), e);
      poisoned_.insert(out);
      elements_.SetAlias(out, [this, out](const Index& at) { return pool_.Load(out, at); });
    };
    if (gemm && (node.Int("transA", 0) || node.Float("alpha", 1) != 1 || node.Float("beta", 1) != 1))
      return poison("Gemm: needed transA 0, alpha 1 and beta 1");
    const Poly nv = pool_.Var("n", *n), kv = pool_.Var("k", *k);
    const auto weight = AsWeight(w, trans_b, kv, nv);
    if (!weight) return poison("linear: the weight is not a stored matrix or a slice of one");
    bool pooled = false;
    const Space plain = lower_.MakeSpace(1, *k->AsConst());
    const auto at = RowIndex(x, plain.d, &pooled);
    if (!at) return poison(StrCat("linear: needed an input of rows [batch, sequence, ", k->ToString(), "], came ", TypeString(x->type)));
    const E e = elements_.At(x, *at);
    Space space = plain;
    if (pooled) space.row = PooledRow(e);
    const Result<Value*> row = lower_.Rows(e, space);
    if (!row.ok()) return poison(row.status().message(), e);
    const int64_t cols = *n->AsConst();
    ir::Attrs attrs = {{"trans", std::vector<int64_t>{weight->trans}}, {"begin", std::vector<int64_t>{weight->begin}},
                       {"end", std::vector<int64_t>{weight->begin + cols}}};
    Value* bias = nullptr;
    if (gemm && node.input(2)) {
      const Space out_space = lower_.MakeSpace(1, cols);
      const Value* c = node.input(2);
      const auto c_at = elements_.Broadcast(c, out, [&] { Index i(out->type.shape.size(), Poly(0)); i.back() = out_space.d; return i; }());
      const E ce = c_at ? elements_.At(c, *c_at) : nullptr;
      if (!ce || !lower_.IsVector(ce)) return poison("Gemm: the added operand is no vector of weights");
      const Result<Value*> vector = lower_.Vector(ce, out_space);
      if (!vector.ok()) return poison(vector.status().message());
      bias = *vector;
    }
    Value* y = lower_.Emit("linear", {*row, bias, lower_.Import(weight->tensor)}, std::move(attrs), &node, cols);
    lower_.target().Rename(y, out->name);
    SetRowAlias(out, y, pooled, space.row);
    context_.Count("linears");
  }

  // Reads of `v` become reads of the row value `y`.
  void SetRowAlias(const Value* v, const Value* y, bool pooled, const Poly& row) {
    const bool flat = !pooled && v->type.rank() == 2, swapped = !pooled && v->type.rank() == 3 && v->type.shape[0] != Dim(batch_);
    elements_.SetAlias(v, [=, this](const Index& at) -> E {
      if (pooled) return pool_.Load(y, {at[0], row, at.back()});
      if (swapped) return pool_.Load(y, {at[1], at[0], at[2]});
      if (!flat) return pool_.Load(y, at);
      const auto [b, s] = pool_.DivMod(at[0], seq_);
      return pool_.Load(y, {b, s, at[1]});
    });
  }

  void Output(size_t i) {
    const Value* v = graph_.outputs()[i];
    const Dim cols = v->type.ranked && v->type.rank() >= 2 ? v->type.shape.back() : Dim();
    const auto fail = [&](std::string why, E e = nullptr) { Fail(nullptr, StrCat("output \"", graph_.output_names()[i], "\": ", why), e); };
    if (!cols || !cols->AsConst()) return fail(StrCat("needed rows [batch, sequence, constant], came ", TypeString(v->type)));
    bool pooled = false;
    Space space = lower_.MakeSpace(1, *cols->AsConst());
    const auto at = RowIndex(v, space.d, &pooled);
    if (!at) return fail(StrCat("needed rows [batch, sequence, constant], came ", TypeString(v->type)));
    const E e = elements_.At(v, *at);
    if (pooled) space.row = PooledRow(e);
    const Result<Value*> row = lower_.Rows(e, space);
    if (!row.ok()) return fail(row.status().message(), e);
    outputs_[i] = *row;
    if (!pooled) return;
    const auto first = space.row.AsConst();
    const bool last = space.row == seq_ - Poly(1);
    if (!last && !(first && *first >= 0)) return fail(StrCat("reads row ", space.row.ToString(), " of a sequence; needed a constant or the last"));
    Node* take = target_.AddNode("take_row", {*row}, 1, {{"index", last ? int64_t{-1} : *first}}, v->def() ? v->def()->loc : "");
    take->output()->type = ir::Type::Of(DType::kF32, {Dim(batch_), cols});
    outputs_[i] = take->output();
  }

  // present.*: the cache of one attention after this step, [B, kv_heads, P + S, D].
  void State(size_t i) {
    const Value* v = graph_.outputs()[i];
    const Poly t = pool_.Var("t", roles_.past + seq_);
    for (AttentionRecord& a : lower_.attentions())
      for (const bool is_key : {true, false}) {
        const Space kv = lower_.MakeSpace(a.kv_heads, is_key ? a.head_dim : a.v_head_dim);
        if (v->type.shape[3] != Dim(Poly(kv.width)) || v->type.shape[1] != Dim(Poly(kv.groups))) continue;
        if (elements_.At(v, {kv.b, kv.h, t, kv.d}) != (is_key ? a.key : a.value)) continue;
        const std::string name = is_key ? "present_k" : "present_v";
        if (a.node->HasAttr(name)) continue;
        a.node->attrs[name] = graph_.output_names()[i];
        outputs_[i] = a.node->output(is_key ? 1 : 2);
        return;
      }
    Fail(nullptr, StrCat("output \"", graph_.output_names()[i], "\" ", TypeString(v->type), " is not the cache of a recognized attention"),
         elements_.At(v, Index(4, Poly(0))));
  }

  ir::Graph& graph_;
  passes::PassContext& context_;
  Roles roles_;
  ExprPool pool_;
  ir::Graph target_;
  Elements elements_;
  Lowering lower_;
  Poly batch_, seq_;
  std::vector<Value*> outputs_;
  std::vector<std::string> errors_;
  std::set<const Value*> poisoned_;
};

}  // namespace
}  // namespace hasten::recognize

namespace hasten::passes {

Status Recognize(ir::Graph& graph, PassContext& context) {
  HST_ASSIGN_OR_RETURN(recognize::Roles roles, recognize::AssignRoles(graph));
  ir::ShapeValues values;
  HST_RETURN_IF_ERROR(ir::InferTypes(graph, &values));
  recognize::Recognizer recognizer(graph, context, std::move(roles), values);
  return recognizer.Run();
}

}  // namespace hasten::passes
