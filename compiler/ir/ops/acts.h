// The activation kinds of the semantic ops `act` and `gated_act`.
#pragma once

#include <array>
#include <string_view>

namespace hasten::ir {

inline constexpr std::array<std::string_view, 19> kActKinds = {
    "relu", "sigmoid", "silu", "gelu", "gelu_tanh", "tanh", "quick_gelu", "exp", "log", "sqrt",
    "reciprocal", "neg", "abs", "erf", "square", "softplus", "relu2", "cos", "sin"};
bool IsActKind(std::string_view kind);

}  // namespace hasten::ir
