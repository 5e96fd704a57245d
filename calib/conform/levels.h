// The deeper levels of conformance beside the importer's: the graph after the
// passes, and the packed artifact on the runtime. Both take the model's own
// inputs; what the runtime has no input for (mask, positions) must say what the
// runtime assumes: no padding, positions that continue the cache.
#pragma once

#include <string>

#include "calib/conform/conform.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::conform {

// Import, the "compile" pipeline, then the interpreter on the semantic graph.
Result<LoadedModel> LoadThroughPasses(const std::string& model_path, int threads = 1);

struct RuntimeLevel {
  Scheme weights = Scheme::kF32;
  KvType kv = KvType::kF32;
  int threads = 1;
  std::string isa;            // "" is the best
  int64_t prefill_chunk = 0;  // 0: the runtime's default
};
// Compiles to a temporary artifact and evaluates it through the C ABI: each
// batch row is a sequence, past_key_values enter as imported state and
// present_* come out as exported state.
Result<LoadedModel> LoadThroughRuntime(const std::string& model_path, const RuntimeLevel& options = {});

// Whether mask and position inputs say what the runtime assumes; kUnsupported names the input otherwise.
Status CheckAssumedInputs(std::span<const NamedTensor> inputs);

}  // namespace hasten::conform
