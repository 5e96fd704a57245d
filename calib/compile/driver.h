// `hasten compile` as a library: an ONNX model and its companions to one artifact.
// Import, passes, plan, packing, writing, and the check of what was written; the
// target appears only when all of it held.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calib/allocate/items.h"
#include "calib/allocate/sensitivity.h"
#include "calib/recipe/recipe.h"
#include "passes/pass_runner.h"
#include "runtime/base/sha256.h"
#include "runtime/base/status.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::calib {

struct CompileOptions {
  std::string model;                  // a folder or an .onnx file
  std::string output;
  Recipe recipe;
  SensitivityMethod sensitivity = SensitivityMethod::kProbe;   // of MeasureSchemes
  int threads = 1;
  std::string tool_version;           // for the provenance
  passes::RunOptions passes;          // of the pipeline "compile"
  std::vector<std::string> pipeline = {"compile"};
  // Stages as they begin, and progress within them; may be null.
  std::function<void(std::string_view)> stage;
  std::function<void(uint64_t done, uint64_t total)> update;
  const std::atomic<bool>* cancel = nullptr;
};

struct CompileReport {
  passes::RunReport passes;
  uint64_t artifact_bytes = 0, source_bytes = 0;
  size_t tensors = 0, instructions = 0, layers = 0;
  Recipe recipe;                      // as resolved: what the artifact carries
  double agreement = 0;               // of the check's logits with the original's: cosine, 1 is equal
};

// Errors: kUsage, kBadInput and kUnsupported as import, passes and plan give them;
// kBadInput when tokenizer.json is missing; kResource when the target cannot be
// written; kCancelled. `report` is filled as far as it went.
Status CompileModel(const CompileOptions& options, CompileReport* report);

// The items of a model, measured on the recipe's text, and the bytes of an artifact
// that are not theirs. They live as long as the call.
using MeasuredItems = std::function<Status(std::span<const Item> items, uint64_t other_bytes)>;
Status MeasureSchemes(const CompileOptions& options, CompileReport* report, const MeasuredItems& f);

}  // namespace hasten::calib
