#include "cli/version.h"

#include "runtime/base/status.h"
#include "runtime/format/layout.h"

namespace hasten::cli {

std::string VersionLine() {
  return StrCat("hasten ", HASTEN_VERSION, " (artifact format ", kFormatMajor, ".", kFormatMinor, ", numerics ",
                kNumericsProfile, ")");
}

}  // namespace hasten::cli
