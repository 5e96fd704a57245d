// What the runtime's elementwise kernels are called in the graph.
#pragma once

#include <string_view>

#include "runtime/kernels/elementwise/contract.h"

namespace hasten::plan {

struct UnaryName {
  std::string_view name;
  Unary op;
};
inline constexpr UnaryName kUnaryNames[] = {
    {"relu", Unary::kRelu}, {"sigmoid", Unary::kSigmoid}, {"silu", Unary::kSilu}, {"gelu", Unary::kGelu},
    {"gelu_tanh", Unary::kGeluTanh}, {"tanh", Unary::kTanh}, {"exp", Unary::kExp}, {"log", Unary::kLog},
    {"sqrt", Unary::kSqrt}, {"reciprocal", Unary::kReciprocal}, {"neg", Unary::kNeg}, {"abs", Unary::kAbs},
    {"erf", Unary::kErf}, {"square", Unary::kSquare}, {"quick_gelu", Unary::kQuickGelu},
    {"softplus", Unary::kSoftplus}, {"relu2", Unary::kRelu2}, {"cos", Unary::kCos}, {"sin", Unary::kSin},
};

struct BinaryName {
  std::string_view name;
  Binary op;
};
inline constexpr BinaryName kBinaryNames[] = {
    {"add", Binary::kAdd}, {"sub", Binary::kSub}, {"mul", Binary::kMul}, {"div", Binary::kDiv},
    {"max", Binary::kMax}, {"min", Binary::kMin}, {"pow", Binary::kPow},
};

// Null when no kernel computes it.
inline const Unary* FindUnary(std::string_view name) {
  for (const UnaryName& row : kUnaryNames)
    if (row.name == name) return &row.op;
  return nullptr;
}
inline const Binary* FindBinary(std::string_view name) {
  for (const BinaryName& row : kBinaryNames)
    if (row.name == name) return &row.op;
  return nullptr;
}

}  // namespace hasten::plan
