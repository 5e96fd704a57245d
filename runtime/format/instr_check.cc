// One small function an op: operands exist, have the kind, rows and columns the
// kernel's contract asks for, and do not alias in ways it forbids.
#include "runtime/format/instr_check.h"

#include <bit>
#include <cmath>

#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten {
namespace {

// Collects operands: every one is checked as it is named.
class Operands {
 public:
  explicit Operands(const fb::Program& program) : p_(program) {}

  // A view of columns of a buffer. `kind`: what the buffer must hold.
  Status Read(const char* name, const fb::View* v, fb::BufferKind kind = fb::BufferKind::F32) {
    HST_RETURN_IF_ERROR(Check(name, v, kind));
    effects_.reads.push_back(v->buffer());
    inputs_.push_back(v);
    return {};
  }
  // The result. In-place on an input is allowed only for exactly the same view.
  Status Write(const char* name, const fb::View* v, bool in_place, fb::BufferKind kind = fb::BufferKind::F32) {
    HST_RETURN_IF_ERROR(Check(name, v, kind));
    for (const fb::View* in : inputs_) {
      if (in->buffer() != v->buffer()) continue;
      const bool same = in->col() == v->col() && in->cols() == v->cols();
      const bool apart = uint64_t{in->col()} + in->cols() <= v->col() || uint64_t{v->col()} + v->cols() <= in->col();
      if (!apart && !(same && in_place)) return BadInput(name, ": it overlaps an input in buffer ", v->buffer());
    }
    effects_.write = v->buffer();
    return {};
  }
  Status SameRows(const fb::View* a, const fb::View* b) const {
    if (RowsOf(a) == RowsOf(b)) return {};
    return BadInput("one operand has token rows and another output rows");
  }
  Status Cols(const char* name, const fb::View* v, uint64_t want) const {
    if (v->cols() == want) return {};
    return BadInput(name, " has ", v->cols(), " columns, needed ", want);
  }
  // An fp32 vector tensor [1, cols]; index -1 means absent.
  Status Vector(const char* name, int32_t index, uint64_t cols) const {
    if (index == -1) return {};
    if (index < 0 || static_cast<uint32_t>(index) >= p_.tensors()->size())
      return BadInput(name, ": tensor ", index, " of ", p_.tensors()->size());
    const fb::Tensor* t = p_.tensors()->Get(static_cast<uint32_t>(index));
    if (t->scheme() != static_cast<uint8_t>(Scheme::kF32) || t->n() != 1 || t->k() != cols)
      return BadInput(name, ": tensor ", index, " is scheme ", t->scheme(), " [", t->n(), ", ", t->k(),
                      "], needed fp32 [1, ", cols, "]");
    return {};
  }
  Result<const fb::Tensor*> Matrix(const char* name, uint32_t index) const {
    if (index >= p_.tensors()->size()) return BadInput(name, ": tensor ", index, " of ", p_.tensors()->size());
    return p_.tensors()->Get(index);
  }
  Result<const fb::Layer*> LayerAt(uint32_t index) const {
    if (!p_.layers() || index >= p_.layers()->size())
      return BadInput("layer ", index, " of ", p_.layers() ? p_.layers()->size() : 0);
    return p_.layers()->Get(index);
  }
  const fb::Buffer* BufferOf(const fb::View* v) const { return p_.buffers()->Get(v->buffer()); }
  fb::Rows RowsOf(const fb::View* v) const { return BufferOf(v)->rows(); }
  const fb::Program& program() const { return p_; }
  InstrEffects& effects() { return effects_; }

 private:
  Status Check(const char* name, const fb::View* v, fb::BufferKind kind) const {
    if (!v) return BadInput(name, ": the operand is missing");
    if (v->buffer() >= p_.buffers()->size()) return BadInput(name, ": buffer ", v->buffer(), " of ", p_.buffers()->size());
    const fb::Buffer* b = BufferOf(v);
    if (v->cols() == 0 || uint64_t{v->col()} + v->cols() > b->cols())
      return BadInput(name, ": columns ", v->col(), " to ", uint64_t{v->col()} + v->cols(), " of buffer ", v->buffer(),
                      ", which has ", b->cols());
    if (b->kind() != kind)
      return BadInput(name, ": buffer ", v->buffer(), " holds ", fb::EnumNameBufferKind(b->kind()), " rows, needed ",
                      fb::EnumNameBufferKind(kind));
    if (kind == fb::BufferKind::Quantized && v->cols() != b->cols())
      return BadInput(name, ": a part of quantized buffer ", v->buffer(), "; only whole rows can be used");
    return {};
  }

