// Where the time of a prompt and of decoding goes, instruction by instruction,
// with the bytes and multiply-adds that each had to do. Measuring costs two
// clock readings an instruction: these times say what is slow, speed itself is
// measured without them (cli/bench.cc).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "calib/abi/artifact.h"
#include "calib/machine/machine.h"

namespace hasten::calib {

// A step of one sequence.
struct StepShape {
  int64_t rows = 0;      // tokens
  int64_t outputs = 0;   // of them, the last ones, whose outputs are wanted
  int64_t past = 0;      // tokens in the cache before
};

struct Work {
  uint64_t calls = 0;    // steps in which there was something to do
  double bytes = 0, multiply_adds = 0;
};

Work WorkOf(const hst_instruction_info& instruction, std::span<const StepShape> steps);

// Instructions of one op, kernel and size, summed up.
struct ProfileRow {
  std::string op, kernel;
  uint32_t arithmetic = HST_ARITHMETIC_NONE;
  uint64_t weight_bytes = 0;   // of one of them
  int64_t instructions = 0;    // in the program
  double ms = 0;
  Work work;
};

struct PhaseProfile {
  std::string name;            // "prefill", "decode"
  int64_t steps = 0, tokens = 0;
  double evaluate_ms = 0;      // of the calls, wall time
  double instructions_ms = 0;  // of it, in instructions; the rest is lost around them
  double sampling_ms = 0;      // between the calls
  std::vector<ProfileRow> rows;   // slowest first
};

struct ProfileOptions {
  std::span<const int32_t> prompt;   // decoding comes after it
  int64_t new_tokens = 0;
  SessionOptions session;
};

Result<std::vector<PhaseProfile>> ProfileArtifact(const Artifact& artifact, const ProfileOptions& options);

// The least time that the machine could need for the work, by its measured limits.
struct Roofline {
  double ms = 0;         // 0: not known
  bool memory = true;    // reading takes longer than multiplying
};
Roofline RooflineOf(const Work& work, uint32_t arithmetic, const Machine& machine, int threads, Isa isa);

}  // namespace hasten::calib
