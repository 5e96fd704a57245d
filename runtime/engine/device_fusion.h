// Runs of a program's instructions that a device executes in one launch each
// (kernels/fused/contract.h): a launch costs about as much as a small kernel's work.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/engine/instruction.h"

namespace hasten {

// What a step launches, in order: the instructions, with runs in place of their parts.
// Holds addresses of the instructions, which live as long.
struct DeviceLaunches {
  std::vector<const Instruction*> order;
  std::vector<std::unique_ptr<Instruction>> fused;
};

// A run is taken where its parts follow each other, a kernel takes it, and no buffer of it
// shares memory with another: blocks of threads are at different parts at the same time.
DeviceLaunches FuseInstructions(const Binding& binding, std::span<const std::unique_ptr<Instruction>> instructions);

}  // namespace hasten
