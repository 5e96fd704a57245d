// What instructions are bound with: views resolved to offsets, a kernel chosen
// once, and the one way a kernel is launched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "runtime/engine/instruction.h"
#include "runtime/format/buffer_layout.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/quantize/contract.h"

namespace hasten {

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
    return {buffer.offset(), QuantizedRowLayout(static_cast<int64_t>(buffer.cols()), buffer.group(), buffer.residual()), buffer.rows() == fb::Rows::Outputs};
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
  const Device* device() const { return b_.device; }
  int arch() const { return b_.arch; }

 private:
  const Binding& b_;
};

// Base of all instructions with a kernel, which is chosen once, by the arguments
// that do not change. A run adds the step's own: addresses and row counts.
template <class Args>
class WithKernel : public Instruction {
 public:
  const char* kernel() const override { return on_device_ ? on_device_->name : kernel_->name; }
  Status Choose(std::span<const Kernel<Args>> table, const Binder& b) {
    if (b.device()) {
      on_device_ = SelectKernel<Args>(b.device()->kernels().template table<Args>(), args_, b.arch());
      return on_device_ ? Status() : Unsupported("no kernel for an sm_", b.arch(), " device takes its arguments");
    }
    kernel_ = SelectKernel<Args>(table, args_, b.isa());
    return kernel_ ? Status() : Unsupported("no kernel of instruction set ", IsaName(b.isa()), " or below takes its arguments");
  }

  // What does not change, and with what a step adds.
  const Args& fixed() const { return args_; }
  Args ArgsOf(const Step& s) const {
    Args a = args_;
    Fill(s, a);
    return a;
  }

  void Run(const Step& s) const override {
    Args a = ArgsOf(s);
    if (on_device_) on_device_->launch(a, s.queue->launches());
    else RunHere(s, a);
  }
  uint64_t DeviceScratch(const Step& s) const override {
    return on_device_ && on_device_->scratch ? on_device_->scratch(ArgsOf(s), s.queue->launches()) : 0;
  }

 protected:
  virtual void Fill(const Step& s, Args& a) const = 0;
  virtual void RunHere(const Step& s, Args& a) const { s.runner->Run(*kernel_, a); }

  Args args_;
  const Kernel<Args>* kernel_ = nullptr;
  const DeviceKernel<Args>* on_device_ = nullptr;
};

template <class I, class T>
Result<std::unique_ptr<Instruction>> Make(const T& op, const Binder& b) {
  auto i = std::make_unique<I>();
  HST_RETURN_IF_ERROR(i->Bind(op, b));
  return std::unique_ptr<Instruction>(std::move(i));
}

// instruction_rows.cc: what works on each row by itself, without weight matrices.
Result<std::unique_ptr<Instruction>> BindNorm(const fb::Norm& op, const Binder& b);
Result<std::unique_ptr<Instruction>> BindQuantize(const fb::Quantize& op, const Binder& b);
Result<std::unique_ptr<Instruction>> BindUnary(const fb::Unary& op, const Binder& b);
Result<std::unique_ptr<Instruction>> BindBinary(const fb::Binary& op, const Binder& b);
Result<std::unique_ptr<Instruction>> BindGated(const fb::Gated& op, const Binder& b);
Result<std::unique_ptr<Instruction>> BindSelectRows(const fb::SelectRows& op, const Binder& b);
Result<std::unique_ptr<Instruction>> BindCopy(const fb::Copy& op, const Binder& b);

}  // namespace hasten
