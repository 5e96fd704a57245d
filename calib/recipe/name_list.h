// Lists of names as options and recipes spell them: "a,b", "all", "none".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::calib {

// The known names that `text` asks for, in the order of `known`. kUsage begins with
// `what` and lists the names.
Result<std::vector<std::string>> ParseNameList(std::string_view what, std::string_view text, std::span<const std::string_view> known);
std::string NameList(std::span<const std::string> names);   // the other way

}  // namespace hasten::calib
