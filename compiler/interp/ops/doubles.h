// For the ops where generality matters and speed does not (vision, losses,
// recurrences): operands as doubles, results rounded once to their dtype. Integers
// of up to 32 bits are exact so.
#pragma once

#include <vector>

#include "compiler/interp/context.h"

namespace hasten::interp {

std::vector<double> ToDoubles(const Tensor& t);
// Rounds to a float type, converts (saturating) to an integer type. values.size()
// is the product of dims.
Result<Tensor> FromDoubles(const EvalContext& c, DType dtype, std::vector<int64_t> dims, const std::vector<double>& values);
// kResource unless `count` doubles fit options.max_bytes: before a vector is made.
Status RoomForDoubles(const EvalContext& c, const std::vector<int64_t>& dims);

// Goes to the next index of dims, row-major; false after the last.
inline bool NextIndex(std::vector<int64_t>& index, const std::vector<int64_t>& dims) {
  for (size_t d = dims.size(); d-- > 0;) {
    if (++index[d] < dims[d]) return true;
    index[d] = 0;
  }
  return false;
}

}  // namespace hasten::interp
