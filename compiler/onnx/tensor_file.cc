#include "compiler/onnx/tensor_file.h"

#include "compiler/onnx/tensor_proto.h"
#include "compiler/onnx/wire.h"

namespace hasten {

Result<NamedTensor> ReadTensorFile(const std::string& path) {
  using namespace onnx_import;
  HST_ASSIGN_OR_RETURN(MappedFile file, MapFile(path));
  Result<std::string> skeleton = MakeSkeleton(file.bytes, MessageKind::kTensor);
  if (!skeleton.ok()) return std::move(skeleton).status().Annotate(path);
  onnx::TensorProto proto;
  if (!proto.ParseFromString(*skeleton)) return BadInput(path, ": not a TensorProto");
  if (!proto.has_data_type()) return Unsupported(path, ": holds no tensor (a sequence or an optional)");
  PayloadSource source(file, path.substr(0, path.rfind('/') == path.npos ? 0 : path.rfind('/')));
  NamedTensor out;
  out.name = proto.name();
  HST_ASSIGN_OR_RETURN(out.tensor, ToTensor(proto, source, path));
  return out;
}

}  // namespace hasten
