// Checks of one instruction against its program's tables (program_check.h). The
// tables themselves have been checked before.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/format/program_generated.h"

namespace hasten {

// What an instruction reads and writes, for the pass over buffer contents.
struct InstrEffects {
  std::vector<uint32_t> reads;
  int64_t write = -1;      // buffer, or -1
  int64_t append = -1;     // KV layer appended to
  int64_t attend = -1;     // KV layer attended over
};

Result<InstrEffects> CheckInstr(const fb::Program& program, const fb::Instr& instr);

}  // namespace hasten
