#include "calib/compile/model_info.h"

#include <cstring>
#include <string_view>

#include "runtime/format/model_info_generated.h"

namespace hasten::calib {

std::string_view MethodName(uint8_t method) {
  switch (static_cast<QuantizeMethod>(method)) {
    case QuantizeMethod::kNone: return "kept";
    case QuantizeMethod::kRoundToNearest: return "round-to-nearest";
    case QuantizeMethod::kGptq: return "gptq";
  }
  return "unknown";
}

std::vector<std::byte> BuildModelInfo(const GenerationDefaults& g, const Provenance& p) {
  flatbuffers::FlatBufferBuilder builder;
  const auto eos = builder.CreateVector(g.eos_ids);
  fb::GenerationBuilder generation(builder);
  generation.add_eos_ids(eos);
  generation.add_bos_id(g.bos_id);
  generation.add_pad_id(g.pad_id);
  generation.add_do_sample(g.do_sample);
  generation.add_temperature(g.temperature);
  generation.add_top_k(g.top_k);
  generation.add_top_p(g.top_p);
  generation.add_min_p(g.min_p);
  generation.add_repetition_penalty(g.repetition_penalty);
  generation.add_max_length(g.max_positions);
  const auto generation_at = generation.Finish();

  std::string recipe;
  for (const auto& [key, value] : p.recipe) recipe += key + "=" + value + "\n";
  const auto version = builder.CreateString(p.tool_version);
  const auto source = p.source ? builder.CreateVector(p.source->data(), p.source->size()) : 0;
  const auto recipe_at = builder.CreateString(recipe);
  const auto architecture = builder.CreateString(g.architecture);
  const auto licence = builder.CreateString(p.licence);
  std::vector<uint8_t> documents;
  for (const Sha256Digest& digest : p.calibration_documents) documents.insert(documents.end(), digest.begin(), digest.end());
  const auto documents_at = documents.empty() ? 0 : builder.CreateVector(documents);
  std::vector<uint8_t> methods, folds;
  std::vector<float> errors;
  for (const TensorMaking& t : p.tensors) methods.push_back(static_cast<uint8_t>(t.method)), errors.push_back(t.error), folds.push_back(t.folds);
  const auto recipe_toml_at = p.recipe_toml.empty() ? 0 : builder.CreateString(p.recipe_toml);
  const auto methods_at = methods.empty() ? 0 : builder.CreateVector(methods);
  const auto errors_at = errors.empty() ? 0 : builder.CreateVector(errors);
  const auto folds_at = p.equalized ? builder.CreateVector(folds) : 0;
  fb::ProvenanceBuilder provenance(builder);
  provenance.add_tool_version(version);
  if (p.source) provenance.add_source_digest(source);
  provenance.add_recipe(recipe_at);
  provenance.add_architecture(architecture);
  provenance.add_licence(licence);
  if (!documents.empty()) provenance.add_calibration_documents(documents_at);
  if (!p.recipe_toml.empty()) provenance.add_recipe_toml(recipe_toml_at);
  if (!methods.empty()) provenance.add_tensor_methods(methods_at), provenance.add_tensor_errors(errors_at);
  if (p.equalized) provenance.add_tensor_folds(folds_at);
  const auto provenance_at = provenance.Finish();

  fb::ModelInfoBuilder info(builder);
  info.add_generation(generation_at);
  info.add_provenance(provenance_at);
  builder.Finish(info.Finish());
  std::vector<std::byte> bytes(builder.GetSize());
  std::memcpy(bytes.data(), builder.GetBufferPointer(), bytes.size());
  return bytes;
}

}  // namespace hasten::calib
