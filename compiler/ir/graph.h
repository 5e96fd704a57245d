// The IR: a graph of nodes over values. One Graph serves every stage: general
// ops named after ONNX's (snake case, newest semantics) after import, semantic
// ops (rms_norm, linear, rope, attention ...) after recognition. Structure only:
// what an op means is in ops.def and its file; text form is in text.h.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "compiler/ir/poly.h"
#include "compiler/ir/tensor.h"
#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace hasten::ir {

// A dimension: a polynomial over symbols, or unknown ("?").
using Dim = std::optional<Poly>;

struct Type {
  DType dtype = DType::kInvalid;   // kInvalid: not inferred yet
  bool ranked = false;
  std::vector<Dim> shape;          // meaningful when ranked

  static Type Of(DType t, std::vector<Dim> s) { return {t, true, std::move(s)}; }
  static Type Unranked(DType t) { return {t, false, {}}; }
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  bool operator==(const Type&) const = default;
};
std::string TypeString(const Type& type);   // "f32[B,S,576]", "i64[?,4]", "f32[*]" unranked

class Graph;
class Node;

using Attr = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                          std::vector<std::string>, Tensor, std::shared_ptr<Graph>>;
using Attrs = std::map<std::string, Attr, std::less<>>;

// A value has one definition: a graph input, a weight (constant), or a node's
// output. Owned by the graph; addresses are stable until it is erased.
class Value {
 public:
  std::string name;        // unique in the graph, without the % or @
  Type type;
  std::string loc;         // the ONNX value's name, for messages

  Node* def() const { return def_; }
  int def_index() const { return def_index_; }
  bool is_weight() const { return weight_.valid(); }
  bool is_input() const { return !def_ && !is_weight(); }
  const Tensor& weight() const { return weight_; }
  // One entry for each operand position that reads it (a node may appear twice).
  const std::vector<Node*>& users() const { return users_; }

 private:
  friend class Graph;
  friend class Node;
  Node* def_ = nullptr;
  int def_index_ = 0;
  Tensor weight_;
  std::vector<Node*> users_;
  std::list<std::unique_ptr<Value>>::iterator self_;
};

class Node {
 public:
  std::string op;          // a row of ops.def
  Attrs attrs;
  std::string loc;         // the ONNX node's name (or "name#i" when nameless)

  // An operand may be null: an omitted optional ONNX input.
  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  Value* input(size_t i) const { return i < inputs_.size() ? inputs_[i] : nullptr; }
  Value* output(size_t i = 0) const { return outputs_[i]; }
  void SetInput(size_t i, Value* v);
  void SetInputs(std::vector<Value*> inputs);

  // Attributes with defaults; the wrong kind is an invariant failure (import checks kinds).
  bool HasAttr(std::string_view name) const { return attrs.find(name) != attrs.end(); }
  int64_t Int(std::string_view name, int64_t fallback) const;
  double Float(std::string_view name, double fallback) const;
  std::string Str(std::string_view name, std::string_view fallback) const;
  std::vector<int64_t> Ints(std::string_view name, std::vector<int64_t> fallback = {}) const;
  std::vector<double> Floats(std::string_view name) const;   // empty when absent

 private:
  friend class Graph;
  std::vector<Value*> inputs_;
  std::vector<Value*> outputs_;   // an omitted optional output is a value without users
  std::list<std::unique_ptr<Node>>::iterator self_;
};

class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  std::string name = "main";

  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  // Names of the outputs as the model calls them, beside outputs().
  const std::vector<std::string>& output_names() const { return output_names_; }
  // Nodes in topological order.
  const std::list<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  const std::list<std::unique_ptr<Value>>& values() const { return values_; }

  Value* AddInput(std::string name, Type type);
  Value* AddWeight(std::string name, Tensor tensor);   // type from the tensor
  void AddOutput(Value* value, std::string name);
  void SetOutput(size_t i, Value* value) { outputs_[i] = value; }
  void ClearOutputs() { outputs_.clear(); output_names_.clear(); }

  // Appends a node, or puts it right before `before`. Output names are made
  // unique ("name", "name_1", ...); empty names get "v<N>".
  Node* AddNode(std::string op, std::vector<Value*> inputs, size_t outputs, Attrs attrs = {}, std::string loc = {},
                Node* before = nullptr);
  Node* AddNode(std::string op, std::vector<Value*> inputs, std::vector<std::string> output_names, Attrs attrs,
                std::string loc, Node* before);

  // Every reader of `from` (graph outputs too) reads `to` from now on.
  void ReplaceAllUses(Value* from, Value* to);
  // The node's outputs must have no users and be no graph outputs.
  void EraseNode(Node* node);
  void EraseWeight(Value* weight);          // must have no users
  void EraseInput(Value* input);            // must have no users
  bool IsOutput(const Value* v) const;
  std::vector<Value*> weights() const;      // in order of creation
  Value* FindValue(std::string_view name) const;   // null when absent
  void Rename(Value* v, std::string name);  // made unique if taken
  // Nodes by dependence; false when the graph has a cycle (order unchanged then).
  [[nodiscard]] bool SortTopologically();
  std::unique_ptr<Graph> Clone() const;     // weights share their bytes, nested graphs are cloned
  void Swap(Graph& other);                  // exchanges everything; values and nodes keep their addresses

 private:
  Value* NewValue(std::string name, Type type);
  void DropValue(Value* v);
  std::string Unique(std::string name);
  std::list<std::unique_ptr<Node>> nodes_;
  std::list<std::unique_ptr<Value>> values_;
  std::map<std::string, Value*, std::less<>> by_name_;
  std::map<std::string, int, std::less<>> next_suffix_;
  std::vector<Value*> inputs_, outputs_;
  std::vector<std::string> output_names_;
  int next_id_ = 0;
};

}  // namespace hasten::ir
