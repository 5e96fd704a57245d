// From semantic nodes to instructions over buffers. Rows that no attention reads
// any more are computed for output rows only (a prompt's last layer, the head).
#include <algorithm>
#include <map>
#include <set>

#include "compiler/plan/buffers.h"
#include "compiler/plan/plan.h"
#include "compiler/plan/tensors.h"
#include "runtime/format/program_generated.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"

namespace hasten::plan {
namespace {

using ir::Node;
using ir::Value;

int64_t Cols(const Value* v) {
  HST_CHECK(v->type.ranked && !v->type.shape.empty() && v->type.shape.back() && v->type.shape.back()->AsConst());
  return v->type.shape.back()->ConstTerm();
}

struct UnaryName {
  std::string_view name;
  Unary op;
};
constexpr UnaryName kUnaryNames[] = {
    {"relu", Unary::kRelu}, {"sigmoid", Unary::kSigmoid}, {"silu", Unary::kSilu}, {"gelu", Unary::kGelu},
    {"gelu_tanh", Unary::kGeluTanh}, {"tanh", Unary::kTanh}, {"exp", Unary::kExp}, {"log", Unary::kLog},
    {"sqrt", Unary::kSqrt}, {"reciprocal", Unary::kReciprocal}, {"neg", Unary::kNeg}, {"abs", Unary::kAbs},
    {"erf", Unary::kErf}, {"square", Unary::kSquare}, {"quick_gelu", Unary::kQuickGelu},
    {"softplus", Unary::kSoftplus}, {"relu2", Unary::kRelu2}, {"cos", Unary::kCos}, {"sin", Unary::kSin},
};

struct BinaryName {
  std::string_view name;
  Binary op;
};
constexpr BinaryName kBinaryNames[] = {
    {"add", Binary::kAdd}, {"sub", Binary::kSub}, {"mul", Binary::kMul}, {"div", Binary::kDiv},
    {"max", Binary::kMax}, {"min", Binary::kMin}, {"pow", Binary::kPow},
};

template <class Row>
const Row* Find(std::span<const Row> rows, std::string_view name) {
  for (const Row& r : rows)
    if (r.name == name) return &r;
  return nullptr;
}

class Planner {
 public:
  Planner(const ir::Graph& graph, const PlanOptions& options) : graph_(graph), options_(options), table_(plan_.tensors) {}

  Result<ProgramPlan> Run() {
    plan_.kv = options_.kv;
    plan_.max_positions = options_.max_positions;
    FindTokenRows();
    for (const auto& n : graph_.nodes()) HST_RETURN_IF_ERROR(Lower(*n));
    for (size_t i = 0; i < graph_.outputs().size(); ++i) HST_RETURN_IF_ERROR(Output(i));
    if (plan_.outputs.empty()) return Unsupported("the graph has no output of rows");
    if (plan_.vocab == 0) return Unsupported("the graph embeds no token ids");
    HST_ASSIGN_OR_RETURN(plan_.weights_bytes, table_.Place());
    plan_.arena_bytes_per_row = PlaceBuffers(plan_.buffers);
    return std::move(plan_);
  }

 private:
  // Values whose every token row is needed, because an attention reads them.
  void FindTokenRows() {
    for (auto it = graph_.nodes().rbegin(); it != graph_.nodes().rend(); ++it) {
      const Node& n = **it;
      const bool needed = std::any_of(n.outputs().begin(), n.outputs().end(), [&](const Value* v) { return token_rows_.count(v); });
      if (n.op == "attention") {
        for (size_t i = 0; i < 3; ++i) token_rows_.insert(n.input(i));
        token_rows_.insert(n.output());
      } else if (needed) {
        token_rows_.insert(n.inputs().begin(), n.inputs().end());
      }
      if (n.op == "embed") token_rows_.insert(n.output());
    }
  }

  bool OnTokens(const Node& n) const { return token_rows_.count(n.output()) != 0; }

  int NewBuffer(int64_t cols, bool tokens, bool quantized = false, int64_t group = 0) {
    BufferPlan b;
    b.cols = cols, b.outputs = !tokens, b.quantized = quantized, b.group = group;
    b.first = b.last = static_cast<int>(plan_.instrs.size());
    plan_.buffers.push_back(b);
    return static_cast<int>(plan_.buffers.size() - 1);
  }

