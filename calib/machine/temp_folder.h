// Where files that no one keeps go.
#pragma once

#include <cstdlib>
#include <string>

namespace hasten::calib {

// $TMPDIR, as every Unix tool has it, else /tmp.
inline std::string TempFolder() {
  const char* folder = std::getenv("TMPDIR");
  return folder && *folder ? folder : "/tmp";
}

}  // namespace hasten::calib
