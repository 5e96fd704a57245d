// GPTQ: codes for W[N, K] that keep W x for the inputs x that were observed, by
// handing the error of every rounded column to the columns that follow it.
//   Frantar et al. 2023, "GPTQ", eq. 2-3 and algorithm 1, in the equal form of
//   Chee et al. 2023, "QuIP", section 3.1 (LDLQ) and theorem 6:
//   H = (U + I) D (U + I)', code_k = Q(w_k + sum over j < k of (w_j - w^_j) U_jk),
//   whose squared error of the outputs is the sum of D_kk (target_k - w^_k)^2.
// No inverse of H is needed. Group by group, scale and zero-point are those that
// make this sum least among ranges that shrink. Groups, and columns in a group,
// are taken by falling diagonal of H (GPTQ's "act-order"), but a group stays
// where it is stored, so that the runtime gathers nothing.
#pragma once

#include <cstdint>
#include <span>

#include "passes/quant/rtn.h"
#include "runtime/base/threads.h"

namespace hasten::passes {

struct GptqOptions {
  double damping = 0.01;   // of H's mean diagonal, added to each (GPTQ, section 3.3, step 3)
};

// w: [n][k]; hessian: [k][k], the sum of x x', symmetric; it is overwritten. The
// same codes with any number of threads. `error`: the loss trace((W - W^) H
// (W - W^)') with H as damped. An input that never was other than 0 has a zero
// row in H: its weights are rounded to nearest. kUsage for a scheme without
// codes or sizes that do not fit; kBadInput for values that are not finite.
Status QuantizeGptq(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, std::span<double> hessian,
                    const GptqOptions& options, ThreadPool& pool, OwnedCodes* out, double* error);

}  // namespace hasten::passes
