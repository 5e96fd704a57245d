#include "compiler/onnx/wire.h"

#include <cstring>

namespace hasten::onnx_import {
namespace {

constexpr int kMaxDepth = 32;          // graphs in attributes in nodes: 3 levels a nested graph
constexpr size_t kMinTyped = 1024;     // typed arrays from this size on stay in the file
constexpr uint64_t kProtobufLimit = 0x7fffffff;

// Field numbers of onnx.proto.
constexpr uint32_t kTensorFloatData = 4, kTensorRawData = 9, kTensorDoubleData = 10, kTensorDoc = 12;

// float_data, int32_data, string_data, int64_data, double_data, uint64_data.
bool IsTypedData(uint32_t number) { return (number >= 4 && number <= 7) || number == 10 || number == 11; }

void PutVarint(std::string& out, uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<char>(v));
}

void PutBytes(std::string& out, uint32_t number, std::string_view bytes) {
  PutVarint(out, (uint64_t{number} << 3) | 2);
  PutVarint(out, bytes.size());
  out.append(bytes);
}

struct Child {
  MessageKind parent;
  uint32_t number;
  MessageKind kind;
};
// The messages on the way to a tensor.
constexpr Child kChildren[] = {
    {MessageKind::kModel, 7, MessageKind::kGraph},         {MessageKind::kModel, 20, MessageKind::kTraining},
    {MessageKind::kModel, 25, MessageKind::kFunction},     {MessageKind::kTraining, 1, MessageKind::kGraph},
    {MessageKind::kTraining, 2, MessageKind::kGraph},      {MessageKind::kGraph, 1, MessageKind::kNode},
    {MessageKind::kGraph, 5, MessageKind::kTensor},        {MessageKind::kGraph, 15, MessageKind::kSparse},
    {MessageKind::kNode, 5, MessageKind::kAttribute},      {MessageKind::kAttribute, 5, MessageKind::kTensor},
    {MessageKind::kAttribute, 6, MessageKind::kGraph},     {MessageKind::kAttribute, 10, MessageKind::kTensor},
    {MessageKind::kAttribute, 11, MessageKind::kGraph},    {MessageKind::kAttribute, 22, MessageKind::kSparse},
    {MessageKind::kAttribute, 23, MessageKind::kSparse},   {MessageKind::kFunction, 7, MessageKind::kNode},
    {MessageKind::kFunction, 11, MessageKind::kAttribute}, {MessageKind::kSparse, 1, MessageKind::kTensor},
    {MessageKind::kSparse, 2, MessageKind::kTensor},
};

const Child* FindChild(MessageKind parent, uint32_t number) {
  for (const Child& c : kChildren)
    if (c.parent == parent && c.number == number) return &c;
  return nullptr;
}

// Text that only people read: doc strings, and metadata that exporters attach
// to nodes and graphs (stack traces; larger than the graph itself).
bool IsDocumentation(MessageKind kind, uint32_t number) {
  switch (kind) {
    case MessageKind::kModel: return number == 6;
    case MessageKind::kGraph: return number == 10 || number == 13 || number == 16;
    case MessageKind::kNode: return number == 6 || number == 9;
    case MessageKind::kAttribute: return number == 13;
    case MessageKind::kFunction: return number == 8 || number == 12 || number == 14;
    case MessageKind::kTensor: return number == kTensorDoc;
    case MessageKind::kSparse:
    case MessageKind::kTraining: return false;
  }
  return false;
}

class Skeleton {
 public:
  explicit Skeleton(std::span<const std::byte> file) : file_(file) {}

  Status Message(std::span<const std::byte> body, MessageKind kind, int depth, std::string& out) {
    if (depth > kMaxDepth) return BadInput("messages are nested deeper than ", kMaxDepth, " levels (byte ", Offset(body), ")");
    if (kind == MessageKind::kTensor) return TensorMessage(body, out);
    WireReader reader(body, Offset(body));
    while (!reader.done()) {
      WireField f;
      HST_RETURN_IF_ERROR(reader.Next(f));
      if (IsDocumentation(kind, f.number)) continue;
      const Child* child = f.type == 2 ? FindChild(kind, f.number) : nullptr;
      if (!child) {
        Append(out, f.whole);
        continue;
      }
      std::string inner;
      HST_RETURN_IF_ERROR(Message(f.body, child->kind, depth + 1, inner));
      PutBytes(out, f.number, inner);
    }
    if (out.size() > kProtobufLimit)
      return BadInput("the model without its weights is larger than protobuf's 2 GB: save typed data as raw or external data");
    return {};
  }

