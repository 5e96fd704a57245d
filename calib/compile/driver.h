// `hasten compile` as a library: an ONNX model and its companions to one artifact.
// Import, passes, plan, packing, writing, and the check of what was written; the
// target appears only when all of it held.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "passes/pass_runner.h"
#include "runtime/base/sha256.h"
#include "runtime/base/status.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::calib {

struct CompileOptions {
  std::string model;                  // a folder or an .onnx file
  std::string output;
  Scheme weights = Scheme::kI4G64;
  std::optional<Scheme> head;         // default: the weights', but int8:64 for INT4
  std::optional<Scheme> embed;        // default: the head's
  std::optional<KvType> kv;           // default: as precise as the weights
  // Text to calibrate on (calib/calibrate); empty: round to nearest.
  std::string calibrate;
  int64_t samples = 128, context = 512;
  int64_t distill_steps = 0;          // of calib/grad/distill.h, after the codes are chosen
  double distill_rate = 2e-4;
  int threads = 1;
  bool tokenizer = true;              // false: leave it out; the artifact takes token ids only
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
  Scheme weights = Scheme::kF32, head = Scheme::kF32, embed = Scheme::kF32;
  KvType kv = KvType::kI8;
  double agreement = 0;               // of the check's logits with the original's: cosine, 1 is equal
};

Scheme DefaultHead(Scheme weights);
KvType DefaultKv(Scheme weights);   // int8 for integer weights, else the weights' own type
std::string_view KvName(KvType type);   // as the command line spells it

// Errors: kUsage, kBadInput and kUnsupported as import, passes and plan give them;
// kBadInput when tokenizer.json is missing; kResource when the target cannot be
// written; kCancelled. `report` is filled as far as it went.
Status CompileModel(const CompileOptions& options, CompileReport* report);

}  // namespace hasten::calib
