#include "compiler/onnx/tensor_proto.h"

#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include "compiler/ir/infer.h"
#include "compiler/onnx/wire.h"
#include "runtime/base/checked.h"

namespace hasten::onnx_import {
namespace {

// Views smaller than this are copied when they are misaligned (protobuf aligns
// nothing): kernels then see aligned norms and biases, and memory stays small.
constexpr size_t kCopyMisaligned = 64 << 10;
constexpr size_t kAlwaysCopy = 1024;
constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 46;

constexpr std::string_view kTypeNames[] = {"undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64",
    "string", "bool", "float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn",
    "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2"};

struct Header {
  DType dtype;
  std::vector<int64_t> dims;
  uint64_t elements, bytes;
};

Result<Header> ReadHeader(const onnx::TensorProto& proto, std::string_view what) {
  Header h;
  HST_ASSIGN_OR_RETURN(h.dtype, ToDType(proto.data_type()));
  if (proto.dims_size() > kMaxRank) return BadInput(what, ": rank ", proto.dims_size(), ", at most ", kMaxRank, " is supported");
  Checked count = 1;
  for (const int64_t d : proto.dims()) {
    if (d < 0) return BadInput(what, ": dimension ", d, " is negative");
    count = count * Checked::FromSigned(d);
    h.dims.push_back(d);
  }
  const Checked bytes = count * DTypeSize(h.dtype);
  if (!bytes.AtMost(kMaxTensorBytes)) return BadInput(what, ": its dimensions multiply to more than 2^46 bytes");
  h.elements = count.value();
  h.bytes = bytes.value();
  return h;
}

Status SizeMismatch(std::string_view what, const Header& h, uint64_t came) {
  return BadInput(what, ": ", DTypeName(h.dtype), " data of ", h.elements, " elements needs ", h.bytes, " bytes, the file has ", came);
}

// A bool must be 0 or 1 to be read as one.
bool NeedsCopy(const Header& h, std::span<const std::byte> bytes) {
  if (h.dtype == DType::kBool || bytes.size() <= kAlwaysCopy) return true;
  return reinterpret_cast<uintptr_t>(bytes.data()) % DTypeSize(h.dtype) != 0 && bytes.size() <= kCopyMisaligned;
}

Result<ir::Tensor> FromBytes(const Header& h, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
  if (!NeedsCopy(h, bytes)) return ir::Tensor::View(h.dtype, h.dims, bytes.data(), owner);
  HST_ASSIGN_OR_RETURN(ir::Tensor t, ir::Tensor::Uninitialized(h.dtype, h.dims));
  if (h.dtype == DType::kBool) {
    for (size_t i = 0; i < bytes.size(); ++i) t.mutable_raw()[i] = std::byte{bytes[i] != std::byte{0}};
  } else if (!bytes.empty()) {
    std::memcpy(t.mutable_raw(), bytes.data(), bytes.size());
  }
  return t;
}

template <class T, class Field>
Result<ir::Tensor> FromTyped(const Header& h, const Field& field, std::string_view what) {
  if (static_cast<uint64_t>(field.size()) != h.elements)
    return BadInput(what, ": needs ", h.elements, " elements, the file has ", field.size());
  HST_ASSIGN_OR_RETURN(ir::Tensor t, ir::Tensor::Uninitialized(h.dtype, h.dims));
  T* out = t.mutable_data<T>();
  for (const auto v : field) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (!std::in_range<T>(v)) return BadInput(what, ": the value ", v, " does not fit ", DTypeName(h.dtype));
    }
    *out++ = static_cast<T>(v);
  }
  return t;
}

Result<ir::Tensor> FromTypedData(const onnx::TensorProto& p, const Header& h, std::string_view what) {
  switch (h.dtype) {
    case DType::kF32: return FromTyped<float>(h, p.float_data(), what);
    case DType::kF64: return FromTyped<double>(h, p.double_data(), what);
    case DType::kI64: return FromTyped<int64_t>(h, p.int64_data(), what);
    case DType::kU64: return FromTyped<uint64_t>(h, p.uint64_data(), what);
    case DType::kU32: return FromTyped<uint32_t>(h, p.uint64_data(), what);
    case DType::kI32: return FromTyped<int32_t>(h, p.int32_data(), what);
    case DType::kI16: return FromTyped<int16_t>(h, p.int32_data(), what);
    case DType::kI8: return FromTyped<int8_t>(h, p.int32_data(), what);
    case DType::kU8: return FromTyped<uint8_t>(h, p.int32_data(), what);
    case DType::kBool: return FromTyped<bool>(h, p.int32_data(), what);
    case DType::kU16:
    case DType::kF16:
    case DType::kBF16: return FromTyped<uint16_t>(h, p.int32_data(), what);
    case DType::kInvalid: break;
  }
  return Internal("no storage for ", DTypeName(h.dtype));
}

