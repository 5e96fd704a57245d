// elementwise: unary functions, binary arithmetic and gated activations on rows.
// One rounding an operation; exp, tanh, erf are the polynomials of
// kernels/math.h, the same bits on every instruction set and on the GPU.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"

namespace hasten {

// Numbers are written into artifacts: append, never reorder.
enum class Unary : uint8_t {
  kIdentity = 0, kRelu, kSigmoid, kSilu /* x * sigmoid(x) */, kGelu /* erf form */, kGeluTanh, kTanh,
  kExp, kLog, kSqrt, kReciprocal, kNeg, kAbs, kErf, kSquare, kQuickGelu /* x * sigmoid(1.702 x) */,
  kSoftplus, kRelu2 /* max(x,0)^2 */, kCos, kSin,
};
enum class Binary : uint8_t { kAdd = 0, kSub, kMul, kDiv, kMax, kMin, kPow };

// What the second operand is.
enum class Operand : uint8_t { kRows = 0 /* [rows][stride] */, kVector /* [cols], the same for every row */, kScalar };

struct UnaryArgs {
  Unary op = Unary::kIdentity;
  const float* x = nullptr;
  float* out = nullptr;  // may be x
  int64_t x_stride = 0, out_stride = 0, rows = 0, cols = 0;
};

struct BinaryArgs {
  Binary op = Binary::kAdd;
  Operand b_kind = Operand::kRows;
  bool swapped = false;  // b op a instead of a op b
  const float* a = nullptr;
  const float* b = nullptr;   // rows or vector
  float scalar = 0;
  float* out = nullptr;       // may be a or b
  int64_t a_stride = 0, b_stride = 0, out_stride = 0, rows = 0, cols = 0;
};

// out = act(gate) * up, the gated MLP (Shazeer 2020, arXiv:2002.05202): one
// rounding for act's own definition, one for the product.
struct GatedArgs {
  Unary act = Unary::kSilu;
  const float* gate = nullptr;
  const float* up = nullptr;
  float* out = nullptr;  // may be gate or up
  int64_t gate_stride = 0, up_stride = 0, out_stride = 0, rows = 0, cols = 0;
};

std::span<const Kernel<UnaryArgs>> UnaryKernels();
std::span<const Kernel<BinaryArgs>> BinaryKernels();
std::span<const Kernel<GatedArgs>> GatedKernels();

}  // namespace hasten
