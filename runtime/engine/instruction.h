// A program's instructions bound to this machine: kernels chosen by instruction
// set, views resolved to offsets, weights to addresses. Done once when a model
// is opened; shared read-only by all its contexts.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/isa.h"
#include "runtime/base/status.h"
#include "runtime/engine/step.h"
#include "runtime/format/program_generated.h"

namespace hasten {

class Instruction {
 public:
  virtual ~Instruction() = default;
  // The step's data fit the program (the context's duty); never fails.
  virtual void Run(const Step& step) const = 0;
  // Device memory that a run of no more rows than this step's needs beside the step's own.
  virtual uint64_t DeviceScratch(const Step&) const { return 0; }
  // As `hasten kernels` prints it.
  virtual const char* kernel() const = 0;
  // The weight matrix that a run reads from one end to the other; empty: none.
  virtual std::span<const std::byte> weights() const { return {}; }
};

// What instructions are bound against.
struct Binding {
  const fb::Program& program;     // checked (CheckProgram)
  std::span<const std::byte> weights;
  std::span<const AttentionShape> layers;
  Isa isa;
  const Device* device = nullptr;  // where the weights are; null: in the host's memory
  int arch = 0;                    // the device's
};

// One object an instruction, in order. kUnsupported when no kernel takes an
// instruction's arguments; names it.
Result<std::vector<std::unique_ptr<Instruction>>> BindInstructions(const Binding& binding);

}  // namespace hasten
