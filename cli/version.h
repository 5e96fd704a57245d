// The version as the command prints it.
#pragma once

#include <string>

namespace hasten::cli {

std::string VersionLine();  // "hasten 0.1.0 (artifact format 1.0, numerics 1)"

}  // namespace hasten::cli