  void Push(InstrPlan instr, const Node& node) {
    const int at = static_cast<int>(plan_.instrs.size());
    for (const ViewPlan* v : {&instr.a, &instr.b, &instr.out})
      if (v->buffer >= 0) plan_.buffers[static_cast<size_t>(v->buffer)].last = std::max(plan_.buffers[static_cast<size_t>(v->buffer)].last, at);
    instr.loc = node.loc;
    plan_.instrs.push_back(std::move(instr));
  }

  // A fresh buffer for the node's result.
  ViewPlan Define(const Node& n) {
    const ViewPlan v{NewBuffer(Cols(n.output()), OnTokens(n)), 0, Cols(n.output())};
    views_[n.output()] = v;
    return v;
  }

  // The operand as rows of the domain that the node works on.
  ViewPlan Use(const Value* v, bool tokens, const Node& node) {
    const ViewPlan view = views_.at(v);
    if (tokens || plan_.buffers[static_cast<size_t>(view.buffer)].outputs) return view;
    ViewPlan& selected = selected_[v];
    if (selected.buffer < 0) {
      InstrPlan in;
      in.kind = InstrKind::kSelectRows;
      in.a = view;
      in.out = selected = ViewPlan{NewBuffer(view.cols, false), 0, view.cols};
      Push(std::move(in), node);
    }
    return selected;
  }

  Status Lower(const Node& n) {
    if (n.op == "positions" || n.op == "take_row") return {};   // read by embed and rope, by Output
    if (n.op == "embed") return Embed(n);
    if (n.op == "rms_norm" || n.op == "layer_norm") return Norm(n);
    if (n.op == "linear") return Linear(n);
    if (n.op == "rope") return Rope(n);
    if (n.op == "attention") return Attention(n);
    if (n.op == "act") return Act(n);
    if (n.op == "gated_act") return Gated(n);
    if (n.op == "slice_cols") return Slice(n);
    if (n.op == "concat_cols") return Concat(n);
    if (const BinaryName* b = Find<BinaryName>(kBinaryNames, n.op)) return BinaryOp(n, b->op);
    return Unsupported("no instruction executes ", n.op, " (node \"", n.loc, "\")");
  }

