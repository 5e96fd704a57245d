// The parser of the textual IR. It first reads a graph into plain records, for
// weights may stand before or after their use, then builds the graph; so a
// graph it returns always has its definitions before its uses and unique names.
// For text from anywhere: bounded in size and depth, never trusting a number.
#include <optional>
#include <set>

#include "compiler/ir/text.h"
#include "compiler/ir/text_cursor.h"
#include "compiler/ir/text_values.h"

namespace hasten::ir {
namespace {

constexpr size_t kMaxText = size_t{1} << 26;
constexpr int kMaxDepth = 16;                  // of graphs in attributes
constexpr size_t kMaxOperands = 1 << 16;       // of one node

struct NamedType {
  std::string name;             // empty: "_", an output nobody names
  std::optional<Type> type;
  size_t at;
};
struct Operand {
  std::string name;             // empty: "_", omitted
  size_t at;
};
struct ParsedNode {
  std::vector<NamedType> results;
  std::string op, loc;
  std::vector<Operand> operands;
  Attrs attrs;
  size_t at = 0;
};
struct ParsedWeight {
  std::string name;
  Tensor tensor;
  size_t at;
};
struct ParsedGraph {
  std::string name;
  std::vector<NamedType> inputs, outputs;
  std::vector<ParsedNode> nodes;
  std::vector<ParsedWeight> weights;
  std::vector<Operand> returns;
  size_t at = 0, return_at = 0;
};

class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options) : cursor_(text), values_(cursor_, options) {}

  Result<std::unique_ptr<Graph>> File() {
    ParsedGraph g;
    bool seen = false;
    while (!cursor_.AtEnd()) {
      if (cursor_.TakeWord("weight")) {
        HST_RETURN_IF_ERROR(ReadWeight(g));
      } else if (!seen && cursor_.TakeWord("graph")) {
        seen = true;
        HST_RETURN_IF_ERROR(ReadGraph(g, 0));
      } else {
        return cursor_.FailHere(seen ? "\"weight\" or the end" : "\"graph\" or \"weight\"");
      }
    }
    if (!seen) return cursor_.FailHere("\"graph @name(...) -> (...) {...}\"");
    return Build(std::move(g));
  }

 private:
  Result<std::string> Ref(std::string_view sigil) {
    HST_RETURN_IF_ERROR(cursor_.Need(sigil));
    return cursor_.Name();
  }

  Result<Operand> ReadOperand() {
    Operand o{"", cursor_.pos()};
    if (cursor_.TakeWord("_")) return o;
    if (!cursor_.Peek("%") && !cursor_.Peek("@")) return cursor_.FailHere("%value, @weight or _");
    HST_ASSIGN_OR_RETURN(o.name, Ref(cursor_.Peek("@") ? "@" : "%"));
    if (o.name.empty()) return cursor_.Fail(o.at, "a name that is not empty");
    return o;
  }

  Status ReadWeight(ParsedGraph& g) {
    ParsedWeight w{"", {}, cursor_.pos()};
    HST_ASSIGN_OR_RETURN(w.name, Ref("@"));
    HST_RETURN_IF_ERROR(cursor_.Need(":"));
    HST_ASSIGN_OR_RETURN(w.tensor, values_.ReadTensor("="));
    g.weights.push_back(std::move(w));
    return {};
  }

  // "(" already taken: name [":" type] separated by commas, to ")".
  Status ReadNamedTypes(std::string_view sigil, std::vector<NamedType>& out) {
    if (cursor_.Take(")")) return {};
    do {
      NamedType v{"", std::nullopt, cursor_.pos()};
      if (!sigil.empty()) HST_RETURN_IF_ERROR(cursor_.Need(sigil));
      HST_ASSIGN_OR_RETURN(v.name, cursor_.Name());
      if (cursor_.Take(":")) {
        HST_ASSIGN_OR_RETURN(v.type, values_.ReadType());
      }
      out.push_back(std::move(v));
    } while (cursor_.Take(","));
    return cursor_.Need(")");
  }

