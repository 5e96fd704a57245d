// From semantic nodes to instructions over buffers. Rows that no attention reads
// any more are computed for output rows only (a prompt's last layer, the head).
#include <algorithm>

#include "compiler/plan/buffers.h"
#include "compiler/plan/kernel_ops.h"
#include "compiler/plan/plan.h"
#include "compiler/plan/row_planner.h"
#include "runtime/format/program_generated.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"

namespace hasten::plan {
namespace {

using ir::Node;
using ir::Value;

class Planner : private RowPlanner {
 public:
  Planner(const ir::Graph& graph, const PlanOptions& options) : RowPlanner(graph, options), rules_(options) {}

  Result<ProgramPlan> Run() {
    plan_.kv = options_.kv;
    plan_.max_positions = options_.max_positions;
    FindTokenRows();
    for (const auto& n : graph_.nodes()) HST_RETURN_IF_ERROR(Lower(*n));
    for (size_t i = 0; i < graph_.outputs().size(); ++i) HST_RETURN_IF_ERROR(Output(i));
    if (plan_.outputs.empty()) return Unsupported("the graph has no output of rows");
    if (plan_.vocab == 0) return Unsupported("the graph embeds no token ids");
    HST_RETURN_IF_ERROR(rules_.CheckAllUsed());
    HST_ASSIGN_OR_RETURN(plan_.weights_bytes, table_.Place());
    KeepThroughRuns(plan_.instrs, plan_.buffers);
    plan_.arena_bytes_per_row = PlaceBuffers(plan_.buffers);
    return std::move(plan_);
  }

 private:
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
    if (const Binary* b = FindBinary(n.op)) return BinaryOp(n, *b);
    return Unsupported("no instruction executes ", n.op, " (node \"", n.loc, "\")");
  }

  Status Embed(const Node& n) {
    const Value *ids = n.input(0), *table = n.input(1);
    InstrPlan in;
    in.kind = InstrKind::kEmbed;
    in.index_offset = n.Int("offset", 0);
    const int64_t rows = table->weight().dim(0);
    Scheme scheme = options_.embed;   // of the token table, rules have a say
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
      scheme = rules_.Embed(n).scheme;
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

  Status Linear(const Node& n) {
    const std::vector<TensorChoice> choices = rules_.Linear(n, IsHead(graph_, n.output()));
    for (const TensorChoice& c : choices)
      if (c != choices[0]) return UsageError("node \"", n.loc, "\": the rules give its parts different schemes or activation groups");
    const auto trans = n.Ints("trans"), begin = n.Ints("begin"), end = n.Ints("end");
    std::vector<WeightPart> parts;
    for (size_t i = 0; i < trans.size(); ++i) parts.push_back({n.input(2 + i), trans[i] != 0, begin[i], end[i]});
    InstrPlan in;
    in.kind = InstrKind::kLinear;
    in.tensor = table_.Matrix(std::move(parts), choices[0].scheme, NameOf(n));
    if (n.input(1)) in.bias = table_.Vector(n.input(1));
    in.a = Use(n.input(0), OnTokens(n), n);
    if (GetScheme(choices[0].scheme).integer) in.a = Quantized(n.input(0), in.a, choices[0], n);
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
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
    const Unary* unary = FindUnary(n.Str("kind", ""));
    if (!unary) return Unsupported("no instruction computes activation \"", n.Str("kind", ""), "\" (node \"", n.loc, "\")");
    InstrPlan in;
    in.kind = InstrKind::kUnary;
    in.op = static_cast<uint8_t>(*unary);
    in.a = Use(n.input(0), OnTokens(n), n);
    in.out = Define(n);
    Push(std::move(in), n);
    return {};
  }

  Status Gated(const Node& n) {
    const Unary* unary = FindUnary(n.Str("act", ""));
    if (!unary) return Unsupported("no instruction computes activation \"", n.Str("act", ""), "\" (node \"", n.loc, "\")");
    InstrPlan in;
    in.kind = InstrKind::kGated;
    in.op = static_cast<uint8_t>(*unary);
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

  RuleBook rules_;
};

}  // namespace

Result<ProgramPlan> MakePlan(const ir::Graph& graph, const PlanOptions& options) { return Planner(graph, options).Run(); }

}  // namespace hasten::plan
