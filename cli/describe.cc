#include "cli/describe.h"

#include <string>
#include <vector>

#include "calib/compile/model_info.h"
#include "calib/equalize/equalize.h"
#include "runtime/base/sha256.h"
#include "runtime/format/model_info_generated.h"
#include "runtime/format/program_generated.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const flatbuffers::String* s) { return s ? s->str() : std::string(); }

template <class Vector>
size_t Count(const Vector* v) { return v ? v->size() : 0; }

std::string Hex(const flatbuffers::Vector<uint8_t>* bytes) {
  return bytes ? HexDigest({bytes->data(), bytes->size()}) : std::string();
}

std::string KvName(uint8_t raw) {
  switch (static_cast<KvType>(raw)) {
    case KvType::kI8: return "int8";
    case KvType::kF16: return "fp16";
    case KvType::kF32: return "fp32";
  }
  return "unknown";
}

Json Sections(const ArtifactFile& file) {
  Json sections = Json::array();
  for (const Section& s : file.sections()) {
    sections.push_back({{"name", s.name}, {"kind", SectionKindName(s.kind)}, {"offset", s.offset}, {"bytes", s.bytes.size()},
                        {"sha256", HexDigest(s.digest)}});
  }
  return sections;
}

Json Tensors(const fb::Program& program, const fb::Provenance* made) {
  const auto* methods = made ? made->tensor_methods() : nullptr;
  const auto* errors = made ? made->tensor_errors() : nullptr;
  const auto* folds = made ? made->tensor_folds() : nullptr;
  Json tensors = Json::array();
  if (!program.tensors()) return tensors;
  for (flatbuffers::uoffset_t i = 0; i < program.tensors()->size(); ++i) {
    const fb::Tensor* t = program.tensors()->Get(i);
    const std::string scheme = IsValidScheme(t->scheme()) ? std::string(GetScheme(static_cast<Scheme>(t->scheme())).name) : "unknown";
    tensors.push_back({{"name", Text(t->name())}, {"scheme", scheme}, {"shape", {t->n(), t->k()}}, {"bytes", t->bytes()}});
    if (folds && i < folds->size()) tensors.back()["folds"] = calib::FoldNames(folds->Get(i));
    if (methods && i < methods->size()) tensors.back()["method"] = calib::MethodName(methods->Get(i));
    if (errors && i < errors->size()) tensors.back()["error"] = errors->Get(i);
  }
  return tensors;
}

Json Instructions(const fb::Program& program) {
  Json instructions = Json::array();
  if (!program.instrs()) return instructions;
  for (const fb::Instr* i : *program.instrs()) {
    instructions.push_back({{"op", fb::EnumNameOp(i->op_type())}, {"loc", Text(i->loc())}});
  }
  return instructions;
}

Json Layers(const fb::Program& program) {
  Json layers = Json::array();
  if (!program.layers()) return layers;
  for (const fb::Layer* l : *program.layers()) {
    layers.push_back({{"heads", l->heads()}, {"kv_heads", l->kv_heads()}, {"head_dim", l->head_dim()},
                      {"v_head_dim", l->v_head_dim()}, {"scale", l->scale()}, {"causal", l->causal()},
                      {"window", l->window()}, {"ahead", l->ahead()}, {"softcap", l->softcap()}, {"alibi", l->slopes() != nullptr}});
  }
  return layers;
}

Json Outputs(const fb::Program& program) {
  Json outputs = Json::array();
  if (!program.outputs()) return outputs;
  for (const fb::Output* o : *program.outputs()) {
    outputs.push_back({{"name", Text(o->name())}, {"kind", fb::EnumNameOutputKind(o->kind())}, {"cols", o->view() ? o->view()->cols() : 0}});
  }
  return outputs;
}

Json Generation(const fb::ModelInfo& info) {
  const fb::Generation* g = info.generation();
  if (!g) return nullptr;
  std::vector<int32_t> eos;
  if (g->eos_ids()) eos.assign(g->eos_ids()->begin(), g->eos_ids()->end());
  return {{"eos_ids", eos}, {"bos_id", g->bos_id()}, {"pad_id", g->pad_id()}, {"do_sample", g->do_sample()},
          {"temperature", g->temperature()}, {"top_k", g->top_k()}, {"top_p", g->top_p()}, {"min_p", g->min_p()},
          {"repetition_penalty", g->repetition_penalty()}, {"max_length", g->max_length()}};
}

Json ProvenanceOf(const fb::ModelInfo& info) {
  const fb::Provenance* p = info.provenance();
  if (!p) return nullptr;
  Json recipe = Json::object();
  const std::string text = Text(p->recipe());
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (const size_t equals = line.find('='); equals != std::string::npos) recipe[line.substr(0, equals)] = line.substr(equals + 1);
    at = end + 1;
  }
  Json documents = Json::array();
  if (const auto* all = p->calibration_documents())
    for (size_t i = 0; i + sizeof(Sha256Digest) <= all->size(); i += sizeof(Sha256Digest)) documents.push_back(HexDigest({all->data() + i, sizeof(Sha256Digest)}));
  return {{"tool_version", Text(p->tool_version())}, {"architecture", Text(p->architecture())}, {"recipe", recipe}, {"recipe_toml", Text(p->recipe_toml())},
          {"calibration_documents", documents},
          {"source_sha256", Hex(p->source_digest())}, {"calibration_sha256", Hex(p->calibration_digest())},
          {"licence", Text(p->licence())}};
}

}  // namespace

nlohmann::ordered_json Describe(const ArtifactFile& file) {
  const fb::Program& program = file.program();
  Json report;
  report["format"] = StrCat(file.header().major, ".", file.header().minor);
  report["bytes"] = file.file_bytes();
  report["numerics_profile"] = program.profile();
  report["kind"] = program.causal() ? "causal language model" : "encoder";
  report["vocab"] = program.vocab();
  report["max_positions"] = program.max_positions();
  report["kv"] = KvName(program.kv_type());
  report["arena_bytes_per_row"] = program.arena_bytes_per_row();
  report["buffers"] = Count(program.buffers());
  report["outputs"] = Outputs(program);
  report["generation"] = Generation(file.model_info());
  report["provenance"] = ProvenanceOf(file.model_info());
  report["card"] = Text(file.model_info().card());
  report["sections"] = Sections(file);
  report["layers"] = Layers(program);
  report["tensors"] = Tensors(program, file.model_info().provenance());
  report["instructions"] = Instructions(program);
  return report;
}

}  // namespace hasten::cli