 private:
  uint64_t Offset(std::span<const std::byte> part) const { return static_cast<uint64_t>(part.data() - file_.data()); }
  static void Append(std::string& out, std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  Status TensorMessage(std::span<const std::byte> body, std::string& out) {
    // A typed array may come in several pieces, which protobuf joins: only a
    // single packed piece can stay in the file.
    int pieces[2] = {0, 0}, raw = 0, typed = 0;
    for (WireReader reader(body, Offset(body)); !reader.done();) {
      WireField f;
      HST_RETURN_IF_ERROR(reader.Next(f));
      if (f.number == kTensorFloatData) ++pieces[0];
      if (f.number == kTensorDoubleData) ++pieces[1];
      raw += f.number == kTensorRawData;
      typed += IsTypedData(f.number);
    }
    if (raw > 1 || (raw && typed)) return BadInput("a tensor at byte ", Offset(body), " has its data twice");
    for (WireReader reader(body, Offset(body)); !reader.done();) {
      WireField f;
      HST_RETURN_IF_ERROR(reader.Next(f));
      if (IsDocumentation(MessageKind::kTensor, f.number)) continue;
      const bool is_float = f.number == kTensorFloatData, is_double = f.number == kTensorDoubleData;
      const bool large = f.type == 2 && f.body.size() >= kMinTyped &&
                         ((is_float && pieces[0] == 1) || (is_double && pieces[1] == 1));
      if (f.number == kTensorRawData && f.type == 2) {
        PutBytes(out, kTensorRawData, EncodePayload({PayloadRef::kRaw, Offset(f.body), f.body.size()}));
      } else if (large) {
        PutBytes(out, kTensorRawData,
                 EncodePayload({is_float ? PayloadRef::kFloat : PayloadRef::kDouble, Offset(f.body), f.body.size()}));
      } else {
        Append(out, f.whole);
      }
    }
    return {};
  }

  std::span<const std::byte> file_;
};

}  // namespace

Status WireReader::Varint(uint64_t& out) {
  out = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (pos_ >= data_.size()) return BadInput("the file ends inside a number at byte ", offset());
    const auto b = static_cast<uint8_t>(data_[pos_++]);
    if (shift == 63 && b > 1) break;
    out |= uint64_t{b & 0x7fu} << shift;
    if (!(b & 0x80u)) return {};
  }
  return BadInput("a number at byte ", offset(), " is longer than 64 bits");
}

Status WireReader::Next(WireField& field) {
  const size_t start = pos_;
  uint64_t tag = 0;
  HST_RETURN_IF_ERROR(Varint(tag));
  field.number = static_cast<uint32_t>(tag >> 3);
  field.type = static_cast<int>(tag & 7);
  if (tag > 0xffffffffu || field.number == 0) return BadInput("not a protobuf message (invalid field at byte ", base_ + start, ")");
  uint64_t length = 0;
  switch (field.type) {
    case 0: HST_RETURN_IF_ERROR(Varint(field.varint)); break;
    case 1: length = 8; break;
    case 2: HST_RETURN_IF_ERROR(Varint(length)); break;
    case 5: length = 4; break;
    default: return BadInput("not a protobuf message (wire type ", field.type, " at byte ", base_ + start, ")");
  }
  if (length > data_.size() - pos_)
    return BadInput("the file ends too early: the field at byte ", base_ + start, " needs ", length, " bytes, ",
                    data_.size() - pos_, " are left; download or export the model again");
  field.body = data_.subspan(pos_, length);
  pos_ += length;
  field.whole = data_.subspan(start, pos_ - start);
  return {};
}

std::string EncodePayload(const PayloadRef& ref) {
  std::string out(17, '\0');
  out[0] = static_cast<char>(ref.field);
  std::memcpy(out.data() + 1, &ref.offset, 8);
  std::memcpy(out.data() + 9, &ref.length, 8);
  return out;
}

Result<PayloadRef> DecodePayload(std::string_view raw) {
  if (raw.size() != 17 || raw[0] < 0 || raw[0] > 2) return Internal("a tensor's payload was not located on the wire");
  PayloadRef ref;
  ref.field = static_cast<PayloadRef::Field>(raw[0]);
  std::memcpy(&ref.offset, raw.data() + 1, 8);
  std::memcpy(&ref.length, raw.data() + 9, 8);
  return ref;
}

Result<std::string> MakeSkeleton(std::span<const std::byte> file, MessageKind kind) {
  std::string out;
  HST_RETURN_IF_ERROR(Skeleton(file).Message(file, kind, 0, out));
  return out;
}

}  // namespace hasten::onnx_import