  const fb::Program& p_;
  InstrEffects effects_;
  std::vector<const fb::View*> inputs_;
};

Status CheckFinite(const char* name, float v) {
  return std::isfinite(v) ? Status() : BadInput(name, " is not a finite number");
}
Status CheckEnum(const char* name, uint8_t v, uint8_t last) {
  return v <= last ? Status() : BadInput(name, " ", v, " is not known (last: ", last, ")");
}
constexpr uint8_t kLastUnary = static_cast<uint8_t>(Unary::kSin);
constexpr uint8_t kLastBinary = static_cast<uint8_t>(Binary::kPow);

Status Check(const fb::Embed& e, Operands& o) {
  HST_RETURN_IF_ERROR(o.Write("out", e.out(), false));
  HST_ASSIGN_OR_RETURN(const fb::Tensor* t, o.Matrix("table", e.table()));
  HST_RETURN_IF_ERROR(o.Cols("out", e.out(), t->k()));
  if (o.RowsOf(e.out()) != fb::Rows::Tokens) return BadInput("out must have token rows");
  const fb::Program& p = o.program();
  switch (e.source()) {
    case fb::Source::TokenIds:
      if (t->n() < p.vocab()) return BadInput("the table has ", t->n(), " rows for a vocabulary of ", p.vocab());
      break;
    case fb::Source::Positions:
      if (e.index_offset() < 0 || static_cast<uint64_t>(e.index_offset()) >= t->n())
        return BadInput("index offset ", e.index_offset(), " into a position table of ", t->n(), " rows");
      return {};
    case fb::Source::TokenTypes:
      if (p.token_types() == 0 || t->n() < p.token_types())
        return BadInput("the table has ", t->n(), " rows for ", p.token_types(), " token types");
      break;
    default: return BadInput("source ", static_cast<int>(e.source()), " is not known");
  }
  return e.index_offset() == 0 ? Status() : BadInput("an index offset is for position tables only");
}

Status Check(const fb::Norm& n, Operands& o) {
  HST_RETURN_IF_ERROR(o.Read("x", n.x()));
  HST_RETURN_IF_ERROR(o.Write("out", n.out(), true));
  HST_RETURN_IF_ERROR(o.SameRows(n.x(), n.out()));
  HST_RETURN_IF_ERROR(o.Cols("out", n.out(), n.x()->cols()));
  HST_RETURN_IF_ERROR(CheckEnum("kind", n.kind(), static_cast<uint8_t>(NormKind::kLayer)));
  if (n.groups() == 0 || n.x()->cols() % n.groups() != 0)
    return BadInput(n.x()->cols(), " columns in ", n.groups(), " groups");
  HST_RETURN_IF_ERROR(o.Vector("weight", n.weight(), n.x()->cols() / n.groups()));
  HST_RETURN_IF_ERROR(o.Vector("bias", n.bias(), n.x()->cols() / n.groups()));
  if (n.bias() != -1 && n.kind() == static_cast<uint8_t>(NormKind::kRms)) return BadInput("an RMS norm has no bias");
  if (!(std::isfinite(n.eps()) && n.eps() >= 0)) return BadInput("eps must be finite and not negative");
  return {};
}

Status Check(const fb::Quantize& q, Operands& o) {
  HST_RETURN_IF_ERROR(o.Read("x", q.x()));
  HST_RETURN_IF_ERROR(o.Write("out", q.out(), false, fb::BufferKind::Quantized));
  HST_RETURN_IF_ERROR(o.SameRows(q.x(), q.out()));
  return o.Cols("out", q.out(), q.x()->cols());
}

Status Check(const fb::Linear& l, Operands& o) {
  HST_ASSIGN_OR_RETURN(const fb::Tensor* w, o.Matrix("weight", l.weight()));
  const SchemeInfo& scheme = GetScheme(static_cast<Scheme>(w->scheme()));
  HST_RETURN_IF_ERROR(o.Read("x", l.x(), scheme.integer ? fb::BufferKind::Quantized : fb::BufferKind::F32));
  HST_RETURN_IF_ERROR(o.Write("out", l.out(), false));
  HST_RETURN_IF_ERROR(o.SameRows(l.x(), l.out()));
  if (l.x()->cols() != w->k())
    return BadInput("K: input has ", l.x()->cols(), ", weight \"", w->name() ? w->name()->string_view() : "", "\" has ", w->k());
  if (l.out()->cols() != w->n()) return BadInput("N: out has ", l.out()->cols(), ", weight has ", w->n());
  HST_RETURN_IF_ERROR(o.Vector("bias", l.bias(), w->n()));
  if (scheme.integer) {
    const uint64_t ga = o.BufferOf(l.x())->group();
    const uint64_t gw = scheme.group ? static_cast<uint64_t>(scheme.group) : 0;
    const bool one_run = ga >= w->k() && w->k() <= gw;  // the whole row lies in one group of both
    if (gw != 0 && !one_run && (ga > gw || gw % ga != 0))
      return BadInput("activation group ", ga, " does not divide the weight's group ", gw);
  }
  if (l.adapter_slot() != -1) return Unsupported("adapter slots (LoRA) are reserved and not executed by this hasten");
  return {};
}

Status Check(const fb::Rope& r, Operands& o) {
  HST_RETURN_IF_ERROR(o.Read("x", r.x()));
  HST_RETURN_IF_ERROR(o.Write("out", r.out(), true));
  HST_RETURN_IF_ERROR(o.SameRows(r.x(), r.out()));
  if (o.RowsOf(r.x()) != fb::Rows::Tokens) return BadInput("x must have token rows");
  const uint64_t cols = uint64_t{r.heads()} * r.head_dim();
  HST_RETURN_IF_ERROR(o.Cols("x", r.x(), cols));
  HST_RETURN_IF_ERROR(o.Cols("out", r.out(), cols));
  if (r.rotary_dim() == 0 || r.rotary_dim() % 2 != 0 || r.rotary_dim() > r.head_dim())
    return BadInput("rotary_dim ", r.rotary_dim(), " of head_dim ", r.head_dim(), "; an even number up to it is needed");
  const auto* tables = o.program().rope_tables();
  if (!tables || r.table() >= tables->size()) return BadInput("RoPE table ", r.table(), " of ", tables ? tables->size() : 0);
  if (const uint32_t have = tables->Get(r.table())->inv_freq()->size(); have != r.rotary_dim() / 2)
    return BadInput("RoPE table ", r.table(), " has ", have, " frequencies, rotary_dim ", r.rotary_dim(), " needs ",
                    r.rotary_dim() / 2);
  return {};
}

Status Check(const fb::KvAppend& a, Operands& o) {
  HST_ASSIGN_OR_RETURN(const fb::Layer* l, o.LayerAt(a.layer()));
  HST_RETURN_IF_ERROR(o.Read("k", a.k()));
  HST_RETURN_IF_ERROR(o.Read("v", a.v()));
  if (o.RowsOf(a.k()) != fb::Rows::Tokens || o.RowsOf(a.v()) != fb::Rows::Tokens)
    return BadInput("k and v must have token rows");
  HST_RETURN_IF_ERROR(o.Cols("k", a.k(), uint64_t{l->kv_heads()} * l->head_dim()));
  HST_RETURN_IF_ERROR(o.Cols("v", a.v(), uint64_t{l->kv_heads()} * l->v_head_dim()));
  o.effects().append = a.layer();
  return {};
}

Status Check(const fb::Attention& a, Operands& o) {
  HST_ASSIGN_OR_RETURN(const fb::Layer* l, o.LayerAt(a.layer()));
  HST_RETURN_IF_ERROR(o.Read("q", a.q()));
  HST_RETURN_IF_ERROR(o.Write("out", a.out(), false));
  if (o.RowsOf(a.q()) != fb::Rows::Tokens || o.RowsOf(a.out()) != fb::Rows::Tokens)
    return BadInput("q and out must have token rows");
  HST_RETURN_IF_ERROR(o.Cols("q", a.q(), uint64_t{l->heads()} * l->head_dim()));
  HST_RETURN_IF_ERROR(o.Cols("out", a.out(), uint64_t{l->heads()} * l->v_head_dim()));
  o.effects().attend = a.layer();
  return {};
}

Status Check(const fb::Unary& u, Operands& o) {
  HST_RETURN_IF_ERROR(CheckEnum("op", u.op(), kLastUnary));
  HST_RETURN_IF_ERROR(o.Read("x", u.x()));
  HST_RETURN_IF_ERROR(o.Write("out", u.out(), true));
  HST_RETURN_IF_ERROR(o.SameRows(u.x(), u.out()));
  return o.Cols("out", u.out(), u.x()->cols());
}

Status Check(const fb::Binary& b, Operands& o) {
  HST_RETURN_IF_ERROR(CheckEnum("op", b.op(), kLastBinary));
  HST_RETURN_IF_ERROR(CheckEnum("b_kind", b.b_kind(), static_cast<uint8_t>(Operand::kScalar)));
  HST_RETURN_IF_ERROR(o.Read("a", b.a()));
  if (static_cast<Operand>(b.b_kind()) == Operand::kRows) {
    HST_RETURN_IF_ERROR(o.Read("b", b.b()));
    HST_RETURN_IF_ERROR(o.SameRows(b.a(), b.b()));
    HST_RETURN_IF_ERROR(o.Cols("b", b.b(), b.a()->cols()));
  } else if (static_cast<Operand>(b.b_kind()) == Operand::kVector) {
    if (b.vector() < 0) return BadInput("the vector operand is missing");
    HST_RETURN_IF_ERROR(o.Vector("vector", b.vector(), b.a()->cols()));
  }
  HST_RETURN_IF_ERROR(CheckFinite("scalar", b.scalar()));
  HST_RETURN_IF_ERROR(o.Write("out", b.out(), true));
  HST_RETURN_IF_ERROR(o.SameRows(b.a(), b.out()));
  return o.Cols("out", b.out(), b.a()->cols());
}

Status Check(const fb::Gated& g, Operands& o) {
  HST_RETURN_IF_ERROR(CheckEnum("act", g.act(), kLastUnary));
  HST_RETURN_IF_ERROR(o.Read("gate", g.gate()));
  HST_RETURN_IF_ERROR(o.Read("up", g.up()));
  HST_RETURN_IF_ERROR(o.Write("out", g.out(), true));
  HST_RETURN_IF_ERROR(o.SameRows(g.gate(), g.up()));
  HST_RETURN_IF_ERROR(o.SameRows(g.gate(), g.out()));
  HST_RETURN_IF_ERROR(o.Cols("up", g.up(), g.gate()->cols()));
  return o.Cols("out", g.out(), g.gate()->cols());
}

Status Check(const fb::SelectRows& s, Operands& o) {
  HST_RETURN_IF_ERROR(o.Read("x", s.x()));
  HST_RETURN_IF_ERROR(o.Write("out", s.out(), false));
  if (o.RowsOf(s.x()) != fb::Rows::Tokens || o.RowsOf(s.out()) != fb::Rows::Outputs)
    return BadInput("x must have token rows and out output rows");
  return o.Cols("out", s.out(), s.x()->cols());
}

Status Check(const fb::Copy& c, Operands& o) {
  HST_RETURN_IF_ERROR(o.Read("x", c.x()));
  HST_RETURN_IF_ERROR(o.Write("out", c.out(), false));
  HST_RETURN_IF_ERROR(o.SameRows(c.x(), c.out()));
  return o.Cols("out", c.out(), c.x()->cols());
}

}  // namespace

