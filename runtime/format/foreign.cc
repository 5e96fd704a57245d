// Magic numbers of the model files that people pass by mistake.
#include "runtime/format/foreign.h"

#include <algorithm>
#include <string_view>

namespace hasten {
namespace {

bool StartsWith(std::span<const std::byte> head, std::string_view magic) {
  return head.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), head.begin(),
                    [](char c, std::byte b) { return static_cast<unsigned char>(c) == static_cast<unsigned char>(b); });
}

// A serialized ModelProto starts with field 1 (ir_version, varint): 0x08 and a small number.
bool LooksLikeOnnx(std::span<const std::byte> head) {
  return head.size() >= 4 && head[0] == std::byte{0x08} && head[1] >= std::byte{1} && head[1] <= std::byte{0x20};
}

// Eight bytes of header length, then JSON.
bool LooksLikeSafetensors(std::span<const std::byte> head) {
  return head.size() >= 9 && head[8] == std::byte{'{'} && head[6] == std::byte{0} && head[7] == std::byte{0};
}

}  // namespace

std::string DescribeForeignFile(std::span<const std::byte> head) {
  if (StartsWith(head, "version https://git-lfs"))
    return "it is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`";
  if (StartsWith(head, "GGUF")) return "it is a GGUF file; hasten compiles ONNX models";
  if (StartsWith(head, "PK\x03\x04")) return "it is a ZIP archive (a PyTorch checkpoint?); hasten compiles ONNX models";
  if (LooksLikeSafetensors(head)) return "it is a safetensors file; hasten compiles ONNX models";
  if (LooksLikeOnnx(head)) return "it looks like an ONNX model; make an artifact with `hasten compile`";
  if (StartsWith(head, "\x89HST")) return "its first bytes are damaged (copied in text mode?)";
  return "it does not start with an artifact's magic number";
}

}  // namespace hasten
