// Values of /proc files, for reports about the machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hasten::calib {

// The value of the first "key   : value" line of a /proc file; "" when absent.
std::string ProcValue(const char* path, std::string_view key);
// Cores that this process may run on, at least 1.
int UsableCores();

// Starts this process's peak of resident memory anew (proc(5), clear_refs), where that is allowed.
void ResetPeakMemory();
// The peak of a process ("self" or its id); 0 when it is not known.
int64_t PeakMemoryBytes(std::string_view process);
int64_t ResidentBytes();   // of this process, now; 0 when it is not known

}  // namespace hasten::calib
