// The fp32 matrix product of the interpreter: Eigen, compiled once for each
// instruction set, split over the threads by rows or columns of the result.
#pragma once

#include "compiler/interp/context.h"
#include "compiler/interp/gemm_isa.h"

namespace hasten::interp {

void Gemm(const EvalContext& c, const GemmArgs& args);
// On the calling thread alone.
void GemmSerial(const GemmArgs& args);

}  // namespace hasten::interp
