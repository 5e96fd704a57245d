// Instructions that work on each row by itself, without weight matrices.
#include "runtime/engine/instruction_binder.h"
#include "runtime/kernels/copy/contract.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"

namespace hasten {
namespace {

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
    return Choose(NormKernels(), b);
  }
  void Fill(const Step& s, NormArgs& a) const override {
    a.x = x_.At(s), a.out = out_.At(s), a.rows = x_.Rows(s);
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
    return Choose(QuantizeKernels(), b);
  }
  void Fill(const Step& s, QuantizeArgs& a) const override {
    a.x = x_.At(s), a.rows = x_.Rows(s), a.out = out_.At(s);
  }

 private:
  Floats x_;
  Codes8 out_;
};

class UnaryInstr final : public WithKernel<UnaryArgs> {
 public:
  Status Bind(const fb::Unary& u, const Binder& b) {
    x_ = b.View(u.x()), out_ = b.View(u.out());
    args_.op = static_cast<Unary>(u.op());
    args_.x_stride = x_.stride, args_.out_stride = out_.stride, args_.cols = x_.cols;
    args_.rows = 1;
    return Choose(UnaryKernels(), b);
  }
  void Fill(const Step& s, UnaryArgs& a) const override {
    a.x = x_.At(s), a.out = out_.At(s), a.rows = x_.Rows(s);
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
    return Choose(BinaryKernels(), b);
  }
  void Fill(const Step& s, BinaryArgs& a) const override {
    a.a = a_.At(s), a.out = out_.At(s), a.rows = a_.Rows(s);
    if (a.b_kind == Operand::kRows) a.b = b_.At(s);
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
    return Choose(GatedKernels(), b);
  }
  void Fill(const Step& s, GatedArgs& a) const override {
    a.gate = gate_.At(s), a.up = up_.At(s), a.out = out_.At(s), a.rows = gate_.Rows(s);
  }

 private:
  Floats gate_, up_, out_;
};

// Token rows to output rows (select), or row by row (copy).
class CopyInstr final : public WithKernel<CopyArgs> {
 public:
  Status Bind(const Floats& x, const Floats& out, bool select, const Binder& b) {
    x_ = x, out_ = out, select_ = select;
    args_.x_stride = x_.stride, args_.out_stride = out_.stride, args_.cols = x_.cols;
    args_.rows = 1;
    return Choose(CopyKernels(), b);
  }
  Status Bind(const fb::Copy& c, const Binder& b) { return Bind(b.View(c.x()), b.View(c.out()), false, b); }
  Status Bind(const fb::SelectRows& c, const Binder& b) { return Bind(b.View(c.x()), b.View(c.out()), true, b); }
  void Fill(const Step& s, CopyArgs& a) const override {
    a.x = x_.At(s), a.out = out_.At(s), a.rows = out_.Rows(s);
    if (select_) a.from = s.output_rows;
  }

 private:
  Floats x_, out_;
  bool select_ = false;
};

}  // namespace

Result<std::unique_ptr<Instruction>> BindNorm(const fb::Norm& op, const Binder& b) { return Make<NormInstr>(op, b); }
Result<std::unique_ptr<Instruction>> BindQuantize(const fb::Quantize& op, const Binder& b) { return Make<QuantizeInstr>(op, b); }
Result<std::unique_ptr<Instruction>> BindUnary(const fb::Unary& op, const Binder& b) { return Make<UnaryInstr>(op, b); }
Result<std::unique_ptr<Instruction>> BindBinary(const fb::Binary& op, const Binder& b) { return Make<BinaryInstr>(op, b); }
Result<std::unique_ptr<Instruction>> BindGated(const fb::Gated& op, const Binder& b) { return Make<GatedInstr>(op, b); }
Result<std::unique_ptr<Instruction>> BindSelectRows(const fb::SelectRows& op, const Binder& b) { return Make<CopyInstr>(op, b); }
Result<std::unique_ptr<Instruction>> BindCopy(const fb::Copy& op, const Binder& b) { return Make<CopyInstr>(op, b); }

}  // namespace hasten
