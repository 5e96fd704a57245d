// The structural verifier: what must hold of every graph between passes. Its
// failures are bugs of whoever made the graph, hence kInternal; callers that
// took the graph from a file re-label them. It changes nothing.
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <variant>

#include "compiler/ir/ops.h"
#include "compiler/ir/text.h"
#include "compiler/ir/text_chars.h"

namespace hasten::ir {
namespace {

constexpr int kMaxDepth = 64;

class Verifier {
 public:
  explicit Verifier(const Graph& g) : g_(g) {}

  Status Run(int depth) {
    if (depth > kMaxDepth) return Internal("graph \"", g_.name, "\": graphs in attributes nest deeper than ", kMaxDepth);
    HST_RETURN_IF_ERROR(CheckValues());
    for (const Value* v : g_.inputs()) {
      if (!owned_.count(v) || !v->is_input()) return Internal("graph \"", g_.name, "\": an input is not an input value of the graph");
      defined_.insert(v);
    }
    for (const auto& v : g_.values())
      if (v->is_weight()) defined_.insert(v.get());
    for (const auto& n : g_.nodes()) HST_RETURN_IF_ERROR(CheckNode(*n, depth));
    for (const auto& v : g_.values())
      if (!defined_.count(v.get())) return Internal("%", v->name, " has no definition in the graph: it is no input, weight or result");
    HST_RETURN_IF_ERROR(CheckUsers());
    return CheckOutputs();
  }

 private:
  template <class... Ts>
  static Status Fail(const Node& n, const Ts&... what) {
    return Internal("[", n.op, "] ", what..., " (node \"", n.loc, "\": ", PrintNode(n).substr(0, 300), ")");
  }

  static bool PlainSymbols(const Type& t) {
    for (const Dim& d : t.shape)
      if (d)
        for (const std::string& s : d->Symbols())
          if (!IsPlainWord(s)) return false;
    return true;
  }

  Status CheckValues() {
    std::set<std::string_view> names;
    for (const auto& v : g_.values()) {
      owned_.insert(v.get());
      if (v->name.empty()) return Internal("graph \"", g_.name, "\": a value has no name");
      if (!names.insert(v->name).second || g_.FindValue(v->name) != v.get())
        return Internal("%", v->name, ": two values have this name, or it was changed without Graph::Rename");
      if (!PlainSymbols(v->type))
        return Internal("%", v->name, ": ", TypeString(v->type), " has a symbol that is no plain word (letters, digits, _ and .)");
      if (v->is_weight() && !SameType(*v))
        return Internal("@", v->name, ": the type says ", TypeString(v->type), ", the tensor is another");
    }
    return {};
  }

  static bool SameType(const Value& v) {
    const Tensor& t = v.weight();
    if (v.type.dtype != t.dtype() || !v.type.ranked || v.type.rank() != t.rank()) return false;
    for (int64_t i = 0; i < t.rank(); ++i)
      if (v.type.shape[static_cast<size_t>(i)] != Poly(t.dim(i))) return false;
    return true;
  }

  Status CheckNode(const Node& n, int depth) {
    const OpInfo* op = FindOp(n.op);
    if (!op) return Fail(n, "there is no such op");
    const auto ins = static_cast<int>(n.inputs().size()), outs = static_cast<int>(n.outputs().size());
    if (ins < op->min_inputs || (op->max_inputs >= 0 && ins > op->max_inputs))
      return Fail(n, "needed ", Range(op->min_inputs, op->max_inputs), " operands, came ", ins);
    if (outs < op->min_outputs || (op->max_outputs >= 0 && outs > op->max_outputs))
      return Fail(n, "needed ", Range(op->min_outputs, op->max_outputs), " results, came ", outs);
    for (int i = 0; i < ins; ++i) {
      const Value* v = n.inputs()[static_cast<size_t>(i)];
      // Only linear has an optional operand (its bias) before needed ones.
      if (!v && i < op->min_inputs && n.op != "linear") return Fail(n, "operand ", i, " is needed, but omitted");
      if (!v) continue;
      if (!owned_.count(v)) return Fail(n, "operand ", i, " belongs to no value of this graph");
      if (!defined_.count(v)) return Fail(n, "operand ", i, " (%", v->name, ") is not defined before this node");
      ++uses_[v][&n];
    }
    for (int i = 0; i < outs; ++i) {
      const Value* v = n.outputs()[static_cast<size_t>(i)];
      if (!v || !owned_.count(v) || v->def() != &n || v->def_index() != i || !defined_.insert(v).second)
        return Fail(n, "result ", i, " is not this node's own");
    }
    for (const auto& [key, attr] : n.attrs)
      if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attr)) {
        if (!*nested) return Fail(n, "attribute ", key, " has no graph");
        Status s = Verifier(**nested).Run(depth + 1);
        if (!s.ok()) return std::move(s).Annotate(StrCat("in the graph of [", n.op, "] \"", n.loc, "\""));
      }
    return CheckOp(*op, n);
  }

  static Status CheckOp(const OpInfo& op, const Node& n) {
    if (!op.verify) return {};
    try {
      const Status s = op.verify(n);
      return s.ok() ? Status() : Fail(n, s.message());
    } catch (const std::bad_variant_access&) {
      return Fail(n, "an attribute has another kind than the op needs");
    }
  }

  static std::string Range(int least, int most) {
    if (most < 0) return StrCat("at least ", least);
    return least == most ? StrCat(least) : StrCat(least, " to ", most);
  }

  // users() holds one entry for each operand position, and nothing else.
  Status CheckUsers() {
    for (const auto& v : g_.values()) {
      std::unordered_map<const Node*, int> counted;
      for (const Node* user : v->users()) ++counted[user];
      const auto it = uses_.find(v.get());
      if (it == uses_.end() ? !counted.empty() : counted != it->second)
        return Internal("%", v->name, ": its list of users is not what the nodes' operands say");
    }
    return {};
  }

  Status CheckOutputs() {
    if (g_.outputs().size() != g_.output_names().size())
      return Internal("graph \"", g_.name, "\": ", g_.outputs().size(), " outputs have ", g_.output_names().size(), " names");
    std::set<std::string_view> names;
    for (size_t i = 0; i < g_.outputs().size(); ++i) {
      const std::string& name = g_.output_names()[i];
      if (!g_.outputs()[i] || !owned_.count(g_.outputs()[i]))
        return Internal("graph \"", g_.name, "\": output \"", name, "\" is no value of this graph");
      if (!names.insert(name).second) return Internal("graph \"", g_.name, "\": two outputs are named \"", name, "\"");
    }
    return {};
  }

  const Graph& g_;
  std::unordered_set<const Value*> owned_, defined_;
  std::unordered_map<const Value*, std::unordered_map<const Node*, int>> uses_;
};

}  // namespace

Status Verify(const Graph& graph) { return Verifier(graph).Run(0); }

}  // namespace hasten::ir
