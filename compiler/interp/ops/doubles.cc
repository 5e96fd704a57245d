#include "compiler/interp/ops/doubles.h"

#include "compiler/interp/dispatch.h"
#include "runtime/base/half.h"

namespace hasten::interp {

std::vector<double> ToDoubles(const Tensor& t) {
  std::vector<double> out(static_cast<size_t>(t.elements()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = t.At(static_cast<int64_t>(i));
  return out;
}

Result<Tensor> FromDoubles(const EvalContext& c, DType dtype, std::vector<int64_t> dims, const std::vector<double>& values) {
  HST_ASSIGN_OR_RETURN(Tensor wide, c.Make(DType::kF64, std::move(dims)));
  HST_CHECK(wide.elements() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), wide.mutable_data<double>());
  return ConvertTensor(c, wide, dtype);
}

Status RoomForDoubles(const EvalContext& c, const std::vector<int64_t>& dims) {
  const Result<Tensor> probe = c.Make(DType::kF64, dims);   // the memory is not touched
  return probe.ok() ? Status() : probe.status();
}

}  // namespace hasten::interp
