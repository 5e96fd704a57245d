// Undoes the fusion of linears where rules give their parts different schemes.
#include <algorithm>

#include "compiler/plan/plan.h"
#include "compiler/plan/rules.h"

namespace hasten::plan {
namespace {

using ir::Node;
using ir::Value;

// Parts [first, last) of a linear, columns [begin, end) of its result.
struct Piece {
  size_t first, last;
  int64_t begin, end;
};

std::vector<Piece> PiecesOf(const Node& n, const std::vector<TensorChoice>& choices) {
  const std::vector<int64_t> begin = n.Ints("begin"), end = n.Ints("end");
  std::vector<Piece> pieces;
  int64_t at = 0;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (i == 0 || choices[i] != choices[i - 1]) pieces.push_back({i, i, at, at});
    at += end[i] - begin[i];
    pieces.back().last = i + 1, pieces.back().end = at;
  }
  return pieces;
}

// The names of parts [first, last) where the linear's has one for each part.
std::string LocOf(const Node& n, size_t parts, const Piece& piece) {
  std::vector<std::string> names(1);
  for (char c : n.loc) c == '+' ? names.emplace_back() : names.back() += c, void();
  if (names.size() != parts) return n.loc;
  std::string loc;
  for (size_t i = piece.first; i < piece.last; ++i) loc += (i > piece.first ? "+" : "") + names[i];
  return loc;
}

template <class T>
std::vector<T> Part(const std::vector<T>& all, const Piece& p) {
  return {all.begin() + static_cast<std::ptrdiff_t>(p.first), all.begin() + static_cast<std::ptrdiff_t>(p.last)};
}

Value* LinearOf(ir::Graph& graph, Node* n, size_t parts, const Piece& p) {
  std::vector<Value*> inputs = {n->input(0), nullptr};
  if (n->input(1)) {
    const std::vector<float> bias = n->input(1)->weight().ToFloats();
    const std::vector<float> part(bias.begin() + p.begin, bias.begin() + p.end);
    inputs[1] = graph.AddWeight("bias", ir::Tensor::From<float>({p.end - p.begin}, part));
  }
  for (size_t i = p.first; i < p.last; ++i) inputs.push_back(n->input(2 + i));
  Node* made = graph.AddNode("linear", std::move(inputs), 1,
                             {{"trans", Part(n->Ints("trans"), p)}, {"begin", Part(n->Ints("begin"), p)}, {"end", Part(n->Ints("end"), p)}},
                             LocOf(*n, parts, p), n);
  made->output()->type = n->output()->type;
  made->output()->type.shape.back() = ir::Poly(p.end - p.begin);
  return made->output();
}

// A slice that lies in one piece reads that piece alone.
bool MoveSlice(ir::Graph& graph, Node* slice, const std::vector<Piece>& pieces, const std::vector<Value*>& made) {
  const int64_t begin = slice->Int("begin", 0), end = slice->Int("end", 0);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (begin < pieces[i].begin || end > pieces[i].end) continue;
    Value* out = made[i];
    if (begin != pieces[i].begin || end != pieces[i].end) {
      Node* part = graph.AddNode("slice_cols", {made[i]}, 1, {{"begin", begin - pieces[i].begin}, {"end", end - pieces[i].begin}}, slice->loc, slice);
      part->output()->type = slice->output()->type;
      out = part->output();
    }
    graph.ReplaceAllUses(slice->output(), out);
    graph.EraseNode(slice);
    return true;
  }
  return false;
}

void Split(ir::Graph& graph, Node* n, const std::vector<TensorChoice>& choices) {
  const std::vector<Piece> pieces = PiecesOf(*n, choices);
  std::vector<Value*> made;
  for (const Piece& piece : pieces) made.push_back(LinearOf(graph, n, choices.size(), piece));
  const std::vector<Node*> users(n->output()->users().begin(), n->output()->users().end());
  bool all = !graph.IsOutput(n->output());
  for (Node* user : users) all = (user->op == "slice_cols" && !graph.IsOutput(user->output()) && MoveSlice(graph, user, pieces, made)) && all;
  if (!all) {
    Node* joined = graph.AddNode("concat_cols", made, 1, {}, n->loc, n);
    joined->output()->type = n->output()->type;
    graph.ReplaceAllUses(n->output(), joined->output());
  }
  graph.EraseNode(n);
}

}  // namespace

Status SplitLinears(ir::Graph& graph, const PlanOptions& options) {
  RuleBook book(options);
  std::vector<std::pair<Node*, std::vector<TensorChoice>>> mixed;
  for (const auto& n : graph.nodes()) {
    if (n->op != "linear") continue;
    std::vector<TensorChoice> choices = book.Linear(*n, IsHead(graph, n->output()));
    if (std::any_of(choices.begin(), choices.end(), [&](const TensorChoice& c) { return c != choices[0]; })) mixed.emplace_back(n.get(), std::move(choices));
  }
  for (const auto& [node, choices] : mixed) Split(graph, node, choices);
  return {};
}

}  // namespace hasten::plan
