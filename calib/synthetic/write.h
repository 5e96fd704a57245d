// Writes an artifact of a shape with weights made up: for timing a model whose
// weights are not at hand. Values are random with a spread that keeps logits
// finite and of ordinary size; they mean nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "calib/synthetic/shape.h"
#include "compiler/artifact/writer.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::calib {

struct SyntheticOptions {
  std::string shape;                 // a name of shapes.def
  Scheme weights = Scheme::kI4G64, head = Scheme::kI8G64, embed = Scheme::kI8G64;
  KvType kv = KvType::kI8;
  std::string target;                // for messages, and what Commit names; its folder holds the file
  std::string tool_version;
  int threads = 1;
  std::function<void(uint64_t done, uint64_t total)> update;   // may be null
  const std::atomic<bool>* cancel = nullptr;
};

// A finished file that can be opened under pending_path() while the writer lives,
// and disappears with it unless it is committed. The same options give the same
// bytes with any number of threads. Needs memory for a few megabytes of weights.
// kUsage for a name that is not known, kResource when the folder has no room,
// kCancelled.
Result<std::unique_ptr<ArtifactWriter>> WriteSynthetic(const SyntheticOptions& options);

}  // namespace hasten::calib
