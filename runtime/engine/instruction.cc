// One small class an op. Each keeps its kernel's argument struct filled with
// all that does not change, and adds addresses and row counts of the step.
#include "runtime/engine/instruction.h"

#include <cstring>

#include "runtime/format/buffer_layout.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/embed/contract.h"
#include "runtime/kernels/linear/contract.h"
#include "runtime/kernels/norm/contract.h"
#include "runtime/kernels/quantize/contract.h"
#include "runtime/kernels/rope/contract.h"

namespace hasten {
namespace {

// Columns of an fp32 buffer.
struct Floats {
  uint64_t offset = 0;   // arena bytes per row before the buffer
  int64_t col = 0, cols = 0, stride = 0;
  bool outputs = false;

  float* At(const Step& s) const {
    return reinterpret_cast<float*>(s.arena + offset * static_cast<uint64_t>(s.rows)) + col;
  }
  int64_t Rows(const Step& s) const { return outputs ? s.outputs : s.rows; }
};

// A whole quantized buffer.
struct Codes8 {
  uint64_t offset = 0;
  QuantizedLayout layout{};
  bool outputs = false;

  QuantizedRows At(const Step& s) const {
    return QuantizedRowsAt(s.arena + offset * static_cast<uint64_t>(s.rows), outputs ? s.outputs : s.rows, layout);
  }
};

class Binder {
 public:
  explicit Binder(const Binding& b) : b_(b) {}

  Floats View(const fb::View* v) const {
    if (!v) return {};
    const fb::Buffer& buffer = *b_.program.buffers()->Get(v->buffer());
    return {buffer.offset(), v->col(), v->cols(), RowStride(static_cast<int64_t>(buffer.cols())), buffer.rows() == fb::Rows::Outputs};
  }
  Codes8 Quantized(const fb::View* v) const {
    const fb::Buffer& buffer = *b_.program.buffers()->Get(v->buffer());
    return {buffer.offset(), QuantizedRowLayout(static_cast<int64_t>(buffer.cols()), buffer.group()), buffer.rows() == fb::Rows::Outputs};
  }
  const fb::Buffer& Buffer(const fb::View* v) const { return *b_.program.buffers()->Get(v->buffer()); }
  const fb::Tensor& Tensor(uint32_t index) const { return *b_.program.tensors()->Get(index); }
  const std::byte* Weights(uint32_t index) const { return b_.weights.data() + Tensor(index).offset(); }
  // An fp32 vector, packed as a one-row matrix; null for -1.
  const float* Vector(int32_t index) const {
    return index < 0 ? nullptr : reinterpret_cast<const float*>(Weights(static_cast<uint32_t>(index)));
  }
  const AttentionShape& Layer(uint32_t index) const { return b_.layers[index]; }
  Isa isa() const { return b_.isa; }

 private:
  const Binding& b_;
};

// Base of all instructions with a kernel: chosen once, by the constant arguments.
template <class Args>
class WithKernel : public Instruction {
 public:
  const char* kernel() const override { return kernel_->name; }
  Status Choose(std::span<const Kernel<Args>> table, Isa isa) {
    kernel_ = SelectKernel<Args>(table, args_, isa);
    return kernel_ ? Status() : Unsupported("no kernel of instruction set ", IsaName(isa), " or below takes its arguments");
  }