Result<InstrEffects> CheckInstr(const fb::Program& program, const fb::Instr& instr) {
  Operands o(program);
  Status status = BadInput("op ", static_cast<int>(instr.op_type()), " is not known");
  if (!instr.op()) return BadInput("it has no operation");  // the FlatBuffers verifier allows that
  switch (instr.op_type()) {
    case fb::Op::NONE: break;
    case fb::Op::Embed: status = Check(*instr.op_as_Embed(), o); break;
    case fb::Op::Norm: status = Check(*instr.op_as_Norm(), o); break;
    case fb::Op::Quantize: status = Check(*instr.op_as_Quantize(), o); break;
    case fb::Op::Linear: status = Check(*instr.op_as_Linear(), o); break;
    case fb::Op::Rope: status = Check(*instr.op_as_Rope(), o); break;
    case fb::Op::KvAppend: status = Check(*instr.op_as_KvAppend(), o); break;
    case fb::Op::Attention: status = Check(*instr.op_as_Attention(), o); break;
    case fb::Op::Unary: status = Check(*instr.op_as_Unary(), o); break;
    case fb::Op::Binary: status = Check(*instr.op_as_Binary(), o); break;
    case fb::Op::Gated: status = Check(*instr.op_as_Gated(), o); break;
    case fb::Op::SelectRows: status = Check(*instr.op_as_SelectRows(), o); break;
    case fb::Op::Copy: status = Check(*instr.op_as_Copy(), o); break;
  }
  if (!status.ok()) return status;
  return std::move(o.effects());
}

}  // namespace hasten