std::optional<uint64_t> ParseSize(const std::string& text) {
  uint64_t v = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), v);
  return r.ec == std::errc() && r.ptr == text.data() + text.size() ? std::optional<uint64_t>(v) : std::nullopt;
}

Result<ir::Tensor> FromExternal(const onnx::TensorProto& p, const Header& h, PayloadSource& source, std::string_view what) {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const auto& entry : p.external_data()) {
    const std::optional<uint64_t> number = ParseSize(entry.value());
    if (entry.key() == "location") {
      location = entry.value();
    } else if (entry.key() == "offset" || entry.key() == "length") {
      if (!number) return BadInput(what, ": external data's ", entry.key(), " \"", Quoted(entry.value()), "\" is no number");
      if (entry.key() == "offset") offset = *number;
      else length = *number;
    }
  }
  Result<const MappedFile*> opened = source.External(location);
  if (!opened.ok()) return std::move(opened).status().Annotate(what);
  const MappedFile* file = *opened;
  if (length && *length != h.bytes) return SizeMismatch(what, h, *length);
  const Checked end = Checked(offset) + Checked(h.bytes);
  if (!end.AtMost(file->bytes.size()))
    return BadInput(what, ": needs bytes ", offset, " to ", end.ok() ? end.value() : ~uint64_t{0}, " of ", file->name,
                    ", which has ", file->bytes.size(), "; the file is truncated or of another model");
  return FromBytes(h, file->bytes.subspan(offset, h.bytes), file->owner);
}

}  // namespace

Result<const MappedFile*> PayloadSource::External(const std::string& location) {
  const auto it = externals_.find(location);
  if (it != externals_.end()) return &it->second;
  HST_ASSIGN_OR_RETURN(MappedFile file, MapBeneath(folder_, location));
  HST_RETURN_IF_ERROR(RefuseLfsPointer(file));
  return &externals_.emplace(location, std::move(file)).first->second;
}

std::string DataTypeName(int t) {
  return t >= 0 && t < static_cast<int>(std::size(kTypeNames)) ? std::string(kTypeNames[t]) : StrCat("type ", t);
}

Result<DType> ToDType(int t) {
  if (const DType known = ir::OnnxDType(t); known != DType::kInvalid) return known;
  if (t <= 0 || t >= static_cast<int>(std::size(kTypeNames))) return BadInput("unknown element type ", t);
  return Unsupported("element type ", DataTypeName(t), " is not supported");
}

Result<ir::Tensor> ToTensor(const onnx::TensorProto& p, PayloadSource& source, std::string_view what) {
  Result<Header> header = ReadHeader(p, what);
  if (!header.ok()) return std::move(header).status().Annotate(what);
  const Header& h = *header;
  if (p.has_segment()) return Unsupported(what, ": tensors in segments are not supported");
  const bool external = p.data_location() == onnx::TensorProto::EXTERNAL;
  if (external && p.has_raw_data()) return BadInput(what, ": has raw and external data together");
  if (external) return FromExternal(p, h, source, what);
  if (p.external_data_size() > 0) return BadInput(what, ": has external data but is not marked external");
  if (!p.has_raw_data()) return FromTypedData(p, h, what);
  HST_ASSIGN_OR_RETURN(const PayloadRef ref, DecodePayload(p.raw_data()));
  if ((ref.field == PayloadRef::kFloat && h.dtype != DType::kF32) || (ref.field == PayloadRef::kDouble && h.dtype != DType::kF64))
    return BadInput(what, ": ", DTypeName(h.dtype), " elements stand in a field for another type");
  if (ref.length != h.bytes) return SizeMismatch(what, h, ref.length);
  return FromBytes(h, source.file().bytes.subspan(ref.offset, ref.length), source.file().owner);
}

std::string Quoted(std::string_view name) {
  constexpr size_t kMax = 120;
  std::string out;
  for (const char c : name.substr(0, kMax)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return name.size() > kMax ? out + "..." : out;
}

}  // namespace hasten::onnx_import