 protected:
  Args args_;
  const Kernel<Args>* kernel_ = nullptr;
};

class EmbedInstr final : public WithKernel<EmbedArgs> {
 public:
  Status Bind(const fb::Embed& e, const Binder& b) {
    const fb::Tensor& t = b.Tensor(e.table());
    args_.scheme = static_cast<Scheme>(t.scheme());
    args_.vocab = static_cast<int64_t>(t.n());
    args_.cols = static_cast<int64_t>(t.k());
    args_.table = b.Weights(e.table());
    out_ = b.View(e.out());
    args_.out_stride = out_.stride;
    args_.rows = 1;
    source_ = e.source();
    offset_ = e.index_offset();
    // Positions are looked up shifted (OPT): the table's row of position p is
    // p + offset. A view of the table from that row on is the same look-up only
    // for unpacked tables, so the indices are shifted instead.
    return Choose(EmbedKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    EmbedArgs a = args_;
    a.rows = s.rows;
    a.out = out_.At(s);
    switch (source_) {
      case fb::Source::TokenIds: a.ids = s.ids; break;
      case fb::Source::TokenTypes: a.ids = s.types; break;
      case fb::Source::Positions: return RunPositions(a, s);
    }
    s.runner->Run(*kernel_, a);
  }

 private:
  void RunPositions(EmbedArgs& a, const Step& s) const {
    constexpr int64_t kPiece = 256;  // rows; keeps the shifted indices on the stack
    int32_t ids[kPiece];
    for (int64_t at = 0; at < s.rows; at += kPiece) {
      a.rows = std::min(kPiece, s.rows - at);
      for (int64_t r = 0; r < a.rows; ++r) ids[r] = s.positions[at + r] + offset_;
      a.ids = ids;
      a.out = out_.At(s) + at * out_.stride;
      s.runner->Run(*kernel_, a);
    }
  }
  Floats out_;
  fb::Source source_ = fb::Source::TokenIds;
  int32_t offset_ = 0;
};

class NormInstr final : public WithKernel<NormArgs> {
 public:
  Status Bind(const fb::Norm& n, const Binder& b) {
    x_ = b.View(n.x()), out_ = b.View(n.out());
    args_.kind = static_cast<NormKind>(n.kind());
    args_.w = b.Vector(n.weight());
    args_.b = b.Vector(n.bias());
    args_.x_stride = x_.stride, args_.out_stride = out_.stride;
    args_.groups = n.groups();
    args_.cols = x_.cols / args_.groups;
    args_.eps = n.eps();
    args_.rows = 1;
    return Choose(NormKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    NormArgs a = args_;
    a.x = x_.At(s), a.out = out_.At(s), a.rows = x_.Rows(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  Floats x_, out_;
};

class QuantizeInstr final : public WithKernel<QuantizeArgs> {
 public:
  Status Bind(const fb::Quantize& q, const Binder& b) {
    x_ = b.View(q.x()), out_ = b.Quantized(q.out());
    args_.x_stride = x_.stride;
    args_.cols = x_.cols;
    args_.ga = b.Buffer(q.out()).group();
    args_.rows = 1;
    return Choose(QuantizeKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    QuantizeArgs a = args_;
    a.x = x_.At(s), a.rows = x_.Rows(s), a.out = out_.At(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  Floats x_;
  Codes8 out_;
};

class LinearInstr final : public WithKernel<LinearArgs> {
 public:
  Status Bind(const fb::Linear& l, const Binder& b) {
    const fb::Tensor& w = b.Tensor(l.weight());
    args_.scheme = static_cast<Scheme>(w.scheme());
    args_.n = static_cast<int64_t>(w.n()), args_.k = static_cast<int64_t>(w.k());
    args_.w = b.Weights(l.weight());
    args_.bias = b.Vector(l.bias());
    integer_ = GetScheme(args_.scheme).integer;
    if (integer_) {
      xq_ = b.Quantized(l.x());
      args_.ga = b.Buffer(l.x()).group();
    } else {
      x_ = b.View(l.x());
      args_.x_stride = x_.stride;
    }
    out_ = b.View(l.out());
    args_.out_stride = out_.stride;
    args_.rows = 1;
    return Choose(LinearKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    LinearArgs a = args_;
    a.rows = out_.Rows(s);
    if (integer_) a.xq = xq_.At(s);
    else a.x = x_.At(s);
    a.out = out_.At(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  bool integer_ = false;
  Floats x_, out_;
  Codes8 xq_;
};

class RopeInstr final : public WithKernel<RopeArgs> {
 public:
  Status Bind(const fb::Rope& r, const Binder& b) {
    x_ = b.View(r.x()), out_ = b.View(r.out());
    args_.x_stride = x_.stride, args_.out_stride = out_.stride;
    args_.heads = r.heads(), args_.head_dim = r.head_dim(), args_.rotary_dim = r.rotary_dim();
    args_.interleaved = r.interleaved();
    args_.rows = 1;
    table_ = r.table();
    return Choose(RopeKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    RopeArgs a = args_;
    a.x = x_.At(s), a.out = out_.At(s), a.rows = s.rows;
    a.table = s.rope[table_], a.positions = s.positions;
    s.runner->Run(*kernel_, a);
  }

 private:
  Floats x_, out_;
  uint32_t table_ = 0;
};

class KvAppendInstr final : public WithKernel<KvAppendArgs> {
 public:
  Status Bind(const fb::KvAppend& k, const Binder& b) {
    layer_ = k.layer();
    args_.shape = b.Layer(layer_);
    k_ = b.View(k.k()), v_ = b.View(k.v());
    args_.k_stride = k_.stride, args_.v_stride = v_.stride;
    return Choose(KvAppendKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    KvAppendArgs a = args_;
    a.sequences = s.Sequences(layer_);
    a.k = k_.At(s), a.v = v_.At(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  uint32_t layer_ = 0;
  Floats k_, v_;
};

class AttentionInstr final : public WithKernel<AttentionArgs> {
 public:
  Status Bind(const fb::Attention& a, const Binder& b) {
    layer_ = a.layer();
    args_.shape = b.Layer(layer_);
    q_ = b.View(a.q()), out_ = b.View(a.out());
    args_.q_stride = q_.stride, args_.out_stride = out_.stride;
    return Choose(AttentionKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    AttentionArgs a = args_;
    a.sequences = s.Sequences(layer_);
    a.q = q_.At(s), a.out = out_.At(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  uint32_t layer_ = 0;
  Floats q_, out_;
};

class UnaryInstr final : public WithKernel<UnaryArgs> {
 public:
  Status Bind(const fb::Unary& u, const Binder& b) {
    x_ = b.View(u.x()), out_ = b.View(u.out());
    args_.op = static_cast<Unary>(u.op());
    args_.x_stride = x_.stride, args_.out_stride = out_.stride, args_.cols = x_.cols;
    args_.rows = 1;
    return Choose(UnaryKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    UnaryArgs a = args_;
    a.x = x_.At(s), a.out = out_.At(s), a.rows = x_.Rows(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  Floats x_, out_;
};

class BinaryInstr final : public WithKernel<BinaryArgs> {
 public:
  Status Bind(const fb::Binary& i, const Binder& b) {
    a_ = b.View(i.a()), out_ = b.View(i.out());
    args_.op = static_cast<Binary>(i.op());
    args_.b_kind = static_cast<Operand>(i.b_kind());
    args_.swapped = i.swapped();
    args_.scalar = i.scalar();
    if (args_.b_kind == Operand::kRows) b_ = b.View(i.b());
    if (args_.b_kind == Operand::kVector) args_.b = b.Vector(i.vector());
    args_.a_stride = a_.stride, args_.b_stride = b_.stride, args_.out_stride = out_.stride, args_.cols = a_.cols;
    args_.rows = 1;
    return Choose(BinaryKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    BinaryArgs a = args_;
    a.a = a_.At(s), a.out = out_.At(s), a.rows = a_.Rows(s);
    if (a.b_kind == Operand::kRows) a.b = b_.At(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  Floats a_, b_, out_;
};

class GatedInstr final : public WithKernel<GatedArgs> {
 public:
  Status Bind(const fb::Gated& g, const Binder& b) {
    gate_ = b.View(g.gate()), up_ = b.View(g.up()), out_ = b.View(g.out());
    args_.act = static_cast<Unary>(g.act());
    args_.gate_stride = gate_.stride, args_.up_stride = up_.stride, args_.out_stride = out_.stride, args_.cols = gate_.cols;
    args_.rows = 1;
    return Choose(GatedKernels(), b.isa());
  }
  void Run(const Step& s) const override {
    GatedArgs a = args_;
    a.gate = gate_.At(s), a.up = up_.At(s), a.out = out_.At(s), a.rows = gate_.Rows(s);
    s.runner->Run(*kernel_, a);
  }

 private:
  Floats gate_, up_, out_;
};

// Token rows to output rows (select), or row by row (copy).
class CopyInstr final : public Instruction {
 public:
  CopyInstr(const Floats& x, const Floats& out, bool select) : x_(x), out_(out), select_(select) {}
  const char* kernel() const override { return select_ ? "select_rows" : "copy"; }
  void Run(const Step& s) const override {
    const float* x = x_.At(s);
    float* out = out_.At(s);
    s.runner->Rows(out_.Rows(s), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        std::memcpy(out + r * out_.stride, x + (select_ ? s.output_rows[r] : r) * x_.stride, static_cast<size_t>(x_.cols) * sizeof(float));
    });
  }

 private:
  Floats x_, out_;
  bool select_;
};

template <class I, class T>
Result<std::unique_ptr<Instruction>> Make(const T& op, const Binder& b) {
  auto i = std::make_unique<I>();
  HST_RETURN_IF_ERROR(i->Bind(op, b));
  return std::unique_ptr<Instruction>(std::move(i));
}

Result<std::unique_ptr<Instruction>> BindOne(const fb::Instr& i, const Binder& b) {
  switch (i.op_type()) {
    case fb::Op::NONE: break;
    case fb::Op::Embed: return Make<EmbedInstr>(*i.op_as_Embed(), b);
    case fb::Op::Norm: return Make<NormInstr>(*i.op_as_Norm(), b);
    case fb::Op::Quantize: return Make<QuantizeInstr>(*i.op_as_Quantize(), b);
    case fb::Op::Linear: return Make<LinearInstr>(*i.op_as_Linear(), b);
    case fb::Op::Rope: return Make<RopeInstr>(*i.op_as_Rope(), b);
    case fb::Op::KvAppend: return Make<KvAppendInstr>(*i.op_as_KvAppend(), b);
    case fb::Op::Attention: return Make<AttentionInstr>(*i.op_as_Attention(), b);
    case fb::Op::Unary: return Make<UnaryInstr>(*i.op_as_Unary(), b);
    case fb::Op::Binary: return Make<BinaryInstr>(*i.op_as_Binary(), b);
    case fb::Op::Gated: return Make<GatedInstr>(*i.op_as_Gated(), b);
    case fb::Op::SelectRows:
      return std::unique_ptr<Instruction>(new CopyInstr(b.View(i.op_as_SelectRows()->x()), b.View(i.op_as_SelectRows()->out()), true));
    case fb::Op::Copy:
      return std::unique_ptr<Instruction>(new CopyInstr(b.View(i.op_as_Copy()->x()), b.View(i.op_as_Copy()->out()), false));
  }
  return Internal("an unchecked instruction");
}

}  // namespace

Result<std::vector<std::unique_ptr<Instruction>>> BindInstructions(const Binding& binding) {
  const Binder binder(binding);
  std::vector<std::unique_ptr<Instruction>> out;
  for (const fb::Instr* i : *binding.program.instrs()) {
    Result<std::unique_ptr<Instruction>> bound = BindOne(*i, binder);
    if (!bound.ok())
      return std::move(bound).status().Annotate(StrCat("program: instruction ", out.size(), " (", fb::EnumNameOp(i->op_type()),
                                                       i->loc() ? StrCat(", \"", i->loc()->string_view(), "\"") : "", ")"));
    out.push_back(*std::move(bound));
  }
  return out;
}

}  // namespace hasten
