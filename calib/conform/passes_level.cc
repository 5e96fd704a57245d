// Conformance after the passes: the semantic graph on the interpreter.
#include <algorithm>
#include <memory>

#include "calib/conform/levels.h"
#include "compiler/interp/interp.h"
#include "compiler/onnx/import.h"
#include "passes/pass_runner.h"

namespace hasten::conform {

Status CheckAssumedInputs(std::span<const NamedTensor> inputs) {
  int64_t past = 0;
  for (const NamedTensor& in : inputs)
    if (in.tensor.rank() == 4 && in.name.find("past") != std::string::npos) past = in.tensor.dim(2);
  for (const NamedTensor& in : inputs) {
    const ir::Tensor& t = in.tensor;
    if (in.name.find("attention_mask") != std::string::npos)
      for (int64_t i = 0; i < t.elements(); ++i)
        if (t.At(i) != 1) return Unsupported("input \"", in.name, "\" masks tokens out: the runtime's sequences have no padding");
    if (in.name.find("position_ids") != std::string::npos || in.name.find("cache_position") != std::string::npos)
      for (int64_t i = 0; i < t.elements(); ++i)
        if (t.IntAt(i) != past + i % t.dim(-1))
          return Unsupported("input \"", in.name, "\" does not count on from the ", past, " cached tokens");
  }
  return {};
}

Result<LoadedModel> LoadThroughPasses(const std::string& model_path, int threads) {
  HST_ASSIGN_OR_RETURN(ImportedModel model, ImportModel(model_path));
  LoadedModel loaded;
  for (const ir::Value* in : model.graph->inputs()) loaded.input_names.push_back(in->name);
  loaded.output_names = model.graph->output_names();
  const std::string pipeline[] = {"compile"};
  HST_ASSIGN_OR_RETURN(const auto passes, passes::ResolvePasses(pipeline));
  HST_RETURN_IF_ERROR(passes::RunPasses(*model.graph, passes, {}, nullptr));
  std::shared_ptr<ir::Graph> graph = std::move(model.graph);
  loaded.run = [graph, threads](std::span<const NamedTensor> inputs) -> Result<std::vector<ir::Tensor>> {
    HST_RETURN_IF_ERROR(CheckAssumedInputs(inputs));
    std::vector<ir::Tensor> used;
    for (const ir::Value* in : graph->inputs()) {
      const auto it = std::find_if(inputs.begin(), inputs.end(), [&](const NamedTensor& t) { return t.name == in->name; });
      if (it == inputs.end()) return Internal("the passes made an input \"", in->name, "\" that the model does not have");
      used.push_back(it->tensor);
    }
    interp::RunOptions options;
    options.threads = threads;
    return interp::Run(*graph, used, options);
  };
  return loaded;
}

}  // namespace hasten::conform
