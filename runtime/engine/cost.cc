#include "runtime/engine/cost.h"

#include "runtime/format/buffer_layout.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten {
namespace {

class Counter {
 public:
  explicit Counter(const fb::Program& program) : program_(program) {}

  // The operand's bytes a row; columns of a quantized buffer come with their scales and sums.
  uint64_t Row(const fb::View* v) const {
    if (!v) return 0;
    const fb::Buffer& b = *program_.buffers()->Get(v->buffer());
    if (b.kind() == fb::BufferKind::F32) return uint64_t{4} * v->cols();
    return QuantizedBytesPerRow(static_cast<int64_t>(b.cols()), b.group(), b.residual());
  }
  bool HasResidual(const fb::View* v) const { return program_.buffers()->Get(v->buffer())->residual(); }
  bool OnOutputs(const fb::View* v) const { return program_.buffers()->Get(v->buffer())->rows() == fb::Rows::Outputs; }
  const fb::Tensor& Tensor(int64_t index) const { return *program_.tensors()->Get(static_cast<uint32_t>(index)); }
  uint64_t Bytes(int64_t tensor) const { return tensor < 0 ? 0 : Tensor(tensor).bytes(); }

 private:
  const fb::Program& program_;
};

InstructionCost Rowwise(const Counter& c, const fb::View* out, uint64_t row_bytes, uint64_t weight_bytes = 0) {
  InstructionCost cost;
  cost.output_rows = c.OnOutputs(out);
  cost.row_bytes = row_bytes;
  cost.weight_bytes = weight_bytes;
  return cost;
}

InstructionCost LinearCost(const Counter& c, const fb::Linear& l) {
  const fb::Tensor& w = c.Tensor(l.weight());
  InstructionCost cost = Rowwise(c, l.out(), c.Row(l.x()) + c.Row(l.out()), w.bytes() + c.Bytes(l.bias()));
  cost.arithmetic = GetScheme(static_cast<Scheme>(w.scheme())).integer ? Arithmetic::kI8 : Arithmetic::kF32;
  cost.row_multiply_adds = w.n() * w.k() * (c.HasResidual(l.x()) ? 2 : 1);
  return cost;
}

uint64_t KvTokenBytes(const AttentionShape& s) { return KvPageBytes(s) / kKvPageTokens; }

InstructionCost AttentionCost(const Counter& c, const fb::Attention& a, const AttentionShape& s) {
  InstructionCost cost = Rowwise(c, a.out(), c.Row(a.q()) + c.Row(a.out()));
  cost.arithmetic = s.kv == KvType::kI8 ? Arithmetic::kI8 : Arithmetic::kF32;
  cost.key_bytes = KvTokenBytes(s);
  cost.key_multiply_adds = static_cast<uint64_t>(s.heads * (s.head_dim + s.v_head_dim));
  cost.window = s.window;
  return cost;
}

InstructionCost EmbedCost(const Counter& c, const fb::Embed& e) {
  const fb::Tensor& t = c.Tensor(e.table());
  return Rowwise(c, e.out(), t.bytes() / t.n() + c.Row(e.out()));
}

InstructionCost BinaryCost(const Counter& c, const fb::Binary& b) {
  const bool rows = static_cast<Operand>(b.b_kind()) == Operand::kRows, vector = static_cast<Operand>(b.b_kind()) == Operand::kVector;
  return Rowwise(c, b.out(), c.Row(b.a()) + (rows ? c.Row(b.b()) : 0) + c.Row(b.out()), vector ? c.Bytes(b.vector()) : 0);
}

}  // namespace

InstructionCost CostOf(const fb::Program& program, std::span<const AttentionShape> layers, const fb::Instr& i) {
  const Counter c(program);
  // Of ops that read one operand and write another.
  const auto moved = [&](const auto& op, uint64_t weights = 0) { return Rowwise(c, op.out(), c.Row(op.x()) + c.Row(op.out()), weights); };
  switch (i.op_type()) {
    case fb::Op::NONE: return {};
    case fb::Op::Embed: return EmbedCost(c, *i.op_as_Embed());
    case fb::Op::Norm: return moved(*i.op_as_Norm(), c.Bytes(i.op_as_Norm()->weight()) + c.Bytes(i.op_as_Norm()->bias()));
    case fb::Op::Quantize: return moved(*i.op_as_Quantize());
    case fb::Op::Linear: return LinearCost(c, *i.op_as_Linear());
    case fb::Op::Rope: {  // and a row of its table: cosine and sine of each pair
      InstructionCost cost = moved(*i.op_as_Rope());
      cost.row_bytes += uint64_t{4} * i.op_as_Rope()->rotary_dim();
      return cost;
    }
    case fb::Op::KvAppend: {
      const fb::KvAppend& k = *i.op_as_KvAppend();
      return Rowwise(c, k.k(), c.Row(k.k()) + c.Row(k.v()) + KvTokenBytes(layers[k.layer()]));
    }
    case fb::Op::Attention: return AttentionCost(c, *i.op_as_Attention(), layers[i.op_as_Attention()->layer()]);
    case fb::Op::Unary: return moved(*i.op_as_Unary());
    case fb::Op::Binary: return BinaryCost(c, *i.op_as_Binary());
    case fb::Op::Gated: {
      const fb::Gated& g = *i.op_as_Gated();
      return Rowwise(c, g.out(), c.Row(g.gate()) + c.Row(g.up()) + c.Row(g.out()));
    }
    case fb::Op::SelectRows: return moved(*i.op_as_SelectRows());
    case fb::Op::Copy: return moved(*i.op_as_Copy());
  }
  return {};
}

}  // namespace hasten
