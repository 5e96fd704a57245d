// The functions of the elementwise ops over V, a float or a SIMD vector of floats, for
// every backend: each is the sequence of roundings that its line spells.
#pragma once

#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/math.h"
#include "runtime/kernels/trig.h"

namespace hasten {

// x/2 (1 + t), of both forms of gelu.
template <class V>
HST_MATH V HalfUp(V x, V t) { return (V(0.5f) * x) * (V(1.0f) + t); }

// The rare functions work in double, lane by lane.
template <class V>
HST_MATH V CosByLane(V x) {
  float lanes[kLanes<V>];
  Store(lanes, x);
  for (float& lane : lanes) lane = Cos(lane);
  return Load<V>(lanes);
}
template <class V>
HST_MATH V SinByLane(V x) {
  float lanes[kLanes<V>];
  Store(lanes, x);
  for (float& lane : lanes) lane = Sin(lane);
  return Load<V>(lanes);
}
template <class V>
HST_MATH V PowByLane(V a, V b) {
  float x[kLanes<V>], y[kLanes<V>];
  Store(x, a);
  Store(y, b);
  for (int i = 0; i < kLanes<V>; ++i) x[i] = Pow(x[i], y[i]);
  return Load<V>(x);
}

template <Unary kOp, class V>
HST_MATH V UnaryOf(V x) {
  if constexpr (kOp == Unary::kIdentity) return x;
  else if constexpr (kOp == Unary::kRelu) return Select(Lt(x, V(0.0f)), V(0.0f), x);
  else if constexpr (kOp == Unary::kSigmoid) return Sigmoid(x);
  else if constexpr (kOp == Unary::kSilu) return x * Sigmoid(x);
  else if constexpr (kOp == Unary::kGelu) return HalfUp(x, Erf(x * V(0x1.6a09e6p-1f)));
  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), Hendrycks & Gimpel 2016.
  else if constexpr (kOp == Unary::kGeluTanh) return HalfUp(x, Tanh(V(0x1.988454p-1f) * Fma(V(0.044715f) * (x * x), x, x)));
  else if constexpr (kOp == Unary::kTanh) return Tanh(x);
  else if constexpr (kOp == Unary::kExp) return Exp(x);
  else if constexpr (kOp == Unary::kLog) return Log(x);
  else if constexpr (kOp == Unary::kSqrt) return Sqrt(x);
  else if constexpr (kOp == Unary::kReciprocal) return V(1.0f) / x;
  else if constexpr (kOp == Unary::kNeg) return -x;
  else if constexpr (kOp == Unary::kAbs) return Abs(x);
  else if constexpr (kOp == Unary::kErf) return Erf(x);
  else if constexpr (kOp == Unary::kSquare) return x * x;
  else if constexpr (kOp == Unary::kQuickGelu) return x * Sigmoid(V(1.702f) * x);
  else if constexpr (kOp == Unary::kSoftplus) return Softplus(x);
  else if constexpr (kOp == Unary::kRelu2) return UnaryOf<Unary::kSquare>(UnaryOf<Unary::kRelu>(x));
  else if constexpr (kOp == Unary::kCos) return CosByLane(x);
  else return SinByLane(x);
}

template <Binary kOp, class V>
HST_MATH V BinaryOf(V a, V b) {
  if constexpr (kOp == Binary::kAdd) return a + b;
  else if constexpr (kOp == Binary::kSub) return a - b;
  else if constexpr (kOp == Binary::kMul) return a * b;
  else if constexpr (kOp == Binary::kDiv) return a / b;
  else if constexpr (kOp == Binary::kMax) return MaxNaN(a, b);
  else if constexpr (kOp == Binary::kMin) return MinNaN(a, b);
  else return PowByLane(a, b);
}

template <auto kValue>
struct Constant {
  static constexpr auto value = kValue;
};

// Calls visit with the op as a Constant, the parameter of a template.
template <class Visit>
static inline void WithUnary(Unary op, const Visit& visit) {
  switch (op) {
    case Unary::kIdentity: return visit(Constant<Unary::kIdentity>());
    case Unary::kRelu: return visit(Constant<Unary::kRelu>());
    case Unary::kSigmoid: return visit(Constant<Unary::kSigmoid>());
    case Unary::kSilu: return visit(Constant<Unary::kSilu>());
    case Unary::kGelu: return visit(Constant<Unary::kGelu>());
    case Unary::kGeluTanh: return visit(Constant<Unary::kGeluTanh>());
    case Unary::kTanh: return visit(Constant<Unary::kTanh>());
    case Unary::kExp: return visit(Constant<Unary::kExp>());
    case Unary::kLog: return visit(Constant<Unary::kLog>());
    case Unary::kSqrt: return visit(Constant<Unary::kSqrt>());
    case Unary::kReciprocal: return visit(Constant<Unary::kReciprocal>());
    case Unary::kNeg: return visit(Constant<Unary::kNeg>());
    case Unary::kAbs: return visit(Constant<Unary::kAbs>());
    case Unary::kErf: return visit(Constant<Unary::kErf>());
    case Unary::kSquare: return visit(Constant<Unary::kSquare>());
    case Unary::kQuickGelu: return visit(Constant<Unary::kQuickGelu>());
    case Unary::kSoftplus: return visit(Constant<Unary::kSoftplus>());
    case Unary::kRelu2: return visit(Constant<Unary::kRelu2>());
    case Unary::kCos: return visit(Constant<Unary::kCos>());
    case Unary::kSin: return visit(Constant<Unary::kSin>());
  }
}
template <class Visit>
static inline void WithBinary(Binary op, const Visit& visit) {
  switch (op) {
    case Binary::kAdd: return visit(Constant<Binary::kAdd>());
    case Binary::kSub: return visit(Constant<Binary::kSub>());
    case Binary::kMul: return visit(Constant<Binary::kMul>());
    case Binary::kDiv: return visit(Constant<Binary::kDiv>());
    case Binary::kMax: return visit(Constant<Binary::kMax>());
    case Binary::kMin: return visit(Constant<Binary::kMin>());
    case Binary::kPow: return visit(Constant<Binary::kPow>());
  }
}

}  // namespace hasten
