// The builder: a mini planner over ProgramT. One buffer a value, so that the
// checker's rule about shared arena bytes is trivially kept.
#include "tests/format/tiny_model.h"

#include <cmath>
#include <cstring>
#include <random>

#include "compiler/artifact/writer.h"
#include "runtime/format/buffer_layout.h"
#include "runtime/format/program_check.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"

namespace hasten::testing {
namespace {

using fb::View;

class Builder {
 public:
  explicit Builder(TinyModel& m) : m_(m), c_(m.config), rng_(c_.seed) {}

  void Build();

 private:
  View Buf(uint32_t cols, fb::Rows rows = fb::Rows::Tokens) { return AddBuffer(fb::BufferKind::F32, cols, 0, rows); }
  View AddBuffer(fb::BufferKind kind, uint32_t cols, uint32_t group, fb::Rows rows) {
    auto b = std::make_unique<fb::BufferT>();
    b->kind = kind;
    b->rows = rows;
    b->cols = cols;
    b->group = group;
    b->offset = m_.program.arena_bytes_per_row;
    m_.program.arena_bytes_per_row += kind == fb::BufferKind::F32 ? FloatBytesPerRow(cols) : QuantizedBytesPerRow(cols, group);
    m_.program.buffers.push_back(std::move(b));
    return View(static_cast<uint32_t>(m_.program.buffers.size() - 1), cols, 0);
  }
  static View Part(const View& v, uint32_t col, uint32_t cols) { return View(v.buffer(), cols, v.col() + col); }
  static std::unique_ptr<View> V(const View& v) { return std::make_unique<View>(v); }

  uint32_t Tensor(const std::string& name, Scheme scheme, uint32_t n, uint32_t k, float around, float spread);
  template <class T>
  void Emit(T op, const char* loc) {
    auto i = std::make_unique<fb::InstrT>();
    i->op.Set(std::move(op));
    i->loc = loc;
    m_.program.instrs.push_back(std::move(i));
  }
  View Norm(const View& x, const std::string& name, uint32_t groups, const View& out);
  View Linear(const View& x, const std::string& name, Scheme scheme, uint32_t n);
  View LinearWith(const View& x, uint32_t weight, int32_t bias);
  void Rope(const View& x, uint32_t heads);
  void Residual(const View& x, const View& add);
  View EmbedIn();
  void Block(uint32_t layer, const View& x);

