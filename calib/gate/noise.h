// The gate measures itself first. A/A: the candidate against itself under another batch,
// chunking, thread count and instruction set, and a device's against the CPU's, must differ
// by exactly zero (docs/numerics.md); the reference run again under other threads says how far sums in
// another order alone move it.
#pragma once

#include "calib/abi/artifact.h"
#include "calib/data/chunks.h"
#include "calib/eval/reference.h"
#include "calib/gate/report.h"

namespace hasten::gate {

struct NoiseOptions {
  std::string candidate;
  int threads = 1;
  const std::atomic<bool>* cancel = nullptr;
};

// On the first chunks: 2 of them whole, 256 tokens on the scalar kernels.
Result<std::vector<NoiseCheck>> CandidateNoise(const calib::Artifact& artifact, const calib::Chunks& chunks, const NoiseOptions& options);
// An encoder on its first two documents: both in one call, other threads, other kernels.
Result<std::vector<NoiseCheck>> EncoderNoise(const calib::Artifact& artifact, const std::vector<std::vector<int32_t>>& texts, const NoiseOptions& options);
// The first chunk through another interpreter, with one thread more or less.
Result<NoiseCheck> ReferenceNoise(const std::string& model, calib::ReferenceModel& reference, const calib::Chunks& chunks, int threads,
                                  const std::atomic<bool>* cancel);

// Of a few tokens spread over the vocabulary, the rows of the candidate's that are no
// distribution (of an encoder's, that are not finite): where no text is scored that would show it.
struct BrokenRows {
  int64_t broken = 0, rows = 0;
};
Result<BrokenRows> FindBrokenRows(const calib::Artifact& artifact, int threads, const std::atomic<bool>* cancel);

}  // namespace hasten::gate