  Status Embed(const Node& n) {
    const Value *ids = n.input(0), *table = n.input(1);
    InstrPlan in;
    in.kind = InstrKind::kEmbed;
    in.index_offset = n.Int("offset", 0);
    const int64_t rows = table->weight().dim(0);
    Scheme scheme = options_.embed;
    if (ids->def()) {  // positions: a small table, kept in floats
      in.source = static_cast<uint8_t>(fb::Source::Positions);
      scheme = options_.embed == Scheme::kF32 ? Scheme::kF32 : Scheme::kF16;
      const int64_t most = rows - in.index_offset;
      plan_.max_positions = plan_.max_positions ? std::min(plan_.max_positions, most) : most;
    } else if (ids->name.find("type") != std::string::npos || ids->name.find("segment") != std::string::npos) {
      in.source = static_cast<uint8_t>(fb::Source::TokenTypes);
      scheme = options_.embed == Scheme::kF32 ? Scheme::kF32 : Scheme::kF16;
      plan_.token_types = rows;
    } else {
      in.source = static_cast<uint8_t>(fb::Source::TokenIds);
      plan_.vocab = plan_.vocab ? std::min(plan_.vocab, rows) : rows;
    }
    in.tensor = table_.Matrix({{table, true, 0, rows}}, scheme, table->name);
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  Status Norm(const Node& n) {
    InstrPlan in;
    in.kind = InstrKind::kNorm;
    in.op = static_cast<uint8_t>(n.op == "rms_norm" ? NormKind::kRms : NormKind::kLayer);
    in.a = Use(n.input(0), OnTokens(n), n);
    in.heads = n.Int("groups", 1);
    in.eps = static_cast<float>(n.Float("eps", 0));
    if (n.input(1)) in.tensor = table_.Vector(n.input(1));
    if (n.input(2)) in.bias = table_.Vector(n.input(2));
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  // A linear whose result reaches an output through elementwise ops only.
  bool IsHead(const Value* v, int depth = 0) const {
    if (graph_.IsOutput(v)) return true;
    if (depth > 8) return false;
    for (const Node* user : v->users())
      if ((user->op == "act" || user->op == "take_row" || Find<BinaryName>(kBinaryNames, user->op)) && IsHead(user->output(), depth + 1)) return true;
    return false;
  }

  Status Linear(const Node& n) {
    const bool head = IsHead(n.output());
    const Scheme scheme = head ? options_.head : options_.weights;
    const auto trans = n.Ints("trans"), begin = n.Ints("begin"), end = n.Ints("end");
    std::vector<WeightPart> parts;
    std::string name;
    for (size_t i = 0; i < trans.size(); ++i) {
      parts.push_back({n.input(2 + i), trans[i] != 0, begin[i], end[i]});
      name += (i ? "+" : "") + n.input(2 + i)->name;
    }
    InstrPlan in;
    in.kind = InstrKind::kLinear;
    in.tensor = table_.Matrix(std::move(parts), scheme, std::move(name));
    if (n.input(1)) in.bias = table_.Vector(n.input(1));
    in.a = Use(n.input(0), OnTokens(n), n);
    if (GetScheme(scheme).integer) in.a = Quantized(n.input(0), in.a, scheme, n);
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  // The rows quantized for an integer linear; readers of the same rows share them.
  ViewPlan Quantized(const Value* x, const ViewPlan& rows, Scheme scheme, const Node& n) {
    const int64_t weight_group = GetScheme(scheme).group;
    constexpr int64_t kDefaultGroup = 64;
    int64_t ga = options_.activation_group ? options_.activation_group : kDefaultGroup;
    if (weight_group) ga = std::min(ga, weight_group);
    ViewPlan& q = quantized_[{x, rows.buffer, ga}];
    if (q.buffer < 0) {
      q = ViewPlan{NewBuffer(rows.cols, !plan_.buffers[static_cast<size_t>(rows.buffer)].outputs, true, ga), 0, rows.cols};
      InstrPlan in;
      in.kind = InstrKind::kQuantize;
      in.a = rows;
      in.out = q;
      Push(std::move(in), n);
    }
    return q;
  }

  Status Rope(const Node& n) {
    InstrPlan in;
    in.kind = InstrKind::kRope;
    RopePlan rope{n.input(2)->weight().ToFloats(), static_cast<float>(n.Float("scale", 1))};
    const auto it = std::find(plan_.ropes.begin(), plan_.ropes.end(), rope);
    in.table = static_cast<int>(it - plan_.ropes.begin());
    if (it == plan_.ropes.end()) plan_.ropes.push_back(std::move(rope));
    in.heads = n.Int("heads", 1), in.head_dim = n.Int("head_dim", 0), in.rotary_dim = n.Int("rotary_dim", 0);
    in.flag = n.Int("interleaved", 0) != 0;
    in.a = Use(n.input(0), OnTokens(n), n);
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  Status Attention(const Node& n) {
    LayerPlan layer;
    layer.shape = {n.Int("heads", 0), n.Int("kv_heads", 0), n.Int("head_dim", 0), n.Int("v_head_dim", 0),
                   static_cast<float>(n.Float("scale", 1)), n.Int("causal", 1) != 0, n.Int("window", 0),
                   static_cast<float>(n.Float("softcap", 0)), options_.kv, n.Int("ahead", 0)};
    for (double slope : n.Floats("slopes")) layer.slopes.push_back(static_cast<float>(slope));
    layer.past_k = n.Str("past_k", ""), layer.past_v = n.Str("past_v", "");
    layer.present_k = n.Str("present_k", ""), layer.present_v = n.Str("present_v", "");
    if (!plan_.layers.empty() && plan_.layers[0].shape.causal != layer.shape.causal)
      return Unsupported("node \"", n.loc, "\": causal and bidirectional attention in one model");
    plan_.causal = layer.shape.causal;
    InstrPlan append, attend;
    append.kind = InstrKind::kKvAppend;
    append.layer = attend.layer = static_cast<int>(plan_.layers.size());
    plan_.layers.push_back(std::move(layer));
    append.a = Use(n.input(1), true, n), append.b = Use(n.input(2), true, n);
    Push(std::move(append), n);
    attend.kind = InstrKind::kAttention;
    attend.a = Use(n.input(0), true, n);
    attend.out = Define(n);
    Push(std::move(attend), n);
    return {};
  }

  Status Act(const Node& n) {
    const UnaryName* unary = Find<UnaryName>(kUnaryNames, n.Str("kind", ""));
    if (!unary) return Unsupported("no instruction computes activation \"", n.Str("kind", ""), "\" (node \"", n.loc, "\")");
    InstrPlan in;
    in.kind = InstrKind::kUnary;
    in.op = static_cast<uint8_t>(unary->op);
    in.a = Use(n.input(0), OnTokens(n), n);
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  Status Gated(const Node& n) {
    const UnaryName* unary = Find<UnaryName>(kUnaryNames, n.Str("act", ""));
    if (!unary) return Unsupported("no instruction computes activation \"", n.Str("act", ""), "\" (node \"", n.loc, "\")");
    InstrPlan in;
    in.kind = InstrKind::kGated;
    in.op = static_cast<uint8_t>(unary->op);
    in.a = Use(n.input(0), OnTokens(n), n);
    in.b = Use(n.input(1), OnTokens(n), n);
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  Status Slice(const Node& n) {  // a view: costs nothing
    ViewPlan v = Use(n.input(0), OnTokens(n), n);
    v.col += n.Int("begin", 0);
    v.cols = n.Int("end", 0) - n.Int("begin", 0);
    views_[n.output()] = v;
    return {};
  }

  Status Concat(const Node& n) {
    const ViewPlan all = Define(n);
    int64_t col = 0;
    for (const Value* part : n.inputs()) {
      InstrPlan in;
      in.kind = InstrKind::kCopy;
      in.a = Use(part, OnTokens(n), n);
      in.out = ViewPlan{all.buffer, col, in.a.cols};
      col += in.a.cols;
      Push(std::move(in), n);
    }
    return {};
  }

  Status BinaryOp(const Node& n, Binary op) {
    InstrPlan in;
    in.kind = InstrKind::kBinary;
    in.op = static_cast<uint8_t>(op);
    const Value *a = n.input(0), *b = n.input(1);
    if (a->is_weight()) std::swap(a, b), in.flag = true;
    if (a->is_weight()) return Unsupported("node \"", n.loc, "\" (", n.op, ") has no row operand");
    in.a = Use(a, OnTokens(n), n);
    if (!b->is_weight()) {
      in.b_kind = static_cast<uint8_t>(Operand::kRows);
      in.b = Use(b, OnTokens(n), n);
    } else if (b->weight().elements() == 1) {
      in.b_kind = static_cast<uint8_t>(Operand::kScalar);
      in.scalar = static_cast<float>(b->weight().At(0));
    } else {
      in.b_kind = static_cast<uint8_t>(Operand::kVector);
      in.tensor = table_.Vector(b);
    }
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  Status Output(size_t i) {
    const Value* v = graph_.outputs()[i];
    const Node* def = v->def();
    if (!def) return Unsupported("output \"", graph_.output_names()[i], "\" is not computed");
    if (def->op == "attention" && v->def_index() > 0) return {};   // a present_*: the cache itself
    OutputPlan out;
    out.name = graph_.output_names()[i];
    if (def->op == "take_row") out.row = static_cast<int>(def->Int("index", 0)), v = def->input(0);
    if (out.row < -1 || (def->op == "take_row" && out.row == -1)) return Unsupported("output \"", out.name, "\" pools the last row; only the first can be pooled");
    out.view = Use(v, false, *def);
    out.logits = out.view.cols == plan_.vocab;
    plan_.buffers[static_cast<size_t>(out.view.buffer)].last = static_cast<int>(plan_.instrs.size());  // read after the program
    plan_.outputs.push_back(std::move(out));
    return {};
  }

  const ir::Graph& graph_;
  const PlanOptions& options_;
  ProgramPlan plan_;
  TensorTable table_;
  std::set<const Value*> token_rows_;
  std::map<const Value*, ViewPlan> views_, selected_;
  std::map<std::tuple<const Value*, int, int64_t>, ViewPlan> quantized_;
};

}  // namespace

Result<ProgramPlan> MakePlan(const ir::Graph& graph, const PlanOptions& options) { return Planner(graph, options).Run(); }

}  // namespace hasten::plan
