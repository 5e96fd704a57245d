// The last check of a compilation: the finished file is opened again, its digests
// are read back, and its logits are compared with the original model's, which the
// interpreter computes from the ONNX file with no pass run. So the check covers
// passes, plan, packing, writing and loading together. It is no quality gate: a
// quantized model may differ, nonsense may not pass.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace hasten::calib {

struct RoundTripOptions {
  std::string model;        // the original
  std::string artifact;     // the file to open
  std::string shown_as;     // its name in messages
  bool lossless = false;    // fp32 weights and cache: hold it to rounding errors
  int threads = 1;
  const std::atomic<bool>* cancel = nullptr;
};

struct RoundTripReport {
  double agreement = 0;     // cosine of the two models' centred logits (or hidden states); 1 is equal
  uint64_t artifact_bytes = 0;
};

// kInternal when the two do not agree, kResource when the file cannot be read back.
Result<RoundTripReport> CheckRoundTrip(const RoundTripOptions& options);

}  // namespace hasten::calib
