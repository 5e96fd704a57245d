// What a subcommand is: a row of commands.def and a file that adds its options
// and returns what runs once they are parsed. Not an option parser: that is CLI11.
#pragma once

#include <atomic>
#include <functional>
#include <span>

#include <CLI/CLI.hpp>

#include "runtime/base/status.h"

namespace hasten::cli {

struct Context {
  const std::atomic<bool>* interrupted = nullptr;  // becomes true on Ctrl-C; never null
};

// Runs a parsed command. A value is the exit status of a command that did its
// work (0, or 1 when what it checked did not hold); a failure is its Status.
using Action = std::function<Result<int>(const Context&)>;

struct Command {
  const char* name;
  const char* summary;
  Action (*add)(CLI::App& app);  // adds options to the subcommand
};

std::span<const Command> AllCommands();

}  // namespace hasten::cli