  // After the word "graph".
  Status ReadGraph(ParsedGraph& g, int depth) {
    if (depth > kMaxDepth) return cursor_.FailHere("graphs nested at most 16 deep");
    g.at = cursor_.pos();
    HST_ASSIGN_OR_RETURN(g.name, Ref("@"));
    HST_RETURN_IF_ERROR(cursor_.Need("("));
    HST_RETURN_IF_ERROR(ReadNamedTypes("%", g.inputs));
    HST_RETURN_IF_ERROR(cursor_.Need("->"));
    HST_RETURN_IF_ERROR(cursor_.Need("("));
    HST_RETURN_IF_ERROR(ReadNamedTypes("", g.outputs));
    HST_RETURN_IF_ERROR(cursor_.Need("{"));
    while (!cursor_.TakeWord("return")) {
      if (cursor_.TakeWord("weight")) {
        HST_RETURN_IF_ERROR(ReadWeight(g));
      } else {
        HST_RETURN_IF_ERROR(ReadNode(g, depth));
      }
    }
    g.return_at = cursor_.pos();
    if (!cursor_.Peek("}")) do {
      HST_ASSIGN_OR_RETURN(Operand o, ReadOperand());
      g.returns.push_back(std::move(o));
    } while (cursor_.Take(","));
    return cursor_.Need("}");
  }

  Status ReadNode(ParsedGraph& g, int depth) {
    ParsedNode n;
    n.at = cursor_.pos();
    // A node without results stands without "=".
    if (cursor_.Peek("%") || cursor_.PeekWord("_")) HST_RETURN_IF_ERROR(ReadResults(n));
    HST_ASSIGN_OR_RETURN(n.op, cursor_.Word());
    HST_RETURN_IF_ERROR(cursor_.Need("("));
    if (!cursor_.Take(")")) {
      do {
        HST_ASSIGN_OR_RETURN(Operand o, ReadOperand());
        if (n.operands.size() == kMaxOperands) return cursor_.FailHere("at most 65536 operands");
        n.operands.push_back(std::move(o));
      } while (cursor_.Take(","));
      HST_RETURN_IF_ERROR(cursor_.Need(")"));
    }
    if (cursor_.Take("{")) HST_RETURN_IF_ERROR(ReadAttrs(n, depth));
    if (cursor_.Take(":")) HST_RETURN_IF_ERROR(ReadResultTypes(n));
    if (cursor_.TakeWord("loc")) {
      HST_RETURN_IF_ERROR(cursor_.Need("("));
      HST_ASSIGN_OR_RETURN(n.loc, cursor_.String());
      HST_RETURN_IF_ERROR(cursor_.Need(")"));
    }
    g.nodes.push_back(std::move(n));
    return {};
  }

  Status ReadResults(ParsedNode& n) {
    do {
      NamedType result{"", std::nullopt, cursor_.pos()};
      if (!cursor_.TakeWord("_")) {
        HST_ASSIGN_OR_RETURN(result.name, Ref("%"));
        if (result.name.empty()) return cursor_.Fail(result.at, "a name that is not empty");
      }
      if (n.results.size() == kMaxOperands) return cursor_.FailHere("at most 65536 results");
      n.results.push_back(std::move(result));
    } while (cursor_.Take(","));
    return cursor_.Need("=");
  }

  Status ReadResultTypes(ParsedNode& n) {
    for (size_t i = 0; i < n.results.size(); ++i) {
      if (i) HST_RETURN_IF_ERROR(cursor_.Need(","));
      if (cursor_.TakeWord("_")) continue;
      HST_ASSIGN_OR_RETURN(n.results[i].type, values_.ReadType());
    }
    return {};
  }

  Status ReadAttrs(ParsedNode& n, int depth) {
    if (cursor_.Take("}")) return {};
    do {
      const size_t at = cursor_.pos();
      HST_ASSIGN_OR_RETURN(std::string key, cursor_.Word());
      HST_RETURN_IF_ERROR(cursor_.Need("="));
      HST_ASSIGN_OR_RETURN(Attr attr, values_.ReadAttr([&]() -> Result<std::shared_ptr<Graph>> {
        ParsedGraph nested;
        HST_RETURN_IF_ERROR(ReadGraph(nested, depth + 1));
        HST_ASSIGN_OR_RETURN(std::unique_ptr<Graph> made, Build(std::move(nested)));
        return std::shared_ptr<Graph>(std::move(made));
      }));
      if (!n.attrs.emplace(std::move(key), std::move(attr)).second) return cursor_.Fail(at, "an attribute name not used before");
    } while (cursor_.Take(","));
    return cursor_.Need("}");
  }

