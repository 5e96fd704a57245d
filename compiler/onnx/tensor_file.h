// Files that hold one TensorProto: the inputs and outputs of tests in the
// layout of the ONNX backend tests.
#pragma once

#include <string>

#include "compiler/ir/tensor.h"

namespace hasten {

struct NamedTensor {
  std::string name;
  ir::Tensor tensor;
};

// kUnsupported: an element type out of scope, or the file holds a sequence or
// an optional; kBadInput: malformed.
Result<NamedTensor> ReadTensorFile(const std::string& path);

}  // namespace hasten
