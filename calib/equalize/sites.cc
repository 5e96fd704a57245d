#include "calib/equalize/sites.h"

#include <algorithm>
#include <optional>
#include <set>

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Value;

std::optional<int64_t> Columns(const Value* v) {
  if (!v->type.ranked || v->type.rank() != 3 || !v->type.shape.back()) return std::nullopt;
  return v->type.shape.back()->AsConst();
}

bool IsFloat(const Value* v) {
  return v->is_weight() && (v->weight().dtype() == DType::kF32 || v->weight().dtype() == DType::kF16 || v->weight().dtype() == DType::kBF16);
}

// A vector that may change: nobody else reads it, or it is 0 and stays so.
bool IsFree(const ir::Graph& graph, const Value* vector) {
  if (!vector->is_weight() || vector->weight().dtype() != DType::kF32 || graph.IsOutput(vector)) return false;
  if (vector->users().size() == 1) return true;
  const std::vector<float> values = vector->weight().ToFloats();
  return std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
}

// Whether the readers may take a change of their inputs: their matrices meet
// nothing but x.
bool CanUndo(const ir::Graph& graph, const std::vector<Node*>& readers) {
  for (const Node* reader : readers)
    for (size_t i = 2; i < reader->inputs().size(); ++i) {
      const Value* w = reader->input(i);
      bool trans = false;
      if (!IsFloat(w) || w->weight().rank() != 2 || graph.IsOutput(w) || !SeenAlike(w, &trans)) return false;
      for (const Node* user : w->users())
        if (std::find(readers.begin(), readers.end(), user) == readers.end()) return false;
    }
  return true;
}

// The rows that make a value, when a linear does and they make nothing else.
std::optional<MakerRows> RowsOf(const ir::Graph& graph, const Value* v) {
  const auto columns = Columns(v);
  if (!columns || v->users().size() != 1 || graph.IsOutput(v)) return std::nullopt;
  int64_t begin = 0;
  while (v->def() && v->def()->op == "slice_cols") {
    const Value* whole = v->def()->input(0);
    const int64_t first = v->def()->Int("begin", 0), last = v->def()->Int("end", 0);
    if (graph.IsOutput(whole)) return std::nullopt;
    for (const Node* user : whole->users()) {
      if (user->op != "slice_cols") return std::nullopt;
      if (user != v->def() && user->Int("begin", 0) < last && user->Int("end", 0) > first) return std::nullopt;
    }
    begin += first;
    v = whole;
  }
  Node* linear = v->def();
  if (!linear || linear->op != "linear") return std::nullopt;
  const std::vector<int64_t> from = linear->Ints("begin"), to = linear->Ints("end");
  int64_t at = 0;
  for (size_t i = 0; i < from.size(); at += to[i] - from[i], ++i) {
    if (begin < at || begin + *columns > at + to[i] - from[i]) continue;
    const Value* w = linear->input(2 + i);
    bool trans = false;
    if (!IsFloat(w) || w->weight().rank() != 2 || graph.IsOutput(w) || !SeenAlike(w, &trans)) return std::nullopt;
    const MakerRows rows{linear, 2 + i, from[i] + begin - at, *columns, begin};
    // Other parts of the same matrix have to be other rows.
    for (const Node* user : std::set<const Node*>(w->users().begin(), w->users().end())) {
      if (user->op != "linear") return std::nullopt;
      const std::vector<int64_t> b = user->Ints("begin"), e = user->Ints("end");
      for (size_t j = 0; j < b.size(); ++j)
        if (user->input(2 + j) == w && (user != linear || j != i) && b[j] < rows.row + rows.count && e[j] > rows.row) return std::nullopt;
    }
    if (linear->input(1) && !IsFree(graph, linear->input(1))) return std::nullopt;
    return rows;
  }
  return std::nullopt;
}

bool FillNorm(const ir::Graph& graph, Node* norm, Site* site) {
  site->kind = SiteKind::kNorm, site->norm = norm;
  if (norm->Int("groups", 1) != 1 || !norm->input(1)) return false;
  for (size_t i = 1; i < norm->inputs().size(); ++i)
    if (norm->input(i) && (!IsFree(graph, norm->input(i)) || norm->input(i)->weight().elements() != site->channels)) return false;
  return true;
}

