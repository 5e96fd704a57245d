// What follows from constants alone: conditions and trip counts are evaluated by
// the interpreter while the graph is still being built, within small bounds.
#include <algorithm>
#include <map>

#include "compiler/interp/interp.h"
#include "compiler/onnx/graph_importer.h"

namespace hasten::onnx_import {
namespace {

constexpr size_t kMaxNodes = 256;                // of one condition
constexpr int kMaxDepth = 128;
constexpr uint64_t kMaxBytes = uint64_t{1} << 20;  // of any value on the way
constexpr uint64_t kMaxSteps = uint64_t{1} << 32;  // of work for one constant: a tenth of a second

// Symbolic elements that turned out constant, as a tensor of the value's type.
std::optional<ir::Tensor> FromElements(const ir::Value& value, const std::vector<int64_t>& elements) {
  const DType t = value.type.dtype;
  if (!value.type.ranked || t == DType::kInvalid || IsFloat(t)) return std::nullopt;
  std::vector<int64_t> dims;
  if (value.type.rank() == 1) dims.push_back(static_cast<int64_t>(elements.size()));
  Result<ir::Tensor> out = ir::Tensor::Zeros(t, dims);
  if (!out.ok() || out->elements() != static_cast<int64_t>(elements.size())) return std::nullopt;
  const size_t size = DTypeSize(t);
  for (size_t i = 0; i < elements.size(); ++i) {
    const ir::Tensor one = FillScalar(t, static_cast<double>(elements[i]));
    std::copy_n(one.raw(), size, out->mutable_raw() + i * size);
  }
  return *std::move(out);
}

class Evaluator {
 public:
  Evaluator(const ir::ShapeValues& values, interp::Interpreter& interpreter) : values_(values), interpreter_(interpreter) {}

  std::optional<ir::Tensor> Value(const ir::Value* v, int depth) {
    if (v->is_weight()) return v->weight().bytes() <= kMaxBytes ? std::optional<ir::Tensor>(v->weight()) : std::nullopt;
    if (const auto it = known_.find(v); it != known_.end()) return it->second;
    std::optional<ir::Tensor> out;
    if (const auto elements = values_.FindConst(v)) out = FromElements(*v, *elements);
    if (!out && v->def() && depth < kMaxDepth && ++nodes_ <= kMaxNodes) out = Node(*v->def(), static_cast<size_t>(v->def_index()), depth);
    known_[v] = out;
    return out;
  }

 private:
  std::optional<ir::Tensor> Node(const ir::Node& node, size_t index, int depth) {
    std::vector<ir::Tensor> in;
    for (const ir::Value* operand : node.inputs()) {
      std::optional<ir::Tensor> t = operand ? Value(operand, depth + 1) : ir::Tensor();
      if (!t) return std::nullopt;
      in.push_back(*std::move(t));
    }
    if (in.empty() || !interp::CanEvaluate(node.op)) return std::nullopt;
    Result<std::vector<ir::Tensor>> out = interpreter_.EvalNode(node, in);
    return out.ok() && index < out->size() ? std::optional<ir::Tensor>((*out)[index]) : std::nullopt;
  }

  const ir::ShapeValues& values_;
  interp::Interpreter& interpreter_;
  std::map<const ir::Value*, std::optional<ir::Tensor>> known_;
  size_t nodes_ = 0;
};

}  // namespace

std::optional<ir::Tensor> GraphImporter::Constant(ir::Value* value) {
  if (value->is_weight()) return value->weight();
  Result<std::unique_ptr<interp::Interpreter>> interpreter = interp::Interpreter::Create({.max_bytes = kMaxBytes, .max_steps = kMaxSteps});
  return interpreter.ok() ? Evaluator(values_, **interpreter).Value(value, 0) : std::nullopt;
}

}  // namespace hasten::onnx_import
