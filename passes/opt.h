// What `hasten opt` does, as a library: text in, passes, text out.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "passes/pass_runner.h"
#include "runtime/base/status.h"

namespace hasten::passes {

struct OptOptions {
  RunOptions run;
  std::string_view blob;              // the bytes of the text's blob weights, if any
  bool random_weights = false;        // blob weights without bytes become seeded random data
};

// Runs passes and pipelines (by name, in order) over a graph in text form, and
// prints the result. kBadInput with line and column for text that is no valid
// graph; kUsage for unknown names; else as RunPasses, which fills `report`.
Result<std::string> RunOpt(std::string_view text, std::span<const std::string> names, const OptOptions& options, RunReport* report);

// "name  description" of every pass and pipeline, with each pipeline's rows and reasons.
std::string ListPasses();

}  // namespace hasten::passes
