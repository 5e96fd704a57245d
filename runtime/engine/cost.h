// What an instruction has to move and multiply at least, read off the program:
// the figures by which measured times become GB/s and operations a second. Not
// a model of caches: activations count as if each were read and written once.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/format/program_generated.h"
#include "runtime/kernels/attention/contract.h"

namespace hasten {

enum class Arithmetic : uint8_t { kNone = 0, kI8 = 1, kF32 = 2 };  // of the multiply-adds; HST_ARITHMETIC_...

// "A row" is a row that the instruction works on: a token of the step, or an
// output row of it where `output_rows`.
struct InstructionCost {
  bool output_rows = false;
  Arithmetic arithmetic = Arithmetic::kNone;
  uint64_t weight_bytes = 0;        // once a step with at least one row
  uint64_t row_bytes = 0;           // a row: operands read and written, table rows, new keys and values
  uint64_t row_multiply_adds = 0;   // a row
  uint64_t key_bytes = 0;           // attention: a cached token that any row of the step sees
  uint64_t key_multiply_adds = 0;   // attention: a row and key that it sees
  int64_t window = 0;               // attention: most keys up to its own that a row sees; 0: all
};

// `program` is checked; `layers` are its attention shapes.
InstructionCost CostOf(const fb::Program& program, std::span<const AttentionShape> layers, const fb::Instr& instr);

}  // namespace hasten
