// Values of /proc files, for reports about the machine.
#pragma once

#include <string>
#include <string_view>

namespace hasten::calib {

// The value of the first "key   : value" line of a /proc file; "" when absent.
std::string ProcValue(const char* path, std::string_view key);
// Cores that this process may run on, at least 1.
int UsableCores();

}  // namespace hasten::calib