  TinyModel& m_;
  const TinyConfig& c_;
  std::mt19937 rng_;
};

uint32_t Builder::Tensor(const std::string& name, Scheme scheme, uint32_t n, uint32_t k, float around, float spread) {
  std::normal_distribution<float> normal(around, spread);
  std::vector<float> values(size_t{n} * k);
  for (float& v : values) v = normal(rng_);
  std::vector<std::byte> packed(PackedBytes(scheme, n, k).value());
  const SchemeInfo& info = GetScheme(scheme);
  Status status;
  if (!info.integer) {
    status = PackFloats(scheme, n, k, values, packed);
  } else {
    // Round to nearest, symmetric about the zero-point: good enough for a random model.
    const size_t group = info.group ? static_cast<size_t>(info.group) : k, groups = (k + group - 1) / group;
    std::vector<int8_t> codes(values.size());
    std::vector<float> scale(n * groups);
    std::vector<uint8_t> zero(info.bits == 4 ? n * groups : 0);
    for (size_t r = 0; r < n; ++r)
      for (size_t g = 0; g < groups; ++g) {
        const size_t begin = g * group, end = std::min<size_t>(begin + group, k);
        float most = 1e-6f;
        for (size_t i = begin; i < end; ++i) most = std::max(most, std::fabs(values[r * k + i]));
        const float s = RoundScale(scheme, most / (info.bits == 4 ? 7.0f : 127.0f));
        scale[r * groups + g] = s;
        const int z = info.bits == 4 ? 7 + static_cast<int>(rng_() % 2) : 0, low = info.bits == 4 ? 0 : -127, high = info.bits == 4 ? 15 : 127;
        if (info.bits == 4) zero[r * groups + g] = static_cast<uint8_t>(z);
        for (size_t i = begin; i < end; ++i)
          codes[r * k + i] = static_cast<int8_t>(std::clamp(static_cast<int>(std::nearbyint(values[r * k + i] / s)) + z, low, high));
      }
    status = PackCodes(scheme, n, k, {codes, scale, zero}, packed);
  }
  HST_CHECK(status.ok());
  for (size_t r = 0; r < n; ++r) UnpackRow(scheme, n, k, packed.data(), static_cast<int64_t>(r), values.data() + r * k);
  auto t = std::make_unique<fb::TensorT>();
  t->name = name;
  t->scheme = static_cast<uint8_t>(scheme);
  t->n = n;
  t->k = k;
  t->offset = m_.weights.size();
  t->bytes = packed.size();
  m_.weights.insert(m_.weights.end(), packed.begin(), packed.end());
  m_.weights.resize((m_.weights.size() + 63) / 64 * 64);
  m_.program.tensors.push_back(std::move(t));
  m_.values.push_back(std::move(values));
  const uint32_t index = static_cast<uint32_t>(m_.values.size() - 1);
  m_.index[name] = index;
  return index;
}

View Builder::Norm(const View& x, const std::string& name, uint32_t groups, const View& out) {
  const uint32_t cols = x.cols() / groups;
  fb::NormT n;
  n.x = V(x);
  n.out = V(out);
  n.kind = static_cast<uint8_t>(c_.layer_norm ? NormKind::kLayer : NormKind::kRms);
  n.groups = groups;
  n.weight = static_cast<int32_t>(Tensor(name + ".w", Scheme::kF32, 1, cols, 1.0f, 0.1f));
  if (c_.layer_norm) n.bias = static_cast<int32_t>(Tensor(name + ".b", Scheme::kF32, 1, cols, 0.0f, 0.1f));
  n.eps = 1e-5f;
  Emit(std::move(n), name.c_str());
  return out;
}

View Builder::LinearWith(const View& x, uint32_t weight, int32_t bias) {
  const fb::TensorT& w = *m_.program.tensors[weight];
  const fb::Rows rows = m_.program.buffers[x.buffer()]->rows;
  View in = x;
  if (GetScheme(static_cast<Scheme>(w.scheme)).integer) {
    in = AddBuffer(fb::BufferKind::Quantized, x.cols(), c_.group, rows);
    fb::QuantizeT q;
    q.x = V(x);
    q.out = V(in);
    Emit(std::move(q), "quantize");
  }
  const View out = Buf(static_cast<uint32_t>(w.n), rows);
  fb::LinearT l;
  l.x = V(in);
  l.out = V(out);
  l.weight = weight;
  l.bias = bias;
  Emit(std::move(l), w.name.c_str());
  return out;
}

View Builder::Linear(const View& x, const std::string& name, Scheme scheme, uint32_t n) {
  const uint32_t w = Tensor(name, scheme, n, x.cols(), 0.0f, 1.0f / std::sqrt(static_cast<float>(x.cols())));
  const int32_t bias = c_.layer_norm ? static_cast<int32_t>(Tensor(name + ".bias", Scheme::kF32, 1, n, 0.0f, 0.1f)) : -1;
  return LinearWith(x, w, bias);
}

void Builder::Rope(const View& x, uint32_t heads) {
  fb::RopeT r;
  r.x = V(x);
  r.out = V(x);
  r.heads = heads;
  r.head_dim = c_.head_dim;
  r.rotary_dim = c_.rotary_dim;
  Emit(std::move(r), "rope");
}

void Builder::Residual(const View& x, const View& add) {
  fb::BinaryT b;
  b.op = static_cast<uint8_t>(Binary::kAdd);
  b.a = V(x);
  b.b = V(add);
  b.b_kind = static_cast<uint8_t>(Operand::kRows);
  b.out = V(x);
  Emit(std::move(b), "residual");
}

View Builder::EmbedIn() {
  const auto embed = [&](uint32_t table, fb::Source source, int32_t offset) {
    const View out = Buf(c_.hidden);
    fb::EmbedT e;
    e.out = V(out);
    e.table = table;
    e.source = source;
    e.index_offset = offset;
    Emit(std::move(e), "embed");
    return out;
  };
  const View x = embed(Tensor("embed", c_.head, c_.vocab, c_.hidden, 0.0f, 1.0f), fb::Source::TokenIds, 0);
  if (c_.learned_positions)
    Residual(x, embed(Tensor("positions", Scheme::kF32, static_cast<uint32_t>(c_.max_positions) + 2, c_.hidden, 0.0f, 0.5f), fb::Source::Positions, 2));
  if (c_.encoder) Residual(x, embed(Tensor("types", Scheme::kF32, 2, c_.hidden, 0.0f, 0.5f), fb::Source::TokenTypes, 0));
  return x;
}

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
