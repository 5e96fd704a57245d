#include "compiler/plan/row_planner.h"

#include <algorithm>

#include "runtime/quant/scheme.h"

namespace hasten::plan {
namespace {

int64_t Cols(const ir::Value* v) {
  HST_CHECK(v->type.ranked && !v->type.shape.empty() && v->type.shape.back() && v->type.shape.back()->AsConst());
  return v->type.shape.back()->ConstTerm();
}

}  // namespace

void RowPlanner::FindTokenRows() {
  for (auto it = graph_.nodes().rbegin(); it != graph_.nodes().rend(); ++it) {
    const ir::Node& n = **it;
    const bool needed = std::any_of(n.outputs().begin(), n.outputs().end(), [&](const ir::Value* v) { return token_rows_.count(v); });
    if (n.op == "attention") {
      for (size_t i = 0; i < 3; ++i) token_rows_.insert(n.input(i));
      token_rows_.insert(n.output());
    } else if (needed) {
      token_rows_.insert(n.inputs().begin(), n.inputs().end());
    }
    if (n.op == "embed") token_rows_.insert(n.output());
  }
}

int RowPlanner::NewBuffer(int64_t cols, bool tokens) {
  BufferPlan b;
  b.cols = cols, b.outputs = !tokens;
  b.first = b.last = static_cast<int>(plan_.instrs.size());
  plan_.buffers.push_back(b);
  return static_cast<int>(plan_.buffers.size() - 1);
}

void RowPlanner::Push(InstrPlan instr, const ir::Node& node) {
  const int at = static_cast<int>(plan_.instrs.size());
  for (const ViewPlan* v : {&instr.a, &instr.b, &instr.out})
    if (v->buffer >= 0) plan_.buffers[static_cast<size_t>(v->buffer)].last = std::max(plan_.buffers[static_cast<size_t>(v->buffer)].last, at);
  instr.loc = node.loc;
  plan_.instrs.push_back(std::move(instr));
}

ViewPlan RowPlanner::Define(const ir::Node& n) {
  const ViewPlan v{NewBuffer(Cols(n.output()), OnTokens(n)), 0, Cols(n.output())};
  views_[n.output()] = v;
  return v;
}

ViewPlan RowPlanner::Use(const ir::Value* v, bool tokens, const ir::Node& node) {
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

ViewPlan RowPlanner::Quantized(const ir::Value* x, const ViewPlan& rows, const TensorChoice& choice, const ir::Node& n) {
  const int64_t weight_group = GetScheme(choice.scheme).group;
  const int64_t ga = weight_group ? std::min(choice.activation_group, weight_group) : choice.activation_group;
  ViewPlan& q = quantized_[{x, rows.buffer, ga, choice.activation_residual}];
  if (q.buffer < 0) {
    q = ViewPlan{NewBuffer(rows.cols, !plan_.buffers[static_cast<size_t>(rows.buffer)].outputs), 0, rows.cols};
    BufferPlan& buffer = plan_.buffers.back();
    buffer.quantized = true, buffer.group = ga, buffer.residual = choice.activation_residual;
    InstrPlan in;
    in.kind = InstrKind::kQuantize;
    in.a = rows;
    in.out = q;
    Push(std::move(in), n);
  }
  return q;
}

}  // namespace hasten::plan
