// A child process with its output in a file and a time limit.
#pragma once

#include <string>
#include <vector>

namespace hasten::check {

struct Finished {
  int status = -1;          // exit status; 128 + the signal that ended it; 124: ran out of time; 127: not started
  double seconds = 0;
  std::string output;       // both streams
};

// `limit_s` seconds after its start the process and its children are killed.
Finished Run(const std::vector<std::string>& command, int limit_s);

// The standard output alone, for programs that print JSON; empty unless they end with 0.
std::string OutputOf(const std::vector<std::string>& command, int limit_s, Finished* finished);

}  // namespace hasten::check
