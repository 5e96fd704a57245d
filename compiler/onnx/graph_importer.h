// Walks GraphProtos and FunctionProtos and fills one IR graph: scopes, order,
// initializers, inlining, and the list of all nodes that cannot be imported.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "onnx.pb.h"

#include "compiler/ir/infer.h"
#include "compiler/onnx/node_import.h"
#include "compiler/onnx/tensor_proto.h"

namespace hasten::onnx_import {

using Opsets = std::map<std::string, int64_t>;

// Names visible in a graph; a nested graph sees its parents' too.
struct Scope {
  const Scope* parent = nullptr;
  std::string prefix;                                            // of node names, within functions
  const Opsets* opsets = nullptr;
  std::map<std::string, const onnx::AttributeProto*> attributes;  // of the enclosing function call
  std::unordered_map<std::string, ir::Value*> values;
  std::set<std::string> omitted;                                  // inputs of a function that the call leaves out

  ir::Value* Find(const std::string& name) const;                 // null: unknown, or omitted
  bool Knows(const std::string& name) const;
};

// A function of the model, with the fields that the schema's age hides.
struct Function {
  const onnx::FunctionProto* proto = nullptr;
  Opsets opsets;
  std::vector<onnx::AttributeProto> defaults;
};

// "ai.onnx" is another spelling of "".
std::string CanonicalDomain(const std::string& domain);

class GraphImporter {
 public:
  GraphImporter(const onnx::ModelProto& model, PayloadSource& source, const ImportOptions& options);
  // The main graph. On success problems() may still hold unsupported nodes.
  Status Run();
  std::unique_ptr<ir::Graph> TakeGraph() { return std::move(graph_); }
  const std::vector<std::string>& problems() const { return problems_; }
  const Opsets& opsets() const { return opsets_; }

  // Copies a nested graph's nodes into the main graph, its inputs bound to
  // `inputs`; the values of its outputs.
  Result<Values> Inline(const onnx::GraphProto& graph, const Values& inputs, std::string_view loc);
  // A node's types and symbolic values from its operands'.
  Status Infer(ir::Node& node);
  Status CountNode();
  std::optional<ir::Tensor> Constant(ir::Value* value);

 private:
  using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
  Status ReadOpsets();
  Status ReadFunctions();
  Status AddSymbols();
  Status AddInputs(Scope& scope);
  Status AddInitializers(const onnx::GraphProto& graph, Scope& scope);
  Result<ir::Type> ReadType(const onnx::ValueInfoProto& info);
  ir::Dim ReadDim(const onnx::TensorShapeProto::Dimension& dim);
  std::string Symbol(const std::string& raw);
  Result<ir::Tensor> Tensor(const onnx::TensorProto& proto, const std::string& what);
  Status ImportNodes(const Nodes& nodes, Scope& scope);
  Result<std::vector<int>> Order(const Nodes& nodes, const Scope& scope) const;
  Status ImportNode(const onnx::NodeProto& proto, int index, Scope& scope);
  Status ReadOperands(const onnx::NodeProto& proto, const Scope& scope, NodeImport& node);
  Status ReadAttributes(const onnx::NodeProto& proto, const Scope& scope, NodeImport& node);
  // The attribute itself, or what it refers to in the enclosing call; null: omitted there.
  static std::string FunctionKey(const onnx::NodeProto& call);
  static const onnx::AttributeProto* Resolve(const onnx::AttributeProto& a, const Scope& scope);
  Status ReadAttribute(const std::string& name, const onnx::AttributeProto& a, NodeImport& node);
  Status CheckOperator(const NodeImport& node) const;
  Status CheckAttributeKinds(const NodeImport& node) const;
  bool FollowsProblem(const NodeImport& node) const;
  Status Convert(NodeImport& node);
  Status BindOutputs(NodeImport& node, Scope& scope);
  Status InlineFunction(const Function& function, const onnx::NodeProto& call, NodeImport& node, const Scope& scope);

  const onnx::ModelProto& model_;
  PayloadSource& source_;
  const ImportOptions& options_;
  std::unique_ptr<ir::Graph> graph_;
  ir::ShapeValues values_;
  Opsets opsets_;
  std::map<std::string, Function> functions_;            // "domain:name:overload"
  std::vector<std::string> calls_;                       // functions being inlined
  std::vector<std::string> problems_;
  std::map<std::string, std::string> symbols_;           // raw dim_param to symbol
  std::set<std::string> taken_symbols_;
  // Read once, however often a loop or a function is unrolled.
  std::unordered_map<const onnx::TensorProto*, ir::Tensor> tensors_;
  std::vector<const Scope*> scopes_;                     // innermost last, for Inline
  int64_t nodes_ = 0;
};

}  // namespace hasten::onnx_import
