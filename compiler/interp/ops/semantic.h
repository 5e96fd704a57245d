// Checks that the semantic evaluations share.
#pragma once

#include "compiler/interp/context.h"

namespace hasten::interp {

Status NeedRows(EvalContext& c, size_t i);   // operand i is f32[B,S,C]

}  // namespace hasten::interp
