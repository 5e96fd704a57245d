// Conformance of what ships: a packed artifact, evaluated through the C ABI.
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "calib/compile/driver.h"
#include "calib/conform/levels.h"
#include "compiler/onnx/import.h"
#include "runtime/include/hasten.h"

namespace hasten::conform {
namespace {

namespace fs = std::filesystem;

// A folder that goes away with everything in it.
class TemporaryFolder {
 public:
  static Result<std::unique_ptr<TemporaryFolder>> Create() {
    std::string name = (fs::temp_directory_path() / "hasten-conform-XXXXXX").string();
    if (!mkdtemp(name.data())) return ResourceError("no temporary folder could be made beneath ", fs::temp_directory_path().string());
    return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(std::move(name)));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string File(std::string_view name) const { return StrCat(path_, "/", name); }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Status Check(hst_status status, hst_error* error) {
  if (status == HST_OK) return {};
  Status s(static_cast<Code>(status), error ? hst_error_message(error) : "no description");
  hst_error_free(error);
  return s;
}

const NamedTensor* Find(std::span<const NamedTensor> inputs, std::string_view name) {
  for (const NamedTensor& t : inputs)
    if (t.name == name) return &t;
  return nullptr;
}

// One model on the runtime; runs of it make and free their own sequences.
class RuntimeModel {
 public:
  static Result<std::shared_ptr<RuntimeModel>> Open(const std::string& artifact, const RuntimeLevel& level) {
    auto m = std::shared_ptr<RuntimeModel>(new RuntimeModel);
    hst_error* error = nullptr;
    hst_model_options options = HST_MODEL_OPTIONS_INIT;
    if (!level.isa.empty()) options.isa = level.isa.c_str();
    HST_RETURN_IF_ERROR(Check(hst_model_open(artifact.c_str(), &options, &m->model_, &error), error));
    HST_RETURN_IF_ERROR(Check(hst_model_get_info(m->model_, &m->info_, &error), error));
    hst_context_options context = HST_CONTEXT_OPTIONS_INIT;
    context.threads = static_cast<uint32_t>(level.threads);
    context.prefill_chunk = level.prefill_chunk;
    HST_RETURN_IF_ERROR(Check(hst_context_create(m->model_, &context, &m->context_, &error), error));
    for (uint32_t i = 0; i < m->info_.layers; ++i) {
      hst_layer_info layer = HST_LAYER_INFO_INIT;
      HST_RETURN_IF_ERROR(Check(hst_model_get_layer(m->model_, i, &layer, &error), error));
      m->layers_.push_back(layer);
    }
    return m;
  }
  ~RuntimeModel() {
    hst_context_free(context_);
    hst_model_free(model_);
  }

  Result<std::vector<ir::Tensor>> Run(std::span<const NamedTensor> inputs, const std::string& ids_name, std::span<const std::string> outputs) {
    HST_RETURN_IF_ERROR(CheckAssumedInputs(inputs));
    const NamedTensor* ids = Find(inputs, ids_name);
    if (!ids || ids->tensor.rank() != 2) return Unsupported("input \"", ids_name, "\" of token ids [batch, sequence] is missing");
    const int64_t batch = ids->tensor.dim(0), seq = ids->tensor.dim(1);
    std::vector<std::vector<int32_t>> tokens(static_cast<size_t>(batch)), types(static_cast<size_t>(batch));
    const NamedTensor* token_types = nullptr;
    for (const NamedTensor& t : inputs)
      if (t.name.find("token_type") != std::string::npos || t.name.find("segment") != std::string::npos) token_types = &t;
    std::vector<hst_sequence> sequences;
    std::vector<hst_eval_item> items;
    hst_error* error = nullptr;
    for (int64_t b = 0; b < batch; ++b) {
      auto& mine = tokens[static_cast<size_t>(b)];
      auto& kinds = types[static_cast<size_t>(b)];
      for (int64_t s = 0; s < seq; ++s) {
        mine.push_back(static_cast<int32_t>(ids->tensor.IntAt(b * seq + s)));
        if (token_types && info_.token_types) kinds.push_back(static_cast<int32_t>(token_types->tensor.IntAt(b * seq + s)));
      }
      hst_sequence sequence = 0;
      HST_RETURN_IF_ERROR(Check(hst_sequence_create(context_, &sequence, &error), error));
      sequences.push_back(sequence);
      HST_RETURN_IF_ERROR(ImportState(inputs, b, sequence));
      hst_eval_item item = HST_EVAL_ITEM_INIT;
      item.want = HST_WANT_ALL;
      item.sequence = sequence;
      item.tokens = mine.data();
      item.count = mine.size();
      item.token_types = kinds.empty() ? nullptr : kinds.data();
      items.push_back(item);
    }
    HST_RETURN_IF_ERROR(Check(hst_evaluate(context_, items.data(), items.size(), &error), error));
    std::vector<ir::Tensor> results;
    for (const std::string& name : outputs) {
      HST_ASSIGN_OR_RETURN(ir::Tensor t, OutputTensor(name, sequences, seq));
      results.push_back(std::move(t));
    }
    for (hst_sequence s : sequences) HST_RETURN_IF_ERROR(Check(hst_sequence_free(context_, s, &error), error));
    return results;
  }

 private:
  RuntimeModel() = default;

