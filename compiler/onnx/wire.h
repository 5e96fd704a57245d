// Protobuf's wire format, bounded: reads fields in place, and rewrites a model
// into a skeleton whose tensor payloads stay where they are in the mapped file.
// Protobuf then parses the skeleton only, so that memory does not grow with the
// weights. Knows nothing of what the messages mean beyond where tensors nest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace hasten::onnx_import {

struct WireField {
  uint32_t number = 0;
  int type = 0;                     // 0 varint, 1 fixed64, 2 bytes, 5 fixed32
  uint64_t varint = 0;              // for type 0
  std::span<const std::byte> body;  // the payload, for the others
  std::span<const std::byte> whole; // tag and payload
};

class WireReader {
 public:
  // `base` is where `data` begins in the file, for messages.
  explicit WireReader(std::span<const std::byte> data, uint64_t base = 0) : data_(data), base_(base) {}
  bool done() const { return pos_ >= data_.size(); }
  // kBadInput with the byte offset when the field is truncated or malformed.
  Status Next(WireField& field);
  uint64_t offset() const { return base_ + pos_; }

 private:
  Status Varint(uint64_t& out);
  std::span<const std::byte> data_;
  uint64_t base_;
  size_t pos_ = 0;
};

enum class MessageKind { kModel, kGraph, kNode, kAttribute, kFunction, kTensor, kSparse, kTraining };

// Where a tensor's bytes are. In the skeleton TensorProto.raw_data holds this
// instead of the data, always, so that no file can forge one.
struct PayloadRef {
  enum Field : uint8_t { kRaw = 0, kFloat = 1, kDouble = 2 };
  Field field = kRaw;
  uint64_t offset = 0, length = 0;  // bytes, from the start of `file`
};
std::string EncodePayload(const PayloadRef& ref);
// kInternal unless it was written by EncodePayload.
Result<PayloadRef> DecodePayload(std::string_view raw_data);

// The skeleton of a message of `kind` that fills `file`. Documentation strings
// are dropped. kBadInput: malformed, truncated, or nested deeper than 32.
Result<std::string> MakeSkeleton(std::span<const std::byte> file, MessageKind kind);

}  // namespace hasten::onnx_import
