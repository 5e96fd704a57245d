#include "calib/eval/reference.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace hasten::calib {
namespace {

using recognize::Role;

// The input's dims for a batch.
Result<std::vector<int64_t>> DimsOf(const ir::Value& input, const TokenBatch& batch) {
  const std::map<std::string, int64_t, std::less<>> env = {{"B", batch.sequences}, {"S", batch.length}, {"P", batch.past_length}};
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

// Element i of the tensor becomes value(i).
template <class F>
Status Fill(ir::Tensor& tensor, const std::string& name, const F& value) {
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    switch (tensor.dtype()) {
      case DType::kI64: tensor.mutable_data<int64_t>()[i] = value(i); break;
      case DType::kI32: tensor.mutable_data<int32_t>()[i] = static_cast<int32_t>(value(i)); break;
      case DType::kF32: tensor.mutable_data<float>()[i] = static_cast<float>(value(i)); break;
      case DType::kBool: tensor.mutable_data<bool>()[i] = value(i) != 0; break;
      default: return Unsupported("input \"", name, "\": elements of type ", DTypeName(tensor.dtype()), " are not supplied");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<ir::Tensor>> BatchInputs(const ir::Graph& graph, const recognize::Roles& roles, const TokenBatch& batch) {
  HST_CHECK(static_cast<int64_t>(batch.tokens.size()) == batch.sequences * batch.length);
  std::vector<ir::Tensor> inputs;
  size_t caches = 0;
  for (const ir::Value* input : graph.inputs()) {
    const Role role = roles.of.at(input);
    if (role == Role::kPast && !batch.past.empty()) {
      inputs.push_back(batch.past[caches++]);
      continue;
    }
    HST_ASSIGN_OR_RETURN(std::vector<int64_t> dims, DimsOf(*input, batch));
    HST_ASSIGN_OR_RETURN(ir::Tensor tensor, ir::Tensor::Zeros(input->type.dtype, std::move(dims)));
    if (role == Role::kTokenIds) {
      if (tensor.elements() != static_cast<int64_t>(batch.tokens.size())) {
        return Unsupported("input \"", input->loc, "\" has ", tensor.elements(), " elements for ", batch.tokens.size(), " tokens");
      }
      HST_RETURN_IF_ERROR(Fill(tensor, input->loc, [&](int64_t i) { return batch.tokens[static_cast<size_t>(i)]; }));
    } else if (role == Role::kAttentionMask) {
      HST_RETURN_IF_ERROR(Fill(tensor, input->loc, [](int64_t) { return 1; }));
    } else if (role == Role::kPositions) {
      HST_RETURN_IF_ERROR(Fill(tensor, input->loc, [&](int64_t i) { return batch.past_length + i % batch.length; }));
    }   // token types, and a cache without a past: zeros, or empty
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

Result<std::vector<ir::Tensor>> SequenceInputs(const ir::Graph& graph, const recognize::Roles& roles,
                                               std::span<const int32_t> tokens) {
  return BatchInputs(graph, roles, {.tokens = tokens, .length = static_cast<int64_t>(tokens.size())});
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
  std::unique_ptr<ReferenceModel> reference(new ReferenceModel());
  HST_ASSIGN_OR_RETURN(reference->imported_, ImportModel(model));
  reference->graph_ = std::move(reference->imported_.graph);
  HST_ASSIGN_OR_RETURN(reference->roles_, recognize::AssignRoles(*reference->graph_));
  interp::RunOptions options;
  options.threads = threads;
  options.compute_fp32 = true;
  options.cancel = cancel;
  HST_ASSIGN_OR_RETURN(reference->interpreter_, interp::Interpreter::Create(options));
  reference->logits_ = MainOutput(*reference->graph_);
  const ir::Dim& batch = reference->roles_.ids->type.shape[0];
  reference->batches_ = batch && !batch->IsConst();
  reference->FindCache();
  return reference;
}

// The output that carries on a cache input has its name with "present" for "past" or
// "past_key_values". Where one is missing there is no cache to carry on.
void ReferenceModel::FindCache() {
  for (const ir::Value* input : graph_->inputs()) {
    if (roles_.of.at(input) != Role::kPast) continue;
    size_t found = graph_->outputs().size();
    for (const std::string_view part : {"past_key_values", "past_key", "past_value", "past"}) {
      const size_t at = input->name.find(part);
      if (at == std::string::npos) continue;
      std::string name = input->name;
      name.replace(at, part == "past_key_values" ? part.size() : 4, "present");
      const auto& names = graph_->output_names();
      found = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
      if (found < names.size()) break;
    }
    if (found >= graph_->outputs().size()) {
      present_.clear();
      caches_.clear();
      return;
    }
    present_.push_back(found);
    caches_.push_back(input->name);
  }
}

const std::string& ReferenceModel::digest() {
  if (digest_.empty()) digest_ = HexDigest(DigestSource(imported_));
  return digest_;
}

int64_t ReferenceModel::bytes() const {
  int64_t total = 0;
  for (const SourceFile& file : imported_.files) total += static_cast<int64_t>(file.bytes.size());
  return total;
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

Result<ReferenceModel::Output> ReferenceModel::Run(const TokenBatch& batch) {
  HST_ASSIGN_OR_RETURN(const std::vector<ir::Tensor> inputs, BatchInputs(*graph_, roles_, batch));
  HST_ASSIGN_OR_RETURN(std::vector<ir::Tensor> outputs, interpreter_->Run(*graph_, inputs));
  const ir::Tensor& rows = outputs[logits_];
  const int64_t n = batch.sequences * batch.length, cols = rows.rank() < 2 ? 0 : rows.dim(-1);
  if (rows.dtype() != DType::kF32 || cols == 0 || rows.elements() != n * cols) {
    return Unsupported("the model's output \"", graph_->output_names()[logits_], "\" is no row of logits for each token");
  }
  Output out{rows.Reshaped({n, cols}), {}};
  for (const size_t i : present_) out.present.push_back(std::move(outputs[i]));
  return out;
}

Status CheckSameVocabulary(ReferenceModel& reference, int64_t vocab) {
  HST_ASSIGN_OR_RETURN(const ir::Tensor row, reference.MainRows(std::vector<int32_t>{0}));
  const int64_t theirs = row.dim(row.rank() - 1);
  if (theirs == vocab) return {};
  return BadInput(reference.name(), ": the reference has ", theirs, " outputs a token, the candidate a vocabulary of ", vocab, "; they are not the same model");
}

}  // namespace hasten::calib