  // past_key_values of batch row b, when the model has any and they are not empty.
  Status ImportState(std::span<const NamedTensor> inputs, int64_t b, hst_sequence sequence) {
    std::vector<std::vector<float>> held;
    std::vector<const float*> k, v;
    int64_t past = 0;
    for (const hst_layer_info& layer : layers_)
      for (const char* name : {layer.past_k, layer.past_v}) {
        const NamedTensor* t = name[0] ? Find(inputs, name) : nullptr;
        if (!t || t->tensor.rank() != 4) return name[0] ? BadInput("input \"", name, "\" is missing") : Status();
        past = t->tensor.dim(2);
        const int64_t one = t->tensor.elements() / std::max<int64_t>(1, t->tensor.dim(0));
        const std::vector<float> all = t->tensor.ToFloats();
        held.emplace_back(all.begin() + b * one, all.begin() + (b + 1) * one);
      }
    if (past == 0) return {};
    for (size_t i = 0; i < held.size(); ++i) (i % 2 ? v : k).push_back(held[i].data());
    hst_error* error = nullptr;
    return Check(hst_kv_import(context_, sequence, past, k.data(), v.data(), info_.layers, &error), error);
  }

  Result<ir::Tensor> OutputTensor(const std::string& name, std::span<const hst_sequence> sequences, int64_t seq) {
    hst_error* error = nullptr;
    const int64_t batch = static_cast<int64_t>(sequences.size());
    for (uint32_t o = 0; o < info_.outputs; ++o) {
      hst_output_info output = HST_OUTPUT_INFO_INIT;
      HST_RETURN_IF_ERROR(Check(hst_model_get_output(model_, o, &output, &error), error));
      if (name != output.name) continue;
      std::vector<int64_t> dims = {batch, seq, output.cols};
      if (output.row >= 0) dims = {batch, output.cols};
      HST_ASSIGN_OR_RETURN(ir::Tensor t, ir::Tensor::Uninitialized(DType::kF32, dims));
      float* out = t.mutable_data<float>();
      for (size_t b = 0; b < sequences.size(); ++b) {
        hst_rows rows = HST_ROWS_INIT;
        HST_RETURN_IF_ERROR(Check(hst_get_rows(context_, b, o, &rows, &error), error));
        for (int64_t r = 0; r < rows.rows; ++r, out += rows.cols) std::copy_n(rows.data + r * rows.stride, rows.cols, out);
      }
      return t;
    }
    for (uint32_t l = 0; l < layers_.size(); ++l)
      if (name == layers_[l].present_k || name == layers_[l].present_v) return State(l, name == layers_[l].present_k, sequences);
    return BadInput("the artifact has no output \"", name, "\"");
  }

  Result<ir::Tensor> State(uint32_t l, bool is_key, std::span<const hst_sequence> sequences) {
    const hst_layer_info& layer = layers_[l];
    hst_error* error = nullptr;
    std::vector<float> all;
    int64_t length = 0;
    for (hst_sequence s : sequences) {
      HST_RETURN_IF_ERROR(Check(hst_sequence_length(context_, s, &length, &error), error));
      std::vector<float> k(static_cast<size_t>(length * layer.kv_heads * layer.head_dim)), v(static_cast<size_t>(length * layer.kv_heads * layer.v_head_dim));
      HST_RETURN_IF_ERROR(Check(hst_kv_export(context_, s, l, k.data(), k.size(), v.data(), v.size(), &error), error));
      const std::vector<float>& mine = is_key ? k : v;
      all.insert(all.end(), mine.begin(), mine.end());
    }
    return ir::Tensor::From<float>({static_cast<int64_t>(sequences.size()), layer.kv_heads, length, is_key ? layer.head_dim : layer.v_head_dim}, all);
  }

  hst_model* model_ = nullptr;
  hst_context* context_ = nullptr;
  hst_model_info info_ = HST_MODEL_INFO_INIT;
  std::vector<hst_layer_info> layers_;
};

}  // namespace

Result<LoadedModel> LoadThroughRuntime(const std::string& model_path, const RuntimeLevel& level) {
  LoadedModel loaded;
  {
    HST_ASSIGN_OR_RETURN(const ImportedModel model, ImportModel(model_path));
    for (const ir::Value* in : model.graph->inputs()) loaded.input_names.push_back(in->name);
    loaded.output_names = model.graph->output_names();
  }
  HST_ASSIGN_OR_RETURN(const auto folder, TemporaryFolder::Create());
  calib::CompileOptions options;
  options.model = model_path;
  options.output = folder->File("model.hst");
  options.recipe.weights = level.weights;
  options.recipe.kv = level.kv;
  options.threads = level.threads;
  options.recipe.tokenizer = false;
  calib::CompileReport report;
  HST_RETURN_IF_ERROR(calib::CompileModel(options, &report));
  HST_ASSIGN_OR_RETURN(std::shared_ptr<RuntimeModel> model, RuntimeModel::Open(options.output, level));
  std::string ids;
  for (const std::string& name : loaded.input_names)
    if (ids.empty() && (name.find("input_ids") != std::string::npos || name == "ids" || name == "tokens" || name == "input")) ids = name;
  loaded.run = [model, ids, outputs = loaded.output_names](std::span<const NamedTensor> inputs) { return model->Run(inputs, ids, outputs); };
  return loaded;
}

}  // namespace hasten::conform
