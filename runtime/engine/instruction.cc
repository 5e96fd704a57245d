// One small class an op. Each keeps its kernel's argument struct filled with
// all that does not change, and adds addresses and row counts of the step. Here
// what reads weights, positions or the cache; instruction_rows.cc has the rest.
#include "runtime/engine/instruction.h"

#include <cstring>

#include "runtime/engine/instruction_binder.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/embed/contract.h"
#include "runtime/kernels/linear/contract.h"
#include "runtime/kernels/rope/contract.h"

namespace hasten {
namespace {

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
    // Positions are looked up shifted (OPT): the table's row of position p is p + offset.
    if (source_ == fb::Source::Positions) args_.offset = e.index_offset();
    return Choose(EmbedKernels(), b);
  }
  void Fill(const Step& s, EmbedArgs& a) const override {
    a.rows = s.rows;
    a.out = out_.At(s);
    a.ids = source_ == fb::Source::Positions ? s.positions : source_ == fb::Source::TokenTypes ? s.types : s.ids;
  }

 private:
  Floats out_;
  fb::Source source_ = fb::Source::TokenIds;
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
    return Choose(LinearKernels(), b);
  }
  std::span<const std::byte> weights() const override {
    if (on_device_) return {};   // nothing here reads them
    return {args_.w, static_cast<size_t>(*PackedBytes(args_.scheme, args_.n, args_.k))};
  }
  void Fill(const Step& s, LinearArgs& a) const override {
    a.rows = out_.Rows(s);
    if (integer_) a.xq = xq_.At(s);
    else a.x = x_.At(s);
    a.out = out_.At(s);
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
    return Choose(RopeKernels(), b);
  }
  void Fill(const Step& s, RopeArgs& a) const override {
    a.x = x_.At(s), a.out = out_.At(s), a.rows = s.rows;
    a.table = s.rope[table_], a.positions = s.positions;
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
    return Choose(KvAppendKernels(), b);
  }
  void Fill(const Step& s, KvAppendArgs& a) const override {
    if (s.queue) a.paged = s.paged, a.cache = s.caches[layer_];
    else a.sequences = s.Sequences(layer_);
    a.k = k_.At(s), a.v = v_.At(s);
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
    return Choose(AttentionKernels(), b);
  }
  void RunHere(const Step& s, AttentionArgs& a) const override {
    if (const size_t bytes = ShareSplits(a, s.runner->threads())) {
      a.shared = s.runner->Shared(bytes);
      std::memset(a.shared, 0, static_cast<size_t>(a.shared_counters));
    }
    s.runner->Run(*kernel_, a);
  }
  void Fill(const Step& s, AttentionArgs& a) const override {
    if (s.queue) a.paged = s.paged, a.cache = s.caches[layer_];
    else a.sequences = s.Sequences(layer_);
    a.q = q_.At(s), a.out = out_.At(s);
  }

 private:
  uint32_t layer_ = 0;
  Floats q_, out_;
};

Result<std::unique_ptr<Instruction>> BindOne(const fb::Instr& i, const Binder& b) {
  switch (i.op_type()) {
    case fb::Op::NONE: break;
    case fb::Op::Embed: return Make<EmbedInstr>(*i.op_as_Embed(), b);
    case fb::Op::Norm: return BindNorm(*i.op_as_Norm(), b);
    case fb::Op::Quantize: return BindQuantize(*i.op_as_Quantize(), b);
    case fb::Op::Linear: return Make<LinearInstr>(*i.op_as_Linear(), b);
    case fb::Op::Rope: return Make<RopeInstr>(*i.op_as_Rope(), b);
    case fb::Op::KvAppend: return Make<KvAppendInstr>(*i.op_as_KvAppend(), b);
    case fb::Op::Attention: return Make<AttentionInstr>(*i.op_as_Attention(), b);
    case fb::Op::Unary: return BindUnary(*i.op_as_Unary(), b);
    case fb::Op::Binary: return BindBinary(*i.op_as_Binary(), b);
    case fb::Op::Gated: return BindGated(*i.op_as_Gated(), b);
    case fb::Op::SelectRows: return BindSelectRows(*i.op_as_SelectRows(), b);
    case fb::Op::Copy: return BindCopy(*i.op_as_Copy(), b);
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
