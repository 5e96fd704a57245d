// The builder: a mini planner over ProgramT, and the writing of what it made.
#include "tests/format/tiny_model.h"

#include <cmath>
#include <cstring>

#include "compiler/artifact/writer.h"
#include "runtime/format/buffer_layout.h"
#include "runtime/format/program_check.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"
#include "tests/format/tiny_parts.h"

namespace hasten::testing {
namespace {

class Builder : public TinyParts {
 public:
  using TinyParts::TinyParts;
  void Build();

 private:
  void Block(uint32_t layer, const View& x);
};

void Builder::Block(uint32_t layer, const View& x) {
  const std::string at = StrCat("layers.", layer);
  const uint32_t qc = c_.heads * c_.head_dim, kc = c_.kv_heads * c_.head_dim;
  const View h = Norm(x, at + ".norm1", 1, Buf(c_.hidden));
  const View qkv = Linear(h, at + ".qkv", c_.weights, qc + 2 * kc);
  const View q = Part(qkv, 0, qc), k = Part(qkv, qc, kc), v = Part(qkv, qc + kc, kc);
  if (c_.qk_norm) {
    Norm(q, at + ".q_norm", c_.heads, q);
    Norm(k, at + ".k_norm", c_.kv_heads, k);
  }
  if (!c_.learned_positions) {
    Rope(q, c_.heads);
    Rope(k, c_.kv_heads);
  }
  fb::KvAppendT append;
  append.layer = layer;
  append.k = V(k);
  append.v = V(v);
  Emit(std::move(append), (at + ".append").c_str());
  const View attended = Buf(qc);
  fb::AttentionT attention;
  attention.layer = layer;
  attention.q = V(q);
  attention.out = V(attended);
  Emit(std::move(attention), (at + ".attention").c_str());
  Residual(x, Linear(attended, at + ".o", c_.weights, c_.hidden));
  const View h2 = Norm(x, at + ".norm2", 1, Buf(c_.hidden));
  const View gate_up = Linear(h2, at + ".gate_up", c_.weights, 2 * c_.inter);
  const View mlp = Buf(c_.inter);
  fb::GatedT g;
  g.act = static_cast<uint8_t>(Unary::kSilu);
  g.gate = V(Part(gate_up, 0, c_.inter));
  g.up = V(Part(gate_up, c_.inter, c_.inter));
  g.out = V(mlp);
  Emit(std::move(g), (at + ".mlp").c_str());
  Residual(x, Linear(mlp, at + ".down", c_.weights, c_.hidden));
  auto l = std::make_unique<fb::LayerT>();
  l->heads = c_.heads;
  l->kv_heads = c_.kv_heads;
  l->head_dim = l->v_head_dim = c_.head_dim;
  l->scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
  l->causal = !c_.encoder;
  l->window = c_.window;
  l->softcap = c_.softcap;
  l->ahead = c_.ahead;
  for (uint32_t h = 0; c_.alibi && h < c_.heads; ++h) l->slopes.push_back(std::ldexp(1.0f, -static_cast<int>(h) - 1));
  m_.program.layers.push_back(std::move(l));
}

void Builder::Build() {
  fb::ProgramT& p = m_.program;
  p.vocab = c_.vocab;
  p.token_types = c_.encoder ? 2 : 0;
  p.max_positions = c_.max_positions;
  p.causal = !c_.encoder;
  p.kv_type = static_cast<uint8_t>(c_.kv);
  p.profile = kNumericsProfile;
  auto rope = std::make_unique<fb::RopeTableT>();
  for (uint32_t i = 0; i < c_.rotary_dim / 2; ++i)
    rope->inv_freq.push_back(std::pow(10000.0f, -2.0f * static_cast<float>(i) / static_cast<float>(c_.rotary_dim)));
  rope->scale = 1.0f;
  p.rope_tables.push_back(std::move(rope));
  const View x = EmbedIn();
  for (uint32_t l = 0; l < c_.layers; ++l) Block(l, x);
  const View rows = Buf(c_.hidden, fb::Rows::Outputs);
  fb::SelectRowsT select;
  select.x = V(x);
  select.out = V(rows);
  Emit(std::move(select), "select");
  View result = Norm(rows, "final_norm", 1, Buf(c_.hidden, fb::Rows::Outputs));
  if (!c_.encoder) result = LinearWith(result, m_.index.at("embed"), -1);
  auto out = std::make_unique<fb::OutputT>();
  out->name = c_.encoder ? "last_hidden_state" : "logits";
  out->kind = c_.encoder ? fb::OutputKind::Hidden : fb::OutputKind::Logits;
  out->view = V(result);
  p.outputs.push_back(std::move(out));
  m_.info.generation = std::make_unique<fb::GenerationT>();
  m_.info.generation->eos_ids = {2, 5};
  m_.info.generation->bos_id = 1;
  m_.info.provenance = std::make_unique<fb::ProvenanceT>();
  m_.info.provenance->tool_version = "test";
  m_.info.provenance->architecture = "tiny";
}

template <class T, class F>
std::vector<std::byte> Pack(const T& object, const F& create) {
  flatbuffers::FlatBufferBuilder b;
  b.Finish(create(b, &object));
  const auto bytes = std::as_bytes(std::span(b.GetBufferPointer(), b.GetSize()));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TinyModel MakeTinyModel(const TinyConfig& config) {
  TinyModel m;
  m.config = config;
  Builder(m).Build();
  return m;
}

std::vector<std::byte> PackProgram(const fb::ProgramT& program) {
  return Pack(program, [](auto& b, const fb::ProgramT* p) { return fb::CreateProgram(b, p); });
}

std::vector<std::byte> PackModelInfo(const fb::ModelInfoT& info) {
  return Pack(info, [](auto& b, const fb::ModelInfoT* p) { return fb::CreateModelInfo(b, p); });
}

Status WriteTinyModel(const TinyModel& m, const std::string& path) {
  HST_ASSIGN_OR_RETURN(auto w, ArtifactWriter::Create(path));
  const std::vector<std::byte> program = PackProgram(m.program);
  w->RequireMinor(NeededMinor(*fb::GetProgram(program.data())));
  HST_RETURN_IF_ERROR(w->AddSection(SectionKind::kProgram, program));
  HST_RETURN_IF_ERROR(w->AddSection(SectionKind::kModelInfo, PackModelInfo(m.info)));
  if (!m.tokenizer.empty()) HST_RETURN_IF_ERROR(w->AddSection(SectionKind::kTokenizer, m.tokenizer));
  HST_RETURN_IF_ERROR(w->BeginSection(SectionKind::kWeights, kPageAlignment));
  HST_RETURN_IF_ERROR(w->Append(m.weights));
  HST_RETURN_IF_ERROR(w->EndSection());
  return w->Commit();
}

}  // namespace hasten::testing