bool FillGated(const ir::Graph& graph, const Node* gated, Site* site) {
  const auto gate = RowsOf(graph, gated->input(0)), up = RowsOf(graph, gated->input(1));
  if (!gate || !up) return false;
  site->kind = SiteKind::kGated, site->gates = {*gate}, site->makers = {*up};
  return true;
}

bool FillActivated(const ir::Graph& graph, const Node* act, Site* site) {
  const auto made = RowsOf(graph, act->input(0));
  if (!made) return false;
  site->kind = SiteKind::kActivated, site->makers = {*made};
  return true;
}

bool FillHeads(const ir::Graph& graph, const Node* attention, Site* site) {
  const auto v = RowsOf(graph, attention->input(2));
  if (!v) return false;
  for (size_t i = 1; i < attention->outputs().size(); ++i)
    if (!attention->output(i)->users().empty()) return false;   // the cache, read by something else
  site->kind = SiteKind::kHeads, site->makers = {*v};
  site->heads = attention->Int("heads", 1), site->kv_heads = attention->Int("kv_heads", 1);
  site->head_dim = attention->Int("v_head_dim", attention->Int("head_dim", 0));
  return site->channels == site->heads * site->head_dim && v->count == site->kv_heads * site->head_dim;
}

bool Fill(const ir::Graph& graph, Node* def, Site* site) {
  if (!def || def->output() != site->x) return false;
  if (def->op == "rms_norm" || def->op == "layer_norm") return FillNorm(graph, def, site);
  if (def->op == "gated_act") return FillGated(graph, def, site);
  if (def->op == "act") return FillActivated(graph, def, site);
  return def->op == "attention" && FillHeads(graph, def, site);
}

}  // namespace

std::vector<Site> FindSites(const ir::Graph& graph) {
  std::vector<Site> sites;
  std::set<const Value*> seen;
  for (const auto& node : graph.nodes()) {
    Value* x = node->input(0);
    if (node->op != "linear" || !seen.insert(x).second || graph.IsOutput(x)) continue;
    Site site;
    site.x = x, site.channels = Columns(x).value_or(0);
    for (const auto& other : graph.nodes())   // in order
      if (other->op == "linear" && other->input(0) == x) site.readers.push_back(other.get());
    if (site.channels < 1 || x->users().size() != site.readers.size() || !CanUndo(graph, site.readers)) continue;
    if (Fill(graph, x->def(), &site)) sites.push_back(std::move(site));
  }
  return sites;
}

Change ChangeOfInputs(const Site& site, const Change& change) {
  return site.kind == SiteKind::kHeads ? ForQueryHeads(change, site.kv_heads, site.heads, site.head_dim) : change;
}

namespace {

Status ChangeRows(const MakerRows& rows, const Change& change, Rewriter& rewriter) {
  bool trans = false;
  HST_CHECK(SeenAlike(rows.linear->input(rows.input), &trans));
  HST_RETURN_IF_ERROR(rewriter.Outputs(rows.linear->input(rows.input), trans, rows.row, rows.count, change).status());
  if (!rows.linear->input(1)) return {};
  return rewriter.Vector(rows.linear->input(1), rows.column, rows.count, change).status();
}

}  // namespace

Status ChangeSite(const Site& site, const Change& change, Rewriter& rewriter) {
  const Change inputs = ChangeOfInputs(site, change);
  std::set<Value*> changed;   // parts may be of one matrix
  for (Node* reader : site.readers)
    for (size_t i = 2; i < reader->inputs().size(); ++i) {
      bool trans = false;
      if (changed.contains(reader->input(i))) continue;
      HST_CHECK(SeenAlike(reader->input(i), &trans));
      HST_ASSIGN_OR_RETURN(Value * made, rewriter.Inputs(reader->input(i), trans, inputs));
      changed.insert(made);
    }
  Change order;   // a gate is not scaled: its activation would see it
  order.from = change.from;
  for (const MakerRows& rows : site.gates)
    if (!order.empty()) HST_RETURN_IF_ERROR(ChangeRows(rows, order, rewriter));
  for (const MakerRows& rows : site.makers) HST_RETURN_IF_ERROR(ChangeRows(rows, change, rewriter));
  for (size_t i = 1; site.norm && i < site.norm->inputs().size(); ++i)
    if (site.norm->input(i)) HST_RETURN_IF_ERROR(rewriter.Vector(site.norm->input(i), 0, site.channels, change).status());
  return {};
}

}  // namespace hasten::calib
