// What a converter (compiler/onnx/ops/*.cc) works with: one ONNX node, its
// operands as IR values, its checked attributes, and an emitter whose nodes
// carry the ONNX node's name as loc and get their types at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/onnx/import.h"

namespace onnx {
class GraphProto;
}

namespace hasten::onnx_import {

class GraphImporter;
using Values = std::vector<ir::Value*>;

class NodeImport {
 public:
  NodeImport(GraphImporter& importer, ir::Graph& graph) : graph(graph), importer_(importer) {}

  std::string domain, op, loc;
  int64_t opset = 0;                               // of the domain
  Values inputs;                                   // null: omitted
  std::vector<std::string> output_names;           // "": omitted
  ir::Attrs attrs;                                 // without graphs
  std::map<std::string, const onnx::GraphProto*, std::less<>> graphs;
  Values outputs;                                  // set by the converter
  ir::Graph& graph;

  ir::Value* In(size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  bool Wants(size_t i) const { return i < output_names.size() && !output_names[i].empty(); }
  void SetOutput(size_t i, ir::Value* value);
  // kBadInput naming the node, unless inputs [0, count) are all there.
  Status Needs(size_t count) const;

  bool HasAttr(std::string_view name) const { return attrs.find(name) != attrs.end(); }
  int64_t Int(std::string_view name, int64_t fallback) const;
  double Float(std::string_view name, double fallback) const;
  std::string Str(std::string_view name, std::string_view fallback) const;
  std::vector<int64_t> Ints(std::string_view name) const;

  // Errors that name the node and its operator.
  template <class... Ts>
  Status Bad(const Ts&... p) const { return BadInput("node \"", loc, "\" (", op, "): ", p...); }
  template <class... Ts>
  Status Refuse(const Ts&... p) const { return Unsupported("node \"", loc, "\" (", op, "): ", p...); }

  // One node with one output; the first problem found in it is kept and
  // reported when the converter returns (status()).
  ir::Value* Emit(std::string op, Values in, ir::Attrs a = {});
  ir::Node* EmitNode(std::string op, Values in, size_t outs, ir::Attrs a = {});
  ir::Value* Ints(std::vector<int64_t> values);                    // int64 [n]
  ir::Value* Scalar(int64_t value);                                // int64 []
  ir::Value* Scalar(DType dtype, double value);                    // []
  const Status& status() const { return status_; }

  ir::Value* Reshape(ir::Value* x, std::vector<int64_t> dims);     // 0 keeps, -1 infers
  ir::Value* Transpose(ir::Value* x, std::vector<int64_t> perm);
  ir::Value* Slice(ir::Value* x, int64_t axis, int64_t from, int64_t to, int64_t step = 1);
  ir::Value* Concat(Values parts, int64_t axis);
  ir::Value* Unsqueeze(ir::Value* x, std::vector<int64_t> axes);
  ir::Value* DimOf(ir::Value* x, int64_t axis);                    // int64 []
  ir::Value* Vector(Values scalars);                               // int64 [n] of int64 []
  ir::Value* Add(ir::Value* a, ir::Value* b) { return Emit("add", {a, b}); }
  ir::Value* Sub(ir::Value* a, ir::Value* b) { return Emit("sub", {a, b}); }
  ir::Value* Mul(ir::Value* a, ir::Value* b) { return Emit("mul", {a, b}); }
  ir::Value* Cast(ir::Value* x, DType to);                         // x itself when it is `to`

  // The value when it follows from weights alone (a bounded amount of work).
  std::optional<ir::Tensor> Constant(ir::Value* value) const;
  GraphImporter& importer() const { return importer_; }

 private:
  GraphImporter& importer_;
  Status status_;
};

int OnnxNumber(DType dtype);                                        // TensorProto.DataType
// Constants that converters share.
ir::Tensor FillScalar(DType dtype, double value);

}  // namespace hasten::onnx_import
