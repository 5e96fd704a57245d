// Declares the evaluation functions that interp_ops.def names.
#pragma once

#include "compiler/interp/context.h"

namespace hasten::interp {

#define HST_EVAL(name, fn, half) Status fn(EvalContext& c);
#include "compiler/interp/interp_ops.def"
#undef HST_EVAL

}  // namespace hasten::interp
