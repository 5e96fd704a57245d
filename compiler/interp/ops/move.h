// Strided copies that several evaluations share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "compiler/interp/context.h"

namespace hasten::interp {

// to[i0,i1,...] (dense) = from[i0 * strides[0] + i1 * strides[1] + ...]; strides
// in elements of `element` bytes, negative ones too.
void CopyStrided(const EvalContext& c, const std::byte* from, std::byte* to, std::vector<int64_t> dims,
                 std::vector<int64_t> strides, size_t element);
// perm must be a permutation of x's axes.
Result<Tensor> Transposed(const EvalContext& c, const Tensor& x, const std::vector<int64_t>& perm);

}  // namespace hasten::interp
