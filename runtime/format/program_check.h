// Everything that must hold of a program before the executor may run it without
// looking again: indices, views, shapes, sizes, enum values, finite numbers,
// arena bounds, that no instruction reads what was never written or has been
// overwritten, and that nothing reserved is in use.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"

namespace hasten {

namespace fb {
struct Program;
struct ModelInfo;
}  // namespace fb

// Upper bounds on what a program may declare. Far above any published model,
// low enough that products of two fit in 64 bits and loops end.
struct ProgramLimits {
  static constexpr uint64_t kBuffers = 8192, kTensors = 1 << 20, kInstrs = 65536, kLayers = 4096, kOutputs = 64;
  static constexpr uint64_t kRopeTables = 256;
  static constexpr uint64_t kCols = 1 << 24;         // values in one row of a buffer
  static constexpr uint64_t kDim = 1ull << 31;       // rows or columns of a tensor, exclusive
  static constexpr uint64_t kHeadDim = 8192, kHeads = 65536;
  static constexpr uint64_t kArenaBytesPerRow = 1ull << 30;
  static constexpr uint64_t kPositions = 1ull << 28;
};

// `program` has passed the FlatBuffers verifier. kBadInput names the instruction
// (number, kind, loc) or table row and what was needed; kUnsupported names a
// reserved feature or another numerics profile.
Status CheckProgram(const fb::Program& program, uint64_t weights_bytes);
// The least minor version of the format whose readers know every field that the
// program uses.
uint32_t NeededMinor(const fb::Program& program);
Status CheckModelInfo(const fb::ModelInfo& info);

}  // namespace hasten
