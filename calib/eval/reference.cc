#include "calib/eval/reference.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "compiler/onnx/import.h"

namespace hasten::calib {
namespace {

using recognize::Role;

// The input's dims for a sequence of n tokens and an empty cache.
Result<std::vector<int64_t>> DimsOf(const ir::Value& input, int64_t n) {
  const std::map<std::string, int64_t, std::less<>> env = {{"B", 1}, {"S", n}, {"P", 0}};
  std::vector<int64_t> dims;
  for (const ir::Dim& dim : input.type.shape) {
    const std::optional<int64_t> value = dim ? dim->Eval(env) : std::nullopt;
    if (!value) {
      return Unsupported("input \"", input.loc, "\": the extent of a dimension of ", ir::TypeString(input.type),
                         " does not follow from batch, sequence and past length");
    }
    dims.push_back(*value);
  }
  return dims;
}

Status Fill(ir::Tensor& tensor, const std::vector<int64_t>& values, const std::string& name) {
  if (tensor.elements() != static_cast<int64_t>(values.size())) {
    return Unsupported("input \"", name, "\" has ", tensor.elements(), " elements for a sequence of ", values.size(), " tokens");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    switch (tensor.dtype()) {
      case DType::kI64: tensor.mutable_data<int64_t>()[i] = values[i]; break;
      case DType::kI32: tensor.mutable_data<int32_t>()[i] = static_cast<int32_t>(values[i]); break;
      case DType::kF32: tensor.mutable_data<float>()[i] = static_cast<float>(values[i]); break;
      case DType::kBool: tensor.mutable_data<bool>()[i] = values[i] != 0; break;
      default: return Unsupported("input \"", name, "\": elements of type ", DTypeName(tensor.dtype()), " are not supplied");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<ir::Tensor>> SequenceInputs(const ir::Graph& graph, const recognize::Roles& roles,
                                               std::span<const int32_t> tokens) {
  const int64_t n = static_cast<int64_t>(tokens.size());
  std::vector<ir::Tensor> inputs;
  for (const ir::Value* input : graph.inputs()) {
    HST_ASSIGN_OR_RETURN(std::vector<int64_t> dims, DimsOf(*input, n));
    HST_ASSIGN_OR_RETURN(ir::Tensor tensor, ir::Tensor::Zeros(input->type.dtype, std::move(dims)));
    std::vector<int64_t> values(static_cast<size_t>(n), 1);
    switch (roles.of.at(input)) {
      case Role::kTokenIds: std::copy(tokens.begin(), tokens.end(), values.begin()); break;
      case Role::kAttentionMask: break;
      case Role::kPositions: std::iota(values.begin(), values.end(), int64_t{0}); break;
      case Role::kTokenTypes:
      case Role::kPast:
      case Role::kOther: values.clear(); break;  // zeros, or empty
    }
    if (!values.empty()) HST_RETURN_IF_ERROR(Fill(tensor, values, input->loc));
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

size_t MainOutput(const ir::Graph& graph) {
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    if (graph.output_names()[i] == "logits") return i;
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    if (graph.outputs()[i]->type.ranked && graph.outputs()[i]->type.rank() == 3) return i;
  }
  return 0;
}

Result<std::unique_ptr<ReferenceModel>> ReferenceModel::Open(const std::string& model, int threads,
                                                             const std::atomic<bool>* cancel) {
  HST_ASSIGN_OR_RETURN(ImportedModel imported, ImportModel(model));
  std::unique_ptr<ReferenceModel> reference(new ReferenceModel());
  reference->graph_ = std::move(imported.graph);
  HST_ASSIGN_OR_RETURN(reference->roles_, recognize::AssignRoles(*reference->graph_));
  interp::RunOptions options;
  options.threads = threads;
  options.compute_fp32 = true;
  options.cancel = cancel;
  HST_ASSIGN_OR_RETURN(reference->interpreter_, interp::Interpreter::Create(options));
  reference->logits_ = MainOutput(*reference->graph_);
  return reference;
}

Result<ir::Tensor> ReferenceModel::MainRows(std::span<const int32_t> tokens) {
  HST_ASSIGN_OR_RETURN(const std::vector<ir::Tensor> inputs, SequenceInputs(*graph_, roles_, tokens));
  HST_ASSIGN_OR_RETURN(std::vector<ir::Tensor> outputs, interpreter_->Run(*graph_, inputs));
  const ir::Tensor& rows = outputs[logits_];
  const int64_t n = static_cast<int64_t>(tokens.size()), cols = rows.rank() < 2 ? 0 : rows.dim(-1);
  if (rows.dtype() != DType::kF32 || cols == 0 || (rows.elements() != n * cols && rows.elements() != cols)) {
    return Unsupported("the model's output \"", graph_->output_names()[logits_], "\" has neither a row for each token nor one for the text");
  }
  return rows.Reshaped({rows.elements() / cols, cols});
}

Result<ir::Tensor> ReferenceModel::Logits(std::span<const int32_t> tokens) {
  HST_ASSIGN_OR_RETURN(ir::Tensor rows, MainRows(tokens));
  if (rows.dim(0) != static_cast<int64_t>(tokens.size())) {
    return Unsupported("the model's output \"", graph_->output_names()[logits_], "\" is no row of logits for each token");
  }
  return rows;
}

}  // namespace hasten::calib
