#include "calib/equalize/stream.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Value;

bool IsElementwise(std::string_view op) {
  constexpr std::string_view kOps[] = {"add", "sub", "mul", "div", "max", "min", "pow", "act", "gated_act"};
  return std::find(std::begin(kOps), std::end(kOps), op) != std::end(kOps);
}

// Follows the channels from the tables on, both ways, until nothing is added.
class Finder {
 public:
  Finder(const ir::Graph& graph, Stream* stream) : graph_(graph), s_(*stream) {}

  bool Run(std::string* why) {
    for (const auto& node : graph_.nodes())
      if (node->op == "embed") Join(node->output());
    if (values_.empty()) return Refuse("no token table", nullptr), *why = why_, false;
    s_.channels = ColumnsOf(*values_.begin());
    while (why_.empty() && !work_.empty()) {
      const Value* v = work_.back();
      work_.pop_back();
      Visit(v);
    }
    CheckWeights();
    *why = why_;
    return why_.empty();
  }

 private:
  static int64_t ColumnsOf(const Value* v) {
    if (!v->type.ranked || v->type.shape.empty() || !v->type.shape.back()) return 0;
    return v->type.shape.back()->AsConst().value_or(0);
  }

  void Refuse(std::string_view what, const Node* node) {
    if (why_.empty()) why_ = node ? StrCat(what, " (node \"", node->loc, "\")") : std::string(what);
  }

  void Join(const Value* v) {
    if (values_.insert(v).second) work_.push_back(v);
  }

  void Visit(const Value* v) {
    if (graph_.IsOutput(v)) return Refuse("an output has the order of its channels", v->def());
    if (!v->def()) return Refuse("a graph's input has the order of its channels", nullptr);
    if (s_.channels < 2 || ColumnsOf(v) != s_.channels) return Refuse("its channels are not the token table's", v->def());
    Node* def = v->def();
    if (def->op == "embed") Use(def, 1, &s_.tables);
    else if (def->op == "linear") Written(def);
    else Through(def);
    for (Node* user : v->users()) {
      if (user->op == "linear" && user->input(0) == v) Read(user);
      else Through(user);
    }
  }

  void Use(Node* node, size_t input, std::vector<Value*>* list) {
    Value* w = node->input(input);
    if (!w || !w->is_weight()) return Refuse("a weight is computed", node);
    uses_[w].insert({node, input});
    if (std::find(list->begin(), list->end(), w) == list->end()) list->push_back(w);
  }

  void Written(Node* linear) {
    if (linear->inputs().size() != 3) return Refuse("several matrices write its parts", linear);
    const Value* w = linear->input(2);
    if (!w->is_weight() || w->weight().rank() != 2 || linear->Ints("begin")[0] != 0 ||
        linear->Ints("end")[0] != w->weight().dim(linear->Ints("trans")[0] ? 0 : 1))
      return Refuse("part of a matrix writes it", linear);
    Use(linear, 2, &s_.writers);
    if (linear->input(1)) Use(linear, 1, &s_.vectors);
  }

  void Read(Node* linear) {
    for (size_t i = 2; i < linear->inputs().size(); ++i) Use(linear, i, &s_.readers);
  }

  // A node that keeps channels where they are: all its operands and its result join.
  void Through(Node* node) {
    const bool norm = (node->op == "rms_norm" || node->op == "layer_norm") && node->Int("groups", 1) == 1;
    if (!norm && !IsElementwise(node->op) && node->op != "take_row") return Refuse(StrCat(node->op, " has the order of its channels"), node);
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      Value* v = node->input(i);
      if (!v) continue;
      if (!v->is_weight()) Join(v);
      else if (v->weight().elements() != 1) Vector(node, i);
    }
    Join(node->output());
  }

  void Vector(Node* node, size_t input) {
    const ir::Tensor& t = node->input(input)->weight();
    if (t.dtype() != DType::kF32 || t.rank() < 1 || t.dim(-1) != s_.channels || t.elements() != s_.channels) return Refuse("a constant is no vector over its channels", node);
    Use(node, input, &s_.vectors);
  }

  // Every reader of a weight that changes has to be one of those found, each weight of
  // one role.
  void CheckWeights() {
    std::set<const Value*> roles;
    for (const auto* list : {&s_.writers, &s_.vectors})
      for (const Value* w : *list)
        if (!roles.insert(w).second) Refuse(StrCat("weight \"", w->name, "\" has two roles"), nullptr);
    for (const auto* list : {&s_.readers, &s_.tables})
      for (const Value* w : *list)
        if (roles.contains(w)) Refuse(StrCat("weight \"", w->name, "\" has two roles"), nullptr);
    for (const auto& [w, uses] : uses_) {
      bool trans = false;
      const bool vector = std::find(s_.vectors.begin(), s_.vectors.end(), w) != s_.vectors.end();
      if (w->users().size() != uses.size() || graph_.IsOutput(w) || (!vector && !SeenAlike(w, &trans)))
        Refuse(StrCat("weight \"", w->name, "\" has other readers"), nullptr);
    }
  }

  const ir::Graph& graph_;
  Stream& s_;
  std::set<const Value*> values_;
  std::vector<const Value*> work_;
  std::map<const Value*, std::set<std::pair<const Node*, size_t>>> uses_;
  std::string why_;
};

}  // namespace

bool FindStream(const ir::Graph& graph, Stream* stream, std::string* why) { return Finder(graph, stream).Run(why); }

Status ReorderStream(const Stream& s, const Change& order, const std::map<const Value*, Value*>& tied, ir::Graph& graph, Rewriter& rewriter) {
  std::set<const Value*> done;
  for (Value* table : s.tables) {
    const auto twin = tied.find(table);
    Value* same = twin == tied.end() || twin->second == table ? nullptr : twin->second;
    done.insert(table);
    HST_ASSIGN_OR_RETURN(Value * made, rewriter.TableColumns(table, order));
    if (!same || !done.insert(same).second) continue;
    for (Node* user : std::vector<Node*>(same->users())) user->attrs["trans"] = std::vector<int64_t>{1};   // a head: one part, whole
    graph.ReplaceAllUses(same, made);
    graph.EraseWeight(same);
  }
  for (Value* w : s.readers) {
    bool trans = false;
    if (!done.insert(w).second) continue;
    HST_CHECK(SeenAlike(w, &trans));
    HST_RETURN_IF_ERROR(rewriter.Inputs(w, trans, order).status());
  }
  for (Value* w : s.writers) {
    bool trans = false;
    HST_CHECK(SeenAlike(w, &trans));
    HST_RETURN_IF_ERROR(rewriter.Outputs(w, trans, 0, s.channels, order).status());
  }
  for (Value* v : s.vectors) HST_RETURN_IF_ERROR(rewriter.Vector(v, 0, s.channels, order).status());
  return {};
}

}  // namespace hasten::calib
