// The program section: a ProgramPlan as FlatBuffers (runtime/format/program.fbs).
#include "compiler/plan/plan.h"
#include "runtime/format/layout.h"
#include "runtime/format/program_generated.h"

namespace hasten::plan {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

class Serializer {
 public:
  explicit Serializer(const ProgramPlan& plan) : plan_(plan) {}

  std::vector<std::byte> Run() {
    std::vector<Offset<fb::Buffer>> buffers;
    for (const BufferPlan& b : plan_.buffers)
      buffers.push_back(fb::CreateBuffer(b_, b.quantized ? fb::BufferKind::Quantized : fb::BufferKind::F32,
                                         b.outputs ? fb::Rows::Outputs : fb::Rows::Tokens, static_cast<uint64_t>(b.cols),
                                         static_cast<uint32_t>(b.group), b.offset, b.residual));
    std::vector<Offset<fb::Tensor>> tensors;
    for (const TensorPlan& t : plan_.tensors)
      tensors.push_back(fb::CreateTensor(b_, b_.CreateString(t.name), static_cast<uint8_t>(t.scheme), static_cast<uint64_t>(t.n),
                                         static_cast<uint64_t>(t.k), t.offset, t.bytes));
    std::vector<Offset<fb::Layer>> layers;
    for (const LayerPlan& l : plan_.layers) layers.push_back(Layer(l));
    std::vector<Offset<fb::RopeTable>> ropes;
    for (const RopePlan& r : plan_.ropes) ropes.push_back(fb::CreateRopeTable(b_, b_.CreateVector(r.inv_freq), r.scale));
    std::vector<Offset<fb::Instr>> instrs;
    for (const InstrPlan& i : plan_.instrs) instrs.push_back(Instr(i));
    std::vector<Offset<fb::Output>> outputs;
    for (const OutputPlan& o : plan_.outputs) {
      const auto name = b_.CreateString(o.name);
      const fb::View view = View(o.view);
      outputs.push_back(fb::CreateOutput(b_, name, o.logits ? fb::OutputKind::Logits : fb::OutputKind::Hidden, &view, o.row));
    }
    const auto vb = b_.CreateVector(buffers);
    const auto vt = b_.CreateVector(tensors);
    const auto vl = b_.CreateVector(layers);
    const auto vr = b_.CreateVector(ropes);
    const auto vi = b_.CreateVector(instrs);
    const auto vo = b_.CreateVector(outputs);
    fb::ProgramBuilder p(b_);
    p.add_buffers(vb), p.add_tensors(vt), p.add_layers(vl), p.add_rope_tables(vr), p.add_instrs(vi), p.add_outputs(vo);
    p.add_arena_bytes_per_row(plan_.arena_bytes_per_row);
    p.add_vocab(static_cast<uint32_t>(plan_.vocab));
    p.add_token_types(static_cast<uint32_t>(plan_.token_types));
    p.add_max_positions(static_cast<uint64_t>(plan_.max_positions));
    p.add_causal(plan_.causal);
    p.add_kv_type(static_cast<uint8_t>(plan_.kv));
    p.add_profile(kNumericsProfile);
    b_.Finish(p.Finish());
    const auto* data = reinterpret_cast<const std::byte*>(b_.GetBufferPointer());
    return {data, data + b_.GetSize()};
  }

 private:
  static fb::View View(const ViewPlan& v) {
    return fb::View(static_cast<uint32_t>(v.buffer), static_cast<uint32_t>(v.cols), static_cast<uint32_t>(v.col));
  }

  Offset<fb::Layer> Layer(const LayerPlan& l) {
    const auto pk = b_.CreateString(l.past_k);
    const auto pv = b_.CreateString(l.past_v);
    const auto nk = b_.CreateString(l.present_k);
    const auto nv = b_.CreateString(l.present_v);
    const auto slopes = l.slopes.empty() ? Offset<flatbuffers::Vector<float>>() : b_.CreateVector(l.slopes);
    const AttentionShape& s = l.shape;
    return fb::CreateLayer(b_, static_cast<uint32_t>(s.heads), static_cast<uint32_t>(s.kv_heads), static_cast<uint32_t>(s.head_dim),
                           static_cast<uint32_t>(s.v_head_dim), s.scale, s.causal, static_cast<uint64_t>(s.window), s.softcap, pk, pv, nk, nv,
                           static_cast<uint64_t>(s.ahead), slopes);
  }

  template <class T>
  Offset<fb::Instr> Wrap(fb::Op type, Offset<T> op, const InstrPlan& i) {
    const auto loc = b_.CreateString(i.loc);
    return fb::CreateInstr(b_, type, op.Union(), loc);
  }

  Offset<fb::Instr> Instr(const InstrPlan& i) {
    const auto u32 = [](int64_t v) { return static_cast<uint32_t>(v); };
    const fb::View views[] = {View(i.a), View(i.b), View(i.out)};
    const fb::View* a = i.a.buffer >= 0 ? &views[0] : nullptr;
    const fb::View* b = i.b.buffer >= 0 ? &views[1] : nullptr;
    const fb::View* out = i.out.buffer >= 0 ? &views[2] : nullptr;
    switch (i.kind) {
      case InstrKind::kEmbed:
        return Wrap(fb::Op::Embed, fb::CreateEmbed(b_, out, u32(i.tensor), static_cast<fb::Source>(i.source), static_cast<int32_t>(i.index_offset)), i);
      case InstrKind::kNorm: return Wrap(fb::Op::Norm, fb::CreateNorm(b_, a, out, i.op, u32(i.heads), i.tensor, i.bias, i.eps), i);
      case InstrKind::kQuantize: return Wrap(fb::Op::Quantize, fb::CreateQuantize(b_, a, out), i);
      case InstrKind::kLinear: return Wrap(fb::Op::Linear, fb::CreateLinear(b_, a, out, u32(i.tensor), i.bias, -1), i);
      case InstrKind::kRope:
        return Wrap(fb::Op::Rope, fb::CreateRope(b_, a, out, u32(i.heads), u32(i.head_dim), u32(i.rotary_dim), i.flag, u32(i.table)), i);
      case InstrKind::kKvAppend: return Wrap(fb::Op::KvAppend, fb::CreateKvAppend(b_, u32(i.layer), a, b), i);
      case InstrKind::kAttention: return Wrap(fb::Op::Attention, fb::CreateAttention(b_, u32(i.layer), a, out), i);
      case InstrKind::kUnary: return Wrap(fb::Op::Unary, fb::CreateUnary(b_, i.op, a, out), i);
      case InstrKind::kBinary:
        return Wrap(fb::Op::Binary, fb::CreateBinary(b_, i.op, a, b, i.b_kind, i.tensor, i.scalar, i.flag, out), i);
      case InstrKind::kGated: return Wrap(fb::Op::Gated, fb::CreateGated(b_, i.op, a, b, out), i);
      case InstrKind::kSelectRows: return Wrap(fb::Op::SelectRows, fb::CreateSelectRows(b_, a, out), i);
      case InstrKind::kCopy: return Wrap(fb::Op::Copy, fb::CreateCopy(b_, a, out), i);
    }
    HST_CHECK(false);
  }

  const ProgramPlan& plan_;
  FlatBufferBuilder b_;
};

}  // namespace

std::vector<std::byte> SerializeProgram(const ProgramPlan& plan) { return Serializer(plan).Run(); }

}  // namespace hasten::plan
