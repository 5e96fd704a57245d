// TensorProto to ir::Tensor. Declared dims and types are compared with the
// bytes that exist before anything is allocated or viewed. Large tensors are
// views of the mapped file; small ones are copied, so that they are aligned.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "onnx.pb.h"

#include "compiler/ir/tensor.h"
#include "compiler/onnx/mapped_file.h"

namespace hasten::onnx_import {

inline constexpr int kMaxRank = 16;

// Where payloads are: the model's own file, and external files opened so far.
class PayloadSource {
 public:
  PayloadSource(MappedFile file, std::string folder) : file_(std::move(file)), folder_(std::move(folder)) {}
  const MappedFile& file() const { return file_; }
  Result<const MappedFile*> External(const std::string& location);
  const std::map<std::string, MappedFile>& externals() const { return externals_; }

 private:
  MappedFile file_;
  std::string folder_;
  std::map<std::string, MappedFile> externals_;
};

// ONNX TensorProto.DataType to ours; kUnsupported names types out of scope
// (strings, float8, 4-bit, complex), kBadInput unknown numbers.
Result<DType> ToDType(int onnx_type);
std::string DataTypeName(int onnx_type);

// `what` names the tensor in messages. The proto comes from a skeleton (wire.h).
Result<ir::Tensor> ToTensor(const onnx::TensorProto& proto, PayloadSource& source, std::string_view what);

// A name from a file as a message may show it: control bytes replaced, shortened.
std::string Quoted(std::string_view name);

}  // namespace hasten::onnx_import