  Result<Value*> Find(const Graph& g, const Operand& o) const {
    if (o.name.empty()) return static_cast<Value*>(nullptr);
    if (Value* v = g.FindValue(o.name)) return v;
    return cursor_.Fail(o.at, "a value defined before this place");
  }

  Status NewName(std::set<std::string_view>& names, std::string_view name, size_t at) const {
    return names.insert(name).second ? Status() : cursor_.Fail(at, "a name not used before in this graph");
  }

  Result<std::unique_ptr<Graph>> Build(ParsedGraph p) const {
    // All names first: an unnamed result must not take one that comes later.
    std::set<std::string_view> names;
    for (const NamedType& v : p.inputs) HST_RETURN_IF_ERROR(NewName(names, v.name, v.at));
    for (const ParsedWeight& w : p.weights) HST_RETURN_IF_ERROR(NewName(names, w.name, w.at));
    for (const ParsedNode& n : p.nodes)
      for (const NamedType& v : n.results)
        if (!v.name.empty()) HST_RETURN_IF_ERROR(NewName(names, v.name, v.at));

    auto g = std::make_unique<Graph>();
    g->name = p.name;
    for (const NamedType& v : p.inputs) {
      if (v.name.empty()) return cursor_.Fail(v.at, "a name that is not empty");
      g->AddInput(v.name, v.type.value_or(Type{}));
    }
    for (const ParsedWeight& w : p.weights) {
      if (w.name.empty()) return cursor_.Fail(w.at, "a name that is not empty");
      g->AddWeight(w.name, w.tensor);
    }
    int unnamed = 0;
    for (ParsedNode& n : p.nodes) {
      std::vector<Value*> inputs;
      for (const Operand& o : n.operands) {
        HST_ASSIGN_OR_RETURN(Value* const v, Find(*g, o));
        inputs.push_back(v);
      }
      std::vector<std::string> outputs;
      for (const NamedType& v : n.results) {
        std::string name = v.name;
        if (name.empty()) do name = StrCat("v", unnamed++); while (names.count(name));
        outputs.push_back(std::move(name));
      }
      Node* made = g->AddNode(n.op, std::move(inputs), std::move(outputs), std::move(n.attrs), n.loc, nullptr);
      for (size_t i = 0; i < n.results.size(); ++i)
        if (n.results[i].type) made->output(i)->type = *n.results[i].type;
    }
    HST_RETURN_IF_ERROR(BuildOutputs(p, *g));
    return g;
  }

  Status BuildOutputs(const ParsedGraph& p, Graph& g) const {
    if (p.returns.size() != p.outputs.size())
      return cursor_.Fail(p.return_at, StrCat(p.outputs.size(), " values, as many as the graph names outputs"));
    for (size_t i = 0; i < p.returns.size(); ++i) {
      HST_ASSIGN_OR_RETURN(Value* const v, Find(g, p.returns[i]));
      if (!v) return cursor_.Fail(p.returns[i].at, "a value");
      const std::optional<Type>& type = p.outputs[i].type;
      if (type && v->type.dtype == DType::kInvalid) v->type = *type;
      if (type && *type != v->type)
        return cursor_.Error(p.outputs[i].at, StrCat("output \"", p.outputs[i].name, "\": needed its value's type ",
                                                     TypeString(v->type), ", came ", TypeString(*type)));
      g.AddOutput(v, p.outputs[i].name);
    }
    return {};
  }

  TextCursor cursor_;
  TextValues values_;
};

}  // namespace

Result<std::unique_ptr<Graph>> Parse(std::string_view text, const ParseOptions& options) {
  if (text.size() > kMaxText) return BadInput("the text of a graph is ", text.size(), " bytes long, more than ", kMaxText);
  return Parser(text, options).File();
}

}  // namespace hasten::ir
