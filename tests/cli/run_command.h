// Runs the hasten binary as a user would: arguments in, exit status, stdout and
// stderr out. For tests of the command; everything goes through the real process.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace hasten::testing {

struct Outcome {
  int status = -1;   // exit status; 1000 + signal when a signal ended it
  std::string out, err;
};

struct RunHow {
  std::string command = "hasten";            // or hasten_on_emulator, whose CUDA device is the emulator
  std::string folder;                        // working directory; empty: the test's
  std::chrono::milliseconds interrupt_after{0};  // SIGINT after this long; 0: never
  long max_file_bytes = 0;                   // RLIMIT_FSIZE, a full disk; 0: no limit
  long max_data_bytes = 0;                   // RLIMIT_DATA, private writable memory; 0: no limit
};

Outcome RunHasten(const std::vector<std::string>& arguments, const RunHow& how = {});

// A new empty folder under the build tree, by the running test's name.
std::string FreshFolder();
// Names in a folder, sorted.
std::vector<std::string> List(const std::string& folder);
// The models that tests/fixtures/make_models.py wrote: "<...>/good".
std::string Fixture(const std::string& name);

}  // namespace hasten::testing
