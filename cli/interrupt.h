// Ctrl-C as a flag that long work looks at. The one place of the command with a
// global: a signal handler can reach nothing else.
#pragma once

#include <atomic>

namespace hasten::cli {

// SIGINT and SIGTERM set the flag; a second one ends the process at once with
// status 130 (an unfinished output file has no name yet, so nothing stays).
// SIGPIPE is ignored: a closed stdout is an error of its write.
const std::atomic<bool>* InstallInterruptHandler();

}  // namespace hasten::cli
