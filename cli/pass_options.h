// The options about passes that `compile` and `opt` share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "passes/pass_runner.h"

namespace hasten::cli {

struct PassOptions {
  std::string dump_ir, stop_after, verify;
  std::vector<std::string> print_after, disable;
  bool stats = false;
};

void AddPassOptions(CLI::App& app, PassOptions& options);

// kUsage for a value that is not known. Text of print_after goes to stderr.
Result<passes::RunOptions> RunOptionsOf(const PassOptions& options, const std::atomic<bool>* cancel);

}  // namespace hasten::cli
